import ArgumentParser
import Weft
import WeftFiles

/// The options that say what measured decode steps and serving runs are of.
struct StepOptions: ParsableArguments {
  @Option(
    help: "For decode steps and serving runs: the model, if their column 'model' does not say it.")
  var model: String?

  @Option(help: "The engine that ran them, if their column 'backend' does not say it.")
  var engine: String?

  @Option(help: "The type of the weights, if their column 'precision' does not say it.")
  var dtype: String?

  @Option(help: "The type of the KV cache; that of activations (16 bits) unless said.")
  var kvDtype: String?

  /// Refuses options that nothing here would use.
  func checkUnused() throws(Failure) {
    for (flag, value) in [
      ("--model", model), ("--engine", engine), ("--dtype", dtype), ("--kv-dtype", kvDtype),
    ] {
      if let value {
        throw Failure(
          .usage, "\(flag) \(value): the files hold no decode steps or serving runs",
          fix: "leave it out, or name files of steps")
      }
    }
  }
}

extension MeasurementOptions {
  /// Whether the files are of decode steps or serving runs.
  ///
  /// - Throws: ``Failure`` if some are and others are not.
  func areSteps() throws(Failure) -> Bool {
    let steps = measurements.filter { StepFile.isStepFile($0) }
    guard !steps.isEmpty, let other = measurements.first(where: { !steps.contains($0) }) else {
      return !steps.isEmpty
    }
    throw Failure(
      .usage, "\(other) has no decode steps, other files do",
      fix: "take steps and collectives one after the other")
  }

  /// The measured steps that the conditions choose, and the question that they answer.
  ///
  /// - Throws: ``InputError`` for a file, ``Failure`` for a condition that no row meets, or where
  ///   rows of several models, engines or types would share a question.
  func steps(
    _ options: StepOptions, on topology: Topology, _ profile: ProfileOptions,
    _ global: GlobalOptions
  ) throws -> StepComparison {
    let files = try measurements.map { try StepFile(path: $0) }
    let filter = try RowFilter(conditions, columns: files.flatMap(\.columns))
    var rows = try filter.choose(from: files.flatMap(\.rows))
    var unusable = files.flatMap(\.unusable)
    let data = try global.data()
    let model = try data.model(
      options.model ?? Self.modelName(try Self.only("model", of: rows, flag: "--model")))
    let engine = try data.engine(
      try options.engine ?? Self.only("backend", of: rows, flag: "--engine"))
    let weights = try options.dtype ?? Self.mostCommonPrecision(of: rows)
    unusable += Self.leaveOut(&rows, unlike: weights)
    let types = try [("--dtype", weights), ("--kv-dtype", options.kvDtype)].map { flag, name in
      try PredictCommand.type(flag, name)
    }
    let costs = try profile.loaded(for: topology, global)
    let request = PredictionRequest(
      model: model.model, topology: topology,
      profile: costs.profile.adding(engine, beneath: costs.own),
      gpuCounts: [1], plans: [try PlanPattern("tp")], libraries: [.nccl],
      workload: try InferenceWorkload(batch: 1, prompt: 1, decode: 2), weights: types[0],
      keyValues: types[1], engine: engine.engine)
    var comparison = StepComparison(request: request, rows: rows, unusable: unusable)
    comparison.own = costs.own
    comparison.warnings = Self.warnings(rows, request) + unused(by: "decode steps")
    return comparison
  }

  /// Takes rows of another precision out, if there are any of the one that is predicted.
  static func leaveOut(_ rows: inout [StepFile.Row], unlike precision: String?) -> [UnusableRow] {
    let others = rows.filter { !isPrecision($0.cells["precision"], precision) }
    guard others.count < rows.count else { return [] }
    rows.removeAll { !isPrecision($0.cells["precision"], precision) }
    return others.map {
      UnusableRow(
        file: $0.file, line: $0.line,
        reason: "its precision is \($0.cells["precision"] ?? ""), of the others "
          + "\(precision ?? ""); --dtype or --where precision=… chooses another")
    }
  }

  /// The precision of most rows that name one; nil if none does.
  ///
  /// - Throws: ``Failure`` if two are as common.
  private static func mostCommonPrecision(of rows: [StepFile.Row]) throws(Failure) -> String? {
    var counts: [(name: String, first: StepFile.Row, rows: Int)] = []
    for row in rows {
      guard let name = row.cells["precision"] else { continue }
      if let place = counts.firstIndex(where: { isPrecision($0.name, name) }) {
        counts[place].rows += 1
      } else {
        counts.append((name, row, 1))
      }
    }
    let most = counts.map(\.rows).max()
    let common = counts.filter { $0.rows == most }.sorted { $0.name < $1.name }
    guard common.count <= 1 else {
      throw Failure(
        .usage,
        "--dtype is missing, and as many rows have the precision "
          + common.map { $0.first.text(of: "precision") }.joined(separator: " as "),
        fix: "give --dtype, or choose rows with --where precision=…")
    }
    return common.first?.name
  }

  /// Whether a row's precision is one that another row names; a blank one is any.
  private static func isPrecision(_ text: String?, _ other: String?) -> Bool {
    guard let text, let other, text != other else { return true }
    return DataType(name: text).map { $0 == DataType(name: other) } ?? false
  }

  /// The one value of a column.
  private static func only(
    _ column: String, of rows: [StepFile.Row], flag: String
  ) throws(Failure) -> String {
    let different = firsts(of: column, rows)
    if different.count == 1, let value = different[0].cells[column] { return value }
    let isGiven = different.contains { $0.cells[column] != nil }
    throw Failure(
      .usage,
      "\(flag) is missing, and the rows' \(column) is "
        + (isGiven
          ? "not one: " + different.prefix(4).map { $0.text(of: column) }.joined(separator: ", ")
          : "not given"),
      fix: "give \(flag)"
        + (isGiven ? ", fill in the cells, or choose rows with --where \(column)=…" : ""))
  }

  /// The first row with each value of a column, blank cells among them.
  private static func firsts(of column: String, _ rows: [StepFile.Row]) -> [StepFile.Row] {
    var seen = Set<String?>()
    return rows.filter { seen.insert($0.cells[column]).inserted }
  }

  /// `meta-llama/Llama-3.1-70B` as the shipped models are named.
  private static func modelName(_ text: String) -> String {
    (text.split(separator: "/").last.map(String.init) ?? text).lowercased()
  }

  /// What may make a comparison unfair.
  static func warnings(_ rows: [StepFile.Row], _ request: PredictionRequest) -> [String] {
    var warnings: [String] = []
    func differ(_ column: String, _ ours: String, _ fits: (String) -> Bool) {
      let others = rows.filter { !($0.cells[column].map(fits) ?? true) }
      guard let first = others.first else { return }
      let values = Set(others.compactMap { $0.cells[column] }).sorted().joined(separator: ", ")
      warnings.append(
        "\(first.file):\(first.line): rows have the \(column) \(values), the prediction is for "
          + ours)
    }
    let gpu = request.topology.gpu
    differ("system", gpu.title) { gpu.isNamed(in: $0) }
    differ("model", request.model.name) { modelName($0) == request.model.name }
    differ("backend", request.engine.name) { $0.lowercased() == request.engine.name }
    differ("precision", request.weights.rawValue) { DataType(name: $0) == request.weights }
    return warnings
  }
}
