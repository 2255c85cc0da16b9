import Testing
import Weft

@testable import WeftCalibration

struct BadRunsTests {
  /// All-reduces of powers of two on some nodes.
  private func samples(_ count: Int, nodes: Int = 1) -> [CollectiveSample] {
    (0..<count).map { power in
      CollectiveSample(
        algorithm: .nccl(nil, nil), version: NCCLVersion(2, 27, 3),
        layout: Layout(nodes: nodes, ranksPerNode: 4),
        call: CollectiveCall(bytes: 1024 << power, type: .bf16, inPlace: false, launch: .graph))
    }
  }

  private func badRuns(_ samples: [CollectiveSample], far: [Int: Double]) -> [Int] {
    // However much all are missed.
    var residuals = samples.indices.map { 0.3 + ($0 % 2 == 0 ? 0.01 : -0.01) }
    for (place, residual) in far { residuals[place] += residual }
    return Outliers.badRuns(
      samples, residuals: residuals.enumerated().map { ($0, $1) }, lossScale: 0.05
    ).sorted()
  }

  @Test(arguments: [-2.3, 2.3]) func `a call far off alone is a bad run`(residual: Double) {
    #expect(badRuns(samples(8), far: [3: residual]) == [3])
    #expect(badRuns(samples(8), far: [0: residual]) == [0])
    #expect(badRuns(samples(8), far: [7: residual]) == [7])
    #expect(badRuns(samples(2), far: [1: residual]).isEmpty)
    #expect(badRuns(samples(8).shuffled(), far: [5: residual]).count == 1)
  }

  @Test func `calls far off side by side are what the model misses`() {
    #expect(badRuns(samples(20), far: [18: 0.6, 19: 0.9]).isEmpty)
    #expect(badRuns(samples(20), far: [17: 0.6, 19: 0.9]) == [17, 19])
    // The last may be the first of others that nobody measured.
    #expect(badRuns(samples(20), far: [19: 0.6]).isEmpty)
  }

  @Test func `neighbours are calls of the same kind`() {
    let both = samples(10) + samples(10, nodes: 2)
    // The last of one node and the first of two are no neighbours.
    #expect(badRuns(both, far: [9: 1, 10: 1]) == [9, 10])
    // A call without neighbours stands for all of its kind.
    #expect(badRuns(samples(10) + samples(1, nodes: 2), far: [10: 1]).isEmpty)
  }

  @Test func `more than one call in eight are no bad runs`() {
    #expect(badRuns(samples(20), far: [3: 1, 8: 1]) == [3, 8])
    #expect(badRuns(samples(20), far: [3: 1, 8: 1, 12: 1, 15: 1]).isEmpty)
  }

  @Test func `what is merely missed is none`() {
    #expect(badRuns(samples(8), far: [3: 0.39]).isEmpty)
  }
}
