@testable import Weft

/// Steps of a pop and a push on a queue that holds a constant number of events.
enum QueueBenchmark {
  /// How far ahead of the present the next event lies.
  enum Times: String, CaseIterable {
    /// Anywhere in a microsecond, to the picosecond.
    case random
    /// One of four costs, as in a collective, whose ranks do the same things at the same times.
    case bulkSynchronous = "bulk-synchronous"

    /// How far ahead in picoseconds, from a random number.
    func delay(_ random: UInt64) -> Int64 {
      switch self {
      case .random: 1 + Int64(random % 1_000_000)
      case .bulkSynchronous: 250_000 * (1 + Int64(random % 4))
      }
    }
  }

  /// What a run of steps gave and cost, without filling the queue.
  struct Outcome {
    /// A sum that depends on the order of the events.
    var checksum: Int64
    /// The CPU time of the steps.
    var seconds: Double
  }

  /// Prints a table of million steps per second.
  static func run() {
    print("queue: million pop-and-push steps per second of CPU time, best of \(runs) runs")
    print("times", "pending", "radix heap", "4-ary heap", separator: "\t")
    for times in Times.allCases {
      for pending in [1_000, 100_000, 1_000_000] {
        let delays = delays(times, count: max(1_000_000, 2 * pending))
        let radix = best { radixSteps(pending: pending, delays) }
        let heap = best { heapSteps(pending: pending, delays) }
        precondition(radix.checksum == heap.checksum, "The queues differ in the order of events.")
        let rates = [radix, heap].map { decimals(Double(delays.count) / $0.seconds / 1e6, 1) }
        print(times.rawValue, pending, rates[0], rates[1], separator: "\t")
      }
    }
  }

  private static let runs = 5

  private static func best(_ work: () -> Outcome) -> Outcome {
    (1..<runs).reduce(into: work()) { best, _ in
      let outcome = work()
      if outcome.seconds < best.seconds { best = outcome }
    }
  }

  /// The delays of so many events, drawn beforehand so that drawing is not measured.
  static func delays(_ times: Times, count: Int) -> [Int64] {
    var state: UInt64 = 1
    return (0..<count).map { _ in
      // A linear congruential generator (Knuth); its upper bits are good enough for delays.
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return times.delay(state >> 33)
    }
  }

  /// A step of Weft's queue per delay.
  ///
  /// - Precondition: there are at least as many delays as pending events.
  static func radixSteps(pending: Int, _ delays: [Int64]) -> Outcome {
    var queue = EventQueue()
    for index in 0..<pending {
      queue.push(
        Event(.lane, Int32(truncatingIfNeeded: index)),
        at: SimDuration(picoseconds: delays[index]))
    }
    var sum: Int64 = 0
    let start = Clock.now()
    for (index, delay) in delays.enumerated() {
      guard let (time, event) = queue.popFirst() else { break }
      sum = 3 &* sum &+ time.picoseconds &+ Int64(event.subject)
      queue.push(
        Event(.lane, Int32(truncatingIfNeeded: index)),
        at: SimDuration(picoseconds: time.picoseconds + delay))
    }
    return Outcome(checksum: sum, seconds: Clock.now() - start)
  }

  /// A step of the 4-ary heap per delay.
  ///
  /// - Precondition: there are at least as many delays as pending events.
  static func heapSteps(pending: Int, _ delays: [Int64]) -> Outcome {
    var queue = FourAryHeap(capacity: pending)
    var sequence: UInt32 = 0
    for index in 0..<pending {
      queue.push(
        FourAryHeap.key(
          time: delays[index], sequence: sequence, event: UInt32(truncatingIfNeeded: index)))
      sequence += 1
    }
    var sum: Int64 = 0
    let start = Clock.now()
    for (index, delay) in delays.enumerated() {
      guard let key = queue.popFirst() else { break }
      let time = Int64(truncatingIfNeeded: key >> 64)
      sum = 3 &* sum &+ time &+ Int64(UInt32(truncatingIfNeeded: key))
      queue.push(
        FourAryHeap.key(
          time: time + delay, sequence: sequence, event: UInt32(truncatingIfNeeded: index)))
      sequence += 1
    }
    return Outcome(checksum: sum, seconds: Clock.now() - start)
  }
}
