import Glibc

/// Plans a collective as NCCL runs it: its choice, its channels and chunks, its costs.
///
/// The tuner's constants for a step count the whole of it, wire and proxy included; a simulation adds
/// the topology's wire and the proxy, so a usual wire is taken off the constant (docs/decisions.md).
public struct NCCLPlanner: Sendable {
  /// The machine.
  public let fabric: Fabric
  /// What NCCL's search finds on it.
  public let graph: NCCLGraph
  /// The version of NCCL.
  public let version: NCCLVersion
  let profile: Profile
  private let tuners: [NCCLTuner]

  /// Creates a planner for a communicator over all GPUs in use of a fabric.
  public init(fabric: Fabric, profile: Profile, version: NCCLVersion = .latest) {
    self.fabric = fabric
    self.profile = profile
    self.version = version
    let graph = NCCLGraph(fabric, version: version)
    self.graph = graph
    tuners = Collective.allCases.map {
      NCCLTuner(fabric, graph: graph, version: version, collective: $0)
    }
  }

  /// NCCL's table of predicted times for a collective.
  public func tuner(_ collective: Collective) -> NCCLTuner {
    tuners[Collective.allCases.firstIndex(of: collective) ?? 0]
  }

  /// The plan of a call, with algorithm and protocol as NCCL chooses or as forced.
  ///
  /// An all-to-all is made of sends and receives, which have no algorithm to force.
  /// - Returns: The plan; nil if the machine or the collective rules out what is forced.
  public func plan(
    for call: CollectiveCall, algorithm: NCCLTuner.Algorithm? = nil,
    protocolName: NCCLTuner.ProtocolName? = nil
  ) -> Plan? {
    if call.collective == .allToAll {
      guard algorithm == nil, !call.inPlace else { return nil }
      return exchange(call, protocolName)
    }
    let tuner = tuner(call.collective)
    let allowed = tuner.candidates(for: call.type).filter {
      ($0.algorithm == algorithm ?? $0.algorithm)
        && ($0.protocolName == protocolName ?? $0.protocolName)
    }
    let best = allowed.min {
      tuner.time($0, bytes: call.bytes, type: call.type)
        < tuner.time($1, bytes: call.bytes, type: call.type)
    }
    let elements = call.wholeElements(ranks: fabric.ranks)
    return best.map {
      fabric.ranks == 1 || elements == 0 ? local(call, elements: elements) : plan(for: call, $0)
    }
  }

  private func plan(for call: CollectiveCall, _ candidate: NCCLTuner.Candidate) -> Plan {
    let algorithm = candidate.algorithm
    let work = tuner(call.collective).work(candidate, bytes: call.bytes)
    let schedule: AnySchedule
    switch algorithm {
    case .ring:
      schedule = ring(call, candidate.protocolName, channels: work.channels)
    case .tree:
      schedule = tree(call, candidate.protocolName, channels: work.channels)
    case .nvls, .nvlsTree:
      schedule = switchReduction(call, channels: work.channels)
    case .pat:
      return parallelTrees(call, work)
    }
    var costs = costs(for: call, algorithm, candidate.protocolName, threads: work.threads)
    if algorithm == .ring || algorithm == .tree {
      costs.kernels[0].launch += perDoubling(.ncclChannels, Double(work.channels))
    }
    return Plan(
      algorithm: "nccl:\(algorithm.rawValue)", protocolName: candidate.protocolName.rawValue,
      channels: work.channels, costs: costs, schedule: schedule)
  }

  /// A parameter for every doubling up to a ratio.
  func perDoubling(_ key: Profile.Key, _ ratio: Double) -> SimDuration {
    profile.duration(key).scaled(by: log2(ratio))
  }

  var layout: Layout { Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode) }

  /// The orders in which channels visit a node.
  ///
  /// Channels that are copies of each other would leave most links of a mesh idle, so NCCL's search
  /// finds different ones. Where a node has fewer NICs than GPUs, that is one for each NIC, and all
  /// further channels are copies of these: they leave a node from the same GPU, by the same proxy.
  private var order: NodeOrder {
    let order: NodeOrder = fabric.topology.node.scaleUp.kind == .mesh ? .spread : .ascending
    let node = fabric.topology.node
    let nics = max(1, node.nics * fabric.gpusPerNode / node.gpus)
    guard fabric.nodes > 1 && nics < fabric.gpusPerNode else { return order }
    return order.repeated(every: nics, apart: fabric.gpusPerNode / nics)
  }

  private func ring(
    _ call: CollectiveCall, _ protocolName: NCCLTuner.ProtocolName, channels: Int
  ) -> AnySchedule {
    let elements = call.wholeElements(ranks: fabric.ranks)
    if call.collective == .broadcast || call.collective == .reduce {
      // One slot to a chunk, and no slices.
      let chunk = protocolName == .simple ? Self.simpleSlotBytes : Self.ringChunkBytes(protocolName)
      return .rootedChain(
        RootedChain(
          call.collective, layout: layout, elements: elements, channels: channels, order: order,
          chunkElements: chunk / call.type.bytes, inPlace: call.inPlace))
    }
    // A chunk of Simple goes in two slices, unless it is small.
    let perChunk = call.bytes / channels / fabric.ranks
    return .ring(
      Ring(
        call.collective, layout: layout, elements: elements, channels: channels, order: order,
        chunkElements: Self.ringChunkBytes(protocolName) / call.type.bytes,
        slices: protocolName == .simple && perChunk > 32 << 10 ? 2 : 1, inPlace: call.inPlace))
  }

  /// The rings of a reduce-scatter or all-gather within a larger schedule that launches them, and
  /// what they cost there.
  ///
  /// The call's bytes are those of the whole buffer. Launched by the host, a kernel between others
  /// starts when NCCL has enqueued it, and its own start-up is exposed.
  func groupRings(for call: CollectiveCall) -> (phases: NVRAR.InNode, costs: Costs)? {
    let tuner = tuner(.reduceScatter)
    let best = tuner.candidates(for: call.type).filter { $0.algorithm == .ring }
      .min { tuner.time($0, bytes: call.bytes) < tuner.time($1, bytes: call.bytes) }
    guard let best else { return nil }
    let work = tuner.work(best, bytes: call.bytes)
    var costs = costs(for: call, .ring, best.protocolName, threads: work.threads)
    costs.kernels[0].launch += perDoubling(.ncclChannels, Double(work.channels))
    if call.launch == .eager {
      costs.kernels[0].launch += costs.enqueue - profile.duration(.launchGraph)
    }
    let chunk = Self.ringChunkBytes(best.protocolName) / call.type.bytes
    return (.rings(channels: work.channels, order: order, chunk: chunk), costs)
  }

  private func tree(
    _ call: CollectiveCall, _ protocolName: NCCLTuner.ProtocolName, channels: Int
  ) -> AnySchedule {
    .tree(
      Tree(
        layout: layout, elements: call.elements, channels: channels,
        secondTreeFrom: graph.channels / 2,
        attachment: graph.treeShape == .plain ? .head : .balanced, order: order,
        chunkElements: treeChunkBytes(protocolName, channelBytes: call.bytes / channels)
          / call.type.bytes,
        inPlace: call.inPlace))
  }

  /// NCCL's parallel aggregated trees, which run where nodes have one GPU.
  ///
  /// In ceil(log2 R) rounds a rank passes on all that it has gathered, or halves what is left to
  /// scatter, with the parts of a round in as few messages as slots hold them. NCCL begins with the
  /// farthest ranks and packs parts that lie apart; here the nearest are first, whose parts lie
  /// together, which gives rounds and messages of the same sizes. Channels do the same side by side,
  /// so one lane stands for all: as fast as they are together, its messages posted as often. Beyond
  /// the aggregation of eight slots NCCL adds rounds instead of messages. Source: NCCL 2.30.7,
  /// src/include/collectives.h, src/device/{all_gather,reduce_scatter}.h.
  private func parallelTrees(_ call: CollectiveCall, _ work: NCCLWork) -> Plan {
    let channels = work.channels
    var costs = costs(for: call, .pat, .simple, threads: work.threads)
    costs.kernels[0].launch += fabric.ranks * profile.duration(.ncclPATPerRank)
    costs.kernels[0].laneBandwidth = costs.kernels[0].laneBandwidth?.scaled(by: Double(channels))
    if let proxy = costs.proxy {
      costs.proxy = Costs.Proxy(
        perMessage: channels * proxy.perMessage, perKiB: proxy.perKiB, most: channels * proxy.most)
    }
    return Plan(
      algorithm: "nccl:pat", protocolName: NCCLTuner.ProtocolName.simple.rawValue,
      channels: channels, costs: costs,
      schedule: .partDoubling(
        PartDoubling(
          call.collective, layout: layout,
          elements: call.wholeElements(ranks: fabric.ranks),
          messageElements: channels * Self.simpleSlotBytes / call.type.bytes,
          inPlace: call.inPlace)))
  }

  /// A slot of Simple's buffer: 4 MiB in eight.
  private static let simpleSlotBytes = 512 << 10

  private func switchReduction(_ call: CollectiveCall, channels: Int) -> AnySchedule {
    let heads = min(fabric.gpusPerNode, graph.nvls?.heads ?? 1)
    let pieces = channels * heads
    // Beyond so many rounds the pipe has long filled, and finer pieces would only take long to
    // simulate.
    let chunk = max(
      switchChunkBytes(bytes: call.bytes, pieces: pieces), call.bytes / (pieces * Self.mostRounds))
    return .switchReduction(
      SwitchReduction(
        layout: layout, elements: call.elements, channels: channels, heads: heads,
        chunkElements: chunk / call.type.bytes, inPlace: call.inPlace))
  }

  /// The rounds of NVLS that a simulation follows one by one.
  private static let mostRounds = 64

  /// The largest piece of NVLS and NVLSTree, smaller where there are few of them.
  ///
  /// Source: NCCL 2.30.7, src/enqueue.cc.
  func switchChunkBytes(bytes: Int, pieces: Int) -> Int {
    let isAlone = fabric.nodes == 1
    var chunk = fabric.nodes >= 4 ? 64 << 10 : 128 << 10
    let steps = isAlone ? [(64, 64), (32, 8), (16, 2)] : [(64, 4), (32, 1)]
    for (kib, share) in steps where chunk > kib << 10 && bytes < share * pieces * chunk {
      chunk = kib << 10
    }
    return chunk
  }

  /// The largest chunk of a ring: one slot of the protocol's buffer, four of Simple's.
  private static func ringChunkBytes(_ protocolName: NCCLTuner.ProtocolName) -> Int {
    switch protocolName {
    case .ll: 32 << 10
    case .ll128: 576_000
    case .simple: 2 << 20
    }
  }

  /// The largest chunk of a tree: one slot, with LL128 less so that chunks fill the tree's depth.
  ///
  /// Up to 2.19 Simple's chunks shrank for the same reason. Source: NCCL 2.30.7 and 2.19,
  /// src/enqueue.cc.
  func treeChunkBytes(_ protocolName: NCCLTuner.ProtocolName, channelBytes: Int) -> Int {
    let depth = Int.bitWidth - 1 - fabric.nodes.leadingZeroBitCount
    switch protocolName {
    case .ll: return 32 << 10
    case .simple:
      var chunk = 512 << 10
      guard version < NCCLVersion(2, 20, 0) else { return chunk }
      let steps = fabric.gpusPerNode - 1 + depth
      for (least, share) in [(128 << 10, 8), (64 << 10, 4), (32 << 10, 1)] {
        while chunk > least && channelBytes / chunk < share * steps { chunk /= 2 }
      }
      return chunk
    case .ll128:
      let perNode = Double(fabric.gpusPerNode)
      let steps = 1 + Double(depth) + 0.1 * perNode
      var chunk = 576_000
      while Double(channelBytes / chunk) < steps * 64 / perNode && chunk > 131_072 { chunk /= 2 }
      while Double(channelBytes / chunk) < steps * 16 / perNode && chunk > 32_768 { chunk /= 2 }
      return chunk / 1920 * 1920
    }
  }

  /// The costs of point-to-point messages and of both algorithms, by protocol.
  ///
  /// - Parameters:
  ///   - call: The call.
  ///   - algorithm: The algorithm, ring for point-to-point messages.
  ///   - protocolName: The protocol.
  ///   - threads: The threads of a thread block.
  /// - Returns: What the schedule's operations cost.
  func costs(
    for call: CollectiveCall, _ algorithm: NCCLTuner.Algorithm,
    _ protocolName: NCCLTuner.ProtocolName, threads: Int
  ) -> Costs {
    let keys = Self.keys(algorithm, protocolName)
    let proxy = proxy(algorithm, protocolName)
    let scaleUp = profile.duration(keys.scaleUp) - profile.duration(.ncclScaleUpWire)
    let network =
      profile.duration(keys.network) - profile.duration(.ncclNetworkWire) - proxy.perMessage
    var costs = Costs(
      elementBytes: call.type.bytes,
      kernels: [
        Costs.KernelCosts(
          launch: profile.duration(keys.base), laneBandwidth: profile.bandwidth(keys.lane))
      ],
      // Eight slots; a slice of a ring's Simple chunk takes two.
      slots: algorithm == .ring && protocolName == .simple ? 4 : 8,
      framing: Self.framing(protocolName),
      receive: Costs.ByMedium(scaleUp: max(.zero, scaleUp), network: max(.zero, network)),
      put: Costs.ByMedium(scaleUp: .zero, network: .zero), signalBytes: 8)
    costs.streamGrain = Self.passBytes(algorithm, protocolName, threads: threads)
    costs.grainOverhead =
      switch protocolName {
      case .ll: profile.duration(.ncclLLPass)
      case .ll128: profile.duration(.ncclLL128Pass)
      case .simple: .zero
      }
    costs.looksWhenFree = protocolName != .simple
    if call.launch == .eager { costs.enqueue = profile.duration(.ncclEnqueue) }
    costs.proxy = proxy
    if algorithm == .nvls || algorithm == .nvlsTree { return switched(costs) }
    costs.furtherPeerShare = profile.ratio(.ncclFurtherPeer)
    costs.linkEfficiency = Costs.ByMedium(
      scaleUp: profile.ratio(.ncclScaleUpEfficiency),
      network: profile.ratio(.ncclNetworkEfficiency))
    return costs
  }

  /// The costs of NVLS: a head adds and copies a piece in one pass, and all heads together reach
  /// the rate that NCCL plans with.
  ///
  /// A head fetches the sum of a piece while it works on it, so no more than the next piece is under
  /// way, however many its buffer holds.
  private func switched(_ costs: Costs) -> Costs {
    var costs = costs
    costs.furtherPeerShare = 0
    costs.slots = 2
    let planned = Double(graph.nvls?.heads ?? 1) * (graph.nvls?.intra ?? 1)
    let link = fabric.topology.node.scaleUp.bandwidth.gigabytesPerSecond
    costs.linkEfficiency = Costs.ByMedium(
      scaleUp: min(1, planned * profile.ratio(.ncclNVLSEfficiency) / link),
      network: profile.ratio(.ncclNetworkEfficiency))
    return costs
  }

  /// The wire bytes of one pass of a thread block over a chunk, which lines are passed on by: a line
  /// of 16 bytes for every thread with LL, 2 KiB for every warp with LL128; nil with Simple, which
  /// passes on whole slices.
  ///
  /// Seven tenths of a tree's threads, in whole warps, send up. Source: NCCL 2.30.7,
  /// src/device/{prims_ll,prims_ll128,all_reduce}.h.
  private static func passBytes(
    _ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName, threads: Int
  ) -> Int? {
    let warps = algorithm == .tree ? threads * 7 / 10 / 32 : threads / 32
    return switch protocolName {
    case .ll: warps * 32 * 16
    case .ll128: warps * 2048
    case .simple: nil
    }
  }

  /// The processor thread that posts a GPU's messages to its NIC.
  private func proxy(
    _ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName
  ) -> Costs.Proxy {
    let keys: (message: Profile.Key, kib: Profile.Key, most: Profile.Key) =
      switch protocolName {
      case .ll: (.ncclProxyLL, .ncclProxyLLPerKiB, .ncclProxyLLMost)
      case .ll128: (.ncclProxyLL128, .ncclProxyLL128PerKiB, .ncclProxyLL128Most)
      case .simple: (.ncclProxySimple, .ncclProxySimplePerKiB, .ncclProxySimpleMost)
      }
    let least: SimDuration =
      switch (algorithm, protocolName) {
      case (.ring, .ll): profile.duration(.ncclProxyRingLLLeast)
      case (.ring, .simple): profile.duration(.ncclProxyRingSimpleLeast)
      default: .zero
      }
    var proxy = Costs.Proxy(
      perMessage: profile.duration(keys.message), perKiB: profile.duration(keys.kib),
      most: profile.duration(keys.most), least: least)
    if protocolName == .ll {
      let paths: [(from: Profile.Key, extra: Profile.Key)] = [
        (.ncclProxyFetchedFrom, .ncclProxyLLFetched),
        (.ncclProxyRendezvousFrom, .ncclProxyLLRendezvous),
      ]
      proxy.paths = paths.compactMap { path in
        let extra = profile.duration(path.extra)
        return extra == .zero
          ? nil : Costs.Proxy.Path(bytes: profile.size(path.from).bytes, extra: extra)
      }
    }
    return proxy
  }

  /// The start-up of a group of sends and receives with so many peers.
  func exchangeBase(_ protocolName: NCCLTuner.ProtocolName) -> SimDuration {
    let key: Profile.Key = protocolName == .ll ? .ncclExchangeLLBase : .ncclExchangeSimpleBase
    return profile.duration(key) + (fabric.ranks - 1) * profile.duration(.ncclExchangePeer)
  }

  /// LL's lines of 16 bytes hold 8 of data, and a warp of LL128 moves 1920 bytes in 2 KiB.
  ///
  /// Source: NCCL 2.30.7, src/include/device.h and src/device/prims_ll128.h.
  private static func framing(_ protocolName: NCCLTuner.ProtocolName) -> Costs.Framing {
    switch protocolName {
    case .ll: Costs.Framing(payload: 8, wire: 16)
    case .ll128: Costs.Framing(payload: 1920, wire: 2048)
    case .simple: .none
    }
  }

  private static func keys(
    _ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName
  ) -> (base: Profile.Key, scaleUp: Profile.Key, network: Profile.Key, lane: Profile.Key) {
    switch (algorithm, protocolName) {
    case (.ring, .ll):
      (.ncclRingLLBase, .ncclRingLLScaleUp, .ncclRingLLNetwork, .ncclLLLane)
    case (.ring, .ll128):
      (.ncclRingLL128Base, .ncclRingLL128ScaleUp, .ncclRingLL128Network, .ncclLL128Lane)
    case (.ring, .simple):
      (.ncclRingSimpleBase, .ncclRingSimpleScaleUp, .ncclRingSimpleNetwork, .ncclSimpleLane)
    case (.tree, .ll):
      (.ncclTreeLLBase, .ncclTreeLLScaleUp, .ncclTreeLLNetwork, .ncclLLLane)
    case (.tree, .ll128):
      (.ncclTreeLL128Base, .ncclTreeLL128ScaleUp, .ncclTreeLL128Network, .ncclLL128Lane)
    case (.tree, .simple):
      (.ncclTreeSimpleBase, .ncclTreeSimpleScaleUp, .ncclTreeSimpleNetwork, .ncclSimpleLane)
    case (.pat, _):
      (.ncclPATBase, .ncclRingSimpleScaleUp, .ncclPATNetwork, .ncclSimpleLane)
    case (.nvls, _), (.nvlsTree, _):
      (.ncclNVLSBase, .ncclNVLSScaleUp, .ncclNVLSNetwork, .ncclSimpleLane)
    }
  }
}
