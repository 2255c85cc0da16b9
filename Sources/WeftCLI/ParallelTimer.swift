import Foundation
import Synchronization
import Weft

/// A timer that simulates the calls it is told of on all cores, and remembers what it simulated.
struct ParallelTimer: CollectiveTimer {
  private let topology: Topology
  private let profile: Profile
  private var known: [StepCall: Result<CollectiveTime, any Error>] = [:]

  /// Creates a timer that knows nothing yet.
  init(topology: Topology, profile: Profile) {
    self.topology = topology
    self.profile = profile
  }

  private var base: SimulatedTimer { SimulatedTimer(topology: topology, profile: profile) }

  private mutating func answer(to call: StepCall) throws -> CollectiveTime {
    if let before = known[call] { return try before.get() }
    let result = Self.simulate(call, base)
    known[call] = result
    return try result.get()
  }

  private static func simulate(
    _ call: StepCall, _ base: SimulatedTimer
  ) -> Result<CollectiveTime, any Error> {
    var timer = base
    return Result { try timer.time(of: call) }
  }

  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(
      to: .allReduce(bytes: bytes, type: type, layout: layout, library: library, launch: launch))
  }

  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(to: .exchange(collective, bytes: bytes, layout: layout, launch: launch))
  }

  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(
      to: .pointToPoint(bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch))
  }
}

// MARK: - Cores

extension ParallelTimer {
  /// What threads take calls from and put answers to.
  private final class Work: Sendable {
    struct State {
      var next = 0
      var answers: [Result<CollectiveTime, any Error>?]
    }

    let calls: [StepCall]
    let state: Mutex<State>

    init(_ calls: [StepCall]) {
      self.calls = calls
      state = Mutex(State(answers: Array(repeating: nil, count: calls.count)))
    }

    /// Simulates what no other thread has taken, until nothing is left.
    func finish(_ base: SimulatedTimer) {
      while true {
        let place = state.withLock { state in
          defer { state.next += 1 }
          return state.next
        }
        guard place < calls.count else { return }
        let answer = ParallelTimer.simulate(calls[place], base)
        state.withLock { $0.answers[place] = answer }
      }
    }
  }

  /// Simulates the calls on all cores, and returns when the last has its answer.
  mutating func prepare(_ calls: [StepCall]) {
    var seen: Set<StepCall> = []
    // The longest first, so that no core is left alone with one in the end.
    let open = calls.filter { known[$0] == nil && seen.insert($0).inserted }
      .sorted { $0.weight > $1.weight }
    let work = Work(open)
    let threads = DispatchGroup()
    for _ in 1..<max(1, min(ProcessInfo.processInfo.activeProcessorCount, open.count)) {
      let thread = Thread { [topology, profile] in
        work.finish(SimulatedTimer(topology: topology, profile: profile))
        threads.leave()
      }
      threads.enter()
      // Schedules are generic deep down; the default of some systems is half a mebibyte.
      thread.stackSize = 8 << 20
      thread.start()
    }
    work.finish(base)
    threads.wait()
    for (call, answer) in zip(open, work.state.withLock(\.answers)) { known[call] = answer }
  }
}
