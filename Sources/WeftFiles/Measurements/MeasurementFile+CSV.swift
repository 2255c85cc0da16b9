import Weft

extension MeasurementFile {
  /// Reads a measurement CSV.
  mutating func readCSV(_ text: String) throws(InputError) {
    let table = try CSVTable(text: text, file: file)
    columns = table.header.filter { !$0.isEmpty }
    let kind = TableKind(columns)
    let place = "\(file):1"
    guard kind == .calls else {
      throw kind.lacking(in: columns, place: place)
        ?? InputError(
          .badContent, place: place,
          problem: "the file has times of \(kind.name), not of collectives",
          fix: "give rows of collectives with size_bytes and time_us")
    }
    let needed = kind.needed(in: columns)
    if let lacking = CSVTable.lacking(needed, in: columns) {
      let near = needed.filter {
        !columns.contains($0) && MeasuredTime.conversion(to: $0, from: columns) == nil
      }.compactMap { Suggestion.closest(to: $0, among: columns) }
      throw InputError(
        .badContent, place: place, problem: lacking,
        fix: CSVTable.fix(
          for: needed, in: columns,
          otherwise: (near.first.map { "is it '\($0)'? " } ?? "")
            + "sizes are bytes in size_bytes, times microseconds in time_us; all columns are "
            + Measurement.columns.joined(separator: ",")))
    }
    for row in table.rows {
      guard row.cells.count == table.header.count else {
        unusable.append(
          UnusableRow(
            file: file, line: row.line, reason: table.countProblem(row)))
        continue
      }
      var cells: [String: String] = [:]
      for (name, cell) in zip(table.header, row.cells) where !name.isEmpty {
        let text = cell.trimmed
        if !text.isEmpty { cells[name] = text }
      }
      try add(CSVRow(file: file, line: row.line, cells: cells))
    }
  }

  private mutating func add(_ row: CSVRow) throws(InputError) {
    guard let bytes = try row.whole("size_bytes", from: 0),
      let time = try row.time("time_us")
    else {
      let blank = row.cells["size_bytes"] == nil ? "size_bytes" : "time_us"
      unusable.append(UnusableRow(file: file, line: row.line, reason: "\(blank) is blank"))
      return
    }
    guard bytes > 0 else {
      unusable.append(UnusableRow(file: file, line: row.line, reason: "the message is empty"))
      return
    }
    var measurement = Measurement(
      file: file, line: row.line, bytes: bytes, microseconds: time, cells: row.cells)
    measurement.gpusPerNode = try row.whole("gpus_per_node", from: 1)
    measurement.nodes = try row.whole("nodes", from: 1)
    measurement.ranks = try row.whole("ranks", from: 1)
    measurement.inPlace = try row.flag("inplace")
    measurement.blocks = try row.whole("num_blocks", from: 1)
    measurement.chunk = try row.whole("chunk_parameter", from: 1)
    if let problem = Self.implausible(
      microseconds: time, bytes: bytes, ranks: measurement.ranks)
    {
      throw row.error(problem, fix: "write time_us in microseconds and size_bytes in bytes")
    }
    measurements.append(measurement)
  }
}

/// The cells of one row, read as numbers.
private struct CSVRow {
  let file: String
  let line: Int
  let cells: [String: String]

  func error(_ problem: String, fix: String) -> InputError {
    InputError(.badContent, place: "\(file):\(line)", problem: problem, fix: fix)
  }

  /// A whole number, which may be written as `4.0`; nil if the cell is blank.
  func whole(_ column: String, from least: Int) throws(InputError) -> Int? {
    guard let text = cells[column] else { return nil }
    guard let number = Double(text), let whole = Int(exactly: number) else {
      throw error(
        "\(column) '\(text)' is not a whole number", fix: "write it like 4096, or leave it blank")
    }
    guard whole >= least && whole < 1 << 53 else {
      throw error(
        "\(column) '\(text)' is out of range", fix: "write \(least) or more, or leave it blank")
    }
    return whole
  }

  /// A time above zero; nil if the cell is blank.
  func time(_ column: String) throws(InputError) -> Double? {
    guard let text = cells[column] else { return nil }
    guard let time = MeasuredTime.microseconds(text) else {
      throw error(
        "\(column) " + MeasuredTime.refusal(of: text),
        fix: "write microseconds like 12.5, or leave the cell blank")
    }
    return time
  }

  /// A yes or no; nil if the cell is blank.
  func flag(_ column: String) throws(InputError) -> Bool? {
    guard let text = cells[column] else { return nil }
    switch text.lowercased() {
    case "1", "1.0", "true", "yes": return true
    case "0", "0.0", "false", "no": return false
    default:
      throw error("\(column) '\(text)' is neither 0 nor 1", fix: "write 0 or 1, or leave it blank")
    }
  }
}
