import Foundation
import TestSupport
import Testing

/// Schedules shown, written to files, and run from files.
@Suite struct ScheduleCommandTests {
  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  private func results(_ arguments: String) throws -> [[String: Any]] {
    let outcome = try weft(arguments + " --format json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require((root as? [String: Any])?["results"] as? [[String: Any]])
  }

  @Test func `operations are shown by rank and lane`() throws {
    let outcome = try weft(
      "schedule show binomial-tree --collective broadcast --ranks 4 --rank 2 --size 32")
    #expect(outcome.status == 0)
    #expect(
      outcome.output == """
        # binomial-tree: broadcast of 16 elements, 4 ranks, 1 lanes
        rank  lane  step  operation       from    to      source          addend  destination     elements
           2     0     0  receive, store  rank 0  -       -                    -  output[0..<16]        16
           2     0     1  send            -       rank 3  output[0..<16]       -  -                     16

        """)
    #expect(try results("schedule show nvrar --ranks 8 --gpus-per-node 4 --rank 3").count > 20)
  }

  @Test(arguments: [
    ("show ring --ranks 4 --rank 4", 64, "--rank 4 is not one of 4"),
    ("show rong --ranks 4", 64, "did you mean 'ring'?"),
    ("show nowhere.xml", 66, "no such file"),
    ("export two-shot --ranks 4 --gpus-per-node 4", 64, "has a put"),
    ("export nvrar --ranks 4", 64, "--format plan"),
    ("export ring --ranks 4 --format goal", 64, "goal"),
    ("import nowhere.xml", 66, "no such file"),
  ])
  func `wrong usage says so`(arguments: String, status: Int, problem: String) throws {
    let outcome = try weft("schedule " + arguments)
    #expect(Int(outcome.status) == status)
    #expect(outcome.errors.contains(problem), "\(outcome.errors)")
  }

  @Test func `an exported schedule is proved, timed and exported again`() throws {
    let folder = try TemporaryFolder()
    let file = "\(folder.path)/ring.xml"
    let export = "schedule export ring --ranks 8 --channels 2 --in-place"
    #expect(try weft("\(export) -o \(file)").status == 0)
    #expect(try weft("schedule export \(file)").output == (try weft(export).output))
    let row = try #require(try results("verify \(file)").first)
    #expect(row["verdict"] as? String == "proved" && row["ranks"] as? Int == 8)
    let summary = try #require(try results("schedule import \(file)").first)
    #expect(summary["channels"] as? Int == 2 && summary["thread_blocks"] as? Int == 16)
    #expect(summary["verdict"] as? String == "proved")
    let call = "simulate all-reduce --topology flat --nodes 8 --size 1M --in-place --algorithm"
    let timed = try #require(try results("\(call) \(file)").first)
    #expect(timed["requested"] as? String == file)
    #expect(timed["network"] as? String == "event" && timed["protocol"] as? String == "ideal")
    #expect(try #require(timed["time_us"] as? Double) > 0)
    for (arguments, problem) in [
      ("\(call) \(file) --nodes 4", "for 8 ranks, not for 4"),
      ("verify \(file) --ranks 4", "is a schedule for 8 ranks"),
      ("verify \(file) --collective reduce", "for all-reduce, not for reduce"),
      ("verify \(file) --channels 2", "channels of a file"),
      (call.replacingOccurrences(of: "--in-place ", with: "") + " \(file)", "in place only"),
      (call.replacingOccurrences(of: "1M", with: "8") + " \(file)", "multiples of"),
    ] {
      let outcome = try weft(arguments)
      #expect(outcome.status == 64 && outcome.errors.contains(problem), "\(outcome.errors)")
    }
  }

  @Test func `a wrong file is refuted, and not timed`() throws {
    let folder = try TemporaryFolder()
    let export = try weft("schedule export ring --ranks 4 --in-place").output
    let wrong = export.replacingOccurrences(of: "rrs", with: "rcs")
    let file = try folder.write(wrong, to: "wrong.xml")
    #expect(try weft("verify \(file)").status == 1)
    #expect(try weft("schedule import \(file)").status == 1)
    let timed = try weft(
      "simulate all-reduce --topology flat --nodes 4 --in-place --algorithm \(file)")
    #expect(timed.status == 65 && timed.errors.contains("the schedule is wrong"))
    let broken = try folder.write(String(export.prefix(700)), to: "broken.xml")
    let outcome = try weft("verify \(broken)")
    #expect(outcome.status == 65 && outcome.errors.contains("broken.xml:"), "\(outcome.errors)")
  }

  // MARK: - Collectives

  @Test(arguments: [
    ("all-gather", "all-pairs,recursive-doubling", 0.75),
    ("reduce-scatter", "all-pairs,recursive-halving", 0.75), ("all-to-all", "all-pairs", 0.75),
    ("broadcast", "ring,binomial-tree", 1), ("reduce", "ring,binomial-tree", 1),
    ("all-reduce", "hierarchical,hierarchical-ring,hierarchical-ring-tree,all-pairs-put", 1.5),
  ])
  func `every collective is timed, with its bus bandwidth`(
    collective: String, algorithms: String, factor: Double
  ) throws {
    let rows = try results(
      "simulate \(collective) --topology flat --nodes 4 --algorithm \(algorithms) -b 8 -e 1M -f 8")
    #expect(rows.count == 6 * algorithms.split(separator: ",").count)
    for row in rows {
      #expect(row["collective"] as? String == collective)
      let bus = try #require(row["busbw_GBps"] as? Double)
      let size = try #require(row["algbw_GBps"] as? Double)
      #expect(abs(bus / size - factor) < 1e-9)
    }
  }

  @Test(arguments: [
    ("all-gather --algorithm nvrar", "nvrar has no all-gather"),
    ("all-gather --algorithm nccl:tree", "use nccl, nccl:pat, nccl:ring"),
    ("all-to-all --algorithm nccl --in-place", "leave --in-place out"),
    ("all-to-all --algorithm ring", "use one of nccl, all-pairs"),
    ("all-reduce --algorithm one-shot", "4 nodes do not share"),
  ])
  func `what an algorithm lacks is told with those that have it`(
    arguments: String, problem: String
  ) throws {
    let outcome = try weft("simulate " + arguments + " --topology flat --nodes 4 --size 1K")
    #expect(outcome.status == 64 && outcome.errors.contains(problem), "\(outcome.errors)")
  }
}
