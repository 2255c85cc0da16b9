/// A schedule written down: for every rank, thread blocks with steps on chunks of the data.
///
/// The form that MSCCL's XML files have. A block has at most one peer to send to and one to receive
/// from; its steps run in order, and a step may wait for a step of another block of the rank.
public struct ChunkProgram: Hashable, Sendable {
  /// A buffer as a step names it.
  public enum Space: String, CaseIterable, Sendable {
    /// What the rank brings.
    case input = "i"
    /// What the rank finds in the end.
    case output = "o"
    /// The schedule's own.
    case scratch = "s"
  }

  /// The first chunk of a run.
  public struct Place: Hashable, Sendable {
    /// The buffer.
    public var space: Space
    /// The chunk's number in it.
    public var chunk: Int

    /// Names a chunk.
    public init(space: Space, chunk: Int) {
      self.space = space
      self.chunk = chunk
    }
  }

  /// A step of a block of the same rank.
  public struct Dependency: Hashable, Sendable {
    /// The block's number.
    public var block: Int
    /// The step's number in it.
    public var step: Int

    /// Names a step.
    public init(block: Int, step: Int) {
      self.block = block
      self.step = step
    }
  }

  /// What a block does next.
  public struct Step: Hashable, Sendable {
    /// The kinds of step, by MSCCL's names.
    public enum Kind: String, CaseIterable, Sendable {
      /// Sends the source.
      case send = "s"
      /// Receives into the destination.
      case receive = "r"
      /// Receives into the destination and sends the same.
      case receiveCopySend = "rcs"
      /// Receives, adds the source, sends the sum and stores nothing.
      case receiveReduceSend = "rrs"
      /// Receives, adds the source, stores the sum.
      case receiveReduceCopy = "rrc"
      /// Receives, adds the source, stores the sum and sends it.
      case receiveReduceCopySend = "rrcs"
      /// Copies the source to the destination.
      case copy = "cpy"
      /// Adds the source to the destination.
      case reduce = "re"
      /// Waits for another step and does nothing else.
      case nothing = "nop"

      /// The parts of the transfer that the step is.
      public var actions: Operation.Actions {
        switch self {
        case .send: [.send]
        case .receive: [.receive, .store]
        case .receiveCopySend: [.receive, .store, .send]
        case .receiveReduceSend: [.receive, .reduce, .send]
        case .receiveReduceCopy: [.receive, .reduce, .store]
        case .receiveReduceCopySend: [.receive, .reduce, .store, .send]
        case .copy: [.store]
        case .reduce: [.reduce, .store]
        case .nothing: []
        }
      }

      /// Whether the step reads what stands at its source.
      public var readsSource: Bool {
        self == .copy || self == .send || actions.contains(.reduce)
      }

      /// Whether the step writes to its destination.
      public var writesDestination: Bool { actions.contains(.store) }
    }

    /// What is done.
    public var kind: Kind
    /// The local operand; nil if there is none.
    public var source: Place?
    /// Where the result goes; nil if it is not stored.
    public var destination: Place?
    /// The number of chunks.
    public var count: Int
    /// The step that must be over before; nil if there is none.
    public var after: Dependency?

    /// Creates a step.
    public init(
      _ kind: Kind, source: Place? = nil, destination: Place? = nil, count: Int = 0,
      after: Dependency? = nil
    ) {
      self.kind = kind
      self.source = source
      self.destination = destination
      self.count = count
      self.after = after
    }
  }

  /// A thread block.
  public struct Block: Hashable, Sendable {
    /// The rank it sends to; nil if it sends nothing.
    public var sendPeer: Int?
    /// The rank it receives from; nil if it receives nothing.
    public var receivePeer: Int?
    /// Which of the connections between two ranks it uses.
    public var channel: Int
    /// What it does.
    public var steps: [Step]

    /// Creates a block.
    public init(sendPeer: Int?, receivePeer: Int?, channel: Int, steps: [Step]) {
      self.sendPeer = sendPeer
      self.receivePeer = receivePeer
      self.channel = channel
      self.steps = steps
    }
  }

  /// A name for people.
  public var name: String
  /// The protocol it was written for: Simple, LL or LL128.
  public var protocolName: String
  /// What it computes.
  public var collective: Collective
  /// Whether input and output are one buffer.
  public var inPlace: Bool
  /// The smallest size in bytes that it is meant for.
  public var minBytes: Int
  /// The size in bytes from which on it is not meant to be used; nil if there is none.
  public var maxBytes: Int?
  /// The number of equal chunks that the collective's size is cut into.
  public var chunks: Int
  /// The length of every rank's scratch buffer in chunks.
  public var scratchChunks: [Int]
  /// The blocks of every rank.
  public var blocks: [[Block]]

  /// Creates a program for as many ranks as have blocks.
  public init(
    name: String, protocolName: String, collective: Collective, inPlace: Bool, minBytes: Int = 0,
    maxBytes: Int? = nil, chunks: Int, scratchChunks: [Int], blocks: [[Block]]
  ) {
    self.name = name
    self.protocolName = protocolName
    self.collective = collective
    self.inPlace = inPlace
    self.minBytes = minBytes
    self.maxBytes = maxBytes
    self.chunks = chunks
    self.scratchChunks = scratchChunks
    self.blocks = blocks
  }

  /// The number of ranks.
  public var ranks: Int { blocks.count }

  /// The number of channels.
  public var channels: Int { (blocks.joined().map(\.channel).max() ?? 0) + 1 }

  /// The length of a buffer of a rank in chunks.
  public func length(of space: Space, rank: Int) -> Int {
    switch space {
    case .input: collective.inputElements(chunks, ranks: ranks)
    case .output: collective.outputElements(chunks, ranks: ranks)
    case .scratch: scratchChunks[rank]
    }
  }

  /// What MSCCL's interpreter holds at most.
  public enum Limits {
    /// Steps of a block.
    public static let steps = 256
    /// Chunks that a step moves.
    public static let count = 71
    /// Blocks of a rank.
    public static let blocks = 216
    /// Blocks of a rank on one channel.
    public static let blocksPerChannel = 32
  }
}
