import Weft
import WeftFiles
import WeftStudy

/// Which value of one axis is the best where: rows and columns are two other axes.
struct DecisionMap {
  private let study: Study
  private let choice: Int
  private let row: Int?
  private let column: Int?
  /// Axes that are neither; each combination of their values is a map of its own.
  private let others: [Int]
  private let metric: String
  private let isMaximized: Bool

  /// Axes that are chosen from where a study does not say.
  private static let choices = ["algorithm", "all-reduce", "plan", "topology", "engine"]

  /// Lays out a map.
  ///
  /// - Throws: ``Failure`` if nothing of the study can be chosen.
  init(_ study: Study) throws(Failure) {
    self.study = study
    let names = study.axes.map(\.name)
    let decision = study.file.decision
    let lists = names.filter { name in
      guard case .list(let texts) = study.axes.first(where: { $0.name == name })?.values else {
        return false
      }
      return texts.count > 1
    }
    guard
      let name = decision.choose ?? Self.choices.first(where: lists.contains)
        ?? Self.choices.first(where: names.contains) ?? lists.first,
      let choice = names.firstIndex(of: name)
    else {
      throw Failure(
        .usage,
        "--decide: no axis of '\(study.file.name)' is a list of two or more to choose from",
        fix: "vary the algorithm, say, or give 'decide: {choose: AXIS}' in the study")
    }
    if case .list(let texts) = study.axes[choice].values, texts.count < 2 {
      throw Failure(
        .usage, "--decide: '\(name)' has one value, '\(texts[0])', so there is nothing to choose",
        fix: "give it two or more, or choose another axis with 'decide: {choose: AXIS}'")
    }
    self.choice = choice
    var rest = names.indices.filter { $0 != choice }
    func take(_ name: String?, else preferred: [String]) -> Int? {
      let wanted =
        (name ?? preferred.first { name in rest.contains { names[$0] == name } })
        .flatMap { name in rest.first { names[$0] == name } } ?? rest.first
      if let wanted { rest.removeAll { $0 == wanted } }
      return wanted
    }
    row = take(decision.rows, else: ["size", "batch", "prompt"])
    column = take(decision.columns, else: ["nodes", "gpus"])
    others = rest
    if let metric = decision.metric {
      self.metric = metric
      isMaximized =
        study.file.objectives.first { $0.metric == metric }?.isMaximized ?? false
    } else {
      (metric, isMaximized) = study.decisive
    }
  }

  /// One field of a map.
  private struct Cell {
    var values: [String]
    var candidates: [(choice: String, metric: Double, point: Int)] = []
  }

  /// The map: a table of winners with how much better they are than the next, or one record per
  /// field for programs.
  func report(_ rows: StudyRows, _ format: GlobalOptions.Format) throws -> Report {
    var cells: [Cell] = []
    var places: [[String]: Int] = [:]
    try rows.forEach { row in
      guard row.isFeasible, let value = row.metric(metric) else { return }
      var key = row.point.values
      let chosen = key[choice]
      key[choice] = ""
      let place = places[key] ?? cells.count
      if place == cells.count {
        places[key] = place
        cells.append(Cell(values: key))
      }
      cells[place].candidates.append((chosen, value, row.point.number))
    }
    for index in cells.indices {
      cells[index].candidates.sort { left, right in
        left.metric == right.metric
          ? left.point < right.point
          : isMaximized ? left.metric > right.metric : left.metric < right.metric
      }
    }
    sort(&cells)
    let notes = cells.isEmpty ? [try rows.obstacle()] : legend
    let title =
      "\(study.file.title): the best \(study.axes[choice].name) by \(metric), and how many times "
      + "better than the next"
    return format == .table
      ? Report(
        table(cells), title: title, columns: cells.isEmpty ? [study.axes[choice].name] : nil,
        notes: notes)
      : Report(cells.map(record), title: title)
  }

  private var legend: [String] {
    guard let column else { return [] }
    return ["columns: \(study.axes[column].name)"]
  }

  private func sort(_ cells: inout [Cell]) {
    let order = others + [row, column].compactMap(\.self)
    func place(_ cell: Cell) -> [Double] {
      order.map { study.axes[$0].position(of: cell.values[$0]) ?? 0 }
    }
    cells = cells.map { (place($0), $0) }
      .sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1)
  }

  private func margin(_ cell: Cell) -> Double? {
    guard cell.candidates.count > 1 else { return nil }
    let (best, next) = (cell.candidates[0].metric, cell.candidates[1].metric)
    let (small, large) = isMaximized ? (next, best) : (best, next)
    return small > 0 ? large / small : nil
  }

  /// Two digits, or as many as show a small advantage.
  private static func text(margin: Double) -> String {
    if margin < 1.005 { return "even" }
    return Amount.text(margin, digits: margin < 1.095 || margin >= 10 ? 3 : 2) + "x"
  }

  private func record(_ cell: Cell) -> Record {
    var record = Record()
    for index in others + [row, column].compactMap(\.self) {
      record.append(study.axes[index].name, StudyRows.value(cell.values[index]))
    }
    record.append("best", .text(cell.candidates[0].choice))
    record.append(metric, .number(cell.candidates[0].metric))
    record.append("next", Value(cell.candidates.dropFirst().first?.choice))
    record.append("times_better", Value(margin(cell)))
    record.append("point", .integer(cell.candidates[0].point))
    return record
  }

  /// Rows of the table; a column per value of the column axis.
  private func table(_ cells: [Cell]) -> [Record] {
    var columns: [String] = []
    if let column {
      for cell in cells where !columns.contains(cell.values[column]) {
        columns.append(cell.values[column])
      }
      let axis = study.axes[column]
      columns.sort { (axis.position(of: $0) ?? 0) < (axis.position(of: $1) ?? 0) }
    }
    var records: [Record] = []
    var last: [String]?
    for cell in cells {
      let heads = (others + [row].compactMap(\.self)).map { cell.values[$0] }
      if heads != last || column == nil {
        var record = Record()
        for (index, head) in zip(others + [row].compactMap(\.self), heads) {
          record.append(study.axes[index].name, StudyRows.value(head))
        }
        for name in columns { record.append(name, .null) }
        records.append(record)
        last = heads
      }
      let text =
        cell.candidates[0].choice
        + (margin(cell).map { " " + Self.text(margin: $0) } ?? "")
      records[records.count - 1][column.map { cell.values[$0] } ?? "best"] = .text(text)
    }
    return records
  }
}
