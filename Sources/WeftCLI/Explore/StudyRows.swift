import Weft
import WeftFiles
import WeftStudy

/// The points of a run as rows: its values, its results, what prices make of them, and whether the
/// study's conditions hold.
struct StudyRows {
  /// One point.
  struct Row {
    var point: ResultStore.Point
    /// Whether it has a result, and every condition holds.
    var isFeasible = false
    fileprivate var stored: StoredResult
    fileprivate var costs = Record()

    /// A value of the result, or a cost; nil where there is none.
    func value(_ name: String) -> Value? { costs[name] ?? stored.value(at: name) }

    /// A number of the result by its name; nil where there is none.
    func metric(_ name: String) -> Double? { value(name)?.number }

    /// A text of the result by its name; nil where there is none.
    func text(_ name: String) -> String? {
      if case .text(let text)? = value(name) { text } else { nil }
    }

    /// Why there is no result.
    var reason: String? { text("reason") }

    /// The whole result, with costs where the study has prices.
    var result: Record {
      var result = Record(stored) ?? Record()
      for cost in costs.fields { result.append(cost.name, cost.value) }
      return result
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
      guard let result = point.result, result.shape.isObject(at: "") else {
        throw Failure(
          .badContent, "\(store.path): the result of point \(point.number) is no JSON object",
          fix: "the store was changed by hand; run the study into a new one")
      }
      var row = Row(point: point, stored: result)
      if let prices = study.file.prices { row.costs = Self.costs(of: row, prices) }
      row.isFeasible = isFeasible(row)
      try body(row)
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
        record.append(name, row.value(name) ?? .null)
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

  private func isFeasible(_ row: Row) -> Bool {
    guard row.reason == nil else { return false }
    return met(by: row).allSatisfy(\.self)
  }

  /// Which of the study's conditions a row meets.
  private func met(by row: Row) -> [Bool] {
    guard !study.file.conditions.isEmpty else { return [] }
    let values = row.point.values
    let texts = study.texts(values)
    let names = Set(ResultNames.all(of: study.file.command))
    return study.file.conditions.map { condition in
      condition.holds { name in
        if let input = study.input(name, values, texts) { return input }
        guard let value = row.value(name) else {
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

  /// Why no row is feasible, in one line: the condition that the fewest meet, or the first reason.
  func obstacle() throws -> String {
    let conditions = study.file.conditions
    var met = [Int](repeating: 0, count: conditions.count)
    var results = 0
    var reason: String?
    try forEach { row in
      if let why = row.reason {
        reason = reason ?? why
      } else {
        results += 1
        for (index, isMet) in self.met(by: row).enumerated() where isMet { met[index] += 1 }
      }
    }
    if results == 0 { return "no point has a result" + (reason.map { "; the first: " + $0 } ?? "") }
    guard let least = met.indices.min(by: { met[$0] < met[$1] }) else {
      return "no point has the result that decides"
    }
    return "no point meets every condition: of \(results) with a result, \(met[least]) meet "
      + "'\(conditions[least].text)'"
  }

  /// What the machine costs in an hour, and for each million output tokens.
  private static func costs(of row: Row, _ prices: StudyFile.Prices) -> Record {
    var costs = Record()
    guard let gpus = row.metric("gpus") ?? row.metric("ranks") else { return costs }
    let links = (row.metric("nodes") ?? 1) * (row.metric("nics_per_node") ?? 0)
    let rate = row.metric("link_GBps") ?? 0
    let hour =
      gpus * prices.gpuHour + links * (prices.linkHour + rate * prices.linkGBpsHour)
    costs.append("cost_per_hour", .number(hour))
    if let tokens = row.metric("tokens_per_s"), tokens > 0 {
      costs.append("cost_per_million_tokens", .number(hour / 3600 / tokens * 1e6))
    }
    return costs
  }
}
