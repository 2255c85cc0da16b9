import ArgumentParser
import Weft
import WeftFiles

/// `weft schedule`: the schedules of builders and files, operation by operation.
struct ScheduleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedule",
    abstract: "Show a schedule's operations, export it, or check one from a file.",
    subcommands: [Show.self, Export.self, Import.self])
}

extension ScheduleCommand {
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show what every lane of every rank does in one call.")

    @Argument(help: "The algorithm, or an MSCCL file.")
    var algorithm: String

    @OptionGroup var options: ScheduleOptions
    @OptionGroup var global: GlobalOptions

    @Option(parsing: .unconditional, help: "Show this rank only.")
    var rank: Int?

    /// The most operations that anybody will read or process.
    private static let limit = 100_000

    func run() throws {
      let subject = try options.subject(algorithm)
      let ranks = subject.layout.ranks
      if let rank, !(0..<ranks).contains(rank) {
        throw Failure(
          .usage, "--rank \(rank) is not one of \(ranks) ranks", fix: "give 0 to \(ranks - 1)")
      }
      let shown = rank.map { $0..<($0 + 1) } ?? 0..<ranks
      let listing = try Failure.planned { () throws(PlanError) in
        try subject.listing(ranks: shown, limit: Self.limit)
      }
      if listing.isCut {
        Console.warn("only the first \(Self.limit) operations are shown; try --rank", global)
      }
      let title =
        "\(algorithm): \(listing.collective.rawValue) of \(listing.elements) elements, "
        + "\(ranks) ranks, \(listing.lanes) lanes"
      try global.emit(
        Report(listing.rows.map { Record($0, buffers: listing.buffers) }, title: title))
    }
  }

  struct Export: ParsableCommand {
    /// The formats of schedules.
    enum Format: String, CaseIterable, ExpressibleByArgument {
      case msccl, plan
    }

    static let configuration = CommandConfiguration(
      commandName: "export",
      abstract: "Write a schedule in MSCCL's format, or as a plan for the runtime.",
      discussion: """
        A plan holds what the runtime executes: operations, slots, buffers and kernels, of a size \
        and a type. It is written only if the schedule is proved with these slots.
        """)

    @Argument(help: "The algorithm, or an MSCCL file.")
    var algorithm: String

    @OptionGroup var options: ScheduleOptions

    @Option(help: "The format: msccl or plan.")
    var format = Format.msccl

    @Option(name: [.customShort("d"), .long], help: "The type of a plan's elements.")
    var datatype = "bf16"

    @Option(parsing: .unconditional, help: "The most slots of a plan's connections.")
    var slots = 8

    @Option(name: [.short, .long], help: "Write to this file instead of standard output.")
    var output: String?

    func run() throws {
      if format == .plan { return try writePlan() }
      // A size that ranks, channels and the largest power of two of ranks share evenly.
      let channels = options.channels ?? 2
      let subject = try options.subject(algorithm) { layout in
        layout.ranks * channels << (Int.bitWidth - 1 - layout.ranks.leadingZeroBitCount)
      }
      if case .imported(let program) = subject.algorithm {
        return try Output.write(MSCCLFile.text(program), to: output)
      }
      let name = "weft-\(algorithm)-\(subject.collective.rawValue)-\(subject.layout.ranks)"
      let program: ChunkProgram
      do {
        program = try subject.exported(name: name)
      } catch {
        throw Failure(
          .usage, error.problem, fix: error.fix + ", or write a plan with --format plan")
      }
      try Output.write(MSCCLFile.text(program), to: output)
    }

    private func writePlan() throws {
      guard (1...1000).contains(slots) else {
        throw Failure(.usage, "--slots \(slots) is not 1 to 1000", fix: "give that many")
      }
      let type = try DataType(parsing: datatype)
      let subject = try options.subject(algorithm, type: type)
      if case .imported(let program) = subject.algorithm { try program.refuseIfWrong(algorithm) }
      let plan = try Failure.planned { () throws(PlanError) in
        try subject.runtimePlan(name: algorithm, type: type, slots: slots)
      }
      try Output.write(PlanFile.data(plan), to: output)
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "import", abstract: "Check a schedule file, prove it, and summarise it.")

    @Argument(help: "An MSCCL file.")
    var file: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let program = try MSCCLFile.read(path: file)
      let report = try Failure.planned { () throws(PlanError) in try program.proof() }
      let blocks = program.blocks.joined()
      let findings = report.findings.map { Value.text($0.description) }
      try global.emit(
        Report(
          [
            Record([
              "file": .text(file), "name": .text(program.name),
              "collective": .text(program.collective.rawValue),
              "protocol": .text(program.protocolName), "ranks": .integer(program.ranks),
              "in_place": .bool(program.inPlace), "chunks": .integer(program.chunks),
              "channels": .integer(program.channels), "thread_blocks": .integer(blocks.count),
              "steps": .integer(blocks.reduce(0) { $0 + $1.steps.count }),
              "min_bytes": .integer(program.minBytes), "max_bytes": Value(program.maxBytes),
              "verdict": .text(report.verdict), "findings": .list(findings),
            ])
          ],
          columns: [
            "name", "collective", "protocol", "ranks", "in_place", "chunks", "channels",
            "thread_blocks", "steps", "verdict",
          ] + (findings.isEmpty ? [] : ["findings"])))
      if !findings.isEmpty { throw ExitCode(Failure.Status.check.rawValue) }
    }
  }
}

extension ChunkProgram {
  /// The proof of the program on one node, over two calls with eight slots.
  func proof() throws(PlanError) -> VerificationReport {
    try VerificationCase(
      algorithm: .imported(self), collective: collective,
      layout: Layout(nodes: 1, ranksPerNode: ranks), elements: chunks, inPlace: inPlace
    ).verify(Verifier.Options())
  }
}

extension ChunkProgram {
  /// Refuses a schedule that does not do what it says: it is worth neither timing nor running.
  func refuseIfWrong(_ path: String) throws(Failure) {
    let report = try Failure.planned { () throws(PlanError) in try proof() }
    guard let finding = report.findings.first else { return }
    throw Failure(
      .badContent, "\(path): the schedule is wrong: \(finding)", fix: "weft verify shows more")
  }
}

extension VerificationReport {
  /// The outcome in a word or two.
  var verdict: String {
    isProved ? "proved" : findings.isEmpty ? "races not checked" : "refuted"
  }
}

extension Record {
  /// An operation with its place.
  init(_ row: ScheduleListing.Row, buffers: [Buffer]) {
    let operation = row.operation
    func port(_ port: Port?) -> Value {
      guard let port else { return .null }
      let lane = port.lane == 0 ? "" : " lane \(port.lane)"
      let tag = port.tag == 0 ? "" : " tag \(port.tag)"
      return .text("rank \(port.peer)\(lane)\(tag)")
    }
    func place(_ location: Location?) -> Value {
      guard let location, Int(location.buffer) < buffers.count else { return .null }
      let end = location.offset + operation.count
      return .text("\(buffers[Int(location.buffer)].name)[\(location.offset)..<\(end)]")
    }
    let moves = operation.kind == .put || operation.kind == .transfer
    self.init([
      "rank": .integer(row.rank), "lane": .integer(row.lane), "step": .integer(row.step),
      "operation": .text(operation.verbs), "from": port(operation.origin),
      "to": port(operation.target), "source": place(operation.operand),
      "addend": place(operation.secondOperand), "destination": place(operation.result),
      "elements": moves ? .integer(operation.count) : .null,
    ])
  }
}
