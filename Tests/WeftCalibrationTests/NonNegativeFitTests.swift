import Testing

@testable import WeftCalibration

/// Costs that explain times as sums of known amounts.
@Suite struct NonNegativeFitTests {
  private typealias Sample = NonNegativeFit.Sample

  @Test func `costs that made the times are found again`() throws {
    let samples = (1...8).map { index in
      let bytes = Double(1 << (2 * index))
      let amounts = [1, Double(index % 3 + 1), bytes]
      return Sample(amounts: amounts, time: 5 * amounts[0] + 2 * amounts[1] + 1e-3 * bytes)
    }
    let fit = try NonNegativeFit(samples)
    for (cost, wanted) in zip(fit.costs, [5, 2, 1e-3]) { #expect(abs(cost / wanted - 1) < 1e-9) }
    #expect(abs(fit.time([1, 2, 1000]) - 10) < 1e-6)
  }

  @Test func `a cost that would be negative is none`() throws {
    // Times fall with the second amount, which a cost cannot explain.
    let samples = (1...6).map { Sample(amounts: [1, Double($0)], time: 10 - Double($0)) }
    let fit = try NonNegativeFit(samples)
    #expect(fit.costs[1] == 0 && fit.costs[0] > 0)
  }

  @Test func `amounts that never occur cost nothing`() throws {
    let samples = (1...5).map { Sample(amounts: [Double($0), 0], time: 3 * Double($0)) }
    let costs = try NonNegativeFit(samples).costs
    #expect(abs(costs[0] - 3) < 1e-12 && costs[1] == 0)
  }

  @Test func `what cannot be fitted is refused`() {
    #expect(throws: FitError.self) { try NonNegativeFit([]) }
    #expect(throws: FitError.self) {
      try NonNegativeFit([Sample(amounts: [1, 2], time: 1), Sample(amounts: [1, 3], time: 2)])
    }
    #expect(throws: FitError.self) {
      try NonNegativeFit([Sample(amounts: [1], time: 1), Sample(amounts: [1], time: -2)])
    }
    #expect(throws: FitError.self) {
      try NonNegativeFit([Sample(amounts: [0], time: 1), Sample(amounts: [0], time: 2)])
    }
  }

  @Test func `what is known of a time is no cost`() throws {
    let samples = (1...6).map {
      Sample(amounts: [Double($0)], known: 100, time: 100 + 3 * Double($0))
    }
    #expect(abs(try NonNegativeFit(samples).costs[0] - 3) < 1e-9)
  }

  @Test func `by the Bayesian criterion samples pay for no cost that they say nothing about`()
    throws
  {
    let noise = [1.01, 0.99, 1.01, 0.99, 1.01, 0.99]
    let samples = noise.enumerated().map { index, factor in
      Sample(amounts: [1, Double(index % 3)], time: 50 * factor)
    }
    let fit = try NonNegativeFit(samples, choice: .bayesian)
    #expect(fit.costs[1] == 0 && abs(fit.costs[0] - 50) < 1)
    let error = try #require(fit.covariance)[0][0].squareRoot()
    // One per cent of scatter over the root of six.
    #expect(error > 0.1 && error < 0.5)
    let none = try NonNegativeFit(
      samples.map { Sample(amounts: $0.amounts, known: $0.time, time: $0.time) },
      choice: .bayesian)
    #expect(none.costs == [0, 0])
  }

  /// Twenty times of 100 and 3 for each of an amount, with some scatter.
  private static let scattered: [Sample] = (0..<20).map { index in
    let amount = Double(1 + index)
    let noise = 1 + 0.01 * Double(index % 5 - 2)
    return Sample(amounts: [amount, 1], known: 50, time: (50 + 50 + 3 * amount) * noise)
  }

  @Test(arguments: [0.01, 0.1, 10, 100], [0, 9, 19])
  func `one sample far off, either way, is left out and moves nothing`(
    factor: Double, place: Int
  ) throws {
    var samples = Self.scattered
    samples.remove(at: place)
    let clean = try NonNegativeFit(samples, choice: .bayesian, lossScale: 0.05)
    samples = Self.scattered
    samples[place].time *= factor
    let spoilt = try NonNegativeFit(samples, choice: .bayesian, lossScale: 0.05)
    #expect(spoilt.outliers == [place] && clean.outliers.isEmpty)
    #expect(spoilt.costs == clean.costs && spoilt.covariance == clean.covariance)
    #expect(abs(clean.costs[0] - 3) < 0.1 && abs(clean.costs[1] - 50) < 2)
    guard factor < 1 else { return }
    // Squares of relative errors shrug off a time too long, and end far off for one too short.
    let squares = try NonNegativeFit(samples, choice: .bayesian)
    #expect(abs(squares.costs[1] - 50) > 5, "\(squares.costs)")
  }

  @Test func `what is only less exact stays in, and counts less than its square`() throws {
    var samples = Self.scattered
    samples[4].time *= 1.3
    let fit = try NonNegativeFit(samples, choice: .bayesian, lossScale: 0.05)
    #expect(fit.outliers.isEmpty && abs(fit.costs[0] - 3) < 0.15)
    let squares = try NonNegativeFit(samples, choice: .bayesian)
    #expect(abs(fit.costs[1] - 50) < abs(squares.costs[1] - 50))
  }

  @Test func `the least robust loss is found where least squares start far away`() throws {
    // Times ten thousand times what is known of them.
    let samples = (1...6).map { Sample(amounts: [Double($0)], known: 1e-4, time: 2 * Double($0)) }
    let fit = try NonNegativeFit(samples, lossScale: 0.05)
    #expect(abs(fit.costs[0] - 2) < 1e-3, "\(fit.costs)")
    #expect(throws: FitError.outOfRange) {
      try NonNegativeFit(
        [Sample(amounts: [1], time: 1), Sample(amounts: [1], time: 1)], lossScale: 1)
    }
  }

  @Test func `of kinds that no sample tells apart the first is kept`() throws {
    let samples = (1...9).map {
      Sample(amounts: [1, 161, 77.7], known: 3 * Double($0), time: (3 * Double($0) + 2))
    }
    for place in samples.indices {
      var rest = samples
      rest.remove(at: place)
      let fit = try NonNegativeFit(rest, choice: .bayesian, lossScale: 0.05)
      #expect(abs(fit.costs[0] - 2) < 1e-6 && fit.costs[1] == 0 && fit.costs[2] == 0)
    }
  }
}
