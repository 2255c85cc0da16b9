import Foundation
import Weft
import WeftCalibration
import WeftFiles

extension CalibrationReport {
  /// The bad runs, which take no part in the fit, the worst first.
  var badRuns: [FarRow] { farCalls(calibration.badRuns) }

  /// The other calls that are far off, the worst first.
  var farCalls: [FarRow] { farCalls(calibration.farCalls) }

  private func farCalls(_ places: [Int]) -> [FarRow] {
    places.sorted { abs(calibration.residuals[$0]) > abs(calibration.residuals[$1]) }.map { index in
      let row = validation.calls[system.calls[index]].best
      return FarRow(
        file: row.file, line: row.line, bytes: row.bytes, measured: row.microseconds,
        predicted: row.microseconds * exp(calibration.residuals[index]), unit: "us")
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
    warnings += FitWarnings.leftOut(badRuns)
    let far = farCalls
    if !far.isEmpty {
      warnings.append(
        "\(far.count) of \(system.calls.count) calls are far from the fit and stay in it, which "
          + "makes intervals wider: bad runs are left out where the sizes beside them are sound (at the "
          + "smallest and largest from 2.3 times on), and up to one call in eight; leave "
          + "others out with --where, or else the model misses something"
      )
    }
    warnings += FitWarnings.listed("far from the fit", far)
    return warnings
  }
}
