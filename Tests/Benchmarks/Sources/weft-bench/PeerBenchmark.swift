import Glibc
@testable import Weft

/// The same problems on another simulator: whether times agree, and what each costs.
enum PeerBenchmark {
  /// A problem that the peer's program knows by name, and Weft's form of it.
  private struct Problem: Sendable {
    var name: String
    var ranks: Int
    var entry: @Sendable () throws -> SimulationBenchmark.Case
  }

  private static let problems: [Problem] = [
    Problem(name: "ring", ranks: 1024) { try SimulationBenchmark.ring() },
    Problem(name: "recursive-doubling", ranks: 16_384) {
      try SimulationBenchmark.plain(.recursiveDoubling, nodes: 16_384)
    },
    Problem(name: "shared-nic", ranks: 1024) {
      try SimulationBenchmark.plain(.recursiveDoubling, on: sharedNIC, nodes: 256)
    },
  ]

  /// Four GPUs on a NIC, in step with the peer's program.
  private static var sharedNIC: Topology {
    var topology = SimulationBenchmark.topology(gpus: 4)
    topology.node.nics = 1
    topology.node.scaleUp.bandwidth = .gigabytesPerSecond(150)
    return topology
  }

  /// Prints a table; whether all times agree to a part in a million.
  ///
  /// The peer's program prints simulated microseconds, CPU seconds and peak memory in MiB.
  static func run(_ program: String) throws -> Bool {
    print("peers: Weft's flow and event models, SimGrid's flows; 1 MiB, all ranks; CPU seconds")
    print(
      "problem", "ranks", "weft_us", "simgrid_us", "weft_flow_s", "weft_event_s", "simgrid_s",
      "simgrid_MiB", separator: "\t")
    var agreed = true
    for problem in problems {
      let entry = try problem.entry()
      guard let peer = answer(of: program, "\(problem.name) \(problem.ranks) \(1 << 20)") else {
        print(problem.name, problem.ranks, "the peer failed", separator: "\t")
        agreed = false
        continue
      }
      var time = 0.0
      let flow = try Clock.seconds { time = try entry.simulate(.flow).time.microseconds }
      let event = try Clock.seconds { _ = try entry.simulate(.event) }
      let agrees = abs(time / peer.microseconds - 1) < 1e-6
      agreed = agreed && agrees
      print(
        problem.name, problem.ranks, decimals(time, 3), decimals(peer.microseconds, 3),
        decimals(flow, 3), decimals(event, 3), decimals(peer.seconds, 3), Int(peer.mebibytes),
        agrees ? "agree" : "DIFFER", separator: "\t")
    }
    return agreed
  }

  /// The three numbers that the peer prints; nil if it does not.
  private static func answer(
    of program: String, _ arguments: String
  ) -> (microseconds: Double, seconds: Double, mebibytes: Double)? {
    guard let pipe = unsafe popen("'\(program)' \(arguments)", "r") else { return nil }
    var text = ""
    while true {
      let byte = unsafe fgetc(pipe)
      guard byte >= 0 else { break }
      text.unicodeScalars.append(Unicode.Scalar(UInt8(truncatingIfNeeded: byte)))
    }
    guard unsafe pclose(pipe) == 0 else { return nil }
    let numbers = text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    return numbers.count == 3 ? (numbers[0], numbers[1], numbers[2]) : nil
  }
}
