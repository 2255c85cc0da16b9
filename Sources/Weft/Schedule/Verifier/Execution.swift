/// One run of a schedule on symbolic data.
///
/// Lanes run in any order until each is done or waits for another. Connections are FIFO and every
/// wait names what it waits for, so lanes, messages and flags form a deterministic network: all
/// orders execute the same operations and meet the same messages.
struct Execution<Algebra: ContributionAlgebra> {
  typealias Multiset = Algebra.Multiset

  let program: Program
  let options: Verifier.Options
  let algebra: Algebra
  let goal: Goal
  let ranks: Int
  let lanesPerRank: Int
  /// Whether to give up at the first race, to look again with better clocks.
  let stopsAtRace: Bool

  var clocks: Clocks
  /// The buffers of rank 0, of rank 1, and so on.
  var memory: [BufferState<Multiset>] = []
  var lanes: [Lane]
  var connections: [Connection<Multiset>] = []
  var connectionNumbers: [UInt64: Int32] = [:]
  var puts: [Put] = []
  /// Lanes that can move, in the order they became so.
  var ready: [Int32] = []
  var waitingLanes: [Int]

  /// Whether it is the caller that reads the result or writes the input.
  var isCaller = false
  var findings: [Finding] = []
  var hasStopped = false
  var foundRace = false
  var operations = 0
  var messages = 0

  init(
    _ program: Program, algebra: Algebra, followed: [[Int32]], stopsAtRace: Bool,
    options: Verifier.Options
  ) {
    self.program = program
    self.algebra = algebra
    self.options = options
    self.stopsAtRace = stopsAtRace
    ranks = program.layout.ranks
    goal = Goal(
      collective: program.collective, elements: program.elements, ranks: program.layout.ranks)
    lanesPerRank = program.lanes
    clocks = Clocks(ranks: ranks, lanes: program.lanes, followed: followed)
    lanes = Array(repeating: Lane(), count: ranks * program.lanes)
    waitingLanes = Array(repeating: 0, count: ranks)
    memory.reserveCapacity(ranks * program.buffers.count)
    let nothing = Content(state: .unwritten, call: -1, shift: 0, ranks: algebra.single(0))
    for _ in 0..<ranks {
      for buffer in program.buffers {
        memory.append(BufferState(count: buffer.elements, content: nothing))
      }
    }
  }

  /// Runs all calls and looks at what is left.
  mutating func run() {
    for rank in 0..<ranks { beginCall(0, rank: rank) }
    var next = 0
    while next < ready.count, !hasStopped {
      let lane = Int(ready[next])
      next += 1
      if next > 4096, next * 2 > ready.count {
        ready.removeFirst(next)
        next = 0
      }
      advance(lane)
    }
    guard !hasStopped else { return }
    if lanes.contains(where: { $0.wait != .forEver }) {
      reportDeadlock()
    } else {
      reportLeftovers()
    }
  }

  /// Runs a lane until it waits.
  private mutating func advance(_ lane: Int) {
    while !hasStopped {
      let operation: Operation
      if lanes[lane].wait == .nothing {
        guard let next = program.next(lane: lane) else { return endCall(lane) }
        operation = next
        lanes[lane].operation = next
        lanes[lane].step += 1
        guard lanes[lane].step < options.operationLimit else {
          hasStopped = true
          return report(
            .malformed, lane: lane,
            "The lane is not at its end after \(options.operationLimit) operations.")
        }
      } else {
        operation = lanes[lane].operation
      }
      let wait = attempt(operation, by: lane)
      lanes[lane].wait = wait
      guard wait == .nothing else { return }
      operations += 1
    }
  }

  /// Does an operation, or says what it waits for.
  private mutating func attempt(_ operation: Operation, by lane: Int) -> Lane.Wait {
    switch operation.kind {
    case .transfer: transfer(operation, by: lane)
    case .put: put(operation, by: lane)
    case .signal: signal(operation, by: lane)
    case .wait: wait(operation, by: lane)
    case .barrier, .kernel: barrier(operation, by: lane)
    }
  }

  /// Lets a lane that waited try again.
  mutating func wake(_ lane: Int) { ready.append(Int32(lane)) }

  /// Records a fault of what a lane does, or the caller in the name of the lane.
  mutating func report(_ kind: Finding.Kind, lane: Int, _ text: String) {
    record(
      Finding(
        kind: kind, rank: lane / lanesPerRank, lane: isCaller ? nil : lane % lanesPerRank,
        call: lanes[lane].call, step: isCaller ? nil : lanes[lane].step, text: text))
  }

  /// Records a fault, unless there are enough of them: then the run ends.
  mutating func record(_ finding: Finding) {
    if findings.count < options.maxFindings { findings.append(finding) }
    if findings.count >= options.maxFindings { hasStopped = true }
  }
}

/// Where a lane is.
struct Lane {
  /// What a lane waits for.
  enum Wait: Equatable {
    case nothing
    /// The next message of a connection.
    case message(Int)
    /// The next flag of a connection.
    case flag(Int)
    /// A free slot of a connection.
    case slot(Int)
    /// The other lanes of the rank, at a barrier.
    case barrier
    /// The other lanes of the rank, at the end of the call.
    case end
    /// Nothing more: all calls are done.
    case forEver
  }

  var operation = Operation(.barrier)
  var call = 0
  /// The number of the current operation in the call.
  var step = -1
  var wait = Wait.nothing
  /// The connections used last: most lanes use few of them, many times.
  var lastTo: (port: Port, connection: Int) = (.none, -1)
  var lastFrom: (port: Port, connection: Int) = (.none, -1)
}

/// A write into a peer's memory under way.
struct Put {
  var source: Int
  /// The lane whose `wait` it met, and when; nil before.
  var completion: (lane: Int, epoch: UInt32)?
}

/// What travels through a connection.
struct SymbolicMessage<Multiset: Equatable & Sendable> {
  enum Kind: Equatable {
    case data
    case signal
    case put(Int)
  }

  var kind: Kind
  var call: Int
  var step: Int
  var count: Int
  var pieces: [Piece<Multiset>]
  var snapshot: Snapshot
}

/// The messages and flags between two lanes with one tag.
struct Connection<Multiset: Equatable & Sendable> {
  let source: Int
  let destination: Int
  let tag: Int
  /// How clocks carry over with a message, and with the slot that comes back.
  let forward: ClockRoute
  let backward: ClockRoute
  var queue: [SymbolicMessage<Multiset>] = []
  var head = 0
  /// Data messages sent and taken.
  var sent = 0
  var taken = 0
  /// What receivers knew when they freed the slots that the next sends use.
  var freed: [Snapshot] = []
  /// Whether a signal was taken in the call of its sender that it was raised in.
  var takesSignalsAtOnce = false
  var isReceiverWaiting = false
  var isSenderWaiting = false

  var isEmpty: Bool { head == queue.count }

  mutating func pop() -> SymbolicMessage<Multiset> {
    let message = queue[head]
    head += 1
    if head == queue.count {
      queue.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64, head * 2 > queue.count {
      queue.removeFirst(head)
      head = 0
    }
    return message
  }
}
