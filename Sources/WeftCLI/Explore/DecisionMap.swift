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
    /// Choices that miss a condition or have no result.
    var missed = 0

    /// The choices that are as good as the best.
    var best: ArraySlice<(choice: String, metric: Double, point: Int)> {
      candidates.prefix { $0.metric == candidates[0].metric }
    }
  }

  /// The map: a table of winners with how much better they are than the next, or one record per
  /// field for programs.
  func report(_ rows: StudyRows, _ format: GlobalOptions.Format) throws -> Report {
    var cells: [Cell] = []
    var places: [[String]: Int] = [:]
    try rows.forEach { row in
      let value = row.isFeasible ? row.metric(metric) : nil
      var key = row.point.values
      // A field of the grid is shown even if nothing is feasible there; samples have no fields.
      guard value != nil || isInGrid(key) else { return }
      let chosen = key[choice]
      key[choice] = ""
      let place = places[key] ?? cells.count
      if place == cells.count {
        places[key] = place
        cells.append(Cell(values: key))
      }
      if let value {
        cells[place].candidates.append((chosen, value, row.point.number))
      } else {
        cells[place].missed += 1
      }
    }
    if cells.allSatisfy(\.candidates.isEmpty) { cells = [] }
    for index in cells.indices {
      cells[index].candidates.sort { left, right in
        left.metric == right.metric
          ? left.point < right.point
          : isMaximized ? left.metric > right.metric : left.metric < right.metric
      }
    }
    sort(&cells)
    let notes = cells.isEmpty ? [try rows.obstacle()] : legend(cells)
    let title =
      "\(study.file.title): the best \(study.axes[choice].name) by \(metric), and how many times "
      + "better than the next"
    return format == .table
      ? Report(
        table(cells), title: title, columns: cells.isEmpty ? [study.axes[choice].name] : nil,
        notes: notes)
      : Report(cells.map(record), title: title)
  }

  private func isInGrid(_ values: [String]) -> Bool {
    [row, column].compactMap(\.self).allSatisfy { study.axes[$0].grid.contains(values[$0]) }
  }

  private func legend(_ cells: [Cell]) -> [String] {
    var lines = column.map { ["columns: \(study.axes[$0].name)"] } ?? []
    if cells.contains(where: { $0.candidates.count == 1 && $0.missed > 0 }) {
      lines.append("only: the others miss a condition or have no result")
    }
    if cells.contains(where: \.candidates.isEmpty) { lines.append("-: all of them do") }
    return lines
  }

  private func sort(_ cells: inout [Cell]) {
    let order = others + [row, column].compactMap(\.self)
    func place(_ cell: Cell) -> [Double] {
      order.map { study.axes[$0].position(of: cell.values[$0]) ?? 0 }
    }
    cells = cells.map { (place($0), $0) }
      .sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1)
  }

  /// How many times better the best is than the next that is not as good.
  private func margin(_ cell: Cell) -> Double? {
    let rest = cell.candidates.dropFirst(cell.best.count)
    guard let best = cell.candidates.first?.metric, let next = rest.first?.metric else {
      return nil
    }
    let (small, large) = isMaximized ? (next, best) : (best, next)
    return small > 0 ? large / small : nil
  }

  private func record(_ cell: Cell) -> Record {
    var record = Record()
    for index in others + [row, column].compactMap(\.self) {
      record.append(study.axes[index].name, StudyRows.value(cell.values[index]))
    }
    let best = cell.candidates.first
    record.append("best", Value(best?.choice))
    record.append(metric, Value(best?.metric))
    record.append("next", Value(cell.candidates.dropFirst().first?.choice))
    let isTie = cell.best.count > 1
    record.append("times_better", isTie ? 1 : Value(margin(cell)))
    record.append("point", Value(best?.point))
    return record
  }

  /// What a field of the table says; nil where nothing is feasible.
  private func text(_ cell: Cell) -> String? {
    guard !cell.candidates.isEmpty else { return nil }
    if cell.candidates.count == 1 && cell.missed > 0 { return cell.candidates[0].choice + " only" }
    if cell.best.count > 1 && cell.best.count == cell.candidates.count { return "all alike" }
    return cell.best.map(\.choice).joined(separator: " = ")
      + (margin(cell).map { " \(Amount.text($0, digits: 3))x" } ?? "")
  }

  /// A row's value as people write it: a message's size with its unit.
  private func head(_ axis: Int, _ text: String) -> Value {
    if study.axes[axis].name == "size", let size = try? Quantity.messageSize(text) {
      return .text(size.description)
    }
    return StudyRows.value(text)
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
          record.append(study.axes[index].name, self.head(index, head))
        }
        for name in columns { record.append(name, .null) }
        records.append(record)
        last = heads
      }
      records[records.count - 1][column.map { cell.values[$0] } ?? "best"] = Value(text(cell))
    }
    return records
  }
}
