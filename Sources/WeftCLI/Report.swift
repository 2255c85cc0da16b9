import Foundation

/// The results of a command, printable as a table, CSV or JSON.
struct Report {
  /// One record per result.
  var records: [Record]
  /// The columns of the table, by (dotted) name and in order; all of them if nil.
  var columns: [String]?
  /// What the table is about, in a line above it.
  var title: String?
  /// Lines for a person, below the table.
  var notes: [String]
  /// What the JSON holds besides `weft` and `results`.
  var extra: Record
  /// The seed of the run, if it drew random numbers.
  var seed: UInt64?

  /// Creates a report.
  init(
    _ records: [Record], title: String? = nil, columns: [String]? = nil, notes: [String] = [],
    extra: Record = Record(), seed: UInt64? = nil
  ) {
    self.records = records
    self.title = title
    self.columns = columns
    self.notes = notes
    self.extra = extra
    self.seed = seed
  }

  /// The names of all columns in order of first appearance.
  private var allColumns: [String] {
    var seen = Set<String>()
    return records.flatMap { $0.flattened.map(\.name) }.filter { seen.insert($0).inserted }
  }

  private func cells(_ columns: [String], _ print: (Value) -> String) -> [[String]] {
    records.map { record in
      let fields = record.flattened
      return columns.map { name in
        print(fields.first { $0.name == name }?.value ?? .null)
      }
    }
  }
}

// MARK: - Table

extension Report {
  /// The results in aligned columns, numbers to the right; title and notes behind `#`.
  var table: String {
    let columns = columns ?? allColumns
    let rows = cells(columns, \.forTable)
    let widths = columns.indices.map { column in
      rows.reduce(columns[column].count) { max($0, $1[column].count) }
    }
    let values = cells(columns) { $0.isText ? "text" : "" }
    let isText = columns.indices.map { column in values.contains { $0[column] == "text" } }
    func line(_ cells: [String]) -> String {
      var line = ""
      for (column, cell) in cells.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += (column == 0 ? "" : "  ") + (isText[column] ? cell + padding : padding + cell)
      }
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }
    let head = title.map { "# \($0)\n" } ?? ""
    return head + line(columns) + rows.map(line).joined() + notes.map { "# \($0)\n" }.joined()
  }
}

extension Value {
  fileprivate var isText: Bool {
    switch self {
    case .text, .list, .object: true
    case .null, .bool, .integer, .number: false
    }
  }

  /// The value for a person: five significant digits, `-` for nothing.
  fileprivate var forTable: String {
    switch self {
    case .null: "-"
    case .number(let number): Self.short(number)
    case .list(let values): values.map(\.forTable).joined(separator: ", ")
    default: forCSV
    }
  }

  /// The value for a program: every digit, nothing for nothing.
  fileprivate var forCSV: String {
    switch self {
    case .null: ""
    case .bool(let bool): bool ? "true" : "false"
    case .integer(let integer): String(integer)
    case .number(let number): "\(number)"
    case .text(let text): text
    case .list(let values): values.map(\.forCSV).joined(separator: ";")
    case .object(let record):
      record.flattened.map { "\($0.name)=\($0.value.forCSV)" }.joined(separator: ";")
    }
  }

  /// Five significant digits, never fewer than the whole part has, without an exponent.
  private static func short(_ number: Double) -> String {
    guard number != 0, number.isFinite else { return number == 0 ? "0" : "\(number)" }
    let whole = Int(log10(abs(number)).rounded(.down)) + 1
    var text = String(format: "%.\(min(12, max(0, 5 - whole)))f", number)
    while text.contains("."), text.last == "0" || text.last == "." {
      let last = text.removeLast()
      if last == "." { break }
    }
    return text
  }
}

// MARK: - CSV

extension Report {
  /// The results as RFC 4180 has them, but with bare line feeds.
  var csv: String {
    let columns = allColumns
    return Self.csvLine(columns) + records.map { Self.csvLine($0, columns) }.joined()
  }

  /// One record as a line of CSV, with these of its (dotted) names in this order.
  static func csvLine(_ record: Record, _ columns: [String]) -> String {
    var cells: [String: String] = [:]
    for field in record.flattened { cells[field.name] = field.value.forCSV }
    return csvLine(columns.map { cells[$0] ?? "" })
  }

  /// A line of CSV.
  static func csvLine(_ cells: [String]) -> String {
    cells.map(quoted).joined(separator: ",") + "\n"
  }

  private static func quoted(_ cell: String) -> String {
    guard cell.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return cell }
    return "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}

// MARK: - JSON

extension Report {
  /// The results as one object: `weft` (version, command line, seed), `results`, and the extra.
  ///
  /// - Throws: An encoding error if a value is not finite, which is a mistake of its producer.
  func json(command: String) throws -> String {
    var root = extra
    let weft = Record([
      "version": .text(WeftCommand.version), "command": .text(command),
      "seed": Value(seed.map { Int(clamping: $0) }),
    ])
    root["weft"] = .object(weft)
    root["results"] = .list(records.map { .object($0) })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(Value.object(root)), as: UTF8.self) + "\n"
  }
}
