/// What a lane is doing.
struct LaneState<Cursor: OperationCursor> {
  /// How far the current operation is.
  enum Stage: UInt8 {
    /// The next operation is to be fetched.
    case fetch
    /// A message or flag is awaited.
    case input
    /// A free slot is awaited.
    case credit
    /// The lane has done its part on a message whose last lines are awaited.
    case drain
    /// The lane is at work; what it produces leaves at the end.
    case emit
    /// The other lanes of the rank are awaited, at a barrier or kernel.
    case meet
    /// The other lanes of the rank are awaited, at the end of the call.
    case end
  }

  // What another lane's message touches comes first, close together.

  /// The connection that the lane has asked for a message of, before one set out; all ones if none.
  var awaitedKey = UInt64.max
  /// Messages that the lane has not asked for yet, in four lists by their tags, so that those that
  /// nobody asks for do not stand in the way of others: the youngest one, -1 if there is none.
  var inboxes = [4 of Int32](repeating: -1)
  /// The message that the lane has asked for, which has set out; -1 if none.
  var awaited: Int32 = -1
  /// The port of the message that the operation took, whose slot it frees; -1 if none.
  var taken: Int32 = -1
  var now = SimDuration.zero
  /// Where the time up to `now` went.
  var path = TimeBreakdown()
  var stage = Stage.fetch
  /// Whether the lane is to be woken when more is known of a message that it takes as it comes.
  var waits = false
  /// By bits, the inboxes from which messages were put into ports.
  var spilledInboxes: UInt8 = 0
  /// Whether the operation goes on with the elements of the one before; of use where the simulation
  /// remembers operations.
  var continues = false
  /// How many messages were put into ports and not taken yet.
  var spilled: Int32 = 0
  /// The number of operations fetched in this call.
  var step: Int32 = 0
  var call: Int16 = 0
  /// The kernel that the lane runs.
  var kernel: Int16 = 0
  var operation = LaneOperation(Operation(.barrier))
  var cursor: Cursor

  init(cursor: Cursor) { self.cursor = cursor }

  /// Goes on no earlier than a moment that another lane or message has come to.
  mutating func wait(until moment: SimDuration, path other: TimeBreakdown) {
    guard moment > now else { return }
    now = moment
    path = other
  }
}

/// What the engine needs of an operation: of places, only the buffers.
struct LaneOperation {
  let from: Port
  let to: Port
  let count: Int
  let kind: Operation.Kind
  let actions: Operation.Actions
  let via: Operation.Via
  let source: UInt8
  let addend: UInt8
  let destination: UInt8

  @inline(__always)
  init(_ operation: Operation) {
    from = operation.from
    to = operation.to
    count = operation.count
    kind = operation.kind
    actions = operation.actions
    via = operation.via
    source = operation.source.buffer
    addend = operation.addend.buffer
    destination = operation.destination.buffer
  }

  /// Whether it takes a message or flag from ``from``.
  @inline(__always)
  var awaits: Bool { kind == .wait || actions.contains(.receive) }

  /// Whether it sends a message or flag through ``to``.
  @inline(__always)
  var sends: Bool { kind == .put || kind == .signal || actions.contains(.send) }
}

/// What a lane keeps besides where lanes take time for what they do, or wait for slots.
struct LaneWork {
  /// The message that the operation works on while it still arrives; -1 if none.
  var streamed: Int32 = -1
  /// The message that the operation passes those lines on in; -1 if none.
  var passedOn: Int32 = -1
  /// The port that was last looked up; -1 if none.
  ///
  /// A port that was swept out has another key.
  var lastOutgoing: Int32 = -1
  /// What the last operation that was no meeting leaves at hand.
  var atHand = AtHand()
}

/// What the operation before left in a lane's registers and caches.
struct AtHand {
  /// Where its result was stored, or where what it sent came from.
  var place = Location.none
  var count = -1
  var received = false

  init() {}

  init(_ operation: Operation) {
    guard operation.kind == .transfer else { return }
    received = operation.actions.contains(.receive)
    place = operation.actions.contains(.store) ? operation.destination : operation.source
    count = operation.count
  }

  /// Whether an operation adds one more message to the sum at hand, or sends what is at hand once
  /// more.
  func continues(with operation: Operation) -> Bool {
    guard operation.kind == .transfer, operation.count == count, operation.source == place else {
      return false
    }
    return operation.actions == .send
      || received && operation.actions.isSuperset(of: [.receive, .reduce])
  }
}
