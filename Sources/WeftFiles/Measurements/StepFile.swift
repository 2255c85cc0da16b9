public import Weft

/// A CSV file of measured decode steps or serving runs.
///
/// Steps have the columns `tp, batch, context_or_bytes, time_us`, serving runs `tensor_parallel,
/// concurrency, prompt_tokens, output_tokens, tpot_ms`. Of rows with a `what` only `decode_step`
/// counts. `system`, `model`, `precision`, `backend` and `backend_version` say what was measured.
public struct StepFile: Sendable {
  /// A measured step or run.
  public struct Row: Hashable, Sendable {
    /// The file as the user named it.
    public var file: String
    /// The line in the file.
    public var line: Int
    /// The cells that are not blank as they were written, by the name of their column.
    public var cells: [String: String]
    /// Whether it is a serving run, whose time is written in milliseconds.
    public var isServing: Bool
    /// What was measured.
    public var measurement: StepMeasurement
  }

  /// The names of the columns.
  public let columns: [String]
  /// The rows that can be used.
  public private(set) var rows: [Row] = []
  /// The others, with the reason.
  public private(set) var unusable: [UnusableRow] = []

  /// Whether a file is one of steps or serving runs, by its header, which may lack a column.
  public static func isStepFile(_ path: String) -> Bool {
    let kind = TableKind(ofFile: path)
    return kind == .steps || kind == .serving
  }

  /// Reads a file.
  ///
  /// What is wrong with a row leaves the row out.
  /// - Throws: ``InputError``: `missing` if it cannot be read, `badContent` if it has neither set
  ///   of columns, or no row that can be used.
  public init(path: String) throws(InputError) {
    let table = try CSVTable(text: try TextFile.read(path), file: path)
    columns = table.header.filter { !$0.isEmpty }
    let kind = TableKind(columns)
    guard kind == .steps || kind == .serving else {
      let sets = [TableKind.steps, .serving].map { $0.needed(in: []).joined(separator: ",") }
      throw InputError(
        .badContent, place: "\(path):1",
        problem: "the columns are not those of measured steps: "
          + columns.joined(separator: ","), fix: "give \(sets[0]) or \(sets[1])")
    }
    if let lacking = kind.lacking(in: columns, place: "\(path):1") { throw lacking }
    var first: InputError?
    for row in table.rows {
      let pairs = zip(table.header, row.cells.map(\.trimmed)).filter { !$0.1.isEmpty }
      let cells = Dictionary(pairs) { first, _ in first }
      do throws(WorkloadError) {
        if let problem = table.excess(in: row) {
          throw WorkloadError(problem, fix: "write numbers with a decimal point")
        }
        rows.append(
          Row(
            file: path, line: row.line, cells: cells, isServing: kind == .serving,
            measurement: try Self.measurement(cells, kind)))
      } catch {
        unusable.append(UnusableRow(file: path, line: row.line, reason: error.problem))
        first =
          first
          ?? InputError(
            .badContent, place: "\(path):\(row.line)", problem: error.problem, fix: error.fix)
      }
    }
    guard !rows.isEmpty else {
      throw first
        ?? InputError(
          .badContent, place: path, problem: "there is no decode step in the file", fix: "add rows")
    }
  }

  /// What a row says.
  ///
  /// - Throws: ``WorkloadError`` for what is no number or makes no sense.
  private static func measurement(
    _ cells: [String: String], _ kind: TableKind
  ) throws(WorkloadError) -> StepMeasurement {
    if let what = cells["what"], what != "decode_step" {
      throw WorkloadError("'\(what)' is no decode step", fix: "leave the row out")
    }
    func number(_ column: String) throws(WorkloadError) -> Double {
      let text = cells[column] ?? ""
      guard let value = Double(text), value.isFinite, value > 0, value < 1e12 else {
        throw WorkloadError(
          "\(column): '\(text)' is no number above zero", fix: "write a count, such as 8")
      }
      return value
    }
    func count(_ column: String) throws(WorkloadError) -> Int {
      guard let count = Int(exactly: try number(column)) else {
        throw WorkloadError(
          "\(column): '\(cells[column] ?? "")' is no whole number", fix: "write a count, such as 8")
      }
      return count
    }
    func time(_ column: String, in unit: MeasuredTime.Unit) throws(WorkloadError) -> SimDuration {
      let text = cells[column] ?? ""
      guard let time = MeasuredTime.microseconds(text, in: unit) else {
        throw WorkloadError(
          "\(column) " + MeasuredTime.refusal(of: text, in: unit),
          fix: "write the time as a number, or leave the row out")
      }
      return .microseconds(time)
    }
    if kind == .steps {
      // A step with a cache of n tokens is the only one after a prompt of n - 1.
      return StepMeasurement(
        tensor: try count("tp"),
        workload: try InferenceWorkload(
          batch: try count("batch"), prompt: max(1, try count("context_or_bytes") - 1), decode: 2),
        time: try time("time_us", in: .microseconds))
    }
    return StepMeasurement(
      tensor: try count("tensor_parallel"),
      workload: try InferenceWorkload(
        batch: try count("concurrency"), prompt: try count("prompt_tokens"),
        decode: try count("output_tokens")), time: try time("tpot_ms", in: .milliseconds))
  }
}
