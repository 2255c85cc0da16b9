import Glibc

/// The pseudo-Huber loss: quadratic for residuals below its scale, linear above.
enum RobustLoss {
  /// Twice the loss, so that it is the square of a small residual.
  static func value(_ residual: Double, _ scale: Double) -> Double {
    guard scale.isFinite else { return residual * residual }
    let ratio = residual / scale
    return 2 * scale * scale * ((1 + ratio * ratio).squareRoot() - 1)
  }

  /// What a residual weighs in the least squares that has the loss's gradient.
  static func weight(_ residual: Double, _ scale: Double) -> Double {
    let ratio = residual / scale
    return 1 / (1 + ratio * ratio).squareRoot()
  }
}

/// The middle of numbers.
enum Median {
  /// The middle one; of an even number of them the larger of the two.
  ///
  /// - Precondition: there is one.
  static func of(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  /// The middle one without signs.
  static func ofSizes(_ values: [Double]) -> Double { of(values.map(abs)) }
}
