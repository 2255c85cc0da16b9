/// NCCL's own prediction for a collective, by which it chooses algorithm and protocol.
///
/// The formula decides what runs; how long that takes is simulated. Microseconds and 10^9 bytes
/// per second, as in NCCL. Source: src/graph/tuning.cc of NCCL 2.18 to 2.30.7.
///
/// Left out: CollNet, which needs switches that reduce and their plugin; environment variables and
/// tuner plugins; grouped calls, which NCCL adds up; the LL128 exception for two Hopper ranks under
/// CUDA 11.8; NVLS for all-gather and reduce-scatter. An all-to-all is made of sends and receives
/// and has no candidates.
public struct NCCLTuner: Sendable {
  /// The algorithms considered, in NCCL's order.
  public enum Algorithm: String, CaseIterable, Sendable {
    case tree, ring
    /// Reduction and multicast in the NVSwitch.
    case nvls
    /// NVLS inside nodes, double binary trees between the nodes' heads.
    case nvlsTree = "nvls-tree"
    /// Logarithmic all-gather and reduce-scatter among nodes of one GPU.
    case pat
  }

  /// The protocols.
  public enum ProtocolName: String, CaseIterable, Sendable {
    case ll, ll128, simple
  }

  /// One line of the tuner's table.
  public struct Candidate: Hashable, Sendable {
    /// The algorithm.
    public let algorithm: Algorithm
    /// The protocol.
    public let protocolName: ProtocolName
    /// NCCL's latency in microseconds, without the size's corrections.
    public let latency: Double
    /// NCCL's algorithm bandwidth in 10^9 bytes per second, without the size's corrections.
    public let bandwidth: Double
  }

  /// The version of NCCL whose model this is.
  public let version: NCCLVersion
  /// The collective that is predicted.
  public let collective: Collective
  /// What NCCL's search found on the machine.
  public let graph: NCCLGraph
  /// The candidates in NCCL's order: ties go to the earlier.
  public let candidates: [Candidate]
  let nodes: Int
  let ranks: Int
  private let computeCapability: Int
  private let correctsNVLSTree: Bool

  /// The tuner of a communicator over all GPUs in use of a fabric.
  ///
  /// - Parameters:
  ///   - fabric: The machine.
  ///   - graph: What the search of the same version finds on it.
  ///   - version: A supported version of NCCL.
  ///   - collective: What is called.
  public init(
    _ fabric: Fabric, graph: NCCLGraph, version: NCCLVersion = .latest,
    collective: Collective = .allReduce
  ) {
    precondition(version.isSupported, "There are no constants for NCCL \(version).")
    let constants = NCCLTunerConstants.of(version)
    let model = NCCLTunerModel(fabric, graph, constants, collective)
    self.version = version
    self.collective = collective
    self.graph = graph
    nodes = fabric.nodes
    ranks = fabric.ranks
    computeCapability = fabric.topology.gpu.computeCapability
    correctsNVLSTree =
      constants.correctsNVLSTree && computeCapability >= 100 && fabric.topology.node.cpu != .arm
    candidates = Algorithm.allCases.flatMap { algorithm in
      ProtocolName.allCases.compactMap { protocolName in
        guard model.offers(algorithm, protocolName) else { return nil }
        return Candidate(
          algorithm: algorithm, protocolName: protocolName,
          latency: model.latency(algorithm, protocolName),
          bandwidth: model.bandwidth(algorithm, protocolName))
      }
    }
  }

  /// The candidates for elements of a type.
  public func candidates(for type: DataType) -> [Candidate] {
    candidates.filter { allows($0, type) }
  }

  /// The candidate that NCCL picks for a size: the one of least predicted time.
  ///
  /// - Returns: The pick; nil for an all-to-all, which has no candidates.
  public func choice(bytes: Int, type: DataType = .bf16) -> Candidate? {
    candidates(for: type).min {
      time($0, bytes: bytes, type: type) < time($1, bytes: bytes, type: type)
    }
  }

  /// Whether an algorithm takes a type: the NVSwitch adds no numbers of eight bits.
  public func allows(_ candidate: Candidate, _ type: DataType) -> Bool {
    switch candidate.algorithm {
    case .tree, .ring, .pat: true
    case .nvls, .nvlsTree: type.bytes > 1
    }
  }

  /// The time that NCCL predicts, in microseconds.
  ///
  /// `latency + bytes / bandwidth`, with the bandwidth of trees corrected by size, the latency of
  /// rings raised on a plateau, and rings of more than eight ranks shunned for sums of FP8.
  /// - Parameters:
  ///   - candidate: A candidate of this tuner.
  ///   - bytes: The size as nccl-tests counts it.
  ///   - type: The type of the elements.
  /// - Returns: Microseconds.
  public func time(_ candidate: Candidate, bytes: Int, type: DataType = .bf16) -> Double {
    var bandwidth = candidate.bandwidth
    var latency = candidate.latency
    var factor = 1.0
    switch candidate.algorithm {
    case .tree:
      bandwidth *= Self.correction(
        NCCLTunerConstants.treeCorrection(candidate.protocolName), bytes: bytes)
    case .nvlsTree:
      if correctsNVLSTree {
        bandwidth *= Self.correction(NCCLTunerConstants.nvlsTreeCorrection, bytes: bytes)
      }
    case .ring:
      let plateau = candidate.protocolName == .simple && nodes > 1 && collective == .allReduce
      if plateau && bytes / (graph.channels * ranks) >= 64 {
        latency *= computeCapability < 80 ? 1.9 : 1.4
      }
      if type == .fp8 && ranks > 8 && collective.reduces { factor = 1024 }
    case .nvls, .pat:
      break
    }
    return factor * (latency + Double(bytes) / (1000 * bandwidth))
  }

  /// The entry of a table by powers of two from 64 bytes on; 1 outside of it.
  private static func correction(_ factors: [Double], bytes: Int) -> Double {
    guard bytes >= 64 else { return 1 }
    let index = floorLog2(bytes / 64)
    return index < factors.count ? factors[index] : 1
  }
}

/// The largest power of two that is no larger than a positive number, as its exponent.
func floorLog2(_ number: Int) -> Int { Int.bitWidth - 1 - number.leadingZeroBitCount }
