import Glibc

/// Targets of whole runs of `weft`, from reading its files to printing.
enum ProcessBenchmark {
  private struct Target: Sendable {
    var arguments: String
    var seconds: Double
    /// The most memory in MiB; nil if there is no target.
    var mebibytes: Int?
  }

  private static let targets: [Target] = [
    full("ring", nodes: 1024, seconds: 0.15),
    full("recursive-doubling", nodes: 16_384, seconds: 0.05),
    full("recursive-doubling", nodes: 1 << 20, seconds: 4, mebibytes: 1000),
    // An element for every rank: with fewer, ranks do different things.
    folded("ring --topology flat --nodes 1048576", size: "2M"),
    folded("recursive-doubling --topology flat --nodes 1048576"),
    folded(
      "nvrar --protocol ideal --network event --topology flat --set node.gpus=4 "
        + "--set node.nics=4 --nodes 262144"),
    Target(
      arguments: "predict --model llama-3.1-405b --topology flat --gpus 100000 "
        + "--set node.gpus=8 --set node.nics=8 --plan tp8xpp2xdp6250 --all-reduce nccl,nvrar",
      seconds: 1),
  ]

  private static func full(
    _ algorithm: String, nodes: Int, seconds: Double, mebibytes: Int? = nil
  ) -> Target {
    Target(
      arguments: "simulate all-reduce --topology flat --nodes \(nodes) --algorithm \(algorithm) "
        + "--size 1M --no-fold",
      seconds: seconds, mebibytes: mebibytes)
  }

  private static func folded(_ rest: String, size: String = "1M") -> Target {
    Target(arguments: "simulate all-reduce --size \(size) --algorithm \(rest)", seconds: 0.3)
  }

  /// Prints a table.
  static func run(_ program: String) {
    print("whole processes: user CPU time, best of up to 3 runs")
    print("target_s", "seconds", "ratio", "peak_MiB", "weft …", separator: "\t")
    for target in targets {
      var best: (seconds: Double, mebibytes: Int)?
      for _ in 0..<3 where best.map({ $0.seconds < 2 }) ?? true {
        guard let cost = cost(of: program, target.arguments) else { break }
        if best.map({ cost.seconds < $0.seconds }) ?? true { best = cost }
      }
      guard let best else {
        print(target.seconds, "failed", "", "", target.arguments, separator: "\t")
        continue
      }
      let most = target.mebibytes.map { " of \($0)" } ?? ""
      print(
        target.seconds, decimals(best.seconds, 3), decimals(best.seconds / target.seconds, 2),
        "\(best.mebibytes)\(most)", target.arguments, separator: "\t")
    }
  }

  /// User CPU seconds and peak memory of a run; nil if it fails.
  private static func cost(
    of program: String, _ arguments: String
  ) -> (seconds: Double, mebibytes: Int)? {
    let words = [program] + arguments.split(separator: " ").map(String.init)
    var pointers = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { unsafe pointers.forEach { unsafe free($0) } }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    var child = pid_t()
    guard unsafe posix_spawn(&child, program, &actions, nil, &pointers, environ) == 0 else {
      return nil
    }
    var status: Int32 = 0
    var usage = rusage()
    guard unsafe wait4(child, &status, 0, &usage) == child, status == 0 else { return nil }
    let seconds = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) * 1e-6
    return (seconds, usage.ru_maxrss / 1024)
  }
}
