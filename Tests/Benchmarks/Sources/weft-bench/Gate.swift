import Weft

/// A bound on the cost of a simulation that holds on any machine: against the cost of a heap.
enum Gate {
  /// The heap of the calibration loop is about as full as the ring's event queue, and fits a cache.
  private static let pending = 1_000
  /// Steps of the calibration loop, which take about as long as the ring: ten rounds of a million.
  private static let rounds = 10
  private static let steps = 1_000_000
  /// How many times the loop's cost the ring may take.
  private static let limit = 3.0

  /// Prints the ratio; whether it is within the limit.
  static func run() throws -> Bool {
    let ring = try SimulationBenchmark.ring()
    let delays = QueueBenchmark.delays(.random, count: steps)
    var messages = 0
    var loop = Double.infinity
    var simulation = Double.infinity
    // In turn, so that a busy spell of the machine meets both.
    for _ in 0..<3 {
      let outcomes = (0..<rounds).map { _ in
        QueueBenchmark.heapSteps(pending: pending, delays)
      }
      loop = min(loop, outcomes.reduce(0) { $0 + $1.seconds })
      simulation = min(
        simulation, try Clock.seconds { messages = try ring.simulate().messages })
    }
    let ratio = simulation / loop
    let passed = ratio <= limit
    print(
      "gate \(passed ? "passed" : "failed"): \(ring.name) took \(decimals(simulation, 3)) s for "
        + "\(messages) messages, \(decimals(ratio, 2)) times the \(decimals(loop, 3)) s of "
        + "\(rounds * steps) heap steps; the limit is \(decimals(limit, 1))")
    return passed
  }
}
