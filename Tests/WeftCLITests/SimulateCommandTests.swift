import Foundation
import TestSupport
import Testing

@Suite struct SimulateCommandTests {
  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  private func results(_ arguments: String) throws -> [[String: Any]] {
    let outcome = try weft(arguments + " --format json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require((root as? [String: Any])?["results"] as? [[String: Any]])
  }

  @Test(arguments: [
    ("--topology perlmuter", 66, "perlmuter", "perlmutter"),
    ("--topology flat --nodes 0", 64, "--nodes 0", "in that range"),
    ("--topology flat --nodes -1", 64, "--nodes -1", "in that range"),
    ("--topology h200-pair --nodes 2", 64, "--nodes 2", "no network"),
    ("--topology flat --gpus-per-node 9", 64, "--gpus-per-node 9", "--set node.gpus"),
    ("--topology flat --size 10TB", 64, "10TB does not fit into a GPU", "smaller"),
    ("--topology flat --size 0", 64, "--size 0 is not a message", "at least one byte"),
    (
      "--topology flat --size 1", 64, "that is no element of bf16",
      "at least 2"
    ),
    ("--topology flat --size -8", 64, "'-8' is not a message size", "write it like"),
    ("--topology flat --size 4Q", 64, "unknown unit 'Q'", "written like '512K'"),
    ("--topology flat -b 1M -e 1K", 64, "--min-bytes 1M is larger", "-b"),
    ("--topology flat -f 1", 64, "--step-factor 1", "2 or more"),
    ("--topology flat --algorithm rnig", 64, "unknown algorithm 'rnig'", "did you mean 'ring'?"),
    ("--topology flat --algorithm nccl:ring/xx", 64, "nccl:ring/xx", "use one of"),
    (
      "--topology flat --algorithm nccl:ring/foo", 64, "NCCL has no protocol 'foo'",
      "use one of nccl:ring/ll, nccl:ring/ll128, nccl:ring/simple"
    ),
    ("--topology flat --algorithm ring,", 64, "unknown algorithm ''", "use one of"),
    ("--topology flat --protocol fast", 64, "unknown protocol 'fast'", "ideal"),
    ("--topology flat --algorithm nvrar --protocol ll", 64, "does not apply", "leave"),
    ("--topology flat --network fluid", 64, "unknown network model 'fluid'", "flow"),
    ("--topology flat --launch later", 64, "neither graph nor eager", "--help"),
    ("--topology flat -d int4", 64, "unknown datatype 'int4'", "int8"),
    ("--topology flat --algorithm nvrar:ring", 64, "unknown algorithm 'nvrar:ring'", "nvrar:nccl"),
    ("--topology flat --algorithm ./none", 66, "./none: there is no such file", "path"),
    (
      "--topology perlmutter --nodes 2 --algorithm nvrar:nvls --size 1M", 64, "no multicast",
      "nvrar:one-shot"
    ),
    ("--topology flat --seed -1", 64, "'-1' is invalid for '--seed", "--help"),
    ("--topology flat --nccl-version 2.17", 64, "NCCL 2.18 to 2.30", "leave"),
    ("--topology flat --nccl-version 2.31", 64, "NCCL 2.18 to 2.30", "2.23.4"),
    ("--topology flat --nccl-version new", 64, "--nccl-version new", "leave"),
    ("--topology flat --trials 0", 64, "--trials 0", "1 or more"),
    ("--topology flat --trials 100000000000", 64, "--trials 100000000000 would", "1000000"),
    (
      "--topology flat --nodes 8 --size 64M --launch-jitter 1us --trials 1000000", 64,
      "--trials 1000000 come to more than", "fewer of them"
    ),
    ("--topology flat --set network.latency=2", 64, "has no unit", "2 us"),
    ("--topology flat --profile nowhere.yaml", 66, "nowhere.yaml", "path"),
    ("--topology flat --nodes 100003 --algorithm ring --size 1M", 64, "operations", "fewer nodes"),
    (
      "--topology perlmutter --nodes 2 --algorithm nccl:ring/ll128 --size 1M", 64,
      "does not use LL128", "host bridge"
    ),
  ])
  func `wrong input is one line, a fix and its exit code`(
    arguments: String, status: Int32, problem: String, fix: String
  ) throws {
    let outcome = try weft("simulate all-reduce " + arguments)
    #expect(outcome.status == status)
    #expect(outcome.output.isEmpty)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.hasPrefix("weft: error: ") == true && lines[0].contains(problem))
    #expect(lines.last?.hasPrefix("  fix: ") == true && lines[1].contains(fix), "\(lines)")
  }

  @Test func `unknown collectives are refused`() throws {
    let unknown = try weft("simulate all-redcue --topology flat")
    #expect(unknown.status == 64 && unknown.errors.contains("did you mean 'all-reduce'?"))
  }

  @Test func `a row has what the contract names`() throws {
    let row = try #require(
      try results("simulate all-reduce --topology perlmutter --nodes 2 --size 64K").first)
    let names = [
      "collective", "requested", "algorithm", "protocol", "channels", "network", "launch",
      "datatype", "nodes", "ranks", "size_bytes", "time_us", "low_us", "high_us", "algbw_GBps",
      "busbw_GBps", "messages", "wire_bytes", "events", "breakdown_us", "bottleneck",
    ]
    #expect(Set(row.keys) == Set(names))
    let breakdown = try #require(row["breakdown_us"] as? [String: Double])
    #expect(
      Set(breakdown.keys) == [
        "launch", "latency", "serialization", "queueing", "reduction", "synchronization",
      ])
    let time = try #require(row["time_us"] as? Double)
    #expect(abs(breakdown.values.reduce(0, +) - time) < 1e-5)
    #expect(row["requested"] as? String == "nccl" && row["algorithm"] as? String == "nccl:tree")
    #expect(row["low_us"] is NSNull)
  }

  @Test func `sizes of a range that hold no element for every rank are left out`() throws {
    let job = ["simulate", "all-gather", "--topology", "perlmutter", "--nodes", "4"]
    let outcome = try WeftProcess(
      job + "-b 8 -e 128 --algorithm ring --format csv".split(separator: " ").map(String.init))
    #expect(outcome.status == 0)
    #expect(
      outcome.errors.contains(
        "sizes below 32 bytes are left out: they are no element of bf16 for each of 16"))
    #expect(outcome.output.split(separator: "\n").count == 4)
  }

  @Test func `tuning says where it may not use the usual blocks`() throws {
    let job = "simulate all-reduce --topology vista --nodes 2 --algorithm nvrar --tune --size "
    #expect(
      try weft(job + "77776").errors.contains("77776 bytes: NVRAR's kernel would leave cells"))
    #expect(try weft(job + "1M").errors.isEmpty)
  }

  @Test func `the version of NCCL reaches its tuner, and NVLS is shown`() throws {
    func table(_ arguments: String) throws -> [String: Double] {
      let row = try #require(
        try results("simulate all-reduce --size 1M --explain " + arguments).first)
      let explanation = try #require(row["explanation"] as? [String: Any])
      return try #require(explanation["nccl_tuner_us"] as? [String: Double])
    }
    let old = try table("--topology perlmutter --nodes 2 --nccl-version 2.21.5")
    let new = try table("--topology perlmutter --nodes 2 --nccl-version 2.30.7")
    #expect(abs(try #require(old["ring/ll"]) - 119.0) < 0.051)
    #expect(abs(try #require(new["tree/simple"]) - 104.83) < 0.01)
    #expect(try table("--topology dgx-h100 --nodes 1")["nvls/simple"] != nil)
    #expect(try table("--topology dgx-h100 --nodes 2")["nvls-tree/simple"] != nil)
  }

  @Test func `what NCCL picks is what runs`() throws {
    let arguments = "simulate all-gather --topology vista --nodes 8 --size 1K --size 1M"
    let rows = try results(arguments + " --explain")
    #expect(rows.map { $0["algorithm"] as? String } == ["nccl:ring", "nccl:pat"])
    for row in rows {
      let explanation = try #require(row["explanation"] as? [String: Any])
      let table = try #require(explanation["nccl_tuner_us"] as? [String: Double])
      let simulated = try #require(explanation["simulated_us"] as? [String: Double])
      #expect(Set(table.keys) == Set(simulated.keys))
      let pick = try #require(table.min { $0.value < $1.value }).key
      #expect("nccl:\(pick)" == "\(row["algorithm"] ?? "")/\(row["protocol"] ?? "")")
    }
    #expect(try weft(arguments).errors.isEmpty)
  }

  @Test func `sizes, algorithms and networks multiply to rows`() throws {
    let rows = try results(
      "simulate all-reduce --topology flat --nodes 4 --algorithm ring,all-pairs "
        + "-b 1K -e 16K -f 4 --network event,flow")
    #expect(rows.count == 2 * 3 * 2)
  }

  @Test func `an explanation ranks what NCCL could have run`() throws {
    let rows = try results(
      "simulate all-reduce --topology perlmutter --nodes 4 --size 1M --explain")
    let explanation = try #require(rows.first?["explanation"] as? [String: Any])
    let simulated = try #require(explanation["simulated_us"] as? [String: Double])
    #expect(Set(simulated.keys) == ["tree/ll", "tree/simple", "ring/ll", "ring/simple"])
    let fastest = try #require(explanation["fastest_simulated"] as? String)
    let least = try #require(simulated.values.min())
    #expect(simulated[fastest] == least)
    let time = try #require(rows.first?["time_us"] as? Double)
    #expect(explanation["choice_over_fastest"] as? Double == time / least)
  }

  @Test func `tuning NVRAR prints the table that its cache reads`() throws {
    let outcome = try weft(
      "simulate all-reduce --topology perlmutter --nodes 2 --algorithm nvrar --size 64K --tune")
    let line = try #require(
      outcome.output.split(separator: "\n").first { $0.contains("tuning_8gpu_bfloat16.json: ") })
    let text = try #require(line.split(separator: ": ", maxSplits: 1).last)
    let table = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [String: Any]])
    let entry = try #require(table["65536"])
    #expect(
      Set(entry.keys) == [
        "num_blocks", "threads_per_block", "chunk_bytes", "avg_time_ms", "algorithm", "dtype",
      ])
    #expect(entry["num_blocks"] is Int && entry["chunk_bytes"] is Int)
    #expect(entry["algorithm"] as? String == "recursive")
    #expect(entry["dtype"] as? String == "bfloat16")
    #expect(try #require(entry["avg_time_ms"] as? Double) > 0)
  }

  @Test func `NVRAR's phases in the node are as NVSHMEM is built`() throws {
    let rows = try results(
      "simulate all-reduce --topology dgx-h100 --nodes 2 --size 256K "
        + "--algorithm nvrar,nvrar:nvls,nvrar:one-shot,nvrar:nccl")
    let phases = rows.map { ($0["nvrar"] as? [String: Any])?["in_node"] as? String }
    #expect(phases == ["nvls", "nvls", "one-shot", "nccl"])
    #expect(rows.map { $0["algorithm"] as? String }.first == "nvrar")
    let times = try rows.map { try #require($0["time_us"] as? Double) }
    #expect(times[0] == times[1] && Set(times).count == 3)
  }

  @Test func `both closed forms of NVRAR stand side by side`() throws {
    let arguments =
      "simulate all-reduce --topology perlmutter --nodes 8 --size 1M --algorithm nvrar "
      + "--network analytic"
    let row = try #require(try results(arguments).first)
    // 2 (G - 1) a + log2 N a' + M/G (2 (G - 1)/b + (N - 1)/N 2/b'), in us and bytes per us.
    let part = Double(1 << 18)
    let published = 6 * 0.6 + 3 * 2 + part * (6 / 300e3 + 2 * 7.0 / 8 / 25e3)
    #expect(abs(try #require(row["published_us"] as? Double) - published) < 0.001)
    let own = try #require(row["time_us"] as? Double)
    // The code sends N log2 N/(N - 1) times as much, through a proxy.
    #expect(own > 3 * published)
    #expect(try weft(arguments).output.contains("# 1048576 nvrar: the published formula gives"))
    let flow = try #require(
      try results(arguments.replacingOccurrences(of: "analytic", with: "flow")).first)
    #expect(flow["published_us"] == nil)
  }

  @Test func `tuning NVRAR is never worse than its standard parameters`() throws {
    let machine = "simulate all-reduce --topology perlmutter --nodes 4 --algorithm nvrar --size 1M"
    let standard = try #require(try results(machine).first?["time_us"] as? Double)
    let tuned = try #require(try results(machine + " --tune").first)
    #expect(try #require(tuned["time_us"] as? Double) <= standard)
    #expect((tuned["nvrar"] as? [String: Any])?["blocks"] is Int)
  }

  @Test func `inputs without effect are warned about, unless quiet`() throws {
    let arguments =
      "simulate all-reduce --topology flat --nodes 2 --algorithm ring --size 7 --trials 3 --tune"
    let outcome = try weft(arguments)
    #expect(outcome.status == 0)
    #expect(outcome.errors.split(separator: "\n").count == 3, "\(outcome.errors)")
    #expect(try weft(arguments + " --quiet").errors.isEmpty)
  }

  @Test func `inputs that links alone do not need are warned about`() throws {
    let outcome = try weft(
      "simulate all-reduce --topology flat --nodes 2 --algorithm ring --size 1K --slow-gpu 0:2 "
        + "--launch eager --nccl-version 2.20 --seed 3")
    #expect(outcome.status == 0)
    for flag in ["--slow-gpu", "--launch", "--nccl-version", "--seed"] {
      #expect(outcome.errors.contains("warning: \(flag) changes nothing"), "\(outcome.errors)")
    }
    let used = try weft(
      "simulate all-reduce --topology flat --nodes 2 --algorithm nccl --size 1K --slow-gpu 0:2 "
        + "--launch graph --nccl-version 2.20 --seed 3 --network-jitter 1us")
    #expect(used.status == 0 && used.errors.isEmpty, "\(used.errors)")
  }

  @Test func `an output that cannot be written is 74, and no half file stays`() throws {
    let folder = try TemporaryFolder()
    let arguments = "simulate all-reduce --topology flat --nodes 2 --algorithm ring --size 1K"
    let outcome = try weft(arguments + " -o \(folder.path)/none/out.json")
    #expect(outcome.status == 74)
    #expect(outcome.errors.contains("cannot write"))
    let good = try weft(arguments + " --format csv -o \(folder.path)/out.csv")
    #expect(good.status == 0 && good.output.isEmpty)
    let text = try String(contentsOfFile: "\(folder.path)/out.csv", encoding: .utf8)
    #expect(text.hasPrefix("collective,requested,algorithm,"))
  }

  @Test func `a reader that stops reading ends the program without a word`() throws {
    let weft = try #require(WeftProcess.process([]).executableURL).path
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    // More than a pipe holds, so that the rest meets a closed one.
    shell.arguments = [
      "-c", "'\(weft)' schedule show ring --ranks 64 | head -c 1; exit ${PIPESTATUS[0]}",
    ]
    let errors = Pipe()
    shell.standardOutput = FileHandle.nullDevice
    shell.standardError = errors
    try shell.run()
    let text = try errors.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    #expect(text.isEmpty, "\(String(decoding: text, as: UTF8.self))")
    #expect(shell.terminationStatus == 128 + SIGPIPE)
  }
}
