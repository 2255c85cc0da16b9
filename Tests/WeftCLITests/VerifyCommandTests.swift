import TestSupport
import Testing

@Suite struct VerifyCommandTests {
  private func verify(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(["verify"] + arguments.split(separator: " ").map(String.init))
  }

  @Test(arguments: [
    ("ring --ranks 0", "--ranks 0 is not 1 to"),
    ("ring --ranks -3", "--ranks -3 is not 1 to"),
    ("ring --ranks 6 --gpus-per-node 4", "does not divide 6 ranks"),
    ("ring --ranks 6 --gpus-per-node 0", "--gpus-per-node 0"),
    ("rong --ranks 6", "unknown algorithm 'rong'"),
    ("nccl --ranks 6", "depends on the machine"),
    ("all-pairs --ranks 6 --channels 3", "has no channels"),
    ("ring --ranks 6 --slots 0", "--slots 0"),
    ("ring --ranks 6 --calls 100000", "--calls 100000"),
    ("ring --ranks 6 --size 1", "--size 1 is not 2 bytes"),
    ("ring --ranks 6 --collective all-to-all", "ring has no all-to-all"),
    ("nvrar --ranks 6 --collective reduce", "nvrar has no reduce"),
    ("ring --ranks 6 --collective gather", "unknown collective 'gather'"),
    ("all-pairs --ranks 6 --collective all-to-all --channels 2", "has no channels"),
    ("one-shot --ranks 6 --gpus-per-node 3", "memory that all ranks map"),
    ("ring", "how many ranks is not said"),
    ("foo --ranks 4", "unknown algorithm 'foo'"),
    ("ring --ranks 100000", "operations to prove"),
  ])
  func `wrong usage is one line, a fix and 64`(arguments: String, problem: String) throws {
    let outcome = try verify(arguments)
    #expect(outcome.status == 64)
    #expect(outcome.output.isEmpty)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.contains(problem) == true, "\(outcome.errors)")
    #expect(lines.last?.hasPrefix("  fix: ") == true)
    // What NCCL runs cannot be proved by its name, so nothing advises to.
    #expect(lines.last?.contains(" nccl,") == false && lines.last?.contains("nccl:ring") == false)
  }

  @Test(arguments: ["ring", "tree", "recursive-doubling", "nvrar", "all-pairs"])
  func `a sound schedule is proved`(algorithm: String) throws {
    let outcome = try verify("\(algorithm) --ranks 12 --gpus-per-node 4 --format csv")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains(",proved,"))
  }

  @Test func `a schedule that deadlocks is refuted with rank, step and what it waits for`() throws {
    // A ring whose ranks hold one slot each cannot forward: the slot they need is the one they hold.
    let outcome = try verify("ring --ranks 4 --slots 1 --format json")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("\"verdict\" : \"refuted\""))
    #expect(outcome.output.contains("rank 0"))
    #expect(outcome.output.contains("slot"))
  }
}
