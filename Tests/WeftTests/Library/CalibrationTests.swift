import Glibc
import Testing

@testable import Weft

@Suite struct CalibrationTests {
  private let calibration = Calibration(
    topology: "alps",
    parameters: [
      .init(name: "a", value: 2, standardError: 0.1),
      .init(name: "b", value: 5, standardError: 0.2),
    ],
    correlations: [[1, -0.5], [-0.5, 1]], coverageFactor: 2,
    residuals: [
      .init(window: .all, calls: 30, median: 0.05, halfWidth: 0.3),
      .init(window: .small, calls: 20, median: 0.04, halfWidth: 0.1),
      .init(window: .large, calls: 2, median: 0.04, halfWidth: 0.05),
    ], sizes: 1024...1 << 30, nodes: 2...8)

  @Test func `an interval joins the errors of parameters and what the model misses`() {
    // Variance of a + b: 0.01 + 0.04 - 2 x 0.5 x 0.02 = 0.03.
    let factors = calibration.factors(gradient: [1, 1], bytes: 2048, nodes: 4)
    let width = (4 * 0.03 + 0.1 * 0.1).squareRoot()
    #expect(abs(factors.high - exp(width)) < 1e-12 && abs(factors.low * factors.high - 1) < 1e-12)
  }

  @Test func `a window of few calls takes the width of all, and one without calls too`() {
    for bytes in [1 << 25, 1 << 18] {
      let factors = calibration.factors(gradient: [0, 0], bytes: bytes, nodes: 4)
      #expect(abs(factors.high - exp(0.3)) < 1e-12)
    }
  }

  @Test func `outside of what was measured the interval is wider`() {
    let inside = calibration.factors(gradient: [0, 0], bytes: 2048, nodes: 8).high
    let outside = calibration.factors(gradient: [0, 0], bytes: 2048, nodes: 32).high
    #expect(abs(outside - exp(0.2)) < 1e-12 && inside < outside)
    #expect(calibration.extrapolates(bytes: 8, nodes: 4))
    #expect(!calibration.extrapolates(bytes: 1024, nodes: 8))
  }

  /// What a call on so many GPUs of an A100 node, or on nodes of them, runs on.
  private func scope(
    _ collective: Collective = .allReduce, _ type: DataType = .fp16, nodes: Int = 1, gpus: Int = 4,
    _ version: NCCLVersion? = NCCLVersion(2, 27, 3), on topology: Topology = a100Nodes()
  ) -> Calibration.Scope {
    Calibration.Scope(
      of: CollectiveCall(collective, bytes: 1024, type: type, inPlace: false, launch: .graph),
      layout: Layout(nodes: nodes, ranksPerNode: gpus), version: version, on: topology)
  }

  @Test func `what differs in kind from all that was measured has no interval`() {
    var measured = calibration
    measured.measured = ["all-reduce by nccl:ring/ll"]
    measured.scope = scope()
    measured.scope.formUnion(scope(.allReduce, .bf16, nodes: 2))
    func obstacle(_ other: Calibration.Scope) -> String? {
      measured.obstacle("all-reduce by nccl:ring/ll", on: other)
    }
    #expect(obstacle(scope()) == nil && obstacle(scope(nodes: 8)) == nil)
    // 2.27.7 has the tuner of 2.27.3, and what adds nothing up has no use for its type.
    #expect(obstacle(scope(.allReduce, .fp16, NCCLVersion(2, 27, 7))) == nil)
    #expect(obstacle(scope(.allGather, .int8, nil)) == nil)
    #expect(
      obstacle(scope(gpus: 2))
        == "2 GPUs of a node: the profile was calibrated on 4 GPUs of a node")
    #expect(obstacle(scope(.allReduce, .int8))?.hasPrefix("sums of 8-bit elements: ") == true)
    #expect(
      obstacle(scope(.allReduce, .fp16, NCCLVersion(2, 30)))?.contains("tuner of 2.29.0") == true)
    var faster = a100Nodes()
    faster.node.scaleUp.bandwidth = .gigabytesPerSecond(1234)
    #expect(obstacle(scope(on: faster))?.hasPrefix("links of 1.234 TB/s and ") == true)
    var wider = a100Nodes()
    wider.network.bandwidth = .gigabytesPerSecond(77)
    #expect(obstacle(scope(on: wider)) == nil)
    #expect(obstacle(scope(nodes: 2, on: wider))?.contains("x 77 GB/s and ") == true)
    var farther = a100Nodes()
    farther.network.latency = .microseconds(70)
    #expect(obstacle(scope(on: farther)) == nil)
    #expect(obstacle(scope(nodes: 2, on: farther))?.contains(" and 70 us: the profile") == true)
    #expect(
      measured.obstacle("all-gather by nccl:ring/ll", on: scope())
        == "all-gather by nccl:ring/ll: the profile was calibrated on all-reduce by nccl:ring/ll")
    measured.nodes = 1...1
    #expect(obstacle(scope()) == nil)
    #expect(obstacle(scope(nodes: 2))?.hasPrefix("messages between nodes: ") == true)
    // Profiles that do not say what they were measured on.
    #expect(calibration.obstacle("anything", on: scope(gpus: 1)) == nil)
  }
}
