import ArgumentParser
import Weft
import WeftFiles

/// `weft verify`: the proof of a schedule, or what is wrong with it.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove a schedule, or say which rank lacks what, or which ranks deadlock on what.",
    discussion: """
      Runs the schedule on symbolic data over back-to-back calls, with as many slots as will be \
      there. Every rank must end with every contribution once, and no two accesses to the same \
      data may be unordered. Up to 64 ranks contributions are counted exactly, beyond that by \
      128-bit fingerprints, which miss a wrong result with a probability below 2^-96.
      """)

  @Argument(
    help: "The algorithm: nvrar, ring, tree, recursive-doubling, and others; or an MSCCL file.")
  var algorithm: String

  @OptionGroup var options: ScheduleOptions
  @OptionGroup var global: GlobalOptions

  @Option(parsing: .unconditional, help: "The number of back-to-back calls.")
  var calls = 2

  @Option(
    parsing: .unconditional,
    help: "The number of messages of a connection that may be under way or unread.")
  var slots = 8

  func run() throws {
    try checkCounts()
    let subject = try options.subject(algorithm)
    let ranks = subject.layout.ranks
    let report = try global.timed("the proof") { try self.report(of: subject) }
    // The table is for a glance; what is wrong stands below it, a line each.
    let findings = report.findings.map(\.description)
    try global.emit(
      Report(
        [
          Record([
            "algorithm": .text(algorithm), "collective": .text(subject.collective.rawValue),
            "ranks": .integer(ranks), "gpus_per_node": .integer(subject.layout.ranksPerNode),
            "calls": .integer(report.calls), "slots": .integer(slots),
            "mode": .text(report.mode.rawValue),
            "error_probability": .number(report.mode.errorProbability),
            "races_checked": .bool(report.racesChecked),
            "operations": .integer(report.operations), "messages": .integer(report.messages),
            "verdict": .text(report.verdict),
            "findings": .list(report.findings.map { .text($0.description) }),
          ])
        ],
        columns: [
          "algorithm", "ranks", "gpus_per_node", "calls", "slots", "mode", "operations",
          "messages", "verdict",
        ], notes: findings.map { $0.count > 300 ? $0.prefix(300) + "…" : $0 }))
    if !report.racesChecked && findings.isEmpty {
      Console.warn(
        "the order of accesses was not checked: that would take too much for \(ranks) ranks",
        global)
    }
    if !report.isProved { throw ExitCode(Failure.Status.check.rawValue) }
  }

  private func report(of subject: VerificationCase) throws(Failure) -> VerificationReport {
    let limit = 20_000_000
    let options = Verifier.Options(calls: calls, slots: slots)
    let report = try Failure.planned { () throws(PlanError) in
      try subject.operations(limit: limit) < limit ? try subject.verify(options) : nil
    }
    if let report { return report }
    throw Failure(
      .usage,
      "\(algorithm) on \(subject.layout.ranks) ranks has more than \(limit) operations to prove",
      fix: "prove it on fewer ranks; the builders do not change with their number")
  }

  private func checkCounts() throws(Failure) {
    for (flag, value) in [
      ("--calls", calls), ("--slots", slots),
    ] where value < 1 || value > 1000 {
      throw Failure(.usage, "\(flag) \(value) is not 1 to 1000", fix: "give that many")
    }
  }
}
