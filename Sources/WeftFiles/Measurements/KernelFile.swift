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
    /// The file as the user named it.
    public var file: String
    /// The line in the file.
    public var line: Int
    /// The cells that are not blank as they were written, by the name of their column.
    public var cells: [String: String]
    /// The kernel and its shape.
    public var kernel: Kernel
    /// The measured time.
    public var microseconds: Double
  }

  /// The file as the user named it.
  public let file: String
  /// The names of the columns.
  public let columns: [String]
  /// The rows that can be used.
  public private(set) var rows: [Row] = []
  /// The others, with the reason.
  public private(set) var unusable: [UnusableRow] = []

  /// Whether a text is such a file, by its header, which may lack a column.
  public static func isKernelFile(_ path: String) -> Bool {
    let kind = TableKind(ofFile: path)
    return kind == .products || kind == .attention
  }

  /// Reads a file.
  ///
  /// - Throws: ``InputError``: `missing` if it cannot be read, `badContent` if it lacks a column or
  ///   has no row.
  public init(path: String) throws(InputError) {
    let table = try CSVTable(text: try TextFile.read(path), file: path)
    file = path
    columns = table.header.filter { !$0.isEmpty }
    let kind = TableKind(columns) == .products ? TableKind.products : .attention
    if let lacking = kind.lacking(in: columns, place: "\(path):1") { throw lacking }
    for row in table.rows {
      if let problem = table.excess(in: row) {
        refuse(row.line, problem)
        continue
      }
      let pairs = zip(table.header, row.cells.map(\.trimmed)).filter { !$0.1.isEmpty }
      let cells = Dictionary(pairs) { first, _ in first }
      let time = cells["time_us"] ?? ""
      guard let microseconds = MeasuredTime.microseconds(time) else {
        refuse(row.line, "time_us " + MeasuredTime.refusal(of: time))
        continue
      }
      guard let type = DataType(name: cells["dtype"] ?? "bf16") else {
        refuse(row.line, "Weft has no type '\(cells["dtype"] ?? "")'")
        continue
      }
      guard let kernel = Self.kernel(cells, kind, type) else {
        refuse(
          row.line,
          kind == .products
            ? "m, n or k is no whole number above zero"
            : "a number of the shape is no whole number above zero")
        continue
      }
      rows.append(
        Row(
          file: path, line: row.line, cells: cells, kernel: kernel, microseconds: microseconds))
    }
    guard !rows.isEmpty || !unusable.isEmpty else {
      throw InputError(
        .badContent, place: path, problem: "there is no measurement in the file",
        fix: "add rows below the header")
    }
  }

  /// The kernel of a row; nil if a number of its shape is none.
  private static func kernel(
    _ cells: [String: String], _ kind: TableKind, _ type: DataType
  ) -> Kernel? {
    func whole(_ name: String) -> Int? {
      cells[name].flatMap(Double.init).flatMap(Int.init(exactly:)).flatMap { $0 > 0 ? $0 : nil }
    }
    if kind == .products {
      guard let m = whole("m"), let n = whole("n"), let k = whole("k") else { return nil }
      return .product(MatrixProduct(m: m, n: n, k: k, weights: type))
    }
    guard let batch = whole("batch"), let heads = whole("query_heads"),
      let pairs = whole("kv_heads"), let width = whole("head_dim")
    else { return nil }
    if let tokens = whole("sequence_length") {
      return .prefill(
        PrefillAttention(sequences: batch, length: tokens, heads: heads, depth: 2 * width),
        isGrouped: heads > pairs)
    }
    return whole("kv_length").map { tokens in
      .decode(
        DecodeAttention(
          sequences: batch, length: tokens, heads: heads, keyValueHeads: pairs,
          headDimension: width, type: type, isWarm: true))
    }
  }

  private mutating func refuse(_ line: Int, _ reason: String) {
    unusable.append(UnusableRow(file: file, line: line, reason: reason))
  }
}
