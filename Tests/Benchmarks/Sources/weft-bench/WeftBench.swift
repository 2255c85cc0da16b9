import Glibc

/// Measures the event queue, whole simulations and requests for memory, or checks their cost.
@main
enum WeftBench {
  static func main() throws {
    switch Array(CommandLine.arguments.dropFirst()) {
    case []:
      QueueBenchmark.run()
      print()
      try SimulationBenchmark.run()
      print()
      _ = try AllocationBenchmark.run()
      print()
      try TargetBenchmark.run()
    case let arguments where arguments.count == 2 && arguments[0] == "--weft":
      ProcessBenchmark.run(arguments[1])
    case let arguments where arguments.count == 2 && arguments[0] == "--peers":
      exit(try PeerBenchmark.run(arguments[1]) ? 0 : 1)
    case ["queue"]: QueueBenchmark.run()
    case ["simulation"]: try SimulationBenchmark.run()
    case ["targets"]: try TargetBenchmark.run()
    case ["allocations"]: exit(try AllocationBenchmark.run() ? 0 : 1)
    case ["--gate"]: exit(try Gate.run() ? 0 : 1)
    default:
      print(
        "usage: weft-bench [queue | simulation | targets | allocations | --gate]")
      print("       weft-bench --weft PROGRAM | --peers PROGRAM")
      exit(64)
    }
  }
}

/// A number with so many decimals.
func decimals(_ value: Double, _ places: Int) -> String {
  var scale = 1
  for _ in 0..<places { scale *= 10 }
  let (whole, fraction) = Int((value * Double(scale)).rounded())
    .quotientAndRemainder(dividingBy: scale)
  let digits = String(fraction)
  return "\(whole).\(String(repeating: "0", count: places - digits.count))\(digits)"
}
