import Foundation

/// A measured row that a fit is far from, whatever was measured.
struct FarRow {
  var file: String
  var line: Int
  /// The size of the message; nil of kernels and steps.
  var bytes: Int?
  var measured: Double
  var predicted: Double
  /// What both times are in, as names of columns end: `us` or `ms`.
  var unit: String

  /// The file, line and times in a line.
  var text: String {
    let ratio = measured / predicted
    return "\(file):\(line): " + (bytes.map { "\($0) bytes, " } ?? "")
      + String(
        format: "measured %.4g %@, predicted %.4g %@: %.3g times as %@", measured, unit, predicted,
        unit, max(ratio, 1 / ratio), ratio > 1 ? "long" : "short")
  }

  var record: Record {
    var record = Record([
      "file": .text(file), "line": .integer(line), "measured_\(unit)": .number(measured),
      "predicted_\(unit)": .number(predicted),
    ])
    if let bytes { record["size_bytes"] = .integer(bytes) }
    return record
  }
}
