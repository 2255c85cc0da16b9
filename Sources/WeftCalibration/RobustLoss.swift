import Glibc

/// The pseudo-Huber loss: quadratic for residuals below its scale, linear above.
enum RobustLoss {
  /// Twice the loss, so that it is the square of a small residual.
  static func value(_ residual: Double, _ scale: Double) -> Double {
    let root = root(residual, scale)
    return root * root
  }

  /// What a solver of least squares squares: `sign(r) sqrt(2 rho(r))`.
  static func root(_ residual: Double, _ scale: Double) -> Double {
    guard scale.isFinite else { return residual }
    let ratio = residual / scale
    // The plain form loses all digits of small residuals.
    return residual * (2 / ((1 + ratio * ratio).squareRoot() + 1)).squareRoot()
  }

  /// The derivative of ``root(_:_:)``.
  static func rootSlope(_ residual: Double, _ scale: Double) -> Double {
    guard scale.isFinite else { return 1 }
    let ratio = residual / scale
    let root = (1 + ratio * ratio).squareRoot()
    return ((root + 1) / 2).squareRoot() / root
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
