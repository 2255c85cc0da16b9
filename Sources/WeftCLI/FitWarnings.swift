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

  /// A measured time beside the predicted one that it is far from.
  static func far(measured: Double, predicted: Double, unit: String) -> String {
    let ratio = measured / predicted
    return String(
      format: "measured %.4g %@, predicted %.4g %@: %.3g times as %@", measured, unit, predicted,
      unit, max(ratio, 1 / ratio), ratio > 1 ? "long" : "short")
  }

  /// That rows were left out, the first of them in words.
  static func leftOut(_ texts: [String]) -> [String] { listed("left out of the fit", texts) }

  /// The first of some rows in words, each after what they are.
  static func listed(_ what: String, _ texts: [String]) -> [String] {
    texts.prefix(5).map { "\(what): \($0)" }
      + (texts.count > 5 ? ["\(what): \(texts.count - 5) more rows (see json)"] : [])
  }
}
