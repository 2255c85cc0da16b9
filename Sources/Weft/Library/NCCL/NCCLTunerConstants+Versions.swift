extension NCCLTunerConstants {
  /// The constants of a version: those of 2.18 and every later change up to it.
  static func of(_ version: NCCLVersion) -> NCCLTunerConstants {
    changes.reduce(into: oldest) { constants, change in
      if change.since <= version { change.apply(&constants) }
    }
  }

  /// The release that brought the constants of a version: versions that share one choose alike.
  static func release(of version: NCCLVersion) -> NCCLVersion {
    changes.last { $0.since <= version }?.since ?? NCCLVersion(2, 18, 0)
  }

  /// A release that changed constants.
  private struct Change: Sendable {
    let since: NCCLVersion
    let apply: @Sendable (inout NCCLTunerConstants) -> Void

    init(
      _ major: Int, _ minor: Int, _ patch: Int,
      apply: @escaping @Sendable (inout NCCLTunerConstants) -> Void
    ) {
      since = NCCLVersion(major, minor, patch)
      self.apply = apply
    }
  }

  /// NCCL 2.18: 2.19's source, but Tree/Simple as measured times ask for (inferred from published
  /// all-reduce times of Polaris): no base, steps of 4 us and 14 us instead of 28 us.
  private static let oldest = NCCLTunerConstants(
    base: ByAlgorithm(
      tree: ByProtocol(6.8, 14, 0), ring: ByProtocol(6.6, 14, 8.4), nvls: 0, nvlsTree: 0, pat: 8),
    nvlink: ByAlgorithm(
      tree: ByProtocol(0.6, 1.25, 4), ring: ByProtocol(0.6, 1.9, 3.4), nvls: 23, nvlsTree: 23,
      pat: 4),
    pcie: ByAlgorithm(
      tree: ByProtocol(1, 1.9, 4), ring: ByProtocol(1, 2.5, 5.7), nvls: 0, nvlsTree: 0, pat: 4),
    network: ByAlgorithm(
      tree: ByProtocol(5, 8.5, 14), ring: ByProtocol(2.7, 4, 14), nvls: 18, nvlsTree: 14, pat: 14),
    llTotal: Limits(
      volta: [39, 39, 20.4], ampere: [87.7, 22.5, 19], hopper: [87.7, 22.5, 19],
      blackwell: [87.7, 22.5, 19]),
    ringLL128: Limits(
      volta: [20, 20, 20], ampere: [20, 20, 20], hopper: [36.7, 36.7, 36.7],
      blackwell: [36.7, 36.7, 36.7]),
    treeLL128: Limits(
      volta: [20, 20, 20], ampere: [20, 20, 20], hopper: [36.7, 36.7, 29],
      blackwell: [36.7, 36.7, 29]),
    tree: Limits(
      volta: [26.5, 18.5, 10], ampere: [24, 23.6, 17.8], hopper: [38.7, 41.4, 36],
      blackwell: [38.7, 41.4, 36]),
    nvlsTree: nil, ringLLShare: (usual: 0.25, other: 1.0 / 3), ringLL128ShareOfLoneGPUs: 0.7,
    countsClosingSteps: true, exposesLoneGPUs: false, patShare: nil, nvlsEfficiency: nil,
    correctsNVLSTree: false, newestLL128: 90, knowsP2C: false)

  private static let changes = [
    Change(2, 19, 0) {
      $0.nvlink.tree.simple = 28
      $0.pcie.tree.simple = 28
      $0.network.tree.simple = 28
    },
    Change(2, 21, 0) {
      $0.nvlink.nvls = 25
      $0.nvlink.nvlsTree = 25
      $0.ringLLShare = (usual: 0.5, other: 0.5)
      // Blackwell has no row of its own yet and is read as Hopper.
      $0.llTotal.hopper = [141, 45, 35]
      $0.llTotal.blackwell = [141, 45, 35]
    },
    Change(2, 23, 0) {
      $0.base.tree.simple = 8.4
      $0.nvlink.tree.simple = 4
      $0.pcie.tree.simple = 4
      $0.network.tree.simple = 14
      $0.ringLL128ShareOfLoneGPUs = 0.92
      $0.countsClosingSteps = false
      $0.exposesLoneGPUs = true
      $0.patShare = 0.85
    },
    Change(2, 24, 0) { $0.patShare = 0.75 },
    Change(2, 25, 0) {
      $0.llTotal.blackwell = [282, 90, 70]
      $0.ringLL128.blackwell = [73.4, 73.4, 73.4]
      $0.treeLL128.blackwell = [73.4, 73.4, 58]
      $0.tree.blackwell = [77.4, 82.8, 72]
      $0.newestLL128 = .max
    },
    // 2.26 takes the worst tree pattern over all ranks for the plain tree's loss, which changes
    // nothing where all nodes are alike.
    Change(2, 27, 0) { $0.knowsP2C = true },
    Change(2, 28, 3) {
      $0.nvlsEfficiency = (hopper: 0.85, blackwell: 0.74)
      $0.treeLL128.blackwell = [55.6, 31.67, 20]
      $0.tree.blackwell = [70, 42.8, 24]
      $0.nvlsTree = Limits(
        volta: [26.5, 18.5, 10], ampere: [24, 23.6, 17.8], hopper: [0, 57.7, 45.5],
        blackwell: [0, 96, 43.1])
    },
    Change(2, 28, 9) { $0.network.nvlsTree = 20.9 },
    Change(2, 29, 0) {
      $0.ringLL128.blackwell = [40, 40, 40]
      $0.nvlsTree?.blackwell = [0, 96, 80]
      $0.correctsNVLSTree = true
    },
  ]
}
