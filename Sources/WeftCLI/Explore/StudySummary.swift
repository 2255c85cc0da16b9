import Weft
import WeftFiles
import WeftStudy

/// What a finished run comes to: the best points by its objectives, and how many there are.
struct StudySummary {
  let report: Report

  /// Looks at every row once; only the objectives are kept in memory.
  init(_ rows: StudyRows, _ outcome: Exploration.Outcome) throws {
    let file = rows.study.file
    var metrics: [[Double?]] = []
    var numbers: [Int] = []
    var refused = 0
    var infeasible = 0
    var reasons: [String] = []
    var idle = IdleAxes(rows.study)
    try rows.forEach { row in
      if row.reason == nil { idle.add(row) }
      if let reason = row.reason {
        refused += 1
        if reasons.isEmpty { reasons.append(reason) }
      } else if !row.isFeasible {
        infeasible += 1
      }
      guard !file.objectives.isEmpty else { return }
      numbers.append(row.point.number)
      metrics.append(file.objectives.map { row.isFeasible ? row.metric($0.metric) : nil })
    }
    let indices = ParetoFront.indices(of: metrics, maximized: file.objectives.map(\.isMaximized))
    let front = Set(indices.map { numbers[$0] })
    let columns = Self.columns(of: rows.study)
    var records: [Record] = []
    if !front.isEmpty {
      try rows.forEach { row in
        if front.contains(row.point.number) { records.append(rows.record(row, columns: columns)) }
      }
      Self.sort(&records, by: file.objectives)
    }
    let run = outcome.run
    let total = outcome.before + outcome.reused + outcome.computed
    var notes = [
      "run \(run.id) of \(rows.store.path): \(total) points, \(outcome.computed) computed now, "
        + "\(outcome.reused + outcome.before) from the store"
        + (outcome.excluded > 0 ? ", \(outcome.excluded) ruled out beforehand" : "")
        + (infeasible > 0 ? ", \(infeasible) miss a condition" : "")
    ]
    if let reason = reasons.first {
      notes.append("\(refused) points have no result; the first: \(reason)")
    }
    if total > 0 && infeasible + refused == total { notes.append(try rows.obstacle()) }
    notes += idle.notes
    if file.objectives.isEmpty {
      notes.append("no objectives; see: weft results show \(run.id) --store \(rows.store.path)")
    }
    let summary = Record([
      "id": .integer(Int(run.id)), "study": .text(file.name), "points": .integer(total),
      "computed": .integer(outcome.computed),
      "from_store": .integer(outcome.reused + outcome.before),
      "excluded": .integer(outcome.excluded), "infeasible": .integer(infeasible),
      "refused": .integer(refused),
    ])
    report = Report(
      records, title: Self.title(file), columns: records.isEmpty ? ["point"] : nil, notes: notes,
      extra: Record(["run": .object(summary)]), seed: file.seed)
  }

  private static func title(_ file: StudyFile) -> String {
    let goals = file.objectives.map {
      ($0.isMaximized ? "most " : "least ") + $0.metric
    }
    return file.title
      + (goals.isEmpty
        ? ""
        : ": " + (goals.count > 1 ? "Pareto front of " : "")
          + goals.joined(separator: " and "))
  }

  /// What a table shows of a point: its values, the objectives, and the command's own columns.
  static func columns(of study: Study) -> [String] {
    var columns = study.file.objectives.map(\.metric)
    for name in ResultNames.table(of: study.file.command) where !columns.contains(name) {
      columns.append(name)
    }
    if study.file.prices != nil {
      for name in ResultNames.costs
      where !columns.contains(name)
        && (study.file.command == .predict || name == ResultNames.costs[0])
      {
        columns.append(name)
      }
    }
    return columns
  }

  private static func sort(_ records: inout [Record], by objectives: [StudyFile.Objective]) {
    guard let first = objectives.first else { return }
    func cost(_ record: Record) -> Double {
      let value = record[first.metric]?.number ?? .infinity
      return first.isMaximized ? -value : value
    }
    let ordered = records.enumerated().sorted {
      (cost($0.element), $0.offset) < (cost($1.element), $1.offset)
    }
    records = ordered.map(\.element)
  }
}
