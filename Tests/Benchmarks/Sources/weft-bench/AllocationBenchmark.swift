import CountMalloc
@testable import Weft

/// Counts requests for memory while simulating: they come from tables that grow, not from events.
enum AllocationBenchmark {
  /// Back-to-back calls of the short and of the long run: ranks and tables are the same.
  private static let calls = (short: 4, long: 16)

  /// Prints a table; whether a run of four times the messages asks for memory no more often, but for
  /// a table or two that double.
  static func run() throws -> Bool {
    print("allocations of \(calls.short) and of \(calls.long) back-to-back calls")
    print(
      "schedule", "network", "messages", "allocations", "further messages", "further",
      separator: "\t")
    var passed = true
    for (entry, network) in [
      (try SimulationBenchmark.ring(nodes: 64), Plan.Network.event),
      (try SimulationBenchmark.plain(.recursiveDoubling, nodes: 256), .event),
      (try SimulationBenchmark.nvrar(nodes: 16), .event),
      (try SimulationBenchmark.ring(nodes: 64), .flow),
      (try SimulationBenchmark.nvrar(nodes: 16), .flow),
    ] {
      let short = try count(entry, network, calls: calls.short)
      let long = try count(entry, network, calls: calls.long)
      let further = long.allocations - short.allocations
      let isEnough = further <= most
      passed = passed && isEnough
      print(
        entry.name, network.rawValue, short.messages, short.allocations,
        long.messages - short.messages, further, isEnough ? "ok" : "TOO MANY", separator: "\t")
    }
    return passed
  }

  /// More than the tables that may double once more, less than one per thousand messages.
  private static let most = 8

  private static func count(
    _ entry: SimulationBenchmark.Case, _ network: Plan.Network, calls: Int
  ) throws -> (messages: Int, allocations: Int) {
    let before = count_malloc_calls()
    let result = try entry.plan.simulate(
      on: entry.fabric, network: network, calls: calls, foldAllowed: false)
    return (result.messages * calls, count_malloc_calls() - before)
  }
}
