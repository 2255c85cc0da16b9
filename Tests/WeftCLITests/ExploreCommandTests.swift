import Foundation
import TestSupport
import Testing

@Suite struct ExploreCommandTests {
  private let folder: TemporaryFolder
  private var store: String { folder.path + "/store.sqlite" }

  private static let small = """
    name: small
    title: A small study
    command: simulate
    base:
      collective: all-reduce
      topology: flat
    axes:
      nodes: [2, 4]
      size: [8K, 1M]
      algorithm: [ring, recursive-doubling, nccl:ring/ll]
    """

  /// Some hundred points of several milliseconds each, so that a second process starts before the first
  /// one ends on a busy machine too.
  private static let many =
    small
    .replacing("[2, 4]", with: "{from: 26, to: 33, step: 1}")
    .replacing("[8K, 1M]", with: "{from: 1000, to: 30000, step: 1000}")
    .replacing(", nccl:ring/ll]", with: "]")

  init() throws { folder = try TemporaryFolder() }

  private func weft(_ arguments: String...) throws -> WeftProcess {
    try WeftProcess(arguments.flatMap { $0.split(separator: " ").map(String.init) })
  }

  private func explore(_ study: String, _ arguments: String = "") throws -> WeftProcess {
    let file = try folder.write(study, to: "study.yaml")
    return try weft("explore \(file) --store \(store) \(arguments)")
  }

  private func json(_ outcome: WeftProcess) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require(root as? [String: Any])
  }

  private func summary(_ outcome: WeftProcess) throws -> [String: Any] {
    try #require(try json(outcome)["run"] as? [String: Any])
  }

  private func rows(_ name: String, in store: String) throws -> [[String: Any]] {
    let outcome = try weft("results export \(name) --store \(store) --format json")
    return try #require(try json(outcome)["results"] as? [[String: Any]])
  }

  @Test func `points are what the command says, and are answered from the store after`() throws {
    let first = try summary(try explore(Self.small, "--format json"))
    #expect(first["points"] as? Int == 12 && first["computed"] as? Int == 12)
    let again = try summary(try explore(Self.small, "--format json"))
    #expect(again["computed"] as? Int == 0 && again["from_store"] as? Int == 12)
    // Another study whose points are partly the same computes only the others.
    let wider = Self.small.replacing("small", with: "wider").replacing("[2, 4]", with: "[4, 8]")
    let other = try summary(try explore(wider, "--format json"))
    #expect(other["computed"] as? Int == 6 && other["from_store"] as? Int == 6)

    let simulated = try json(
      try weft(
        "simulate all-reduce --topology flat --nodes 4 --size 1M --algorithm nccl:ring/ll",
        "--format json"))
    var expected = try #require((simulated["results"] as? [[String: Any]])?.first)
    var stored = try #require(
      try rows("small", in: store).first {
        $0["nodes"] as? Int == 4 && $0["size"] as? String == "1M"
          && $0["algorithm"] as? String == "nccl:ring/ll"
      })
    for key in ["point", "size", "feasible", "nics_per_node", "link_GBps", "network_latency_us"] {
      stored[key] = nil
    }
    // The axis has the name of what was asked for.
    expected["algorithm"] = stored["algorithm"]
    #expect(NSDictionary(dictionary: stored) == NSDictionary(dictionary: expected))
  }

  /// The bytes of a write-ahead log that has more than the tables and the run, 149 KiB.
  private static let firstBatch = 160_000

  private func size(of path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return attributes?[.size] as? Int ?? 0
  }

  @Test func `an axis that no result answers to is named`() throws {
    let study = Self.small.replacing(
      "  size:", with: "  network.hop_latency: [0 us, 5 us]\n  size:")
    let outcome = try explore(study)
    #expect(outcome.output.contains("'network.hop_latency' changes no result"))
    #expect(!outcome.output.contains("'size' changes no result"))
    #expect(!(try explore(Self.small)).output.contains("changes no result"))
  }

  @Test func `a killed run loses no stored point and does none twice`() throws {
    let study = Self.many
    let file = try folder.write(study, to: "study.yaml")
    let process = WeftProcess.process(["explore", file, "--store", store, "--jobs", "1"])
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    // Until a batch is in the write-ahead log, but long before the last: 440 KiB in all.
    for _ in 0..<2000 where size(of: store + "-wal") < Self.firstBatch { usleep(2000) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    let status = try weft("explore status small --store \(store) --format json")
    let state = try #require((try json(status)["results"] as? [[String: Any]])?.first)
    let before = try #require(state["points"] as? Int)
    #expect(state["state"] as? String == "stopped")
    #expect(before > 0 && before < 480)

    let resumed = try summary(try weft("explore resume small --store \(store) --format json"))
    #expect(resumed["points"] as? Int == 480)
    #expect(resumed["computed"] as? Int == 480 - before)
    #expect(resumed["from_store"] as? Int == before)
    // The same bytes as without a kill.
    let whole = folder.path + "/whole.sqlite"
    #expect(try weft("explore \(file) --store \(whole) --jobs 2").status == 0)
    let export = try weft("results export small --store \(store)")
    #expect(try weft("results export small --store \(whole)").output == export.output)
    #expect(export.output.split(separator: "\n").count == 481)
  }

  @Test func `Ctrl-C ends with 130 and keeps what is done`() throws {
    let study = Self.many
    let file = try folder.write(study, to: "study.yaml")
    let process = WeftProcess.process(["explore", file, "--store", store, "--jobs", "1"])
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    for _ in 0..<300 where !FileManager.default.fileExists(atPath: store) { usleep(10_000) }
    usleep(50_000)
    process.interrupt()
    let text = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    #expect(text.contains("stopped with") && text.contains("run the same command again"))
    let rest = try summary(try weft("explore \(file) --store \(store) --format json"))
    #expect(rest["points"] as? Int == 480)
  }

  @Test func `several processes write one study at once`() throws {
    let file = try folder.write(Self.small, to: "study.yaml")
    let processes = (0..<3).map { _ in
      WeftProcess.process(["explore", file, "--store", store, "--jobs", "2"])
    }
    for process in processes {
      process.standardOutput = FileHandle.nullDevice
      try process.run()
    }
    for process in processes {
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    #expect(try rows("small", in: store).count == 12)
    let runs = try json(try weft("results list --store \(store) --format json"))
    #expect((runs["results"] as? [[String: Any]])?.count == 1)
  }

  @Test(arguments: [
    ("topology: flat", "topology: flaat", 66, "study.yaml:6", "did you mean 'flat'?"),
    ("nodes: [2, 4]", "nods: [2, 4]", 65, "study.yaml:8", "Unknown option '--nods'"),
    ("nodes: [2, 4]", "nodes: [2, two]", 65, "study.yaml:8", "'two' is not a number of nodes"),
    ("size: [8K, 1M]", "size: [8K, 1Q]", 65, "study.yaml:9", "'1Q' has the unknown unit"),
    ("[ring, rec", "[rnig, rec", 65, "study.yaml:10", "did you mean 'ring'?"),
    ("nodes: [2, 4]", "network.latncy: [1 us]", 65, "study.yaml:8", "network.latency"),
    ("nodes: [2, 4]", "network.latency: [1 GB/s]", 65, "study.yaml:8", "unknown unit 'GB/s'"),
    ("nodes: [2, 4]", "explain: [true]", 65, "study.yaml:8", "no option of a point"),
    ("nodes: [2, 4]", "nodes: ['2,4']", 65, "study.yaml:8", "is not a number of nodes"),
    ("  collective: all-reduce\n", "", 65, "study.yaml", "add 'collective: all-reduce'"),
    (
      "topology: flat", "topology: away.yaml", 66, "study.yaml:6",
      "away.yaml: there is no such file"
    ),
    ("nodes: [2, 4]", "nodes: []", 65, "study.yaml:8", "has no values"),
    (
      "nodes: [2, 4]", "nodes: {from: 4, to: 2, step: 1}", 65, "study.yaml:8",
      "ends where it begins"
    ),
    ("nodes: [2, 4]", "nodes: {from: 2, to: 4, step: 0}", 65, "study.yaml:8", "step above zero"),
    ("nodes: [2, 4]", "network.kind: [switch, fta-tree]", 65, "study.yaml:8", "'fat-tree'"),
    (
      "title: A small study", "require: [nodes > 3, nodes < 3]", 65, "study.yaml:2",
      "no point is left: all 12 miss 'nodes > 3' or 'nodes < 3'"
    ),
    (
      "title: A small study", "objectives: [{minimize: time_ms}]", 65, "study.yaml:2",
      "did you mean 'time_us'?"
    ),
    ("title: A small study", "require: [time_us < 5 us]", 65, "study.yaml:2", "plain number"),
    ("title: A small study", "require: [tiem_us < 5]", 65, "study.yaml:2", "did you mean"),
    (
      "title: A small study", "objectives: [{minimize: cost_per_hour}]", 65, "study.yaml:2",
      "needs prices"
    ),
  ])
  func `what is wrong in a study has its line and a fix`(
    old: String, new: String, status: Int32, place: String, text: String
  ) throws {
    let outcome = try explore(Self.small.replacing(old, with: new, maxReplacements: 1))
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains(place) && outcome.errors.contains(text), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: store))
  }

  @Test func `a network's kind varies, with values that only some kinds have`() throws {
    let study =
      Self.small
      .replacing("topology: flat", with: "topology: perlmutter")
      .replacing("nodes: [2, 4]", with: "network.kind: [dragonfly, fat-tree, switch]")
      .replacing("[8K, 1M]", with: "[8K]")
      .replacing("algorithm: [ring, ", with: "network.nodes_per_leaf: [1, 8]\n  algorithm: [")
      .replacing("  topology", with: "  nodes: 4\n  topology")
    let run = try summary(try explore(study, "--format json"))
    #expect(run["points"] as? Int == 12 && run["refused"] as? Int == 8)
    let points = try rows("small", in: store)
    let trees = points.filter { $0["network.kind"] as? String == "fat-tree" }
    #expect(trees.count == 4 && trees.allSatisfy { $0["time_us"] is Double })
    let reasons = points.compactMap { $0["reason"] as? String }
    #expect(reasons.count == 8)
    #expect(reasons.allSatisfy { $0.contains("no value at 'network.nodes_per_leaf'") })
    // A value that is wrong on the only kind that has it is wrong.
    let wrong = try explore(study.replacing("[1, 8]", with: "[1, eight]"))
    #expect(wrong.status == 65 && wrong.errors.contains("eight"), "\(wrong.errors)")
  }

  @Test func `two processes share the points of a study`() throws {
    let file = try folder.write(Self.many, to: "study.yaml")
    let first = WeftProcess.process(["explore", file, "--store", store, "--jobs", "1"])
    first.standardOutput = FileHandle.nullDevice
    try first.run()
    for _ in 0..<2000 where size(of: store + "-wal") < Self.firstBatch { usleep(2000) }
    let second = try explore(Self.many, "--jobs 1 --format json")
    first.waitUntilExit()
    #expect(first.terminationStatus == 0)
    #expect(second.errors.contains("both share the points"), "\(second.errors)")
    // Neither did it all: each found in the store what the other had done.
    let computed = try #require(try summary(second)["computed"] as? Int)
    #expect(computed < 440, "\(computed)")
    #expect(try rows("small", in: store).count == 480)
  }

  @Test func `a limit on files is an error of writing`() throws {
    let file = try folder.write(Self.many, to: "study.yaml")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    let weft = WeftProcess.process([]).executableURL?.path ?? ""
    process.arguments = [
      "-c", "ulimit -f 100; exec '\(weft)' explore '\(file)' --store '\(store)'",
    ]
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let text = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 74, "\(text)")
    #expect(text.contains("has room"))
    // What was stored before is there, and the rest is answered with room.
    #expect(try summary(try explore(Self.many, "--format json"))["points"] as? Int == 480)
  }

  @Test func `conditions that no result meets are named`() throws {
    let study = Self.small + "\nrequire: [time_us > 0, time_us < 0]\n"
    let outcome = try explore(study)
    let words = "no point meets every condition: of 12 with a result, 0 meet 'time_us < 0'"
    #expect(outcome.status == 0 && outcome.output.contains(words), "\(outcome.output)")
    #expect(try explore(study, "--decide").output.contains(words))
    let tuner = try explore(study, "--export nccl-tuner")
    #expect(tuner.status == 64 && tuner.errors.contains(words))
    let front = try explore(study + "objectives: [{minimize: time_us}]\n")
    #expect(front.status == 0)
    let header = try weft("results export small --store \(store) --format pareto").output
    #expect(header.hasPrefix("point,nodes,size,algorithm") && header.hasSuffix("feasible\n"))
  }

  @Test func `what cannot be decided or exported is refused before any work`() throws {
    let single = Self.small.replacing(", recursive-doubling, nccl:ring/ll", with: "")
    let decide = try explore(single, "--decide")
    #expect(decide.status == 64, "\(decide.output)")
    #expect(decide.errors.contains("'algorithm' has one value, 'ring'"))
    let machines = Self.small.replacing("nodes: [2, 4]", with: "network.latency: [1 us, 2 us]")
    let tuner = try explore(machines, "--export nccl-tuner")
    #expect(tuner.status == 64 && tuner.errors.contains("'network.latency' varies"))
    #expect(!FileManager.default.fileExists(atPath: store))
  }

  @Test func `points are chosen, ordered and counted as asked`() throws {
    _ = try explore(Self.small)
    func show(_ arguments: String) throws -> WeftProcess {
      try weft("results show small --store \(store) \(arguments)")
    }
    let none = try show("--where nodes=9")
    #expect(none.status == 0 && none.errors.contains("no point has nodes=9"))
    let negative = try show("--limit -3")
    #expect(negative.status == 64 && negative.errors.contains("--limit -3"))
    let sorted = try show("--sort -time_us --format csv --columns time_us").output
    let times = sorted.split(separator: "\n").dropFirst().compactMap {
      $0.split(separator: ",").last.flatMap { Double($0) }
    }
    #expect(times.count == 12 && times == times.sorted(by: >))
    let local = try explore(Self.small, "--shards 3")
    #expect(local.status == 64 && local.errors.contains("--shards is for Slurm"))
  }

  @Test func `a damaged store is bad content`() throws {
    _ = try explore(Self.small)
    // What was not yet copied from the log into the file would still be whole.
    for ending in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: store + ending) }
    var bytes = try Data(contentsOf: URL(fileURLWithPath: store))
    bytes.replaceSubrange(100..<bytes.count, with: Data(repeating: 0xAB, count: bytes.count - 100))
    try bytes.write(to: URL(fileURLWithPath: store))
    let outcome = try weft("results list --store \(store)")
    #expect(outcome.status == 65, "\(outcome.errors)")
    #expect(outcome.errors.contains("is damaged") && outcome.errors.contains("  fix: "))
    let folder = try weft("results list --store \(folder.path)")
    #expect(folder.status == 66 && folder.errors.contains("is a folder, not a store"))
  }

  @Test func `stores that are not there or not ours are refused`() throws {
    let missing = try weft("results list --store \(store)")
    #expect(missing.status == 66 && missing.errors.contains("there is no store"))
    _ = try folder.write(String(repeating: "not a store\n", count: 100), to: "store.sqlite")
    let foreign = try explore(Self.small)
    #expect(foreign.status == 65 && foreign.errors.contains("not a SQLite database"))
    let within = try weft("explore all-reduce-map --store \(folder.path)/no/s.sqlite")
    #expect(within.status == 74 && within.errors.contains("there is no folder"))
    let taken = try weft("explore all-reduce-map --store \(folder.path)")
    #expect(taken.status == 74 && taken.errors.contains("this is a folder"))
    let nowhere = try weft("explore small --store /nowhere/s.sqlite")
    #expect(nowhere.status == 66 && nowhere.errors.contains("there is no study 'small'"))
  }

  @Test func `impossible points have a reason, conditions rule points out`() throws {
    let study =
      Self.small.replacing("[2, 4]", with: "[1, 2, 4]")
      + "\nrequire:\n  - nodes * 2 >= 4\n  - time_us < 100\nobjectives: [{maximize: busbw_GBps}]\n"
    let summary = try summary(
      try explore(study.replacing("1M]", with: "900G]"), "--format json"))
    #expect(summary["excluded"] as? Int == 6 && summary["points"] as? Int == 12)
    #expect(summary["refused"] as? Int == 6)
    let shown = try weft("results show small --store \(store) --where size=900G")
    #expect(shown.output.contains("do not fit into a GPU"))
    let result = try explore(study, "--format json")
    let best = try #require(try json(result)["results"] as? [[String: Any]])
    #expect(best.count == 1)
    #expect(try #require(best.first?["time_us"] as? Double) < 100)
  }

  @Test func `decisions and NCCL's tuner file follow from the points`() throws {
    let study = Self.small.replacing(
      "[ring, recursive-doubling, nccl:ring/ll]", with: "[nccl:ring/ll, nccl:ring/simple, nvrar]")
    let map = try json(try explore(study, "--decide --format json"))
    let cells = try #require(map["results"] as? [[String: Any]])
    #expect(cells.count == 4)
    let points = try rows("small", in: store)
    for cell in cells {
      let same = points.filter {
        $0["nodes"] as? Int == cell["nodes"] as? Int
          && $0["size"] as? String == cell["size"] as? String
      }
      let times = same.compactMap { $0["time_us"] as? Double }.sorted()
      #expect(cell["time_us"] as? Double == times.first)
      let better = try #require(cell["times_better"] as? Double)
      #expect(abs(better - times[1] / times[0]) < 1e-12)
    }
    let table = try explore(study, "--decide")
    #expect(table.output.contains("8 KiB  ") && table.output.contains("x"))
    // A field without anything feasible is shown as one, and so is what has no rival.
    let strict = try explore(study + "\nrequire: [time_us < 30]\n", "--decide").output
    #expect(strict.contains("nvrar only") && strict.contains("# -: all of them do"), "\(strict)")

    let tuner = try explore(study, "--export nccl-tuner").output
      .split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: ",") }
    #expect(tuner.allSatisfy { $0.count == 10 && $0[0] == "allreduce" && $0[3] == "ring" })
    // The ranges of a scale follow each other without a gap over the sizes simulated.
    for nodes in ["2", "4"] {
      let lines = tuner.filter { $0[6] == nodes }
      var next = 8 << 10
      for line in lines {
        #expect(Int(line[1]) == next)
        next = try #require(Int(line[2])) + 1
      }
      #expect(next == 1 << 20 + 1 && (1...2).contains(lines.count))
    }
  }

  @Test func `comparing runs says which points changed and why`() throws {
    _ = try explore(Self.small)
    let faster = Self.small.replacing(
      "topology: flat", with: "topology: flat\n  network.latency: 1 us")
    _ = try explore(faster)
    let outcome = try weft("results compare 1 2 --store \(store) --format json")
    let root = try json(outcome)
    let comparison = try #require(root["comparison"] as? [String: Any])
    #expect(comparison["compared"] as? Int == 12 && comparison["changed"] as? Int == 12)
    #expect(try #require(comparison["median_change_pct"] as? Double) < 0)
    #expect(
      comparison["differences"] as? [String]
        == ["the study's base.network.latency: nothing -> 1 us"])
    let changes = try #require(root["results"] as? [[String: Any]]).compactMap {
      $0["change_pct"] as? Double
    }
    #expect(changes == changes.sorted { abs($0) > abs($1) } && changes[0] < -10)
    // All of it is latency, and says so.
    let parts = try #require(root["results"] as? [[String: Any]]).compactMap {
      $0["most_by"] as? String
    }
    #expect(parts.count == 12 && parts.allSatisfy { $0.hasPrefix("latency -") }, "\(parts)")
    let same = try weft("results compare 1 1 --store \(store)")
    #expect(
      same.output.contains("0 of them changed") && same.output.contains("nothing else differs"))
  }

  @Test func `a crossover is refined between its sizes`() throws {
    let study =
      Self.small
      .replacing("[8K, 1M]", with: "{from: 1K, to: 16M, factor: 128}")
      .replacing("[2, 4]", with: "[8]")
      .replacing("[ring, recursive-doubling, nccl:ring/ll]", with: "[ring, recursive-doubling]")
      + "\nrefine: {toward: crossover, points: 8, of: algorithm, along: size}\n"
    let first = try summary(try explore(study, "--format json"))
    #expect(first["points"] as? Int == 14)
    let again = try summary(try explore(study, "--format json"))
    #expect(again["computed"] as? Int == 0 && again["points"] as? Int == 14)
    let points = try rows("small", in: store)
    var times: [Int: [String: Double]] = [:]
    for point in points {
      let size = try #require(point["size"] as? Int)
      times[size, default: [:]][try #require(point["algorithm"] as? String)] =
        point["time_us"] as? Double
    }
    let sizes = times.keys.sorted()
    let doubling = sizes.last { times[$0]?["recursive-doubling"] ?? 0 < times[$0]?["ring"] ?? 0 }
    let ring = sizes.first { times[$0]?["recursive-doubling"] ?? 0 > times[$0]?["ring"] ?? 0 }
    // 128 to one, halved four times by ratio.
    let ratio = Double(try #require(ring)) / Double(try #require(doubling))
    #expect(ratio > 1 && ratio < 1.5)
  }

  @Test func `prices make costs, and an LLM study has a front`() throws {
    let study = """
      name: llm
      command: predict
      base: {topology: perlmutter, model: llama-3.1-70b, batch: 8, prompt: 512, decode: 64}
      axes:
        gpus: [8, 16, 24]
        work:
          whole: {plan: tp, all-reduce: nvrar}
          piped: {plan: tp4xpp}
      require: [fits == true]
      prices: {gpu_hour: 2, link_hour: 0.5}
      objectives: [{minimize: tpot_ms}, {minimize: cost_per_million_tokens}]
      """
    let root = try json(try explore(study, "--format json"))
    let front = try #require(root["results"] as? [[String: Any]])
    #expect((1..<6).contains(front.count))
    for row in try rows("llm", in: store) where row["feasible"] as? Bool == true {
      let gpus = try #require(row["gpus"] as? Double)
      let hour = try #require(row["cost_per_hour"] as? Double)
      #expect(abs(hour - gpus * 2.5) < 1e-9)
      let tokens = try #require(row["tokens_per_s"] as? Double)
      let cost = try #require(row["cost_per_million_tokens"] as? Double)
      #expect(abs(cost - hour / 3600 / tokens * 1e6) < 1e-9)
      // Nothing on the front is beaten by it.
      let step = try #require(row["tpot_ms"] as? Double)
      let beaten = front.contains {
        ($0["tpot_ms"] as? Double ?? 0) > step
          && ($0["cost_per_million_tokens"] as? Double ?? 0) > cost
      }
      #expect(!beaten)
    }
  }
}
