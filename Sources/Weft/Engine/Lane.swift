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
  /// nobody asks for do not stand in the way of others: the last one of a ring, -1 if there is none.
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
  /// How many of those were not taken yet.
  var spilled: Int32 = 0
  var call: Int32 = 0
  /// The number of operations fetched in this call.
  var step: Int32 = 0
  /// The kernel that the lane runs.
  var kernel: Int32 = 0
  /// The message that the operation works on while it still arrives; -1 if none.
  var streamed: Int32 = -1
  /// The message that the operation passes those lines on in; -1 if none.
  var passedOn: Int32 = -1
  /// The port that was last looked up; -1 if none.
  ///
  /// A port that was swept out has another key.
  var lastOutgoing: Int32 = -1
  var operation = Operation(.barrier)
  var cursor: Cursor

  init(cursor: Cursor) { self.cursor = cursor }

  /// Reads something of every cache line that a message to the lane touches.
  func touchInboxes() -> Int64 {
    Int64(truncatingIfNeeded: awaitedKey) &+ path.scaleUpSerialization.picoseconds
      &+ Int64(stage.rawValue)
  }

  /// Goes on no earlier than a moment that another lane or message has come to.
  mutating func wait(until moment: SimDuration, path other: TimeBreakdown) {
    guard moment > now else { return }
    now = moment
    path = other
  }
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
