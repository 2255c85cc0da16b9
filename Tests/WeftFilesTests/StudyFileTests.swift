import Testing
import WeftFiles

@Suite struct StudyFileTests {
  private static let good = """
    name: good
    title: A good study
    command: predict
    base:
      topology: flat
      batch: 8
    axes:
      gpus: [8, 16]
      network.latency: {from: 500 ns, to: 8 us, steps: 3, scale: log}
      fabric:
        slow: {network.bandwidth: 12.5 GB/s, node.nics: 1}
        fast: {network.bandwidth: 50 GB/s}
    require:
      - gpus * batch <= 128
      - tpot_ms < 50
    objectives:
      - minimize: tpot_ms
      - maximize: tokens_per_s_per_gpu
    prices: {gpu_hour: 2.5, link_GBps_hour: 0.01}
    sampling: {method: sobol, points: 32, seed: 7}
    refine: {toward: pareto, points: 10}
    decide: {choose: fabric, by: tpot_ms}
    """

  private func study(_ text: String) throws -> StudyFile {
    try StudyFile(text: text, file: "study.yaml")
  }

  @Test func `a study says what it says`() throws {
    let study = try study(Self.good)
    #expect(study.command == .predict)
    #expect(study.base.map(\.path) == ["topology", "batch"])
    #expect(study.axes.map(\.name) == ["gpus", "network.latency", "fabric"])
    #expect(study.axes[2].paths == ["network.bandwidth", "node.nics"])
    guard case .range(let range) = study.axes[1].values else {
      Issue.record("no range")
      return
    }
    #expect(range.unit == "ns" && range.isLogarithmic && !range.isWhole)
    let grid = try #require(range.grid)
    #expect(grid.count == 3 && abs(grid[1] - 2000) < 1e-6 && abs(grid[2] - 8000) < 1e-6)
    #expect(study.objectives.map(\.isMaximized) == [false, true])
    #expect(study.prices?.gpuHour == 2.5 && study.prices?.linkHour == 0)
    #expect(study.sampling == .sobol(points: 32) && study.seed == 7)
    #expect(study.refinement == .pareto(points: 10))
    #expect(study.decision.choose == "fabric")
  }

  @Test(arguments: [
    ("{from: 8, to: 128K, factor: 4}", [8, 32, 128, 512, 2048, 8192, 32768, 131_072]),
    ("{from: 2, to: 11, step: 3}", [2, 5, 8, 11]),
    ("{from: 1, to: 3, steps: 3}", [1, 2, 3]),
    ("{from: 1, to: 4, steps: 7}", [1, 2, 3, 4]),
    ("{from: 0.1, to: 0.3, step: 0.1}", [0.1, 0.2, 0.3]),
  ])
  func `ranges have the steps they ask for`(text: String, values: [Double]) throws {
    let study = try study(
      "name: a\ncommand: simulate\nbase: {topology: flat}\naxes:\n  size: \(text)\n")
    guard case .range(let range) = study.axes[0].values, let grid = range.grid else {
      Issue.record("no grid")
      return
    }
    #expect(grid.count == values.count)
    for (value, wanted) in zip(grid, values) { #expect(abs(value - wanted) < 1e-9) }
  }

  @Test(arguments: [
    ("command: predict", "kind: headlines", 3, "published headlines"),
    ("command: predict", "command: guess", 3, "'guess' is not known"),
    ("  batch: 8", "  batch: [8]", 6, "'batch' is a list"),
    ("gpus: [8, 16]", "gpus: 8", 8, "the axis 'gpus' does not vary"),
    ("gpus: [8, 16]", "gpus: []", 8, "has no values"),
    ("gpus: [8, 16]", "gpus: [8, 8]", 8, "has the value '8' twice"),
    ("to: 8 us", "to: 8 GB/s", 9, "this is a bandwidth, but 'from' is a time"),
    ("to: 8 us", "to: 400 ns", 9, "ends where it begins"),
    ("to: 8 us", "to: many", 9, "'many' is not an amount"),
    ("steps: 3", "steps: 3, step: 1 us", 9, "say the same thing"),
    ("steps: 3", "stepps: 3", 9, "unknown key 'axes.network.latency.stepps'"),
    ("gpus * batch <= 128", "gpus * batch", 14, "is no comparison"),
    ("gpus * batch <= 128", "gpus*batch <= <= 128", 14, "is no comparison"),
    ("minimize: tpot_ms", "less: tpot_ms", 17, "this is no objective"),
    ("gpu_hour: 2.5", "gpu_hour: -1", 19, "out of range"),
    ("method: sobol", "method: random", 20, "'random' is not known"),
    ("toward: pareto", "toward: heaven", 21, "'heaven' is not known"),
  ])
  func `what is wrong has its line`(
    old: String, new: String, line: Int, problem: String
  ) throws {
    let text = Self.good.replacing(old, with: new, maxReplacements: 1)
    let error = try #require(throws: InputError.self) { try study(text) }
    #expect(error.place == "study.yaml:\(line)")
    #expect(error.problem.contains(problem), "\(error)")
    #expect(error.fix?.isEmpty == false)
  }

  @Test func `parts that contradict each other are refused`() throws {
    let base = "name: a\ncommand: simulate\nbase: {topology: flat}\n"
    for (rest, problem) in [
      ("axes: {nodes: {from: 1, to: 8}}", "has no steps"),
      ("axes: {nodes: [1, 2], set: {small: {nodes: 1}}}", "both set nodes"),
      ("axes: {nodes: [1]}\ndecide: {rows: size}", "no axis 'size'"),
      ("axes: {nodes: [1]}\nrefine: {toward: pareto, points: 1}", "needs objectives"),
      (
        "axes: {nodes: [1], size: [8, 16]}\n"
          + "refine: {toward: crossover, points: 1, of: nodes, along: size}",
        "nothing between the values"
      ),
      (
        "axes: {nodes: {from: 1, to: 1M, step: 1}, size: {from: 1, to: 1000, step: 1}}",
        "more than"
      ),
    ] {
      let error = try #require(throws: InputError.self) { try study(base + rest) }
      #expect(error.problem.contains(problem), "\(error)")
    }
  }
}

@Suite struct ConditionTests {
  private func holds(_ text: String, _ values: [String: Condition.Operand]) throws -> Bool {
    try Condition(text, origin: .fallback).holds { values[$0] }
  }

  @Test func `comparisons know units, products and texts`() throws {
    let values: [String: Condition.Operand] = [
      "nodes": .text("8"), "gpus-per-node": .text("4"), "network.latency": .text("2000 ns"),
      "tpot_ms": .number(40), "plan": .text("tp8"), "fits": .text("true"), "none": .none,
    ]
    for text in [
      "nodes * gpus-per-node <= 32", "nodes * gpus-per-node == 32", "network.latency <= 2 us",
      "network.latency < 2.1us", "tpot_ms / nodes < 6", "plan == tp8", "plan != tp4",
      "fits == true", "2 + nodes * 3 == 26", "nodes - 2 - 3 == 3", "64 / nodes / 2 == 4",
    ] {
      #expect(try holds(text, values), "\(text)")
    }
    for text in [
      "nodes * gpus-per-node < 32", "network.latency > 2 us", "plan == tp", "none <= 5",
      "none != 5", "plan < tp9",
    ] {
      #expect(try !holds(text, values), "\(text)")
    }
  }
}
