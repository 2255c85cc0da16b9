import CGSL
import Glibc

/// What a Jacobian says about how well parameters are known.
struct Spread {
  /// The covariance of the parameters.
  let covariance: [[Double]]
  /// The robust standard deviation of the residuals.
  let scale: Double
  /// The singular values of the weighted Jacobian per unit of parameters and of `scale`, falling.
  let singularValues: [Double]

  /// Decomposes the weighted Jacobian.
  ///
  /// - Parameters:
  ///   - residuals: The residuals at the minimum.
  ///   - jacobian: Their change with each parameter, `[sample][parameter]`.
  ///   - lossScale: The residual from which errors count linearly.
  ///   - units: What each parameter is measured by.
  /// - Throws: ``FitError`` if GSL fails.
  init(residuals: [Double], jacobian: [[Double]], lossScale: Double, units: [Double]) throws {
    let weights = residuals.map { RobustLoss.weight($0, lossScale) }
    let width = units.count
    // A single bad run must not make every parameter look undetermined.
    let limit = Outliers.limit(residuals, lossScale: lossScale)
    let kept = zip(weights, residuals).filter { abs($0.1) <= limit }
    let sum = kept.reduce(0) { $0 + $1.0 * $1.1 * $1.1 }
    // A perfect fit has no error; a floor keeps ratios finite.
    scale = max((sum / Double(max(1, kept.count - width))).squareRoot(), 1e-12)
    let rows = zip(weights, jacobian).map { weight, row in
      zip(row, units).map { $0 * $1 * weight.squareRoot() }
    }
    let (values, directions) = try SingularValues.decompose(rows)
    let largest = max(values.first ?? 0, 1e-30)
    // Directions that no residual answers to get an error that is finite and absurd, but not so large
    // that a covariance loses all digits of the others: whoever takes such a term away reads theirs.
    let singular = values.map { max($0, 1e-6 * largest) }
    var covariance = Array(repeating: Array(repeating: 0.0, count: width), count: width)
    for row in 0..<width {
      for column in 0..<width {
        let sum = singular.indices.reduce(0.0) { sum, index in
          sum + directions[row][index] * directions[column][index]
            / (singular[index] * singular[index])
        }
        covariance[row][column] = scale * scale * sum * units[row] * units[column]
      }
    }
    self.covariance = covariance
    let scale = scale
    singularValues = values.map { $0 / scale }
  }
}

/// GSL's singular value decomposition.
enum SingularValues {
  /// Decomposes a matrix of at least as many rows as columns, `A = U S V'`.
  ///
  /// - Returns: The singular values, falling, and V as `[column of A][index of the value]`.
  /// - Throws: ``FitError`` if GSL fails.
  static func decompose(_ rows: [[Double]]) throws -> (values: [Double], directions: [[Double]]) {
    GSL.turnErrorHandlerOff()
    let width = rows.first?.count ?? 0
    guard width > 0, rows.count >= width, let matrix = gsl_matrix_alloc(rows.count, width),
      let right = gsl_matrix_alloc(width, width), let values = gsl_vector_alloc(width)
    else { throw FitError.outOfRange }
    defer {
      gsl_matrix_free(matrix)
      gsl_matrix_free(right)
      gsl_vector_free(values)
    }
    for (row, cells) in rows.enumerated() {
      for (column, cell) in cells.enumerated() { gsl_matrix_set(matrix, row, column, cell) }
    }
    try GSL.check(gsl_linalg_SV_decomp_jacobi(matrix, right, values))
    return (
      (0..<width).map { gsl_vector_get(values, $0) },
      (0..<width).map { row in (0..<width).map { gsl_matrix_get(right, row, $0) } }
    )
  }
}

/// Evenly spread points of the unit cube.
enum SobolPoints {
  /// The first points of the Sobol sequence, each with so many coordinates in 0 to 1.
  ///
  /// GSL's sequence has at most 40 dimensions; further ones repeat the first.
  static func points(_ count: Int, dimensions: Int) throws -> [[Double]] {
    GSL.turnErrorHandlerOff()
    let width = min(dimensions, 40)
    guard let generator = gsl_qrng_alloc(weft_gsl_sobol(), CUnsignedInt(width)) else {
      throw FitError.outOfRange
    }
    defer { gsl_qrng_free(generator) }
    return try (0..<count).map { _ in
      var point = Array(repeating: 0.0, count: width)
      try GSL.check(gsl_qrng_get(generator, &point))
      return (0..<dimensions).map { point[$0 % width] }
    }
  }
}
