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
    /// What was measured.
    public var measurement: StepMeasurement
  }

  /// The names of the columns.
  public let columns: [String]
  /// The rows that can be used.
  public private(set) var rows: [Row] = []
  /// The others, with the reason.
  public private(set) var unusable: [UnusableRow] = []

  private static let steps = ["tp", "batch", "context_or_bytes", "time_us"]
  private static let serving = [
    "tensor_parallel", "concurrency", "prompt_tokens", "output_tokens", "tpot_ms",
  ]

  /// Whether a file is one of steps or serving runs, by its header.
  public static func isStepFile(_ path: String) -> Bool {
    guard let text = try? TextFile.read(path),
      let line = text.split(whereSeparator: \.isNewline).first
    else { return false }
    let columns = Set(line.split(separator: ",").map { $0.trimmed })
    return columns.isSuperset(of: steps) || columns.isSuperset(of: serving)
  }

  /// Reads a file.
  ///
  /// - Throws: ``InputError``: `missing` if it cannot be read, `badContent` if it has neither set
  ///   of columns, or a number is none.
  public init(path: String) throws(InputError) {
    let table = try CSVTable(text: try TextFile.read(path), file: path)
    columns = table.header
    let isSteps = Self.steps.allSatisfy { table.header.contains($0) }
    guard isSteps || Self.serving.allSatisfy({ table.header.contains($0) }) else {
      throw InputError(
        .badContent, place: "\(path):1", problem: "the columns are not those of measured steps",
        fix: "give \(Self.steps.joined(separator: ",")) or "
          + Self.serving.joined(separator: ","))
    }
    for row in table.rows {
      let pairs = zip(table.header, row.cells.map(\.trimmed)).filter { !$0.1.isEmpty }
      let cells = Dictionary(pairs) { first, _ in first }
      if let what = cells["what"], what != "decode_step" {
        unusable.append(
          UnusableRow(file: path, line: row.line, reason: "'\(what)' is no decode step"))
        continue
      }
      let place = "\(path):\(row.line)"
      let numbers = try Self.numbers(cells, isSteps: isSteps, place: place)
      do {
        rows.append(
          Row(
            file: path, line: row.line, cells: cells,
            measurement: StepMeasurement(
              tensor: numbers.tensor,
              workload: try InferenceWorkload(
                batch: numbers.batch, prompt: numbers.prompt, decode: numbers.decode),
              time: .microseconds(numbers.microseconds))))
      } catch {
        unusable.append(UnusableRow(file: path, line: row.line, reason: error.problem))
      }
    }
    guard !rows.isEmpty else {
      throw InputError(
        .badContent, place: path, problem: "there is no decode step in the file",
        fix: unusable.first?.reason ?? "add rows")
    }
  }

  private struct Numbers {
    var tensor: Int
    var batch: Int
    var prompt: Int
    var decode: Int
    var microseconds: Double
  }

  private static func numbers(
    _ cells: [String: String], isSteps: Bool, place: String
  ) throws(InputError) -> Numbers {
    func number(_ column: String) throws(InputError) -> Double {
      let text = cells[column] ?? ""
      guard let value = Double(text), value.isFinite, value > 0, value < 1e12 else {
        throw InputError(
          .badContent, place: place, problem: "\(column): '\(text)' is no number above zero",
          fix: column.hasSuffix("_ms") || column.hasSuffix("_us")
            ? "write the time as a number, or leave the row out" : "write a count, such as 8")
      }
      return value
    }
    func count(_ column: String) throws(InputError) -> Int { Int(try number(column)) }
    if isSteps {
      // A step with a cache of n tokens is the only one after a prompt of n - 1.
      return Numbers(
        tensor: try count("tp"), batch: try count("batch"),
        prompt: max(1, try count("context_or_bytes") - 1), decode: 2,
        microseconds: try number("time_us"))
    }
    return Numbers(
      tensor: try count("tensor_parallel"), batch: try count("concurrency"),
      prompt: try count("prompt_tokens"), decode: try count("output_tokens"),
      microseconds: 1000 * (try number("tpot_ms")))
  }
}
