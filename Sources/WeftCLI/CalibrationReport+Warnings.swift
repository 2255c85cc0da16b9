import Foundation
import Weft
import WeftCalibration
import WeftFiles

extension CalibrationReport {
  /// A measured call that the fit is far from.
  struct FarCall {
    var row: WeftFiles.Measurement
    /// The predicted time in microseconds.
    var predicted: Double

    /// The file, line and times in a line.
    var text: String {
      "\(row.file):\(row.line): \(row.bytes) bytes, "
        + FitWarnings.far(measured: row.microseconds, predicted: predicted, unit: "us")
    }

    var record: Record {
      Record([
        "file": .text(row.file), "line": .integer(row.line), "size_bytes": .integer(row.bytes),
        "measured_us": .number(row.microseconds), "predicted_us": .number(predicted),
      ])
    }
  }

  /// The bad runs, which take no part in the fit, the worst first.
  var badRuns: [FarCall] { farCalls(calibration.badRuns) }

  /// The other calls that are far off, the worst first.
  var farCalls: [FarCall] { farCalls(calibration.farCalls) }

  private func farCalls(_ places: [Int]) -> [FarCall] {
    places.sorted { abs(calibration.residuals[$0]) > abs(calibration.residuals[$1]) }.map { index in
      let row = validation.calls[system.calls[index]].best
      return FarCall(
        row: row, predicted: row.microseconds * exp(calibration.residuals[index]))
    }
  }

  /// What makes the result less than it seems.
  var warnings: [String] {
    var warnings = calibration.atBounds.map { name, bound in
      FitWarnings.atBound(name, bound, CalibrationTerm.named(name)?.dimension ?? .ratio)
    }
    // Of the calls in the fit alone, by the measure of the table.
    let fitted = Accuracy.figures(calibration.fit.residuals.map { exp($0) - 1 })
    let nominal = Accuracy.figures(calibration.nominalErrors)
    if let fitted, let nominal, nominal.median > 5 && fitted.median > 0.8 * nominal.median {
      warnings.append(
        "the fit is hardly better than nominal: \(Percent.text(fitted.median)) median error"
          + (calibration.leftOut > 0
            ? " of the \(calibration.nominalErrors.count) calls in the fit" : "")
          + ", and \(Percent.text(nominal.median)) before")
    }
    warnings += FitWarnings.leftOut(badRuns.map(\.text))
    let far = farCalls
    if !far.isEmpty {
      warnings.append(
        "\(far.count) of \(system.calls.count) calls are far from the fit and stay in it, which "
          + "makes intervals wider: bad runs are left out where the sizes beside them are sound, and up "
          + "to one call in eight; leave others out with --where, or else the model misses something"
      )
    }
    warnings += FitWarnings.listed("far from the fit", far.map(\.text))
    return warnings
  }
}
