import WeftFiles

/// The rows that `--where` asks for.
struct RowFilter {
  private var conditions: [(column: String, text: String)] = []

  /// Parses conditions on columns that the files have.
  init(_ arguments: [String], columns: [String]) throws(Failure) {
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw Failure(
          .usage, "--where '\(argument)' has no column and value",
          fix: "write it like --where system=Perlmutter")
      }
      guard columns.contains(parts[0]) else {
        var seen = Set<String>()
        let known = columns.filter { seen.insert($0).inserted }
        throw Failure(
          .usage, "--where: no file has the column '\(parts[0])'",
          fix: Failure.suggestion(parts[0], known))
      }
      conditions.append((parts[0], parts[1]))
    }
  }

  /// The rows that every condition holds for.
  ///
  /// - Throws: ``Failure`` if there are none, with what the column of the first condition has.
  func choose(from files: [MeasurementFile]) throws(Failure) -> [Measurement] {
    let all = files.flatMap(\.measurements)
    let chosen = all.filter { row in
      conditions.allSatisfy { row.matches(column: $0.column, $0.text) }
    }
    guard chosen.isEmpty, let first = conditions.first else { return chosen }
    var seen = Set<String>()
    let values = all.compactMap { $0.cells[first.column] }.filter { seen.insert($0).inserted }
    throw Failure(
      .usage,
      "no row has " + conditions.map { "'\($0.text)' in \($0.column)" }.joined(separator: " and "),
      fix: "\(first.column) is " + values.prefix(6).map { "'\($0)'" }.joined(separator: ", ")
        + (values.count > 6 ? ", …" : ""))
  }
}
