/// A place in one of a rank's buffers.
public struct Location: Hashable, Sendable {
  /// The offset above the four bits of a buffer's index: every lane keeps an operation with three
  /// places.
  private var bits: UInt64

  /// The buffer's index in ``Schedule/buffers``, below 16.
  public var buffer: UInt8 {
    get { UInt8(truncatingIfNeeded: bits & 0xF) }
    set { self = Location(buffer: newValue, offset: offset) }
  }

  /// The offset in elements, below 2^60.
  public var offset: Int {
    get { Int(truncatingIfNeeded: bits >> 4) }
    set { bits = UInt64(truncatingIfNeeded: newValue) << 4 | bits & 0xF }
  }

  /// Creates a place.
  ///
  /// - Precondition: the buffer is one of the first sixteen.
  public init(buffer: UInt8, offset: Int) {
    precondition(buffer < 16, "A schedule has up to sixteen buffers.")
    bits = UInt64(truncatingIfNeeded: offset) << 4 | UInt64(buffer)
  }

  static let none = Location(buffer: 0, offset: 0)
}

/// One end of a connection: messages between two lanes with one tag arrive in the order sent.
///
/// The k-th message sent meets the k-th received; a different tag is a different connection.
public struct Port: Hashable, Sendable {
  /// The rank at the other end.
  public var peer: Int32
  /// The lane of that rank.
  public var lane: Int16
  /// Tells apart connections between the same two lanes.
  public var tag: Int16

  /// Creates a port.
  public init(peer: Int, lane: Int = 0, tag: Int = 0) {
    self.peer = Int32(peer)
    self.lane = Int16(lane)
    self.tag = Int16(tag)
  }

  static let none = Port(peer: -1)
}

/// What a lane does next.
///
/// A `transfer` combines what NCCL calls primitives: it may receive a message from a slot, add a
/// local operand, store the result and send it on, in one pass. A `put` writes straight into a
/// buffer of the peer and raises a flag there; a `signal` raises a flag alone; a `wait` passes when
/// the flag of the next put or signal of its port is up. The peer of a `signal` may be another lane
/// of the same rank, which then waits until this one has come so far; nothing else goes to oneself.
public struct Operation: Hashable, Sendable {
  /// The kinds of operation.
  public enum Kind: UInt8, Sendable {
    /// Receives, reduces, stores and sends, as ``Operation/actions`` says.
    case transfer
    /// Writes `source` to `destination` in a buffer of the peer, with a flag.
    case put
    /// Raises a flag at the peer.
    case signal
    /// Waits for the next put or signal of a port.
    case wait
    /// Waits for all lanes of the rank.
    case barrier
    /// Waits for all lanes of the rank, then launches kernel `count` of the schedule.
    case kernel
  }

  /// What a switch inside a node does to a message, which decides whose links carry it.
  public enum Via: UInt8, Sendable {
    /// Nothing: it crosses the sender's and the receiver's link.
    case links
    /// It is added to others on the way, and one of them carries the sum over the receiver's link.
    case reduction
    /// It is a copy of another that has crossed the sender's link.
    case multicast
  }

  /// The parts of a transfer, in the order they happen.
  public struct Actions: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt8

    /// Creates a set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Takes the next message of ``Operation/from``.
    public static let receive = Actions(rawValue: 1)
    /// Adds the elements at ``Operation/source`` to it; without `receive`, to those at
    /// ``Operation/addend``.
    public static let reduce = Actions(rawValue: 2)
    /// Writes the result to ``Operation/destination``.
    public static let store = Actions(rawValue: 4)
    /// Sends the result through ``Operation/to``; without `receive`, sends `source`.
    public static let send = Actions(rawValue: 8)
  }

  /// What is done.
  public var kind: Kind
  /// The parts of a transfer.
  public var actions: Actions
  /// Where messages or flags come from.
  public var from: Port
  /// Where messages or flags go to.
  public var to: Port
  /// The local operand.
  public var source: Location
  /// The second local operand of a reduction that receives nothing.
  public var addend: Location
  /// Where the result goes; for a put, in the peer's buffer.
  public var destination: Location
  /// The number of elements; for a kernel, its index.
  public var count: Int
  /// What a switch of the node does to the message.
  public var via = Via.links

  init(
    _ kind: Kind, actions: Actions = [], from: Port = .none, to: Port = .none,
    source: Location = .none, addend: Location = .none, destination: Location = .none,
    count: Int = 0
  ) {
    self.kind = kind
    self.actions = actions
    self.from = from
    self.to = to
    self.source = source
    self.addend = addend
    self.destination = destination
    self.count = count
  }
}

// MARK: - The usual operations

extension Operation {
  /// Sends local elements.
  static func send(_ source: Location, _ count: Int, to port: Port) -> Operation {
    Operation(.transfer, actions: .send, to: port, source: source, count: count)
  }

  /// Receives and stores.
  static func receive(_ destination: Location, _ count: Int, from port: Port) -> Operation {
    Operation(
      .transfer, actions: [.receive, .store], from: port, destination: destination, count: count)
  }

  /// Receives, adds a local operand and stores the sum.
  static func receiveReduce(
    adding source: Location, into destination: Location, _ count: Int, from port: Port
  ) -> Operation {
    Operation(
      .transfer, actions: [.receive, .reduce, .store], from: port, source: source,
      destination: destination, count: count)
  }

  /// Copies within the rank.
  static func copy(_ source: Location, to destination: Location, _ count: Int) -> Operation {
    Operation(.transfer, actions: .store, source: source, destination: destination, count: count)
  }

  /// Stores the sum of two operands within the rank.
  static func add(
    _ source: Location, _ addend: Location, into destination: Location, _ count: Int
  ) -> Operation {
    Operation(
      .transfer, actions: [.reduce, .store], source: source, addend: addend,
      destination: destination, count: count)
  }

  /// Writes into a buffer of the peer and raises the flag that it waits for.
  static func put(
    _ source: Location, to destination: Location, _ count: Int, at port: Port
  ) -> Operation {
    Operation(.put, to: port, source: source, destination: destination, count: count)
  }

  /// Waits for all lanes of the rank and launches a kernel.
  static func kernel(_ index: Int) -> Operation { Operation(.kernel, count: index) }

  /// Waits for the flag of the next put or signal of a port.
  static func wait(_ port: Port) -> Operation { Operation(.wait, from: port) }

  /// Raises a flag at a peer.
  static func signal(_ port: Port) -> Operation { Operation(.signal, to: port) }
}
