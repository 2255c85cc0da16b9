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
  let period: Period
  let fold: Fold
  /// How many bytes a buffer stores per byte of data; kept, since schedules make their lists anew.
  let expansions: [Int]

  var network: Network
  var queue = EventQueue()
  var messages: MessageTable
  /// Of use where slots can run out, or where lanes leave many messages untaken.
  var ports: PortTable
  var lanes: Slab<LaneState<S.Cursor>>
  var members: Slab<MemberState>
  /// By message: where the time up to its departure went, which is what its first byte was late by.
  ///
  /// Of use where lanes stream, and kept there alone.
  var departures: Slab<TimeBreakdown>
  /// By lane, where lanes take time for what they do, or wait for slots.
  var works: Slab<LaneWork>
  /// By lane, how many messages random delays have had; none where there are no such delays.
  var delayed: Slab<UInt32>
  /// By connection, when the last of its messages that was held up set out.
  var delayedUntil: [UInt64: SimDuration] = [:]
  /// The end of every member's call before those that count, and where the time up to it went.
  var ends: Slab<CallEnd>
  var slowest = SlowestCall()
  /// Divides lanes by those of a rank.
  let lanesPerRank: Divider
  // Asked of every operation and message.

  /// Whether messages wait for slots.
  let countsSlots: Bool
  /// Whether lanes take time for what they do.
  let hasWork: Bool
  /// Whether something comes between a lane and its NIC.
  let isPosted: Bool
  /// Whether what a lane did last decides about what it does next.
  let remembers: Bool
  /// Whether lanes take time to turn to an operation.
  let takesTurns: Bool
  /// Whether none of that is so, nothing else but links takes time, and a message's way follows from
  /// its ranks alone.
  ///
  /// What a lane runs through is compiled for that too (``LaneCosts``).
  let isPlain: Bool
  /// Whether a receiver hears of a message that waits for a link only when it arrives, which is early
  /// enough where nobody works on what is still under way, and spares it from being looked up twice.
  let announcesLate: Bool

  /// The first message that was faster than its links.
  var violation: SimulationError?
  var timeInNode = TransferTime()
  var timeBetween = TransferTime()
  var running: Int
  var messageCount = 0
  var byteCount = 0
  var eventCount = 0

  init(
    _ schedule: S, on fabric: Fabric, costs: Costs, calls: Int, period: Period = .last,
    foldAllowed: Bool
  ) {
    precondition(
      schedule.layout.ranks == fabric.ranks, "The schedule's ranks are those of the fabric.")
    self.schedule = schedule
    self.fabric = fabric
    self.costs = costs
    self.calls = calls
    self.period = period
    expansions = schedule.buffers.map(\.storage.expansion)
    let fold = Fold(schedule.symmetry, on: fabric, allowed: foldAllowed)
    self.fold = fold
    let laneCount = fold.members * schedule.lanes
    let network = Network(fabric: fabric, fold: fold)
    let keepsOrder = network.keepsOrder
    self.network = network
    messages = MessageTable(minimumCapacity: laneCount)
    let countsSlots = costs.slots < .max
    self.countsSlots = countsSlots
    let hasWork = costs.takesLaneTime
    self.hasWork = hasWork
    isPosted = costs.proxy != nil || fabric.hasConditions
    let remembers = costs.remembersOperations
    self.remembers = remembers
    takesTurns = costs.operation > .zero
    let isPlain =
      !countsSlots && !hasWork && !remembers && costs.costsTimeOnLinksAlone
      && fold.symmetry == .none && fabric.isRegular && !fabric.hasConditions
    self.isPlain = isPlain
    announcesLate = isPlain && keepsOrder
    ports = PortTable(lanes: countsSlots ? laneCount : 1)
    lanes = Slab(minimumCapacity: laneCount)
    members = Slab(repeating: MemberState(), count: fold.members)
    departures = Slab(minimumCapacity: costs.streamGrain == nil ? 0 : laneCount)
    // By names of their own: read as properties there, they are miscompiled (Swift 6.3).
    let keepsWork = hasWork || remembers || countsSlots
    works = Slab(repeating: LaneWork(), count: keepsWork ? laneCount : 0)
    delayed = Slab(
      repeating: 0, count: fabric.conditions.networkJitter > .zero ? laneCount : 0)
    let keepsEnds = calls > 1 && period != .mean
    ends = Slab(repeating: CallEnd(), count: keepsEnds ? fold.members : 0)
    lanesPerRank = Divider(schedule.lanes)
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
    let isLarge = lanes.count >= Self.large
    while let (time, event) = queue.popFirst() {
      eventCount += 1
      if isLarge { lookAhead() }
      switch event.kind {
      case .lane:
        if isPlain {
          advance(Int(event.subject), at: time, LinksAlone.self)
        } else {
          advance(Int(event.subject), at: time, AllCosts.self)
        }
      case .inject:
        inject(event.subject, at: time)
      case .network, .settle:
        let id = network.handle(event, at: time, messages: &messages, queue: &queue)
        if id >= 0 { landed(id) }
      }
    }
    if let violation { throw violation }
    guard running == 0 else { throw .deadlock(blockedLanes()) }
    return try result()
  }

  /// Lanes from which their state no longer fits a cache of the second level.
  private static var large: Int { 2048 }

  /// Asks memory for what the next events of this moment will touch.
  ///
  /// Events of a moment lead to places that no hardware foresees. With a million ranks most of a
  /// run's time went into waiting for memory: docs/decisions.md.
  @inline(__always)
  private mutating func lookAhead() {
    if queue.isFirstOfMoment {
      for place in 0..<min(Self.far, queue.presentCount) { prefetch(place) }
      for place in 0..<min(Self.near, queue.presentCount) { prepare(place) }
    } else {
      if queue.presentCount >= 2 * Self.far { queue.prefetch(2 * Self.far - 1) }
      if queue.presentCount >= Self.far { prefetch(Self.far - 1) }
      if queue.presentCount >= Self.near { prepare(Self.near - 1) }
    }
  }

  /// How many events ahead their own subjects are asked for, and how many what these lead to.
  private static var far: Int { 16 }
  private static var near: Int { 8 }

  /// Asks for what an event is about.
  @inline(__always)
  private mutating func prefetch(_ place: Int) {
    let event = queue.present(place)
    if event.kind == .lane {
      lanes.prefetch(Int(event.subject))
    } else if case let id = message(of: event), id >= 0 {
      messages.prefetch(id)
      messages.prefetch(way: id)
    }
  }

  /// Asks for what the subject of an event leads to.
  @inline(__always)
  private mutating func prepare(_ place: Int) {
    let event = queue.present(place)
    if event.kind == .lane {
      prepare(lane: Int(event.subject))
    } else if case let id = message(of: event), id >= 0 {
      lanes.prefetch(messages[id].receiver, bytes: 128)
      network.prefetch(messages[way: id].route)
    }
  }

  /// The message that an event of the network is about; -1 if none is.
  @inline(__always)
  private mutating func message(of event: Event) -> Int32 {
    event.kind == .inject || Network.eventsAreMessages ? event.subject : -1
  }

  /// Brings a lane whose turn comes to its next message, if nothing else happens before that, and
  /// asks for what that will touch.
  private mutating func prepare(lane index: Int) {
    guard !hasWork && !remembers && !takesTurns && lanes[index].taken < 0 else { return }
    while true {
      if lanes[index].stage == .fetch { lanes[index].stage = fetch(index) }
      // What is neither sent nor waited for takes no time.
      guard
        lanes[index].stage == .credit
          || lanes[index].stage == .input && !lanes[index].operation.awaits,
        !lanes[index].operation.sends
      else { break }
      lanes[index].stage = .fetch
    }
    for inbox in 0..<4 where lanes[index].inboxes[inbox] >= 0 {
      messages.prefetch(lanes[index].inboxes[inbox])
    }
    let stage = lanes[index].stage
    guard stage == .input || stage == .credit, lanes[index].operation.sends, fabric.isRegular
    else { return }
    prefetchWay(to: lanes[index].operation.to, of: index, bytes: 128)
    if lanes[index].operation.kind == .signal { prefetchSignals(after: index) }
  }

  /// Asks for what the signals touch that a lane raises right after its next one: a call may end with one
  /// for every partner, each with its lane out of the cache.
  @inline(never)
  private mutating func prefetchSignals(after index: Int) {
    var cursor = lanes[index].cursor
    while let operation = cursor.next(), operation.kind == .signal {
      prefetchWay(to: operation.to, of: index, bytes: 32)
    }
  }

  /// Asks for a receiver's first bytes and for the links on the way to it.
  @inline(__always)
  private mutating func prefetchWay(to port: Port, of index: Int, bytes: Int) {
    let (source, stripe) = lanesPerRank.split(index)
    guard source != Int(port.peer) else { return }
    let target = fold.member(of: Int(port.peer)) &* lanesPerRank.divisor &+ Int(port.lane)
    var (route, _) = fabric.regularWay(from: source, to: Int(port.peer), stripe: stripe)
    if fold.factor > 1 { route = fabric.folded(route) }
    lanes.prefetch(target, bytes: bytes)
    network.prefetch(route)
  }
}

/// Whether a lane's doings cost something, as a type: what runs for every message is compiled for
/// either case, and asks for no cost where there is none.
protocol LaneCosts {
  static var areNone: Bool { get }
}

/// As ``Costs`` say.
enum AllCosts: LaneCosts {
  static var areNone: Bool { false }
}

/// None but what links take, on a fabric where a message's way follows from its ranks alone.
enum LinksAlone: LaneCosts {
  static var areNone: Bool { true }
}

/// The meeting of a rank's lanes.
struct MemberState {
  /// When the rank's proxy can start on another message.
  var proxyFree = SimDuration.zero
  /// How many of its lanes have come to the meeting.
  var arrived: Int32 = 0
  /// The one that came last; -1 if none has come.
  var latest: Int32 = -1
}

/// The end of a call on one rank.
struct CallEnd {
  var time = SimDuration.zero
  var path = TimeBreakdown()
}

/// What of back-to-back calls is the time of one.
enum Period {
  /// The last one, from one end to the next on the same rank.
  case last
  /// The mean of all but the first, from its end on the same rank: where ranks are out of step, one
  /// period of the rank for which it is longest says little of the others.
  case rest
  /// The mean of all, from the start: ranks that wait for none may run ahead by as many calls as
  /// slots hold, and calls under way together end together.
  case mean
}

/// The last call, or all of them, of the member that took longest.
struct SlowestCall {
  var member = -1
  var period = SimDuration(picoseconds: -1)
  var path = TimeBreakdown()
  /// Where the time up to the end of the call before went.
  var before = TimeBreakdown()

  /// Takes account of a member; of equal ones the first counts.
  mutating func add(_ other: Int, _ end: CallEnd, after previous: CallEnd) {
    let taken = end.time - previous.time
    guard taken > period || taken == period && other < member else { return }
    member = other
    period = taken
    path = end.path
    before = previous.path
  }
}

/// Why a simulation has no result.
public enum SimulationError: Error, CustomStringConvertible {
  /// Lanes wait for each other; the first few are described.
  case deadlock([String])
  /// A link carried more than its rate allows: a defect of the engine.
  case linkAboveRate(link: String, bytes: Int, time: SimDuration, least: SimDuration)
  /// A message took less than its links and their latency: a defect of the engine.
  case messageTooFast(from: String, to: String, bytes: Int, time: SimDuration, least: SimDuration)
  /// A formula gave less than the bytes take on all links together: a defect of the formula.
  case timeBelowBound(SimDuration, least: SimDuration)
  /// There is no closed form for the schedule.
  case noClosedForm(String)

  /// What went wrong, for a person.
  public var description: String {
    switch self {
    case .deadlock(let lanes):
      "the schedule deadlocks: " + lanes.joined(separator: "; ")
    case .linkAboveRate(let link, let bytes, let time, let least):
      "\(link) carries \(bytes) bytes of a call in \(time), which take \(least) at its rate"
    case .messageTooFast(let from, let to, let bytes, let time, let least):
      "\(bytes) bytes took \(time) from \(from) to \(to), which takes \(least)"
    case .timeBelowBound(let time, let least):
      "the formula gives \(time), and the machine's links alone take \(least)"
    case .noClosedForm(let algorithm):
      "\(algorithm) has no closed form"
    }
  }
}
