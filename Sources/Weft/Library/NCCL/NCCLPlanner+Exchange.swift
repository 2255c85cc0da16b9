extension NCCLPlanner {
  /// The plan of an all-to-all: a group of sends and receives, each on as many channels as NCCL
  /// gives a peer, up to a size with LL and beyond it with Simple.
  ///
  /// Channels are a power of two. A peer of a node may have two per NVLink that leads to it, but gets
  /// no more than let all peers together take the channels once; one if any peer is on another node.
  /// Fewer are used where a message's parts would be small. What a peer may have decides how long
  /// its messages go with LL: 16 KiB for each channel, or until 2.21 for each part. Source: NCCL
  /// 2.22.3 and 2.30.7, src/enqueue.cc, src/graph/paths.cc and src/init.cc (defaults of
  /// NCCL_P2P_LL_THRESHOLD and of the chunks over NVLink and the network).
  func exchange(_ call: CollectiveCall, _ forced: NCCLTuner.ProtocolName?) -> Plan? {
    guard forced != .ll128 else { return nil }
    let elements = call.wholeElements(ranks: fabric.ranks)
    let perPeer = elements / fabric.ranks * call.type.bytes
    let channels = Self.powerOfTwo(atLeast: graph.channels)
    let allowed = min(channels, Self.powerOfTwo(atLeast: channelsPerPeer))
    let share = max(1, min(allowed, channels / Self.powerOfTwo(atLeast: fabric.ranks)))
    func parts(_ name: NCCLTuner.ProtocolName) -> Int {
      let least = Self.slot(name) / 8
      return min(share, max(1, (perPeer + least - 1) / least))
    }
    let threshold =
      version < NCCLVersion(2, 22, 0) ? parts(.simple) * Self.mostLL : allowed * Self.mostLL
    let protocolName = forced ?? (perPeer <= threshold ? .ll : .simple)
    let used = min(channels, parts(protocolName) * fabric.ranks)
    let chunk =
      protocolName == .ll ? 32 << 10 : fabric.nodes > 1 ? Self.networkChunk : Self.nodeChunk
    // Half of a block's threads send, the others receive.
    var costs = costs(for: call, .ring, protocolName, threads: 320)
    costs.kernels[0].launch =
      exchangeBase(protocolName)
      + perDoubling(.ncclExchangeChannels, Double(used) / Double(min(used, fabric.ranks)))
    return Plan(
      algorithm: "nccl:send-receive", protocolName: protocolName.rawValue, channels: used,
      costs: costs,
      schedule: .groupedExchange(
        GroupedExchange(
          layout: Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode),
          elements: elements, channels: used, channelsPerPeer: parts(protocolName),
          chunkElements: chunk / call.type.bytes)))
  }

  /// The channels that a peer may have.
  private var channelsPerPeer: Int {
    guard fabric.nodes == 1 else { return 1 }
    let node = fabric.topology.node
    // An NVLink has 25 GB/s, from Blackwell on 50 GB/s.
    let link = fabric.topology.gpu.computeCapability >= 100 ? 50.0 : 25.0
    let links = node.scaleUp.bandwidth.gigabytesPerSecond / link
    let peers = node.scaleUp.kind == .mesh ? max(1, node.gpus - 1) : 1
    return 2 * max(1, Int(links) / peers)
  }

  /// What of a message goes with LL, for each channel or part.
  private static let mostLL = 16 << 10
  /// The chunks of Simple.
  private static let nodeChunk = 512 << 10
  private static let networkChunk = 128 << 10

  /// A slot of a protocol's buffer in a node, an eighth of which is worth a channel.
  private static func slot(_ protocolName: NCCLTuner.ProtocolName) -> Int {
    protocolName == .ll ? 64 << 10 : nodeChunk
  }

  private static func powerOfTwo(atLeast number: Int) -> Int {
    number < 2 ? 1 : 1 << (Int.bitWidth - (number - 1).leadingZeroBitCount)
  }
}
