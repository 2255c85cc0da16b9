import Foundation
import Weft

/// What is said of any fit to measurements, whatever they are of.
enum FitWarnings {
  /// That a term ended at a bound, which is in the base unit of its dimension.
  static func atBound(_ name: String, _ bound: Double, _ dimension: Profile.Dimension) -> String {
    let (unit, factor) = CalibrationReport.unit(dimension)
    let number = String(format: "%.4g", bound * factor) + (dimension == .ratio ? "" : " \(unit)")
    return "\(name) ended at its bound of \(number): its error says nothing, and another term may "
      + "be missing"
  }

  /// That rows were left out, the first of them in words.
  static func leftOut(_ rows: [FarRow]) -> [String] { listed("left out of the fit", rows) }

  /// The first of some rows in words, each after what they are.
  static func listed(_ what: String, _ rows: [FarRow]) -> [String] {
    rows.prefix(5).map { "\(what): \($0.text)" }
      + (rows.count > 5 ? ["\(what): \(rows.count - 5) more rows (see json)"] : [])
  }
}
