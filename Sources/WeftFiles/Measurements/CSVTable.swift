/// A CSV file as RFC 4180 has it: a header, and rows of text cells that know their lines.
///
/// Line feeds alone end lines too, a byte order mark is skipped, and blank lines are no rows.
struct CSVTable {
  /// A row that may have another number of cells than the header.
  struct Row {
    var line: Int
    var cells: [String]
  }

  /// The names of the columns, without blanks around them.
  let header: [String]
  /// The rows below the header.
  let rows: [Row]

  /// What a header lacks of some columns, in words with what it has; nil if it has them all.
  static func lacking(_ needed: [String], in header: [String]) -> String? {
    let lacking = needed.filter { !header.contains($0) }.map { "'\($0)'" }
    guard !lacking.isEmpty else { return nil }
    return "the header lacks the column" + (lacking.count > 1 ? "s " : " ")
      + lacking.joined(separator: ", ") + "; it has " + header.joined(separator: ",")
  }

  /// How columns that a header lacks come about: by another unit of a time, or as said.
  static func fix(for needed: [String], in header: [String], otherwise: String) -> String {
    let lacking = needed.filter { !header.contains($0) }
    let conversions = lacking.compactMap { MeasuredTime.conversion(to: $0, from: header) }
    return (conversions + (conversions.count < lacking.count ? [otherwise] : []))
      .joined(separator: "; ")
  }

  /// Why a row with more cells than the header cannot be told apart; nil if it has no more.
  func excess(in row: Row) -> String? {
    row.cells.count > header.count ? countProblem(row) : nil
  }

  /// That a row has another number of cells than the header.
  func countProblem(_ row: Row) -> String {
    "the row has \(row.cells.count) cells, the header \(header.count)"
  }

  /// Parses a text; `file` is what errors name.
  ///
  /// - Throws: ``InputError`` of kind `badContent` for an empty file, a column named twice, or a
  ///   quote that does not end where it should.
  init(text: String, file: String) throws(InputError) {
    var scanner = Scanner(bytes: Array(text.utf8), file: file)
    var rows: [Row] = []
    while let row = try scanner.row() {
      if row.cells != [""] { rows.append(row) }
    }
    guard let first = rows.first else {
      throw InputError(
        .badContent, place: file, problem: "the file is empty",
        fix: "write a header with size_bytes and time_us, and a row per measurement")
    }
    if first.cells.count == 1, let separator = Self.otherSeparator(first.cells[0]) {
      throw InputError(
        .badContent, place: "\(file):\(first.line)",
        problem: "the cells are separated by \(separator), not by commas",
        fix: "write them with commas, and numbers with a decimal point")
    }
    header = first.cells.map(\.trimmed)
    self.rows = Array(rows.dropFirst())
    var seen = Set<String>()
    for name in header where !name.isEmpty && !seen.insert(name).inserted {
      throw InputError(
        .badContent, place: "\(file):\(first.line)", problem: "the column '\(name)' is there twice",
        fix: "rename or remove one of them")
    }
  }
}

extension CSVTable {
  /// What separates the names of a header instead of commas; nil if nothing does.
  private static func otherSeparator(_ header: String) -> String? {
    [(Character(";"), "semicolons"), ("\t", "tabs"), ("|", "bars")].first {
      header.contains($0.0)
    }?.1
  }

  /// Reads one row after the other.
  private struct Scanner {
    let bytes: [UInt8]
    let file: String
    private var position: Int
    private var line = 1

    private static let quote = UInt8(ascii: "\"")
    private static let comma = UInt8(ascii: ",")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    init(bytes: [UInt8], file: String) {
      self.bytes = bytes
      self.file = file
      position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    /// The next row; nil at the end of the text.
    mutating func row() throws(InputError) -> Row? {
      guard position < bytes.count else { return nil }
      var row = Row(line: line, cells: [])
      while true {
        row.cells.append(try cell())
        guard position < bytes.count else { return row }
        let end = bytes[position]
        position += 1
        guard end == Self.comma else {
          line += 1
          return row
        }
      }
    }

    /// The next cell; leaves the position on the comma or line feed that ends it.
    private mutating func cell() throws(InputError) -> String {
      if position < bytes.count && bytes[position] == Self.quote { return try quotedCell() }
      let start = position
      while position < bytes.count && ![Self.comma, Self.lineFeed].contains(bytes[position]) {
        position += 1
      }
      var end = position
      let endsLine = end == bytes.count || bytes[end] == Self.lineFeed
      if endsLine && end > start && bytes[end - 1] == Self.carriageReturn { end -= 1 }
      return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    private mutating func quotedCell() throws(InputError) -> String {
      let startLine = line
      var content: [UInt8] = []
      position += 1
      while position < bytes.count {
        let byte = bytes[position]
        position += 1
        if byte == Self.lineFeed { line += 1 }
        guard byte == Self.quote else {
          content.append(byte)
          continue
        }
        if position < bytes.count && bytes[position] == Self.quote {
          content.append(Self.quote)
          position += 1
          continue
        }
        let rest = bytes[position...].prefix(2)
        if rest.starts(with: [Self.carriageReturn, Self.lineFeed]) { position += 1 }
        let text = String(decoding: content, as: UTF8.self)
        guard
          position == bytes.count || [Self.comma, Self.lineFeed].contains(bytes[position])
        else {
          throw InputError(
            .badContent, place: "\(file):\(line)",
            problem: "there is text after the quoted cell '\(text)'",
            fix: "end the cell with a comma, or write a quote inside it twice")
        }
        return text
      }
      throw InputError(
        .badContent, place: "\(file):\(startLine)", problem: "a quoted cell does not end",
        fix: "close it with \", or write a quote inside it twice")
    }
  }
}

extension StringProtocol {
  /// The text without blanks around it.
  var trimmed: String {
    var text = self[...]
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
