/// Plans an all-reduce as NCCL runs it: its choice, its channels and chunks, its costs.
///
/// The tuner's constants for a step count the whole of it, wire and proxy included; a simulation adds
/// the topology's wire and the proxy, so a usual wire is taken off the constant (docs/decisions.md).
public struct NCCLPlanner: Sendable {
  /// The machine.
  public let fabric: Fabric
  /// What NCCL's search finds on it.
  public let graph: NCCLGraph
  /// NCCL's table of predicted times.
  public let tuner: NCCLTuner
  private let profile: Profile

  /// Creates a planner for a communicator over all GPUs in use of a fabric.
  public init(fabric: Fabric, profile: Profile, version: NCCLVersion = .latest) {
    self.fabric = fabric
    self.profile = profile
    graph = NCCLGraph(fabric, version: version)
    tuner = NCCLTuner(fabric, graph: graph, version: version)
  }

  /// The plan of a call, with algorithm and protocol as NCCL chooses or as forced.
  ///
  /// - Returns: The plan; nil if the machine rules the forced protocol out.
  public func plan(
    for call: CollectiveCall, algorithm: NCCLTuner.Algorithm? = nil,
    protocolName: NCCLTuner.ProtocolName? = nil
  ) -> Plan? {
    let allowed = tuner.runnable.filter {
      ($0.algorithm == algorithm ?? $0.algorithm)
        && ($0.protocolName == protocolName ?? $0.protocolName)
    }
    let best = allowed.min {
      tuner.time($0, bytes: call.bytes, type: call.type)
        < tuner.time($1, bytes: call.bytes, type: call.type)
    }
    return best.map { plan(for: call, $0) }
  }

  private func plan(for call: CollectiveCall, _ candidate: NCCLTuner.Candidate) -> Plan {
    let algorithm = candidate.algorithm
    let protocolName = candidate.protocolName
    let layout = Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode)
    let used = tuner.work(candidate, bytes: call.bytes).channels
    let schedule: AnySchedule
    switch algorithm {
    case .ring:
      // A chunk of Simple goes in two slices, unless it is small.
      let perChunk = call.bytes / used / fabric.ranks
      schedule = .ring(
        Ring(
          layout: layout, elements: call.elements, channels: used,
          chunkElements: Self.ringChunkBytes(protocolName) / call.type.bytes,
          slices: protocolName == .simple && perChunk > 32 << 10 ? 2 : 1, inPlace: call.inPlace))
    case .tree:
      schedule = .tree(
        Tree(
          layout: layout, elements: call.elements, channels: used,
          secondTreeFrom: graph.channels / 2,
          attachment: graph.treeShape == .plain ? .head : .balanced,
          chunkElements: treeChunkBytes(protocolName, channelBytes: call.bytes / used)
            / call.type.bytes,
          inPlace: call.inPlace))
    case .nvls, .nvlsTree, .pat:
      preconditionFailure("\(algorithm.rawValue) is not runnable.")
    }
    return Plan(
      algorithm: "nccl:\(algorithm.rawValue)", protocolName: protocolName.rawValue,
      channels: used, costs: costs(for: call, algorithm, protocolName), schedule: schedule)
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
      guard tuner.version < NCCLVersion(2, 20, 0) else { return chunk }
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
  func costs(
    for call: CollectiveCall, _ algorithm: NCCLTuner.Algorithm,
    _ protocolName: NCCLTuner.ProtocolName
  ) -> Costs {
    let keys = Self.keys(algorithm, protocolName)
    let proxy = proxy(algorithm, protocolName)
    let scaleUp = profile.duration(keys.scaleUp) - profile.duration(.ncclScaleUpWire)
    let network =
      profile.duration(keys.network) - profile.duration(.ncclNetworkWire) - proxy.perMessage
    var launch = profile.duration(keys.base)
    if call.launch == .eager { launch += profile.duration(.ncclEagerExtra) }
    var costs = Costs(
      elementBytes: call.type.bytes,
      kernels: [
        Costs.KernelCosts(launch: launch, laneBandwidth: profile.bandwidth(keys.lane))
      ],
      // Eight slots; a slice of a ring's Simple chunk takes two.
      slots: algorithm == .ring && protocolName == .simple ? 4 : 8,
      wire: Self.wire(protocolName),
      receive: Costs.ByMedium(scaleUp: max(.zero, scaleUp), network: max(.zero, network)),
      put: Costs.ByMedium(scaleUp: .zero, network: .zero), signalBytes: 8)
    costs.streamsInNode = protocolName != .simple
    costs.proxy = proxy
    costs.furtherPeerShare = profile.ratio(.ncclFurtherPeer)
    costs.linkEfficiency = Costs.ByMedium(
      scaleUp: profile.ratio(.ncclScaleUpEfficiency),
      network: profile.ratio(.ncclNetworkEfficiency))
    return costs
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
    return Costs.Proxy(
      perMessage: profile.duration(keys.message), perKiB: profile.duration(keys.kib),
      most: profile.duration(keys.most),
      least: algorithm == .ring && protocolName == .ll
        ? profile.duration(.ncclProxyRingLLLeast) : .zero)
  }

  /// Wire bytes per payload byte: LL sends 8-byte words half flag, LL128 120 bytes in 128.
  private static func wire(
    _ protocolName: NCCLTuner.ProtocolName
  ) -> (numerator: Int, denominator: Int) {
    switch protocolName {
    case .ll: (2, 1)
    case .ll128: (16, 15)
    case .simple: (1, 1)
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
    case (.nvls, _), (.nvlsTree, _), (.pat, _):
      preconditionFailure("\(algorithm.rawValue) is not runnable.")
    }
  }
}
