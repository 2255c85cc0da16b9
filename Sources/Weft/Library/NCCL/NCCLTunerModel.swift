/// The latency and bandwidth that NCCL's tuning model gives an algorithm on a communicator.
///
/// With N nodes, R ranks, and a pattern's n channels of the search. Microseconds and 10^9 bytes per
/// second. Source: src/graph/tuning.cc of NCCL 2.18 to 2.30.7; what differs between versions stands
/// in ``NCCLTunerConstants``.
struct NCCLTunerModel {
  private let constants: NCCLTunerConstants
  private let graph: NCCLGraph
  private let collective: Collective
  private let nodes: Int
  private let ranks: Int
  private let gpusPerNode: Int
  private let computeCapability: Int
  private let generation: NCCLGeneration
  private let cpu: Node.CPU

  init(
    _ fabric: Fabric, _ graph: NCCLGraph, _ constants: NCCLTunerConstants, _ collective: Collective
  ) {
    self.constants = constants
    self.graph = graph
    self.collective = collective
    nodes = fabric.nodes
    ranks = fabric.ranks
    gpusPerNode = fabric.gpusPerNode
    computeCapability = fabric.topology.gpu.computeCapability
    generation = NCCLGeneration(computeCapability: computeCapability)
    cpu = fabric.topology.node.cpu
  }

  private var channels: Double { Double(graph.searchChannels) }

  private func pattern(_ algorithm: NCCLTuner.Algorithm) -> NCCLGraph.Pattern {
    switch algorithm {
    case .ring: graph.ring
    // NVLS is priced by its own speeds, and its paths are NVLink's.
    case .tree, .pat, .nvls, .nvlsTree: graph.tree
    }
  }
}

// MARK: - Availability

extension NCCLTunerModel {
  /// Whether NCCL considers an algorithm with a protocol on this communicator by default.
  ///
  /// NVLS on one node, NVLSTree on several, both where the search found heads; PAT with one GPU per
  /// node; LL128 where the pattern's paths keep the order of a line's stores.
  func offers(_ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName) -> Bool {
    let exists =
      switch (algorithm, collective) {
      case (_, .allToAll): false
      case (.ring, _), (.tree, .allReduce): true
      case (.nvls, .allReduce): nodes == 1 && hasHeads
      case (.nvlsTree, .allReduce): nodes > 1 && hasHeads
      case (.pat, .allGather), (.pat, .reduceScatter):
        constants.patShare != nil && gpusPerNode == 1 && nodes > 1
      default: false
      }
    guard exists else { return false }
    switch algorithm {
    case .nvls, .nvlsTree, .pat: return protocolName == .simple
    case .tree, .ring: return protocolName != .ll128 || allowsLL128(pattern(algorithm))
    }
  }

  private var hasHeads: Bool { (graph.nvls?.heads ?? 0) >= 2 }

  private func allowsLL128(_ pattern: NCCLGraph.Pattern) -> Bool {
    (70...constants.newestLL128).contains(computeCapability)
      && pattern.interPath <= (computeCapability >= 90 ? .viaNVLinkPeer : .pcieSwitches)
      && pattern.intraPath <= .nvlinkBridge
  }
}

// MARK: - Latency

extension NCCLTunerModel {
  /// The latency of a call, the size's corrections aside.
  func latency(_ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName) -> Double {
    let base = constants.base(algorithm, name)
    let intra = intraStep(algorithm, name)
    let inter = interStep(algorithm, name)
    let depth = Double(floorLog2(nodes))
    switch algorithm {
    case .tree:
      return base + 2 * (Double(ranks / nodes - 1) * intra + depth * inter)
    case .ring:
      return base + ringSteps(name)
    case .nvls:
      // NCCL drops the base here.
      return intra
    case .nvlsTree:
      return base + intra + 2 * depth * inter
    case .pat:
      return base + depth * inter / 3.5 + 2.8 * Double(ranks)
    }
  }

  private func intraStep(
    _ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName
  ) -> Double {
    // A path inside the GPU itself counts as PCIe.
    let steps = pattern(algorithm).intraPath == .nvlink ? constants.nvlink : constants.pcie
    return steps(algorithm, name)
  }

  private func interStep(
    _ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName
  ) -> Double {
    let isExposed = constants.exposesLoneGPUs && gpusPerNode == 1
    return constants.network(isExposed ? .tree : algorithm, name)
  }

  /// The time of a ring's steps.
  ///
  /// Broadcast and reduce: one step where all channels take the same way, else one per rank, with
  /// Simple at the tree's price. Else `(steps - crossing) x inside + crossing x between nodes`,
  /// where on several nodes no step inside is shorter than posting a message.
  private func ringSteps(_ name: NCCLTuner.ProtocolName) -> Double {
    let inside = intraStep(.ring, name)
    let steps: Int
    let crossing: Int
    switch collective {
    case .broadcast, .reduce, .allToAll:
      guard !graph.hasSameChannels else { return anyStep(.ring, name) }
      return Double(ranks) * anyStep(name == .simple ? .tree : .ring, name)
    case .allReduce:
      steps = 2 * (ranks - 1)
      crossing = constants.countsClosingSteps ? 2 * nodes : 2 * (nodes - 1)
    case .allGather, .reduceScatter:
      steps = ranks - 1
      crossing = nodes - 1
    }
    guard nodes > 1 else { return Double(steps) * inside }
    let posting = (cpu == .amd ? 2.0 : 1.0) * (name == .simple ? 3 : 1)
    return Double(steps - crossing) * max(inside, posting)
      + Double(crossing) * interStep(.ring, name)
  }

  /// A step wherever it goes: between nodes if there are several.
  private func anyStep(
    _ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName
  ) -> Double {
    if nodes > 1 { return constants.network(algorithm, name) }
    let isNVLink = graph.ring.intraPath == .nvlink
    return isNVLink ? constants.nvlink(algorithm, name) : constants.pcie(algorithm, name)
  }
}

// MARK: - Bandwidth

extension NCCLTunerModel {
  /// The algorithm bandwidth of a call, the size's corrections aside.
  func bandwidth(_ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName) -> Double {
    switch algorithm {
    case .tree: return treeBus(name) / 2
    case .ring: return ringBus(name) * ringRatio
    case .nvls, .nvlsTree:
      let bus = nvlsBus(algorithm)
      return bus * (constants.nvlsEfficiency == nil ? 5.0 / 6 : ringRatio)
    case .pat: return channels * speed(graph.tree) * (constants.patShare ?? 0)
    }
  }

  /// Bytes of the buffer over bytes that the busiest rank sends.
  private var ringRatio: Double {
    switch collective {
    case .allReduce: Double(ranks) / Double(2 * (ranks - 1))
    case .allGather, .reduceScatter: Double(ranks) / Double(ranks - 1)
    case .broadcast, .reduce, .allToAll: 1
    }
  }

  /// A channel's speed: that inside nodes up to two of them, that between nodes on more.
  private func speed(_ pattern: NCCLGraph.Pattern) -> Double {
    nodes <= 2 ? pattern.intra : pattern.inter
  }

  /// The limit of LL: by the GPU on one node, by the processor's maker on several.
  private var llLimit: Double {
    let row = nodes == 1 ? generation : cpu == .amd ? .ampere : .volta
    return constants.llTotal(row, nodes: nodes)
  }

  private func ringBus(_ name: NCCLTuner.ProtocolName) -> Double {
    let bus = channels * speed(graph.ring)
    switch name {
    case .ll:
      let isUsual = nodes > 1 || collective == .allReduce || collective == .reduce
      let share = isUsual ? constants.ringLLShare.usual : constants.ringLLShare.other
      return min(llLimit, bus * share)
    case .ll128:
      let share = gpusPerNode < 2 ? constants.ringLL128ShareOfLoneGPUs : 0.92
      return min(bus * share, channels * constants.ringLL128(generation, nodes: nodes))
    case .simple:
      return bus
    }
  }

  private func treeBus(_ name: NCCLTuner.ProtocolName) -> Double {
    var bus = min(
      0.92 * channels * speed(graph.tree), channels * constants.tree(generation, nodes: nodes))
    switch name {
    case .ll:
      bus = min(bus / 3.8, llLimit)
    case .ll128:
      bus = min(
        bus * (nodes == 1 ? 7.0 / 9 : 120.0 / 128),
        channels * constants.treeLL128(generation, nodes: nodes))
    case .simple:
      break
    }
    return graph.treeShape == .plain ? 0.85 * bus : bus
  }

  private func nvlsBus(_ algorithm: NCCLTuner.Algorithm) -> Double {
    guard let nvls = graph.nvls else { return 0 }
    let heads = Double(nvls.heads)
    guard let efficiency = constants.nvlsEfficiency else {
      let halves = algorithm == .nvlsTree && nodes > 2
      return heads * min(nvls.intra, halves ? nvls.inter / 2 : nvls.inter)
    }
    let share = generation == .blackwell ? efficiency.blackwell : efficiency.hopper
    // An all-reduce keeps both directions busy.
    let intra = 2 * nvls.intra * share * (heads - 1) / heads
    guard algorithm == .nvlsTree else { return heads * min(intra, nvls.inter) }
    let inter = nodes <= 2 ? 2 * nvls.inter : nvls.inter
    let limit = constants.nvlsTree?(generation, nodes: nodes) ?? .infinity
    return heads * min(intra, inter, limit)
  }
}
