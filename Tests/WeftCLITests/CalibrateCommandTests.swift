import Foundation
import TestSupport
import Testing

@Suite struct CalibrateCommandTests {
  private let folder: TemporaryFolder
  private let file: String

  private static let header =
    "system,gpu,nodes,ranks,library,version,collective,dtype,launch,size_bytes,time_us\n"

  /// Rows of sizes in bytes and their times in us.
  private static func rows(_ times: [Int: Int]) -> String {
    times.sorted { $0.key < $1.key }.map { size, time in
      "one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,\(size),\(time)\n"
    }.joined()
  }

  /// Calls on two GPUs of an A100 node, a line of 9 us and 6 GB/s but for some noise.
  init() throws {
    folder = try TemporaryFolder()
    let rows = stride(from: 5, through: 16, by: 1).map { power in
      let size = 1 << power
      let time = (9 + Double(size) / 6000) * (1 + 0.01 * Double(power % 3 - 1))
      return "one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,\(size),\(time)\n"
    }
    file = try folder.write(Self.header + rows.joined(), to: "m.csv")
  }

  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  @Test func `a profile is written, used, and gives intervals`() throws {
    let profile = folder.path + "/p.yaml"
    let outcome = try weft(
      "calibrate --topology dgx-a100 --measurements \(file) --date 2026-01-02 -o \(profile) "
        + "--suggest")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("standard_error") && outcome.output.contains("fitted, all: 12"))
    #expect(outcome.output.contains("held at nominal"))
    let text = try String(contentsOfFile: profile, encoding: .utf8)
    #expect(text.contains("date: \"2026-01-02\"") && text.contains("rows: 12"))

    let validated = try weft(
      "validate --topology dgx-a100 --measurements \(file) --profile \(profile) --format json")
    let root = try JSONSerialization.jsonObject(with: Data(validated.output.utf8))
    let overall = try #require((root as? [String: Any])?["overall"] as? [String: Any])
    #expect(try #require(overall["median_abs_pct"] as? Double) < 5)
    #expect(try #require(overall["coverage_95_pct"] as? Double) >= 90)

    let simulated = try weft(
      "simulate all-reduce --topology dgx-a100 --gpus-per-node 2 --size 4K --profile \(profile) "
        + "--nccl-version 2.27.3 --format csv")
    let lines = simulated.output.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let column = try #require(lines[0].firstIndex(of: "time_us"))
    let numbers = lines[1][column...column + 2].compactMap { Double($0) }
    #expect(numbers.count == 3 && numbers[1] < numbers[0] && numbers[0] < numbers[2])

    let other = try weft(
      "simulate all-reduce --topology dgx-h100 --size 4K --profile \(profile) --format csv")
    #expect(other.errors.contains("belongs to"), "\(other.errors)")

    #expect(text.contains("measured: [\"all-reduce by nccl:"))
    let gathered = try weft(
      "simulate all-gather --topology dgx-a100 --gpus-per-node 2 --size 4K --profile \(profile)")
    #expect(gathered.output.contains("no interval for all-gather by nccl:"))
    #expect(gathered.output.contains("was calibrated on all-reduce by nccl:"))

    let drawn = try weft(
      "simulate all-reduce --topology dgx-a100 --gpus-per-node 2 --size 4K --profile \(profile) "
        + "--nccl-version 2.27.3 --launch-jitter 1us --trials 5 --seed 1 --format json")
    let list = try JSONSerialization.jsonObject(with: Data(drawn.output.utf8)) as? [String: Any]
    let row = try #require((list?["results"] as? [[String: Any]])?.first, "\(drawn.errors)")
    let spread = try ["low_us", "time_us", "high_us", "p05_us", "p95_us"].map {
      try #require(row[$0] as? Double, "\($0)")
    }
    #expect(spread[0] < spread[1] && spread[1] < spread[2] && spread[3] < spread[4])
    #expect(spread[0] != spread[3] && spread[2] != spread[4])

    let eager = try weft(
      "simulate all-reduce --topology dgx-a100 --gpus-per-node 2 --size 4K --profile \(profile) "
        + "--nccl-version 2.27.3 --launch eager")
    let own = "the profile was calibrated on calls started by graph"
    #expect(eager.errors.contains(own) && !drawn.errors.contains(own), "\(eager.errors)")

    let two = try weft(
      "simulate all-reduce --topology dgx-a100 --size 4K --profile \(profile) --profile \(profile)")
    #expect(two.status == 64 && two.errors.contains("--profile is given 2 times"))
  }

  @Test func `what a profile was not calibrated on has no interval and says why`() throws {
    let profile = folder.path + "/p.yaml"
    _ = try weft("calibrate --topology dgx-a100 --measurements \(file) -o \(profile)")
    let own = "simulate all-reduce --topology dgx-a100 --size 4K --profile \(profile) "
    for (flags, reason) in [
      ("--nccl-version 2.27.3", "8 GPUs of a node: the profile was calibrated on 2 GPUs of a node"),
      (
        "--gpus-per-node 2", "NCCL with the tuner of 2.29.0: the profile was calibrated on NCCL"
      ),
      ("--gpus-per-node 2 --nccl-version 2.27.3 -d int8", "sums of 8-bit elements: the profile"),
      (
        "--gpus-per-node 2 --nccl-version 2.27.3 --set node.scale_up.bandwidth=100GB/s",
        "links of 100 GB/s and 800 ns inside nodes: the profile"
      ),
      (
        "--gpus-per-node 2 --nccl-version 2.27.3 --set node.scale_up.latency=50us",
        "links of 300 GB/s and 50 us inside nodes: the profile"
      ),
      (
        "--gpus-per-node 2 --nccl-version 2.27.3 --slow-gpu 0:2",
        "what no profile is calibrated on: "
      ),
    ] {
      let table = try weft(own + flags)
      #expect(table.output.contains("# no interval for \(reason)"), "\(table.output)")
      let data = try weft(own + flags + " --format json")
      let root = try JSONSerialization.jsonObject(with: Data(data.output.utf8)) as? [String: Any]
      let row = try #require((root?["results"] as? [[String: Any]])?.first)
      #expect(row["low_us"] is NSNull && row["high_us"] is NSNull)
      #expect((row["no_interval"] as? String)?.hasPrefix(reason) == true, "\(row)")
    }
    let both = try weft(
      own + "--gpus-per-node 2 --nccl-version 2.27.3 --network flow,event --format json")
    let root = try JSONSerialization.jsonObject(with: Data(both.output.utf8)) as? [String: Any]
    let rows = try #require(root?["results"] as? [[String: Any]])
    #expect(rows.map { $0["low_us"] is NSNull } == [false, true], "\(both.output)")
    let predicted = try weft(
      "predict --model llama-3.1-8b --topology dgx-a100 --gpus 2 --profile \(profile)")
    #expect(
      predicted.errors.contains("no interval for TPOT: the profile was calibrated on collectives"))
  }

  @Test func `rows that a profile was fitted to are not fitted on top of it`() throws {
    let profile = folder.path + "/p.yaml"
    _ = try weft("calibrate --topology dgx-a100 --measurements \(file) -o \(profile)")
    let copy = try folder.write(
      try String(contentsOfFile: file, encoding: .utf8).replacing("system,", with: "system,"),
      to: "copy.csv")
    let again = try weft(
      "calibrate --topology dgx-a100 --measurements \(copy) --profile \(profile)")
    #expect(again.status == 64 && again.output.isEmpty)
    #expect(again.errors.contains("the rows that --profile 'dgx-a100-nccl-calibrated' was fitted"))
    #expect(again.errors.contains("fix: leave --profile out"))
    let part = try weft(
      "calibrate --topology dgx-a100 --measurements \(copy) --profile \(profile) "
        + "--where size_bytes<=2K")
    #expect(part.status == 0)
    #expect(part.errors.contains("about 58 % of the rows that --profile"), "\(part.errors)")
    let other = try weft(
      "calibrate --topology dgx-a100 --measurements \(products(gpu: "a100", factor: 1)) "
        + "--profile \(profile)")
    #expect(other.status == 0 && !other.errors.contains("count twice"), "\(other.errors)")
  }

  @Test func `a file named twice is refused`() throws {
    let other = folder.path + "/./m.csv"
    for command in ["calibrate", "validate"] {
      let outcome = try weft("\(command) --topology dgx-a100 --measurements \(file) \(other)")
      #expect(outcome.status == 64 && outcome.output.isEmpty)
      #expect(outcome.errors.contains("names \(other) twice"), "\(outcome.errors)")
    }
  }

  @Test func `kernels that a profile was fitted to are not fitted on top of it`() throws {
    let kernels = try products(gpu: "a100", factor: 1)
    let profile = folder.path + "/k.yaml"
    let line = "calibrate --topology dgx-a100 --measurements \(kernels) "
    _ = try weft(line + "-o \(profile)")
    let again = try weft(line + "--profile \(profile)")
    #expect(again.status == 64 && again.errors.contains("count twice"), "\(again.errors)")
  }

  @Test func `a profile that nothing answers to is told`() throws {
    let kernels = folder.path + "/k.yaml"
    _ = try weft(
      "calibrate --topology dgx-a100 --measurements \(products(gpu: "a100", factor: 1)) "
        + "-o \(kernels)")
    let warning = "--profile changes nothing: nothing here answers to what"
    for line in [
      "simulate all-reduce --topology dgx-a100 --size 4K",
      "validate --topology dgx-a100 --measurements \(file)",
      "calibrate --topology dgx-a100 --measurements \(file)",
    ] {
      let outcome = try weft("\(line) --profile \(kernels)")
      #expect(outcome.status == 0 && outcome.errors.contains(warning), "\(outcome.errors)")
      #expect(outcome.errors.contains("holds (gemm."), "\(outcome.errors)")
    }
    let used = try weft(
      "validate --topology dgx-a100 --measurements \(products(gpu: "a100", factor: 1)) "
        + "--profile \(kernels)")
    #expect(used.status == 0 && used.errors.isEmpty, "\(used.errors)")
    let predicted = "predict --model llama-3.1-8b --topology dgx-a100 --gpus "
    let parts = try weft(predicted + "2 --profile \(kernels)").errors
    #expect(
      !parts.contains(warning)
        && parts.contains(
          "no interval for TPOT: the profile was calibrated on "
            + "kernels"),
      "\(parts)")
    let calls = folder.path + "/p.yaml"
    _ = try weft("calibrate --topology dgx-a100 --measurements \(file) -o \(calls)")
    #expect(try weft(predicted + "1 --profile \(calls)").errors.contains(warning))
    #expect(try !weft(predicted + "2 --profile \(calls)").errors.contains(warning))
  }

  @Test func `rows of another GPU are warned of with file and line`() throws {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let path = try folder.write(text.replacing("A100", with: "NVIDIA H200"), to: "other.csv")
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(outcome.errors.contains("other.csv:2: rows are of 'NVIDIA H200'"), "\(outcome.errors)")
  }

  @Test(arguments: [(";", "semicolons"), ("\t", "tabs")])
  func `cells that no commas separate are told`(separator: String, name: String) throws {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let path = try folder.write(text.replacing(",", with: separator), to: "other.csv")
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(outcome.status == 65)
    #expect(
      outcome.errors.contains("other.csv:1: the cells are separated by \(name)"),
      "\(outcome.errors)")
  }

  @Test func `folds predict what they have not seen`() throws {
    let outcome = try weft("validate --topology dgx-a100 --measurements \(file) --folds 2")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("# held-out predictions"))
    #expect(outcome.output.contains("fold 1 of 2") && outcome.output.contains("from 6 calls"))
    #expect(outcome.output.contains("% inside their intervals"))
  }

  @Test(arguments: [
    ("", "the file is empty"),
    ("one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,1024,9\n", "1 measurements are too few"),
    (
      String(repeating: "one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,1024,9\n", count: 9),
      "1 measurements are too few"
    ),
    ("one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,1024,nan\n", "is not a time above zero"),
    (
      "one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,1024,9\n"
        + "two,A100,1,2,nccl,2.27.3,all-reduce,half,graph,1024,9\n", "the rows are of 2 systems"
    ),
    (
      [64, 256, 1024, 4096, 16384].map {
        "one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,\($0),0.009\n"
      }.joined(), "times shorter than this machine's"
    ),
    (
      [64, 256, 1024, 4096, 16384].map {
        "one,A100,1,2,nccl,2.27.3,all-reduce,half,graph,\($0),9000\n"
      }.joined(), "times longer than nominal"
    ),
    // Sizes in units of 1024 bytes.
    (
      Self.rows([1024: 12, 4096: 70, 16384: 220, 65536: 830, 262_144: 3300]),
      "times longer than nominal"
    ),
    // Sizes 1024 times too large.
    (
      Self.rows([33_554_432: 12, 134_217_728: 13, 536_870_912: 15, 2_147_483_648: 22]),
      "faster than the memory of any GPU"
    ),
  ])
  func `bad measurements are one line, a fix and 65`(rows: String, problem: String) throws {
    let path = try folder.write(rows.isEmpty ? "" : Self.header + rows, to: "bad.csv")
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(outcome.status == 65, "\(outcome.errors)")
    #expect(outcome.errors.contains(problem), "\(outcome.errors)")
    #expect(outcome.errors.contains("  fix: ") && outcome.output.isEmpty)
  }

  @Test(arguments: ["size_bytes", "time_us"])
  func `a lacking column is named`(column: String) throws {
    let whole = try String(contentsOfFile: file, encoding: .utf8)
    let path = try folder.write(whole.replacing(column, with: "other"), to: "lacking.csv")
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(outcome.status == 65 && outcome.output.isEmpty)
    #expect(outcome.errors.contains("the header lacks the column '\(column)'"))
    #expect(outcome.errors.contains("  fix: "))
  }

  @Test func `all lacking columns are named at once, with what there is`() throws {
    let path = try folder.write("system,bytes,us\none,8,9\n", to: "lacking.csv")
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(
      outcome.errors.contains(
        "lacking.csv:1: the header lacks the columns 'size_bytes', 'time_us'; it has system,bytes,us"
      ), "\(outcome.errors)")
    let serving = try folder.write("concurrency,prompt_tokens,tpot_ms\n1,2,3\n", to: "s.csv")
    let steps = try weft("calibrate --topology dgx-a100 --measurements \(serving)")
    #expect(
      steps.errors.contains(
        "times of a serving engine, but the header lacks the columns 'tensor_parallel', "
          + "'output_tokens'"), "\(steps.errors)")
  }

  @Test(arguments: [
    ("all-reduce", "all_reduce", "no collective 'all_reduce'; did you mean 'all-reduce'?"),
    ("half", "hlaf", "no type 'hlaf'; did you mean 'half'?"),
    ("2.27.3", "v2.27.3", "'v2.27.3' is no version of NCCL; write it like 2.27.3"),
    ("nccl", "ncll", "no model of the library 'ncll'; did you mean 'nccl'?"),
  ])
  func `an unknown name is told with the nearest`(name: String, wrong: String, reason: String)
    throws
  {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let path = try folder.write(text.replacing("," + name, with: "," + wrong), to: "names.csv")
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(outcome.status == 65 && outcome.errors.contains(reason), "\(outcome.errors)")
  }

  @Test func `sizes of conditions take K, M and G`() throws {
    func rows(_ condition: String) throws -> String {
      let outcome = try weft(
        "validate --topology dgx-a100 --measurements \(file) --where \(condition)")
      return outcome.output.split(separator: "\n").first { $0.hasPrefix("# overall") }
        .map { String($0.prefix { $0 != "," }) } ?? outcome.errors
    }
    #expect(try rows("size_bytes<=1K") == "# overall: 6 calls")
    #expect(try rows("size_bytes=1K|2K") == "# overall: 2 calls")
    #expect(try rows("size_bytes>=16K") == "# overall: 3 calls")
    #expect(try rows("nodes<=1K").contains("'1K' is no number"))
    #expect(try rows("bytes=1M").contains("no file has the column 'bytes'"))
    #expect(try rows("bytes=1M").contains("did you mean 'size_bytes'?"))
  }

  @Test func `what changes nothing for these rows is told`() throws {
    let outcome = try weft(
      "calibrate --topology dgx-a100 --measurements \(file) --pool --launch eager --format json")
    #expect(outcome.errors.contains("--pool changes nothing: the rows are of one system"))
    #expect(
      outcome.errors.contains(
        "--launch eager changes nothing: every row says how its kernels were started (graph)"))
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    let warnings = try #require((root as? [String: Any])?["warnings"] as? [String])
    #expect(warnings.count == 2, "\(warnings)")
  }

  @Test(arguments: [
    ("--date tomorrow", "--date 'tomorrow' is no date"),
    ("--date 2026-02-31", "--date '2026-02-31' is no date"),
    ("--name a/b", "--name 'a/b' is no name"),
    ("--hold nccl.x", "there is no term 'nccl.x'"), ("-o /nowhere/p.yaml", "cannot write"),
    ("-o /tmp", "/tmp is a folder"),
  ])
  func `wrong flags are told`(flags: String, problem: String) throws {
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(file) \(flags)")
    #expect([64, 74].contains(outcome.status) && outcome.errors.contains(problem))
  }

  @Test(arguments: ["calibrate", "validate"])
  func `an output that is the input is refused`(command: String) throws {
    let before = try String(contentsOfFile: file, encoding: .utf8)
    let outcome = try weft("\(command) --topology dgx-a100 --measurements \(file) -o \(file)")
    #expect(outcome.status == 64 && outcome.errors.contains("is the input"), "\(outcome.errors)")
    #expect(try String(contentsOfFile: file, encoding: .utf8) == before)
  }

  @Test(arguments: ["simulate all-reduce --size 1K", "validate --measurements FILE"])
  func `an output that is the profile is refused, and so is one with an unknown term`(
    command: String
  ) throws {
    let profile = folder.path + "/own.yaml"
    _ = try weft("calibrate --topology dgx-a100 --measurements \(file) -o \(profile)")
    let job =
      command.replacing("FILE", with: file) + " --topology dgx-a100 --profile \(profile)"
    let before = try String(contentsOfFile: profile, encoding: .utf8)
    let outcome = try weft("\(job) -o \(profile)")
    #expect(outcome.status == 64 && outcome.errors.contains("is the input"), "\(outcome.errors)")
    #expect(try String(contentsOfFile: profile, encoding: .utf8) == before)
    let line = try #require(
      before.split(separator: "\n").first { $0.hasPrefix("    - name: nccl.") })
    _ = try folder.write(before.replacing(line + "\n", with: line + "e\n"), to: "own.yaml")
    let typed = try weft(job)
    let name = line.dropFirst("    - name: ".count)
    #expect(typed.status == 65, "\(typed.errors) \(before)")
    #expect(typed.errors.contains("the unknown term '\(name)e'"), "\(typed.errors)")
    #expect(typed.errors.contains("did you mean '\(name)'?"), "\(typed.errors)")
  }

  /// Products as fast as this GPU's memory and peak, but for a factor.
  private func products(gpu: String, factor: Double) throws -> String {
    let rows = [512, 1024, 2048, 4096, 8192].flatMap { n in
      [1, 16, 64, 256].map { m in
        let time = factor * (4 + Double(n * 4096) / 1e6 + Double(m * n) / 1e5)
        return "\(gpu),bf16,\(m),\(n),4096,\(time)\n"
      }
    }
    return try folder.write("gpu,dtype,m,n,k,time_us\n" + rows.joined(), to: "gemm.csv")
  }

  @Test(arguments: [(1e-3, "shorter"), (1e3, "longer")])
  func `kernels in another unit are refused`(factor: Double, word: String) throws {
    let path = try products(gpu: "a100", factor: factor)
    let outcome = try weft("calibrate --topology dgx-a100 --measurements \(path)")
    #expect(outcome.status == 65, "\(outcome.errors)")
    #expect(outcome.errors.contains("times \(word) than") && outcome.errors.contains("  fix: "))
  }

  @Test func `kernels of another GPU are warned of`() throws {
    let own = try weft(
      "calibrate --topology dgx-a100 --measurements \(products(gpu: "a100", factor: 1))")
    #expect(own.status == 0 && !own.errors.contains("has kernels of"), "\(own.errors)")
    let other = try weft(
      "calibrate --topology dgx-a100 --measurements \(products(gpu: "h100-sxm", factor: 1))")
    #expect(other.errors.contains("has kernels of h100-sxm"), "\(other.errors)")
  }

  @Test func `kernels of several GPUs are no fit unless pooled, and repeats of a shape are none`()
    throws
  {
    let own = try String(contentsOfFile: products(gpu: "a100", factor: 1), encoding: .utf8)
    let both =
      own
      + own.replacing("a100,", with: "b200,").split(separator: "\n").dropFirst()
      .joined(separator: "\n")
    let mixed = try folder.write(both, to: "mixed.csv")
    let refused = try weft("calibrate --topology dgx-a100 --measurements \(mixed)")
    #expect(refused.status == 65 && refused.errors.contains("the kernels are of 2 GPUs"))
    #expect(try weft("calibrate --topology dgx-a100 --measurements \(mixed) --pool").status == 0)
    let lines = own.split(separator: "\n")
    let repeats = [lines[0]] + Array(repeating: lines[5], count: 30)
    let equal = try folder.write(repeats.joined(separator: "\n"), to: "equal.csv")
    let few = try weft("calibrate --topology dgx-a100 --measurements \(equal)")
    #expect(
      few.status == 65 && few.errors.contains("gemm: 1 measurements are too few"), "\(few.errors)")
  }

  @Test func `kernels are validated, and options that they have no use for are told`() throws {
    let path = try products(gpu: "a100", factor: 1)
    let outcome = try weft(
      "calibrate --topology dgx-a100 --measurements \(path) --suggest --max-parameters 3 "
        + "--hold nccl.ll.base")
    for flag in ["--suggest", "--max-parameters", "--hold nccl.ll.base"] {
      #expect(outcome.errors.contains("\(flag) changes nothing for measured kernels"))
    }
    let validated = try weft(
      "validate --topology dgx-a100 --measurements \(path) --format csv --max-error 0.01")
    #expect(validated.status == 1, "\(validated.errors)")
    #expect(validated.output.contains("kernel,rows,median_abs_pct,p95_abs_pct,bias_pct\ngemm,20,"))
    let slow = try weft(
      "validate --topology dgx-a100 --measurements \(products(gpu: "a100", factor: 1e3))")
    #expect(slow.status == 0 && slow.errors.contains("these look like nanoseconds"))
    let folds = try weft("validate --topology dgx-a100 --measurements \(path) --folds 2")
    #expect(folds.status == 64 && folds.errors.contains("--folds: weft calibrate itself"))
  }
}
