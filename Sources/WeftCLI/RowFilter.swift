import Weft
import WeftFiles

/// A row that conditions on its columns can choose.
protocol FilteredRow {
  /// The cells that are not blank, by the name of their column.
  var cells: [String: String] { get }
  /// The file as the user named it.
  var file: String { get }
  /// The line in the file.
  var line: Int { get }

  /// Whether the cell of a column has a text in it; a number must be equal.
  func matches(column: String, _ text: String) -> Bool
}

extension Measurement: FilteredRow {}

extension StepFile.Row: FilteredRow {}

extension FilteredRow {
  /// What the row has in a column, and where the row is.
  func text(of column: String) -> String {
    (cells[column].map { "'\($0)'" } ?? "blank") + " (\(file):\(line))"
  }

  func matches(column: String, _ text: String) -> Bool {
    guard let cell = cells[column] else { return false }
    if let left = Double(cell), let right = Double(text) { return left == right }
    return cell.lowercased().contains(text.lowercased())
  }
}

/// The rows that `--where` asks for.
struct RowFilter {
  /// One condition: `column=text` or `column=text|text`, or `column<=number` and `column>=number`.
  private struct Condition {
    enum Test {
      case contains([String])
      case atMost(Double)
      case atLeast(Double)
    }

    var argument: String
    var column: String
    var test: Test

    /// The condition in an argument of `--where`.
    ///
    /// - Throws: ``Failure`` if it is none.
    init(_ argument: String) throws(Failure) {
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw Failure(
          .usage, "--where '\(argument)' has no column and value",
          fix: "write it like --where system=Perlmutter or --where 'nodes<=8'")
      }
      self.argument = argument
      column = parts[0]
      guard column.hasSuffix("<") || column.hasSuffix(">") else {
        let column = parts[0]
        test = .contains(
          parts[1].split(separator: "|").map { text in
            Self.size(String(text), of: column).map { "\($0)" } ?? String(text)
          })
        return
      }
      let isUpper = column.hasSuffix("<")
      column.removeLast()
      let given = Double(parts[1]) ?? Self.size(parts[1], of: column).map(Double.init)
      guard let bound = given, bound.isFinite else {
        throw Failure(
          .usage, "--where '\(argument)': '\(parts[1])' is no number",
          fix: "write it like --where 'nodes<=8'; sizes also take K, M, G: 'size_bytes<=1M'")
      }
      test = isUpper ? .atMost(bound) : .atLeast(bound)
    }

    /// The bytes that a text such as `1M` stands for in a column of sizes; nil for other texts and
    /// columns, and for plain numbers.
    private static func size(_ text: String, of column: String) -> Int? {
      guard column.hasSuffix("bytes"), Double(text) == nil else { return nil }
      return (try? Quantity.messageSize(text))?.bytes
    }

    func holds(for row: some FilteredRow) -> Bool {
      switch test {
      case .contains(let texts):
        return texts.contains { row.matches(column: column, $0) }
      case .atMost(let bound):
        return row.cells[column].flatMap(Double.init).map { $0 <= bound } ?? false
      case .atLeast(let bound):
        return row.cells[column].flatMap(Double.init).map { $0 >= bound } ?? false
      }
    }

    var description: String {
      if case .contains(let texts) = test {
        return texts.map { "'\($0)'" }.joined(separator: " or ") + " in \(column)"
      }
      return "'\(argument)'"
    }
  }

  private var conditions: [Condition] = []

  /// Parses conditions on columns that the files have.
  init(_ arguments: [String], columns: [String]) throws(Failure) {
    for argument in arguments {
      let condition = try Condition(argument)
      guard columns.contains(condition.column) else {
        var seen = Set<String>()
        let known = columns.filter { seen.insert($0).inserted }
        // `bytes` is more letters away from `size_bytes` than a mistyped name may be.
        let whole =
          Suggestion.closest(to: condition.column, among: known) != nil
          ? nil : known.first { $0.split(separator: "_").contains(condition.column[...]) }
        throw Failure(
          .usage, "--where: no file has the column '\(condition.column)'",
          fix: (whole.map { "did you mean '\($0)'? " } ?? "")
            + Failure.suggestion(condition.column, known))
      }
      conditions.append(condition)
    }
  }

  /// The rows that every condition holds for.
  ///
  /// - Throws: ``Failure`` if there are none, with what the column of the first condition has.
  func choose<Row: FilteredRow>(from all: [Row]) throws(Failure) -> [Row] {
    let chosen = all.filter { row in
      conditions.allSatisfy { $0.holds(for: row) }
    }
    guard chosen.isEmpty, let first = conditions.first else { return chosen }
    var seen = Set<String>()
    let values = all.compactMap { $0.cells[first.column] }.filter { seen.insert($0).inserted }
    throw Failure(
      .usage,
      "no row has " + conditions.map(\.description).joined(separator: " and "),
      fix: "\(first.column) is " + values.prefix(6).map { "'\($0)'" }.joined(separator: ", ")
        + (values.count > 6 ? ", …" : ""))
  }
}
