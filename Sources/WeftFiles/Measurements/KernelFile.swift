public import Weft

/// A CSV of measured kernel times: matrix products, decode attention or prefill attention.
public struct KernelFile: Sendable {
  /// A measured matrix product or call of attention.
  public enum Kernel: Hashable, Sendable {
    /// A matrix product.
    case product(MatrixProduct)
    /// Decode attention, with a cache that may be warm, as tables are taken call by call.
    case decode(DecodeAttention)
    /// Prefill attention, causal; whether query heads share keys and values matters only to a fit.
    case prefill(PrefillAttention, isGrouped: Bool)
  }

  /// A row.
  public struct Row: Hashable, Sendable {
    /// The line in the file.
    public var line: Int
    /// The kernel and its shape.
    public var kernel: Kernel
    /// The measured time.
    public var microseconds: Double
  }

  /// The file as the user named it.
  public let file: String
  /// The GPUs that the rows name, if any.
  public private(set) var gpus: Set<String> = []
  /// The rows that can be used.
  public private(set) var rows: [Row] = []
  /// The others, with the reason.
  public private(set) var unusable: [UnusableRow] = []

  /// Whether a text is such a file, by its header.
  public static func isKernelFile(_ path: String) -> Bool {
    guard let text = try? TextFile.read(path),
      let line = text.split(whereSeparator: \.isNewline).first
    else { return false }
    let columns = Set(line.split(separator: ",").map { $0.trimmed })
    return columns.contains("time_us")
      && (columns.isSuperset(of: ["m", "n", "k"]) || columns.contains("kv_length")
        || columns.contains("sequence_length"))
  }

  /// The columns of such a file, of products or of attention as those that it has.
  static func neededColumns(_ header: [String]) -> [String] {
    if header.contains("m") { return ["m", "n", "k", "time_us"] }
    return ["batch", "query_heads", "kv_heads", "head_dim", lengthColumn(header), "time_us"]
  }

  /// The column of an attention's tokens.
  private static func lengthColumn(_ header: [String]) -> String {
    header.contains("sequence_length") ? "sequence_length" : "kv_length"
  }

  /// Reads a file.
  ///
  /// - Throws: ``InputError``: `missing` if it cannot be read, `badContent` if it lacks a column or
  ///   has no row.
  public init(path: String) throws(InputError) {
    let table = try CSVTable(text: try TextFile.read(path), file: path)
    file = path
    let isProduct = table.header.contains("m")
    let length = Self.lengthColumn(table.header)
    let needed = Self.neededColumns(table.header)
    if let lacking = CSVTable.lacking(needed, in: table.header) {
      throw InputError(
        .badContent, place: "\(path):1", problem: lacking,
        fix: "the columns are " + needed.joined(separator: ","))
    }
    for row in table.rows {
      let cells = Dictionary(zip(table.header, row.cells.map(\.trimmed))) { first, _ in first }
      func whole(_ name: String) -> Int? {
        cells[name].flatMap(Double.init).flatMap(Int.init(exactly:)).flatMap { $0 > 0 ? $0 : nil }
      }
      guard let time = cells["time_us"].flatMap(Double.init), time > 0, time < 1e10 else {
        refuse(
          row.line, "time_us '\(cells["time_us"] ?? "")' is not a time above zero and below 1e10")
        continue
      }
      let type = DataType(name: cells["dtype"] ?? "bf16")
      guard let type else {
        refuse(row.line, "Weft has no type '\(cells["dtype"] ?? "")'")
        continue
      }
      let kernel: Kernel
      if isProduct {
        guard let m = whole("m"), let n = whole("n"), let k = whole("k") else {
          refuse(row.line, "m, n or k is no whole number above zero")
          continue
        }
        kernel = .product(MatrixProduct(m: m, n: n, k: k, weights: type))
      } else {
        guard let batch = whole("batch"), let heads = whole("query_heads"),
          let pairs = whole("kv_heads"), let width = whole("head_dim"),
          let tokens = whole(length)
        else {
          refuse(row.line, "a number of the shape is no whole number above zero")
          continue
        }
        kernel =
          length == "kv_length"
          ? .decode(
            DecodeAttention(
              sequences: batch, length: tokens, heads: heads, keyValueHeads: pairs,
              headDimension: width, type: type, isWarm: true))
          : .prefill(
            PrefillAttention(sequences: batch, length: tokens, heads: heads, depth: 2 * width),
            isGrouped: heads > pairs)
      }
      rows.append(Row(line: row.line, kernel: kernel, microseconds: time))
      if let gpu = cells["gpu"], !gpu.isEmpty { gpus.insert(gpu) }
    }
    guard !rows.isEmpty || !unusable.isEmpty else {
      throw InputError(
        .badContent, place: path, problem: "there is no measurement in the file",
        fix: "add rows below the header")
    }
  }

  private mutating func refuse(_ line: Int, _ reason: String) {
    unusable.append(UnusableRow(file: file, line: line, reason: reason))
  }
}
