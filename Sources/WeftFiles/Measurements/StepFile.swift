public import Weft

/// A CSV file of measured decode steps or serving runs.
///
/// Steps have the columns `tp, batch, context_or_bytes, time_us`, serving runs `tensor_parallel,
/// concurrency, prompt_tokens, output_tokens, tpot_ms`; others are ignored but for `what` (only
/// `decode_step` counts) and `system`, by which rows can be chosen.
public struct StepFile: Sendable {
  /// The measurements that can be used.
  public private(set) var measurements: [StepMeasurement] = []
  /// The rows that cannot, each with its line and the reason.
  public private(set) var unused: [String] = []
  /// The systems that the measurements name.
  public private(set) var systems: Set<String> = []

  /// Whether a file's header is that of steps or serving runs.
  public static func isStepFile(_ path: String) -> Bool {
    guard let text = try? TextFile.read(path),
      let line = text.split(whereSeparator: \.isNewline).first
    else { return false }
    let columns = Set(line.split(separator: ",").map { $0.trimmed })
    return columns.contains("context_or_bytes") || columns.contains("tpot_ms")
  }

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - system: A part of the system's name, in any case; rows of others are left aside. nil takes
  ///     all.
  /// - Throws: ``InputError``: `missing` if it cannot be read, `badContent` if it has neither set
  ///   of columns, or a number is none.
  public init(path: String, system: String? = nil) throws(InputError) {
    let table = try CSVTable(text: try TextFile.read(path), file: path)
    let steps = ["tp", "batch", "context_or_bytes", "time_us"]
    let serving = [
      "tensor_parallel", "concurrency", "prompt_tokens", "output_tokens", "tpot_ms",
    ]
    let isSteps = steps.allSatisfy { table.header.contains($0) }
    guard isSteps || serving.allSatisfy({ table.header.contains($0) }) else {
      throw InputError(
        .badContent, place: "\(path):1", problem: "the columns are not those of measured steps",
        fix: "give \(steps.joined(separator: ",")) or \(serving.joined(separator: ","))")
    }
    for row in table.rows {
      func cell(_ column: String) -> String? {
        table.header.firstIndex(of: column).flatMap {
          $0 < row.cells.count ? row.cells[$0].trimmed : nil
        }
      }
      func number(_ column: String) throws(InputError) -> Double {
        let text = cell(column) ?? ""
        guard let value = Double(text), value.isFinite, value > 0, value < 1e12 else {
          throw InputError(
            .badContent, place: "\(path):\(row.line)", problem: "\(column): '\(text)' is no count",
            fix: "write a number above zero")
        }
        return value
      }
      if let system, cell("system")?.lowercased().contains(system.lowercased()) != true { continue }
      if let what = cell("what"), what != "decode_step" {
        unused.append("\(path):\(row.line): '\(what)' is no decode step")
        continue
      }
      let names = isSteps ? ["tp", "batch"] : ["tensor_parallel", "concurrency"]
      let (tensor, batch) = (Int(try number(names[0])), Int(try number(names[1])))
      // A step with a cache of n tokens is the only one after a prompt of n - 1.
      let (prompt, decode) =
        isSteps
        ? (max(1, Int(try number("context_or_bytes")) - 1), 2)
        : (Int(try number("prompt_tokens")), Int(try number("output_tokens")))
      let milliseconds = isSteps ? try number("time_us") / 1000 : try number("tpot_ms")
      do {
        measurements.append(
          StepMeasurement(
            tensor: tensor,
            workload: try InferenceWorkload(batch: batch, prompt: prompt, decode: decode),
            time: .microseconds(milliseconds * 1000)))
        if let name = cell("system"), !name.isEmpty { systems.insert(name) }
      } catch {
        unused.append("\(path):\(row.line): \(error.problem)")
      }
    }
    guard !measurements.isEmpty else {
      throw InputError(
        .badContent, place: path,
        problem: "there is no decode step in the file" + (system.map { " of '\($0)'" } ?? ""),
        fix: unused.first ?? "add rows")
    }
  }
}
