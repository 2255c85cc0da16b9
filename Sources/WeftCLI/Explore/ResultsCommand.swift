import ArgumentParser
import Foundation
import WeftFiles
import WeftStudy

/// `weft results`: what stores hold.
struct ResultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "results",
    abstract: "List, show, export and compare the results of studies.",
    subcommands: [List.self, Show.self, Export.self, Compare.self])
}

extension ResultsCommand {
  /// Where results are kept.
  struct StoreOptions: ParsableArguments {
    @Option(help: "The SQLite file that keeps results.")
    var store: String

    /// The store, which must be there already.
    func existing() throws -> ResultStore {
      var options = ExploreCommand.StoreOptions()
      options.store = store
      return try options.existing()
    }
  }

  /// Refuses a number of points that is none.
  private static func check(limit: Int?) throws(Failure) {
    guard let limit, limit < 0 else { return }
    throw Failure(.usage, "--limit \(limit) is no number of points", fix: "give 0 or more")
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the runs of a store.")

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
      let store = try storeOptions.existing()
      let runs = try Failure.stored { () throws(StoreError) in try store.runs() }
      try global.emit(
        Report(
          try runs.map { try RunRecord.record($0, in: store) },
          columns: [
            "run", "study", "state", "points", "planned", "refused", "version", "host", "begun",
          ]))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show the points of a run.",
      discussion: "The provenance of the run stands below the table, and in JSON under 'run'.")

    @Argument(
      help: ArgumentHelp(
        "The number of a run, or the name or file of a study (its last run).", valueName: "run"))
    var name: String

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var global: GlobalOptions

    @Option(help: "The results to show, by commas; all in JSON and CSV, the main ones else.")
    var columns: String?

    @Option(
      name: .customLong("where"),
      help: ArgumentHelp("Only points with this value; repeatable.", valueName: "name=value"))
    var conditions: [String] = []

    @Option(
      parsing: .unconditional,
      help: "Order by a result, the smallest first; with a minus before it, the largest.")
    var sort: String?

    @Option(parsing: .unconditional, help: "The most points to show; all unless said.")
    var limit: Int?

    func run() throws {
      try ResultsCommand.check(limit: limit)
      let store = try storeOptions.existing()
      let run = try RunName.latest(name, in: store)
      let rows = try StudyRows(run, in: store, data: try global.data())
      let filter = try PointFilter(conditions, rows.study)
      let chosen = columns.map { CommaList.parse($0) }
      try chosen?.forEach { try PointFilter.checkName($0, rows.study) }
      if let sort { try PointFilter.checkName(sort.trimmingPrefix("-").description, rows.study) }
      var found: [(key: Double, record: Record)] = []
      var hasReasons = false
      try rows.forEach { row in
        guard filter.matches(row, rows) else { return }
        hasReasons = hasReasons || row.reason != nil
        let key = sort.flatMap { sort in
          row.metric(sort.trimmingPrefix("-").description).map { sort.hasPrefix("-") ? -$0 : $0 }
        }
        let isWhole = chosen == nil && global.format != .table
        let names = chosen ?? StudySummary.columns(of: rows.study) + ["reason"]
        found.append(
          (key ?? .infinity, rows.record(row, columns: isWhole ? nil : names)))
      }
      var records = found.map(\.record)
      if sort != nil {
        records = found.enumerated()
          .sorted { ($0.element.key, $0.offset) < ($1.element.key, $1.offset) }
          .map(\.element.record)
      }
      if records.isEmpty && !conditions.isEmpty {
        Console.warn("no point has \(conditions.joined(separator: " and "))", global)
      }
      if let limit { records = Array(records.prefix(limit)) }
      if !hasReasons && chosen == nil {
        for index in records.indices { records[index]["reason"] = nil }
      }
      try global.emit(
        Report(
          records, title: rows.study.file.title, notes: Provenance.notes(run),
          extra: Record(["run": .object(Provenance.record(run))]), seed: run.description.seed))
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "export", abstract: "Write the points of a run for other programs.",
      discussion: """
        csv: every value and result, one flat column each, nothing where there is none, numbers \
        with every digit: as pandas, DuckDB and Parquet converters read it. pareto: the same, of \
        the Pareto front alone.
        """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
      case csv, json, pareto
    }

    @Argument(
      help: ArgumentHelp(
        "The number of a run, or the name or file of a study (its last run).", valueName: "run"))
    var name: String

    @OptionGroup var storeOptions: StoreOptions

    @Option(help: "What to write: csv, json or pareto.")
    var format = Format.csv

    @Option(name: [.short, .long], help: "Write to this file instead of standard output.")
    var output: String?

    @Option(help: "The folder that holds 'topologies'; else WEFT_DATA, or what came with weft.")
    var dataDir: String?

    func run() throws {
      try Output.checkFolder(of: output)
      let store = try storeOptions.existing()
      let run = try RunName.latest(name, in: store)
      let rows = try StudyRows(run, in: store, data: try DataDirectory.find(option: dataDir))
      switch format {
      case .csv: try Output.write(try csv(rows) { _ in true }, to: output)
      case .pareto:
        let front = try rows.front()
        try Output.write(try csv(rows) { front.contains($0.point.number) }, to: output)
      case .json:
        var records: [Record] = []
        try rows.forEach { records.append(record($0, rows)) }
        let report = Report(
          records, extra: Record(["run": .object(Provenance.record(run))]),
          seed: run.description.seed)
        try Output.write(try report.json(command: GlobalOptions.commandLine), to: output)
      }
    }

    private func record(_ row: StudyRows.Row, _ rows: StudyRows) -> Record {
      var record = rows.record(row)
      record.append("feasible", .bool(row.isFeasible))
      return record
    }

    /// Lines of CSV; rows are read twice, once for the columns, so that only the text is in memory.
    private func csv(
      _ rows: StudyRows, _ isWanted: (StudyRows.Row) -> Bool
    ) throws -> Data {
      var columns: [String] = []
      var known = Set<String>()
      try rows.forEach { row in
        for field in record(row, rows).flattened where known.insert(field.name).inserted {
          columns.append(field.name)
        }
      }
      var data = Data(Report.csvLine(columns).utf8)
      try rows.forEach { row in
        if isWanted(row) { data += Data(Report.csvLine(record(row, rows), columns).utf8) }
      }
      return data
    }
  }

  struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "compare",
      abstract: "Compare two runs: which points changed, and what changed them.")

    @Argument(help: "The run before: its number, or the name or file of a study.")
    var before: String

    @Argument(help: "The run after.")
    var after: String

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var global: GlobalOptions

    @Option(help: "The result to compare; the study's first objective unless said.")
    var metric: String?

    @Option(
      parsing: .unconditional, help: "The most points to show, those that changed most first.")
    var limit = 20

    func run() throws {
      try ResultsCommand.check(limit: limit)
      let store = try storeOptions.existing()
      let data = try global.data()
      let before = try StudyRows(try RunName.latest(before, in: store), in: store, data: data)
      let after = try StudyRows(try RunName.latest(after, in: store), in: store, data: data)
      if let metric { try PointFilter.checkName(metric, after.study) }
      try global.emit(
        try RunComparison(before, after, metric: metric).report(limit: limit))
    }
  }
}

extension StudyRows {
  /// The numbers of the points on the Pareto front of the study's objectives.
  ///
  /// - Throws: ``Failure`` if the study has none.
  func front() throws -> Set<Int> {
    let objectives = study.file.objectives
    guard !objectives.isEmpty else {
      throw Failure(
        .usage, "the study '\(study.file.name)' has no objectives, so it has no Pareto front",
        fix: "add 'objectives:' to the study, or export csv")
    }
    var numbers: [Int] = []
    var metrics: [[Double?]] = []
    try forEach { row in
      numbers.append(row.point.number)
      metrics.append(objectives.map { row.isFeasible ? row.metric($0.metric) : nil })
    }
    let front = ParetoFront.indices(of: metrics, maximized: objectives.map(\.isMaximized))
    return Set(front.map { numbers[$0] })
  }
}

/// The points that `--where` asks for.
struct PointFilter {
  private var conditions: [(name: String, text: String)] = []

  init(_ arguments: [String], _ study: Study) throws(Failure) {
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw Failure(
          .usage, "--where '\(argument)' has no name and value",
          fix: "write it like --where nodes=8")
      }
      try Self.checkName(parts[0], study)
      conditions.append((parts[0], parts[1]))
    }
  }

  /// Refuses names that points do not have.
  static func checkName(_ name: String, _ study: Study) throws(Failure) {
    let known = study.axes.map(\.name) + ResultNames.all(of: study.file.command) + ["nvrar"]
    guard !known.contains(name), !known.contains(where: { $0.hasPrefix(name + ".") }) else {
      return
    }
    throw Failure(
      .usage, "points of '\(study.file.name)' have no '\(name)'",
      fix: Failure.suggestion(name, known))
  }

  func matches(_ row: StudyRows.Row, _ rows: StudyRows) -> Bool {
    guard !conditions.isEmpty else { return true }
    let record = rows.record(row)
    return conditions.allSatisfy { name, text in
      switch record.value(at: name) {
      case .text(let value): value == text
      case .integer(let value): text == String(value)
      case .number(let value): Double(text) == value
      case .bool(let value): text == (value ? "true" : "false")
      default: false
      }
    }
  }
}

/// Where results come from.
enum Provenance {
  static func record(_ run: ResultStore.Run) -> Record {
    let description = run.description
    let documents = description.documents.map { document in
      Value.object(
        Record([
          "kind": .text(document.kind), "name": .text(document.name),
          "hash": .text("\(document.hash)"),
        ]))
    }
    return Record([
      "id": .integer(Int(run.id)), "study": .text(description.study),
      "study_hash": .text("\(ResultKey(of: description.studyText))"),
      "version": .text(description.weftVersion),
      "command": .list(description.commandLine.map { .text($0) }),
      "seed": .integer(Int(clamping: description.seed)), "host": .text(description.host),
      "begun": .text(description.created.formatted(.iso8601)),
      "finished": Value(run.finished?.formatted(.iso8601)), "documents": .list(documents),
    ])
  }

  static func notes(_ run: ResultStore.Run) -> [String] {
    let description = run.description
    let documents = description.documents.map {
      "\($0.kind) \($0.name) (\("\($0.hash)".prefix(8)))"
    }
    return [
      "run \(run.id) by weft \(description.weftVersion) on \(description.host), begun "
        + "\(description.created.formatted(.iso8601)), seed \(description.seed), study "
        + "\("\(ResultKey(of: description.studyText))".prefix(8))",
      "from " + documents.joined(separator: ", "),
    ]
  }
}
