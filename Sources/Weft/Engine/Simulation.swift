/// Times a schedule on a fabric: every lane's operations, every message on every link.
///
/// A discrete-event simulation. Lanes run until they must wait, links are a ``NetworkModel``, and
/// what an operation costs stands in ``Costs``. Every lane and message carries the breakdown of its
/// own time along the path that made it so late, so the critical path is known at the end without
/// a trace. Nothing is allocated per event once the tables have grown.
///
/// What an event runs through is `mutating` even where it changes nothing: a call that borrows a value
/// of this size without the right to change it copies all of it (Swift 6.3, by its assembly).
struct Simulation<S: Schedule, Network: NetworkModel & ~Copyable>: ~Copyable {
  let schedule: S
  let fabric: Fabric
  let costs: Costs
  let calls: Int
  let fold: Fold
  /// How many bytes a buffer stores per byte of data; kept, since schedules make their lists anew.
  let expansions: [Int]

  var network: Network
  var queue = EventQueue()
  var messages: Pool<MessageState>
  var ports: PortTable
  var lanes: Slab<LaneState<S.Cursor>>
  var members: Slab<MemberState>
  /// The end of every call of every member, and where the time up to it went.
  var ends: Slab<CallEnd>

  var running: Int
  var messageCount = 0
  var byteCount = 0
  var eventCount = 0

  init(
    _ schedule: S, on fabric: Fabric, costs: Costs, calls: Int, foldAllowed: Bool
  ) {
    precondition(
      schedule.layout.ranks == fabric.ranks, "The schedule's ranks are those of the fabric.")
    self.schedule = schedule
    self.fabric = fabric
    self.costs = costs
    self.calls = calls
    expansions = schedule.buffers.map(\.storage.expansion)
    fold = Fold(schedule.symmetry, on: fabric, allowed: foldAllowed)
    let laneCount = fold.members * schedule.lanes
    network = Network(fabric: fabric, fold: fold)
    messages = Pool(minimumCapacity: laneCount)
    ports = PortTable(lanes: laneCount)
    lanes = Slab(minimumCapacity: laneCount)
    members = Slab(repeating: MemberState(), count: fold.members)
    ends = Slab(repeating: CallEnd(), count: fold.members * calls)
    running = laneCount
    for index in 0..<laneCount {
      let (rank, lane) = index.quotientAndRemainder(dividingBy: schedule.lanes)
      lanes.append(LaneState(cursor: schedule.cursor(rank: rank, lane: lane, call: 0)))
    }
  }

  /// Runs all calls to their end.
  ///
  /// - Throws: ``SimulationError/deadlock(_:)`` if lanes wait for each other for ever.
  consuming func run() throws(SimulationError) -> SimulationResult {
    for index in 0..<lanes.count {
      let launch = costs.enqueue + launch(of: 0, member: index / schedule.lanes, call: 0)
      lanes[index].now = launch
      lanes[index].path.launch = launch
      queue.push(Event(.lane, Int32(index)), at: launch)
    }
    while let (time, event) = queue.popFirst() {
      eventCount += 1
      switch event.kind {
      case .lane:
        advance(Int(event.subject), at: time)
      case .inject:
        inject(event.subject, at: time)
      case .network, .settle:
        let id = network.handle(event, at: time, messages: &messages, queue: &queue)
        if id >= 0 { arrived(id) }
      }
    }
    guard running == 0 else { throw .deadlock(blockedLanes()) }
    return try result()
  }
}

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

  var cursor: Cursor
  var operation = Operation(.barrier)
  var stage = Stage.fetch
  var call: Int32 = 0
  /// The number of operations fetched in this call.
  var step: Int32 = 0
  /// The kernel that the lane runs.
  var kernel: Int32 = 0
  /// The port of the message that the operation took, whose slot it frees; -1 if none.
  var taken: Int32 = -1
  /// The message that the operation works on while it still arrives; -1 if none.
  var streamed: Int32 = -1
  /// The message that the operation passes those lines on in; -1 if none.
  var passedOn: Int32 = -1
  /// The ports that were last looked up; -1 if none.
  ///
  /// A port that was swept out has another key.
  var lastOutgoing: Int32 = -1
  var lastIncoming: Int32 = -1
  /// The elements that the last operation handled, so that the next may go on with them.
  var atHand = AtHand()
  var now = SimDuration.zero
  /// Where the time up to `now` went.
  var path = TimeBreakdown()

  init(cursor: Cursor) { self.cursor = cursor }

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

/// The meeting of a rank's lanes.
struct MemberState {
  var arrived: Int32 = 0
  /// When the rank's proxy can start on another message.
  var proxyFree = SimDuration.zero
  var latest = SimDuration(picoseconds: -1)
  var path = TimeBreakdown()
}

/// The end of a call on one rank.
struct CallEnd {
  var time = SimDuration.zero
  var path = TimeBreakdown()
}

/// Why a simulation has no result.
public enum SimulationError: Error, CustomStringConvertible {
  /// Lanes wait for each other; the first few are described.
  case deadlock([String])
  /// A link carried more than its rate allows: a defect of the engine.
  case linkAboveRate(link: String, bytes: Int, time: SimDuration)
  /// There is no closed form for the schedule.
  case noClosedForm(String)

  /// What went wrong, for a person.
  public var description: String {
    switch self {
    case .deadlock(let lanes):
      "the schedule deadlocks: " + lanes.joined(separator: "; ")
    case .linkAboveRate(let link, let bytes, let time):
      "\(link) carried \(bytes) bytes in \(time), which is above its rate"
    case .noClosedForm(let algorithm):
      "\(algorithm) has no closed form"
    }
  }
}
