import Weft
import WeftFiles
import WeftStudy

/// The points of a run as rows: its values, its results, what prices make of them, and whether the
/// study's conditions hold.
struct StudyRows {
  /// One point.
  struct Row {
    var point: ResultStore.Point
    /// The result, with costs where the study has prices.
    var result: Record
    /// Whether it has a result, and every condition holds.
    var isFeasible: Bool

    /// A result by its name; nil where there is none.
    func metric(_ name: String) -> Double? { result.value(at: name)?.number }

    /// Why there is no result.
    var reason: String? {
      if case .text(let reason)? = result["reason"] { reason } else { nil }
    }
  }

  let store: ResultStore
  let run: ResultStore.Run
  let study: Study

  /// Opens the rows of a run; the study is read from the store.
  init(_ run: ResultStore.Run, in store: ResultStore, data: DataDirectory) throws {
    self.store = store
    self.run = run
    let name = "the study of run \(run.id)"
    study = try Study(StudyFile(text: run.description.studyText, file: name), data: data)
  }

  /// Rows of a run whose study is at hand.
  init(_ run: ResultStore.Run, in store: ResultStore, study: Study) {
    self.store = store
    self.run = run
    self.study = study
  }

  /// Gives every row in order; one at a time is in memory.
  func forEach(_ body: (Row) throws -> Void) throws {
    try store.forEachPoint(of: run) { point in
      guard let text = point.result, var result = Record(json: text) else {
        throw Failure(
          .badContent, "\(store.path): the result of point \(point.number) is not JSON",
          fix: "the store was changed by hand; run the study into a new one")
      }
      addCosts(to: &result)
      let isFeasible = try isFeasible(point.values, result)
      try body(Row(point: point, result: result, isFeasible: isFeasible))
    }
  }

  /// The record that a table or a file shows: number, values, then results.
  ///
  /// Names of results that an axis has too are left to the axis.
  func record(_ row: Row, columns: [String]? = nil) -> Record {
    var record = Record()
    record.append("point", .integer(row.point.number))
    for (axis, value) in zip(run.description.axes, row.point.values) {
      record.append(axis, Self.value(value))
    }
    if let columns {
      for name in columns where record[name] == nil {
        record.append(name, row.result.value(at: name) ?? .null)
      }
    } else {
      for field in row.result.fields where record[field.name] == nil {
        record.append(field.name, field.value)
      }
    }
    return record
  }

  /// A plain number as one, so that columns line up and programs need not guess.
  static func value(_ text: String) -> Value {
    if let integer = Int(text) { return .integer(integer) }
    return .text(text)
  }

  private func isFeasible(_ values: [String], _ result: Record) throws -> Bool {
    guard result["reason"] == nil || result["reason"] == .null else { return false }
    guard !study.file.conditions.isEmpty else { return true }
    let texts = study.texts(values)
    let names = Set(ResultNames.all(of: study.file.command))
    return study.file.conditions.allSatisfy { condition in
      condition.holds { name in
        if let input = study.input(name, values, texts) { return input }
        guard let value = result.value(at: name) else {
          return names.contains(name) ? Condition.Operand.none : nil
        }
        switch value {
        case .text(let text): return .text(text)
        case .bool(let bool): return .text(bool ? "true" : "false")
        default: return value.number.map { .number($0) } ?? Condition.Operand.none
        }
      }
    }
  }

  /// Adds what the machine costs in an hour, and for each million output tokens.
  private func addCosts(to result: inout Record) {
    guard let prices = study.file.prices,
      let gpus = result["gpus"]?.number ?? result["ranks"]?.number
    else { return }
    let links = (result["nodes"]?.number ?? 1) * (result["nics_per_node"]?.number ?? 0)
    let rate = result["link_GBps"]?.number ?? 0
    let hour =
      gpus * prices.gpuHour + links * (prices.linkHour + rate * prices.linkGBpsHour)
    result.append("cost_per_hour", .number(hour))
    if let tokens = result["tokens_per_s"]?.number, tokens > 0 {
      result.append("cost_per_million_tokens", .number(hour / 3600 / tokens * 1e6))
    }
  }
}
