import Testing

@testable import WeftStudy

@Suite struct DesignTests {
  private static let latency = Axis(
    name: "network.latency",
    values: .range(
      Span(
        low: 0.5, high: 8, unit: "us", isLogarithmic: true, isWhole: false,
        grid: [0.5, 1, 2, 4, 8])))
  private static let nodes = Axis(
    name: "nodes",
    values: .range(
      Span(low: 1, high: 64, unit: "", isLogarithmic: true, isWhole: true, grid: [1, 8, 64])))
  private static let algorithm = Axis(name: "algorithm", values: .list(["ring", "tree"]))

  @Test func `a grid is every combination, the last axis fastest`() throws {
    let design = try Design(
      axes: [Self.algorithm, Self.nodes, Self.latency], sampling: .grid, seed: 0)
    #expect(design.count == 30)
    #expect(design.values(of: 0) == ["ring", "1", "0.5 us"])
    #expect(design.values(of: 1) == ["ring", "1", "1 us"])
    #expect(design.values(of: 29) == ["tree", "64", "8 us"])
    #expect(Set((0..<30).map { design.values(of: $0) }).count == 30)
  }

  @Test(arguments: [Design.Sampling.latinHypercube(points: 64), .sobol(points: 64)])
  func `samples fill each axis evenly and repeat with their seed`(
    sampling: Design.Sampling
  ) throws {
    let axes = [Self.latency, Self.algorithm]
    let design = try Design(axes: axes, sampling: sampling, seed: 3)
    let points = (0..<design.count).map { design.values(of: $0) }
    let again = try Design(axes: axes, sampling: sampling, seed: 3)
    #expect(points == (0..<again.count).map { again.values(of: $0) })
    let other = try Design(axes: axes, sampling: sampling, seed: 4)
    #expect(points != (0..<other.count).map { other.values(of: $0) })
    // Each sixteenth of the range has four points, give or take one for Sobol's shifted sequence.
    var counts = [Int](repeating: 0, count: 16)
    for point in points {
      let place = try #require(Self.latency.position(of: point[0]))
      counts[min(15, max(0, Int(place * 16)))] += 1
    }
    #expect(counts.allSatisfy { (3...5).contains($0) }, "\(counts)")
    #expect(abs(points.count { $0[1] == "ring" } - 32) <= 1)
  }

  @Test func `Sobol's sequence has an end of dimensions`() {
    let axes = (0..<41).map { Axis(name: "\($0)", values: .list(["a", "b"])) }
    #expect(throws: DesignError.self) {
      try Design(axes: axes, sampling: .sobol(points: 4), seed: 0)
    }
  }

  @Test func `values are texts that flags take`() {
    guard case .range(let span) = Self.latency.values, case .range(let whole) = Self.nodes.values
    else { return }
    #expect(span.text(0.1234567) == "0.123457 us")
    #expect(span.text(2) == "2 us")
    #expect(whole.text(7.6) == "8")
    #expect(Self.latency.position(of: "2000 ns") == Self.latency.position(of: "2 us"))
    #expect(Self.algorithm.position(of: "tree") == 1)
    #expect(Self.algorithm.position(of: "other") == nil)
  }

  @Test func `the Pareto front has what nothing beats`() {
    let points: [[Double?]] = [
      [1, 9], [2, 5], [3, 6], [4, 2], [4, 2], [5, 2], [nil, 0], [9, .infinity],
    ]
    #expect(ParetoFront.indices(of: points, maximized: [false, false]) == [0, 1, 3, 4])
    #expect(ParetoFront.indices(of: points, maximized: [false, true]) == [0])
    #expect(ParetoFront.indices(of: points, maximized: [true, false]) == [5])
    #expect(ParetoFront.indices(of: [], maximized: [false]) == [])
  }

  @Test func `a crossover is found by halving`() {
    // ring: n + 10, tree: 3 n; they meet at n = 5.
    let size = Axis(
      name: "size",
      values: .range(
        Span(low: 1, high: 4096, unit: "", isLogarithmic: true, isWhole: true, grid: [1, 4096])))
    func time(_ values: [String]) -> Double {
      let n = Double(values[0]) ?? 0
      return values[1] == "ring" ? n + 10 : 3 * n
    }
    var known: [Refiner.Known] = []
    for n in ["1", "4096"] {
      for name in ["ring", "tree"] {
        known.append(Refiner.Known(values: [n, name], metrics: [time([n, name])]))
      }
    }
    for _ in 0..<20 {
      let next = Refiner(axes: [size, Self.algorithm], known: known)
        .towardCrossover(of: 1, along: 0, isMaximized: false, limit: 100)
      known += next.map { Refiner.Known(values: $0, metrics: [time($0)]) }
    }
    let sizes = Set(known.compactMap { Int($0.values[0]) }).sorted()
    #expect(sizes.contains(5) || (sizes.contains(4) && sizes.contains(6)))
    #expect(sizes.contains { $0 < 5 && $0 > 2 })
    #expect(known.count < 30)
  }

  @Test func `a refined front gets closer to the true one`() {
    // Two objectives, x and (1 - x)^2 + y: the front is y = 0.
    func axis(_ name: String) -> Axis {
      Axis(
        name: name,
        values: .range(
          Span(
            low: 0, high: 1, unit: "", isLogarithmic: false, isWhole: false, grid: [0, 0.5, 1])))
    }
    func metrics(_ values: [String]) -> [Double] {
      let (x, y) = (Double(values[0]) ?? 0, Double(values[1]) ?? 0)
      return [x, (1 - x) * (1 - x) + y]
    }
    let texts = ["0", "0.5", "1"]
    var known = texts.flatMap { x in
      texts.map { y in Refiner.Known(values: [x, y], metrics: metrics([x, y])) }
    }
    for _ in 0..<3 {
      let next = Refiner(axes: [axis("x"), axis("y")], known: known)
        .towardFront(maximized: [false, false], limit: 6)
      #expect((5...6).contains(next.count))
      known += next.map { Refiner.Known(values: $0, metrics: metrics($0)) }
    }
    #expect(Set(known.map(\.values)).count == known.count)
    let front = ParetoFront.indices(of: known.map(\.metrics), maximized: [false, false])
    #expect(front.count >= 8)
    #expect(front.allSatisfy { known[$0].values[1] == "0" })
  }
}
