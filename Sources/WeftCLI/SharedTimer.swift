import Foundation
import Synchronization
import Weft

/// A timer whose answers threads share, so that each call is simulated once.
struct SharedTimer: CollectiveTimer, Sendable {
  /// Why a thread that does not wait gets no answer: another one is at it.
  struct Underway: Error {}

  private enum Call: Hashable {
    case allReduce(Int, DataType, Layout, AllReduceLibrary, StepLaunch)
    case exchange(Collective, Int, Layout, StepLaunch)
    case pointToPoint(Int, crossesNodes: Bool, pairs: Int, StepLaunch)
  }

  private enum Answer {
    case known(Result<CollectiveTime, any Error>)
    case underway(DispatchGroup)
  }

  private final class Memory: Sendable {
    let answers = Mutex<[Call: Answer]>([:])
  }

  private let topology: Topology
  private let profile: Profile
  private let memory = Memory()
  /// Whether to wait for calls that another thread simulates.
  var waits = true

  /// Creates a timer that remembers nothing yet; its copies share what they learn.
  init(topology: Topology, profile: Profile) {
    self.topology = topology
    self.profile = profile
  }

  private var base: SimulatedTimer { SimulatedTimer(topology: topology, profile: profile) }

  private func answer(
    to call: Call, _ simulate: () throws -> CollectiveTime
  ) throws -> CollectiveTime {
    let group = DispatchGroup()
    let before = memory.answers.withLock { answers -> Answer? in
      if let before = answers[call] { return before }
      group.enter()
      answers[call] = .underway(group)
      return nil
    }
    switch before {
    case .known(let result):
      return try result.get()
    case .underway(let other):
      guard waits else { throw Underway() }
      other.wait()
      return try answer(to: call, simulate)
    case nil:
      let result = Result { try simulate() }
      memory.answers.withLock { $0[call] = .known(result) }
      group.leave()
      return try result.get()
    }
  }

  func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(to: .allReduce(bytes, type, layout, library, launch)) {
      try base.allReduce(
        bytes: bytes, type: type, layout: layout, library: library, launch: launch)
    }
  }

  func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(to: .exchange(collective, bytes, layout, launch)) {
      try base.exchange(collective, bytes: bytes, layout: layout, launch: launch)
    }
  }

  func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(to: .pointToPoint(bytes, crossesNodes: crossesNodes, pairs: pairs, launch)) {
      try base.pointToPoint(
        bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch)
    }
  }
}

// MARK: - Helpers

extension SharedTimer {
  /// Has the other cores of this host ask what predictions will, from the last plans to the first,
  /// while the caller begins with the first.
  ///
  /// - Returns: What ends them; they end by themselves when nothing is left to ask.
  func askAhead(_ requests: [PredictionRequest]) -> () -> Void {
    let stop = StopSign()
    let cases = requests.flatMap { request in request.cases.map { (request, $0) } }
    let helpers = min(ProcessInfo.processInfo.activeProcessorCount, cases.count) - 1
    for helper in 0..<max(0, helpers) {
      let thread = Thread {
        // Each begins at a place of its own and goes backwards.
        let last = cases.count - 1 - helper * cases.count / (helpers + 1)
        var order = Array(cases[...last].reversed() + cases[(last + 1)...].reversed())
        // What others simulate is left for a second look, when it is done or worth waiting for.
        for waits in [false, true] {
          var timer = self
          timer.waits = waits
          order = order.filter { request, item in
            guard !stop.isSet else { return false }
            do {
              try request.rehearse(item, timer: &timer)
              return false
            } catch {
              return error is Underway
            }
          }
        }
      }
      // Schedules are generic deep down; the default of some systems is half a mebibyte.
      thread.stackSize = 8 << 20
      thread.start()
    }
    return { stop.set() }
  }

  private final class StopSign: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
  }
}
