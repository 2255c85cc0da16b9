extension NCCLPlanner {
  /// The plan of an all-to-all: a group of sends and receives, each on as many channels as NCCL
  /// gives a peer, small messages with LL and others with Simple.
  ///
  /// Channels are a power of two, and a peer gets so many that the peers of a node take all of them,
  /// one if any peer is on another node. Fewer are used where a message's parts would be small.
  /// Source: NCCL 2.30.7, src/enqueue.cc, src/graph/paths.cc and src/init.cc (defaults of
  /// NCCL_P2P_LL_THRESHOLD and of the chunks over NVLink and the network).
  func exchange(_ call: CollectiveCall, _ forced: NCCLTuner.ProtocolName?) -> Plan? {
    guard forced != .ll128 else { return nil }
    let elements = call.collective.wholeElements(call.elements, ranks: fabric.ranks)
    let perPeer = elements / fabric.ranks * call.type.bytes
    let channels = Self.powerOfTwo(atLeast: graph.channels)
    let most = fabric.nodes > 1 ? 1 : max(1, channels / Self.powerOfTwo(atLeast: fabric.ranks))
    let parts = min(most, max(1, perPeer / Self.leastPart))
    let protocolName = forced ?? (perPeer / parts <= Self.mostLL ? .ll : .simple)
    let used = min(channels, parts * fabric.ranks)
    let chunk =
      protocolName == .ll ? 32 << 10 : fabric.nodes > 1 ? Self.networkChunk : Self.nodeChunk
    var costs = costs(for: call, .ring, protocolName, threads: 512)
    costs.kernels[0].launch = exchangeBase(protocolName)
    return Plan(
      algorithm: "nccl:send-receive", protocolName: protocolName.rawValue, channels: used,
      costs: costs,
      schedule: .groupedExchange(
        GroupedExchange(
          layout: Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode),
          elements: elements, channels: used, channelsPerPeer: parts,
          chunkElements: chunk / call.type.bytes)))
  }

  /// The largest part of a message that goes with LL.
  private static let mostLL = 16 << 10
  /// The smallest part that a message is dealt to channels in.
  private static let leastPart = 64 << 10
  /// The chunks of Simple.
  private static let nodeChunk = 512 << 10
  private static let networkChunk = 128 << 10

  private static func powerOfTwo(atLeast number: Int) -> Int {
    number < 2 ? 1 : 1 << (Int.bitWidth - (number - 1).leadingZeroBitCount)
  }
}
