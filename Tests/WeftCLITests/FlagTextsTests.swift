import Foundation
import TestSupport
import Testing

/// Values of flags that cannot be meant are told with what can.
@Suite struct FlagTextsTests {
  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  @Test(arguments: [
    ("-f 1.01", "'1.01' is no whole number; give 2 or more"),
    ("--step-factor=x", "'x' is no whole number; give 2 or more"),
    ("--seed=-1", "'-1' is no seed; give a whole number, 0 or more"),
    ("--seed 1.5", "'1.5' is no seed"),
  ])
  func `a wrong number is told with a right one`(flags: String, problem: String) throws {
    let outcome = try weft("simulate all-reduce --topology dgx-h100 \(flags)")
    #expect(outcome.status == 64 && outcome.output.isEmpty)
    #expect(outcome.errors.contains(problem), "\(outcome.errors)")
  }

  @Test func `a plan of the runtime is told apart from a schedule`() throws {
    let folder = try TemporaryFolder()
    let plan = folder.path + "/ring.plan"
    #expect(try weft("schedule export ring --ranks 4 --format plan -o \(plan)").status == 0)
    for line in ["simulate all-reduce --topology dgx-h100 --algorithm", "verify"] {
      let outcome = try weft("\(line) \(plan)")
      #expect(outcome.status == 64)
      #expect(
        outcome.errors.contains("\(plan): this is a plan for the runtime, of the algorithm 'ring'"),
        "\(outcome.errors)")
      #expect(outcome.errors.contains("fix: name the algorithm itself, 'ring'"))
    }
    let file = folder.path + "/mine.xml"
    let text = try weft("schedule export ring --ranks 4 --in-place").output
    try text.replacing("name=\"ring", with: "name=\"mine").write(
      toFile: file, atomically: true, encoding: .utf8)
    let other = folder.path + "/mine.plan"
    let exported = try weft("schedule export \(file) --format plan -o \(other)")
    #expect(exported.status == 0, "\(exported.errors)")
    let unknown = try weft("simulate all-reduce --topology dgx-h100 --algorithm \(other)")
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("of the unknown algorithm '/"), "\(unknown.errors)")
    let bad = try folder.write("algorithm: rnig\n", to: "bad.plan")
    let broken = try weft("verify \(bad)")
    #expect(broken.status == 65 && broken.errors.contains("bad.plan: the plan cannot be run"))
    #expect(try weft("verify nowhere.plan").status == 66)
  }
}
