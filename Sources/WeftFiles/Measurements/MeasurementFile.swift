/// A file of measured times: a measurement CSV (Weft's own samples among them), what nccl-tests
/// prints or writes as JSON, NCCL Inspector's JSON lines, or tables of the OSU micro-benchmarks.
///
/// What is wrong with the whole file is an error. What is wrong with a single row leaves the row
/// out and says why.
public struct MeasurementFile: Sendable {
  /// The file as the user named it.
  public let file: String
  /// The rows with a size and a time, in the order of the file.
  public internal(set) var measurements: [Measurement] = []
  /// The rows without.
  public internal(set) var unusable: [UnusableRow] = []
  /// The names of the columns that the file has.
  public internal(set) var columns: [String] = []

  /// Reads a file of any kind, told apart by how it begins and by lines that only one kind has.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` if it is empty,
  ///   lacks a size or a time, or holds a time that cannot be one.
  public init(path: String) throws(InputError) {
    try self.init(text: try TextFile.read(path), file: path)
  }

  /// Reads a text; `file` is what errors name.
  ///
  /// - Throws: ``InputError`` as ``init(path:)`` does.
  public init(text: String, file: String) throws(InputError) {
    self.file = file
    let start = text.drop { $0.isWhitespace }
    let lines = text.split(whereSeparator: \.isNewline)
    if start.first == "{" || start.first == "[" {
      if lines.first.map({ $0.contains("\"coll_perf\"") }) == true {
        try readInspector(text)
      } else {
        try readNCCLTestsJSON(try YAMLDocument(text: text, file: file))
      }
    } else if lines.contains(where: { Self.isOSUTitle($0) }) {
      try readOSU(text)
    } else if lines.contains(where: { Self.isColumnHead($0) }) {
      try readNCCLTests(text)
    } else if let line = Self.headlessRow(text) {
      throw InputError(
        .badContent, place: "\(file):\(line)",
        problem: "rows of nccl-tests without the head of their table",
        fix: "put back what was printed above them, from '# Collective test starting: …' to "
          + "'#  size  count  type  redop  root  time …'")
    } else {
      try readCSV(text)
    }
    if measurements.isEmpty && unusable.isEmpty {
      throw InputError(
        .badContent, place: file, problem: "there is no measurement in the file",
        fix: "add rows below the header")
    }
  }

  /// The rate of data that no GPU's memory has: a time below it is no time of a call.
  ///
  /// Twice the fastest memory on the market; every rank of a collective reads its buffer once.
  private static let impossibleBytesPerMicrosecond = 16e6

  /// Why a time cannot be the time of a call; nil if it can.
  static func implausible(microseconds: Double, bytes: Int, ranks: Int?) -> String? {
    guard ranks != 1, Double(bytes) > impossibleBytesPerMicrosecond * microseconds else {
      return nil
    }
    return "\(bytes) bytes in \(microseconds) us are faster than the memory of any GPU"
  }
}
