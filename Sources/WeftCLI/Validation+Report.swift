import Foundation
import Weft
import WeftFiles

extension Validation {
  /// The groups with what was left out, and with `rows` every call.
  ///
  /// One object holds both; a table or CSV of calls takes the place of the groups.
  func report(rows: Bool, asData: Bool, title: String? = nil, notes first: [String] = []) -> Report
  {
    let list = rows ? calls.compactMap(Self.record) : []
    let title = title ?? "predictions for \(topology.name) against measurements"
    let notes =
      overallNotes + first
      + Interval.notes(calls.compactMap { $0.prediction?.obstacle })
      + self.notes
    if rows && !asData {
      return Report(
        list, title: title,
        columns: [
          "file", "line", "system", "version", "nodes", "ranks", "size_bytes", "algorithm",
          "protocol", "channels", "measured_us", "predicted_us", "low_us", "high_us", "error_pct",
        ], notes: notes)
    }
    let groups = Accuracy.table(of: compared).map { entry in
      Record(entry.group, window: entry.window, entry.summary)
    }
    var extra = Record([
      "overall": overall.map { .object(Record($0)) } ?? .null,
      "windows": .list(
        Accuracy.windows(of: compared).map { entry in
          var record = Record(entry.summary)
          record["window"] = .text(entry.window.rawValue)
          return .object(record)
        }),
      "unusable": .list(unusable.map { .object(Record($0)) }),
    ])
    if rows { extra["rows"] = .list(list.map { .object($0) }) }
    return Report(
      groups, title: title,
      columns: [
        "system", "library", "version", "collective", "nodes", "ranks", "launch", "window", "rows",
        "median_abs_pct", "p95_abs_pct", "bias_pct", "coverage_95_pct", "noise.median_pct",
        "noise.p95_pct",
      ], notes: notes, extra: extra)
  }

  private static func record(_ entry: Entry) -> Record? {
    guard let prediction = entry.prediction, let call = entry.compared else { return nil }
    let best = entry.best
    let group = entry.call.group
    return Record([
      "file": .text(best.file), "line": .integer(best.line), "system": Value(group.system),
      "library": .text(group.library), "version": Value(group.version),
      "collective": .text(group.collective), "nodes": .integer(group.nodes),
      "ranks": .integer(group.ranks), "launch": .text(group.launch.rawValue),
      "datatype": .text(entry.call.type.rawValue), "in_place": .bool(best.inPlace ?? false),
      "size_bytes": .integer(entry.call.bytes), "algorithm": .text(prediction.algorithm),
      "protocol": .text(prediction.protocolName), "channels": .integer(prediction.channels),
      "measurements": .integer(entry.rows.count), "measured_us": .number(best.microseconds),
      "predicted_us": .number(prediction.microseconds),
      "low_us": Value(prediction.interval?.lowerBound),
      "high_us": Value(prediction.interval?.upperBound),
      "error_pct": .number(100 * call.error),
    ])
  }

  /// The figures of all calls together, in a line per window.
  private var overallNotes: [String] {
    Accuracy.windows(of: compared).map { window, summary in
      let noise =
        summary.noise.map {
          "; noise of \($0.repeats) repeats \(Self.short($0.medianPercent)) % in the median, "
            + "\(Self.short($0.p95Percent)) % at the 95th percentile"
        } ?? ""
      return "\(window.rawValue == "all" ? "overall" : window.rawValue): \(summary.calls) calls, "
        + "median error \(Self.short(summary.medianAbsolutePercent)) %, 95th percentile "
        + "\(Self.short(summary.p95AbsolutePercent)) %, bias \(Self.short(summary.biasPercent)) %"
        + (summary.coveragePercent.map { ", \(Self.short($0)) % inside their intervals" } ?? "")
        + noise
    }
  }

  /// A percentage for a person.
  static func short(_ percent: Double) -> String { String(format: "%.1f", percent) }

  /// What was left out and why, in a line per file and reason.
  var notes: [String] { Self.notes(of: unusable) }

  /// Rows that were left out and why, in a line per file and reason.
  static func notes(of unusable: [UnusableRow]) -> [String] {
    struct Cause: Hashable {
      var file: String
      var reason: String
    }
    var order: [Cause] = []
    var lines: [Cause: [Int]] = [:]
    for row in unusable {
      let cause = Cause(file: row.file, reason: row.reason)
      if lines[cause] == nil { order.append(cause) }
      lines[cause, default: []].append(row.line)
    }
    return order.map { cause in
      let lines = lines[cause] ?? []
      if lines.count == 1 { return "not used: \(cause.file):\(lines[0]): \(cause.reason)" }
      let first = lines.prefix(3).map(String.init).joined(separator: ", ")
      return "not used: \(lines.count) rows of \(cause.file) (lines \(first)"
        + (lines.count > 3 ? ", …" : "") + "): \(cause.reason)"
    }
  }
}

extension Record {
  /// A group and window with its figures, as the contract has it.
  init(
    _ group: Accuracy.Group, window: Accuracy.Window, _ summary: Accuracy.Summary
  ) {
    self.init([
      "system": Value(group.system), "library": .text(group.library),
      "version": Value(group.version), "collective": .text(group.collective),
      "nodes": .integer(group.nodes), "ranks": .integer(group.ranks),
      "launch": .text(group.launch.rawValue), "window": .text(window.rawValue),
    ])
    for field in Record(summary).fields { self[field.name] = field.value }
  }

  /// The figures of some calls.
  init(_ summary: Accuracy.Summary) {
    self.init([
      "rows": .integer(summary.calls), "median_abs_pct": .number(summary.medianAbsolutePercent),
      "p95_abs_pct": .number(summary.p95AbsolutePercent), "bias_pct": .number(summary.biasPercent),
      "coverage_95_pct": Value(summary.coveragePercent),
      "noise": .object(
        Record([
          "repeats": .integer(summary.noise?.repeats ?? 0),
          "median_pct": Value(summary.noise?.medianPercent),
          "p95_pct": Value(summary.noise?.p95Percent),
        ])),
    ])
  }

  init(_ row: UnusableRow) {
    self.init(["file": .text(row.file), "line": .integer(row.line), "reason": .text(row.reason)])
  }
}
