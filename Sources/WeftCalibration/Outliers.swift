/// Calls so far from all others that no model meant for them can be meant for these.
enum Outliers {
  /// Beyond so many robust standard deviations of all residuals a call is one.
  private static let mostDeviations = 6.0
  /// And beyond so many times the residual from which errors count linearly.
  private static let mostScales = 8.0
  /// The standard deviation of a normal distribution over the median of its absolute values.
  private static let normal = 1.4826

  /// The places of the outliers.
  static func places(in residuals: [Double], lossScale: Double) -> [Int] {
    let limit = limit(residuals, lossScale: lossScale)
    return residuals.indices.filter { abs(residuals[$0]) > limit }
  }

  /// The residual beyond which a call is an outlier; infinite for plain least squares.
  static func limit(_ residuals: [Double], lossScale: Double) -> Double {
    guard !residuals.isEmpty else { return .infinity }
    return max(mostScales * lossScale, mostDeviations * normal * Median.ofSizes(residuals))
  }
}
