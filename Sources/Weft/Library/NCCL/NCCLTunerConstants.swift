/// The numbers of NCCL's tuning model, which differ between versions.
///
/// Microseconds and 10^9 bytes per second, as in NCCL. ``NCCLTunerConstants/of(_:)`` has those of a
/// version; the model itself is in ``NCCLTuner``. Source: src/graph/tuning.cc of the versions named.
struct NCCLTunerConstants: Sendable {
  /// One number per protocol.
  struct ByProtocol: Hashable, Sendable {
    var ll: Double
    var ll128: Double
    var simple: Double

    init(_ ll: Double, _ ll128: Double, _ simple: Double) {
      self.ll = ll
      self.ll128 = ll128
      self.simple = simple
    }

    subscript(name: NCCLTuner.ProtocolName) -> Double {
      switch name {
      case .ll: ll
      case .ll128: ll128
      case .simple: simple
      }
    }
  }

  /// One number per algorithm and protocol; NVLS, NVLSTree and PAT have Simple alone.
  struct ByAlgorithm: Hashable, Sendable {
    var tree: ByProtocol
    var ring: ByProtocol
    var nvls: Double
    var nvlsTree: Double
    var pat: Double

    func callAsFunction(
      _ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName
    ) -> Double {
      switch algorithm {
      case .tree: tree[protocolName]
      case .ring: ring[protocolName]
      case .nvls: nvls
      case .nvlsTree: nvlsTree
      case .pat: pat
      }
    }
  }

  /// A limit on one, two, and more nodes, for every GPU generation.
  struct Limits: Hashable, Sendable {
    var volta: [Double]
    var ampere: [Double]
    var hopper: [Double]
    var blackwell: [Double]

    func callAsFunction(_ generation: NCCLGeneration, nodes: Int) -> Double {
      let row =
        switch generation {
        case .volta: volta
        case .ampere: ampere
        case .hopper: hopper
        case .blackwell: blackwell
        }
      return row[min(nodes, 3) - 1]
    }
  }

  /// The start-up of a call.
  var base: ByAlgorithm
  /// A step over NVLink, over PCIe, and between nodes.
  var nvlink: ByAlgorithm
  var pcie: ByAlgorithm
  var network: ByAlgorithm

  /// The most that LL reaches, over all channels.
  var llTotal: Limits
  /// The most that a channel reaches.
  var ringLL128: Limits
  var treeLL128: Limits
  var tree: Limits
  /// The same for NVLSTree; nil where the version has no such limit.
  var nvlsTree: Limits?

  /// What LL leaves of a ring's bandwidth: of all-reduce, reduce and several nodes, and else.
  var ringLLShare: (usual: Double, other: Double)
  /// What LL128 leaves of a ring's bandwidth with one GPU per node.
  var ringLL128ShareOfLoneGPUs: Double
  /// Whether an all-reduce's ring is charged two steps between nodes too many.
  var countsClosingSteps: Bool
  /// Whether one GPU per node is charged the tree's step between nodes by every algorithm.
  var exposesLoneGPUs: Bool
  /// What PAT reaches of the tree's bandwidth; nil where the version has no PAT.
  var patShare: Double?
  /// What NVLS reaches of NVLink, by generation; nil where 5/6 of the slower part is taken.
  var nvlsEfficiency: (hopper: Double, blackwell: Double)?
  /// Whether NVLSTree's bandwidth is corrected by size as a tree's, on Blackwell with x86.
  var correctsNVLSTree: Bool
  /// The newest compute capability with LL128 by default.
  var newestLL128: Int
  /// Whether a path over NVLink-C2C has a class of its own.
  var knowsP2C: Bool
}

/// The rows of NCCL's tables: GPU generations by compute capability.
enum NCCLGeneration: CaseIterable, Sendable {
  case volta, ampere, hopper, blackwell

  /// The generation of a GPU; those before Volta count as Volta.
  init(computeCapability: Int) {
    switch computeCapability {
    case 100...: self = .blackwell
    case 90...: self = .hopper
    case 80...: self = .ampere
    default: self = .volta
    }
  }
}

// MARK: - Correction by size

extension NCCLTunerConstants {
  /// What a tree reaches of its bandwidth, by the power of two of the size over 64 bytes.
  ///
  /// The same in all versions. NCCL keeps a 24th entry from 2.29 on, which only NVLSTree reads.
  static func treeCorrection(_ protocolName: NCCLTuner.ProtocolName) -> [Double] {
    switch protocolName {
    case .ll:
      [
        1, 1, 1, 1, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5, 0.4, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1,
        1, 1, 1,
      ]
    case .ll128:
      [
        1, 1, 1, 1, 1, 0.9, 0.8, 0.8, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.8, 0.9, 0.9, 0.9,
        0.9, 1, 1,
      ]
    case .simple:
      [
        0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8,
        0.7, 0.7, 0.8, 0.9, 0.9,
      ]
    }
  }

  /// The same for NVLSTree, where the version corrects it.
  static let nvlsTreeCorrection = treeCorrection(.simple) + [0.9]
}
