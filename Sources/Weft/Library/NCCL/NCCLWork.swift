/// How NCCL deals one call to thread blocks: channels, threads, and bytes of each channel.
///
/// First channels, then threads are taken away while a thread would have too little to do. Then the
/// data is cut into cells of so much traffic, dealt to the channels in equal runs. Source: NCCL
/// 2.22.3 and 2.30.7, src/enqueue.cc; cells of 2.23 as measured on Alps (docs/decisions.md).
public struct NCCLWork: Hashable, Sendable {
  /// The most channels the call may use.
  public let maxChannels: Int
  /// The threads of each thread block.
  public let threads: Int
  /// The bytes of a cell.
  public let cellBytes: Int
  /// The channels in use, one thread block each.
  public let channels: Int
  /// The bytes of every channel but the last; for all-gather and reduce-scatter, of a rank's share.
  public let bytesPerChannel: Int
  /// The bytes dealt: the buffer, for all-gather and reduce-scatter a rank's share of it.
  public let bytes: Int

  /// Deals a call.
  ///
  /// - Parameters:
  ///   - algorithm: The algorithm.
  ///   - protocolName: The protocol.
  ///   - bytes: The size as nccl-tests counts it.
  ///   - collective: What is called.
  ///   - ranks: The number of ranks.
  ///   - channels: The channels of the communicator, or NVLS's.
  ///   - version: The version of NCCL, which decides how small a cell is.
  ///   - simpleRingThreads: The most threads of a ring with Simple: 512, or 256 on slow rings.
  public init(
    _ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName, bytes: Int,
    collective: Collective = .allReduce, ranks: Int, channels: Int, version: NCCLVersion = .latest,
    simpleRingThreads: Int = 512
  ) {
    (maxChannels, threads) = Self.threads(
      algorithm, protocolName, bytes: bytes, ranks: ranks, channels: channels, simpleRingThreads)

    let isShared = collective == .allGather || collective == .reduceScatter
    let dealt = isShared ? (bytes + ranks - 1) / ranks : bytes
    let perByte = isShared ? ranks : collective == .allReduce ? 2 : 1
    let (minimum, weightOfLL) = Self.cells(version)
    let weight = protocolName == .ll ? weightOfLL : 1
    let cell = Self.roundUp((minimum + perByte * weight - 1) / (perByte * weight), to: 16)
    let traffic = max(minimum, dealt * perByte * weight)
    let perChannel = Self.roundUp(traffic / maxChannels, to: 16)
    let cellTraffic = cell * perByte * weight
    let cells = (dealt + cell - 1) / cell
    let run = max(1, min(cells, (perChannel + cellTraffic - 1) / cellTraffic))

    cellBytes = cell
    self.bytes = dealt
    self.channels = min(channels, max(1, (cells + run - 1) / run))
    bytesPerChannel = min(run * cell, dealt)
  }

  /// The bytes of a channel: the last takes what the others leave.
  public func bytes(ofChannel channel: Int) -> Int {
    channel + 1 < channels ? bytesPerChannel : bytes - channel * bytesPerChannel
  }

  /// The traffic of a cell, and how many times that of LL counts.
  private static func cells(_ version: NCCLVersion) -> (traffic: Int, weightOfLL: Int) {
    if version < NCCLVersion(2, 23, 0) { return (512, 1) }
    if version < NCCLVersion(2, 24, 0) { return (16 << 10, 1) }
    return (32 << 10, 4)
  }

  private static func threads(
    _ algorithm: NCCLTuner.Algorithm, _ protocolName: NCCLTuner.ProtocolName, bytes: Int,
    ranks: Int, channels: Int, _ simpleRingThreads: Int
  ) -> (channels: Int, threads: Int) {
    // NVLS takes all its channels and as many threads as a block may have.
    if algorithm == .nvls || algorithm == .nvlsTree { return (channels, 640) }
    var threads =
      switch protocolName {
      case .ll: 512
      case .ll128: 640
      case .simple: algorithm == .ring ? simpleRingThreads : 512
      }
    var threshold = protocolName == .simple ? 64 : 8
    if algorithm == .ring && protocolName == .ll { threshold *= ranks }
    var count = channels
    while count >= 2 && bytes < count * threads * threshold { count -= 1 }
    while bytes < count * threads * threshold && threads % 128 == 0 { threads /= 2 }
    switch algorithm {
    case .ring: return (count, max(96, threads + (protocolName == .simple ? 32 : 0)))
    case .tree, .pat, .nvls, .nvlsTree: return (count, 640)
    }
  }

  private static func roundUp(_ number: Int, to multiple: Int) -> Int {
    (number + multiple - 1) / multiple * multiple
  }
}

extension NCCLTuner {
  /// How a call of this collective is dealt to thread blocks.
  public func work(_ candidate: Candidate, bytes: Int) -> NCCLWork {
    let channels: Int
    switch candidate.algorithm {
    case .tree, .ring, .pat: channels = graph.channels
    case .nvls, .nvlsTree: channels = graph.nvls?.channels ?? graph.channels
    }
    // A ring no faster than PCIe 3.0 gets half the threads.
    let isSlow = graph.ring.intra * Double(graph.searchChannels) <= 12
    return NCCLWork(
      candidate.algorithm, candidate.protocolName, bytes: bytes, collective: collective,
      ranks: ranks, channels: channels, version: version, simpleRingThreads: isSlow ? 256 : 512)
  }
}
