internal import CGSL

/// Costs that explain measured times as sums of known amounts: `time = Σ cost x amount`.
///
/// Weighted linear least squares with costs that may not be negative. Weights are those of relative
/// errors, so that microseconds count as much as milliseconds. With few costs all subsets are tried
/// and the best fit without a negative cost is kept, which is the exact solution (Lawson and Hanson
/// 1974, chapter 23).
public struct NonNegativeFit: Hashable, Sendable {
  /// A measured time with the amounts that it is made of.
  public struct Sample: Hashable, Sendable {
    /// What the costs multiply, in the order of the costs.
    public var amounts: [Double]
    /// The measured time, in any unit.
    public var time: Double

    /// Creates a sample.
    public init(amounts: [Double], time: Double) {
      self.amounts = amounts
      self.time = time
    }
  }

  /// The costs, in the order of the amounts; zero where none is needed.
  public let costs: [Double]

  /// The most kinds of amounts that a fit takes.
  public static let mostCosts = 6

  /// Fits costs to samples.
  ///
  /// - Throws: ``FitError`` if there are fewer samples than costs and one more, a time is not positive
  ///   and finite, or the amounts explain nothing.
  public init(_ samples: [Sample]) throws(FitError) {
    let kinds = samples.first?.amounts.count ?? 0
    guard samples.count > kinds, kinds > 0, kinds <= Self.mostCosts else {
      throw .tooFewSamples(count: samples.count, needed: kinds + 1)
    }
    for (index, sample) in samples.enumerated() {
      guard sample.time > 0 && sample.time.isFinite else {
        throw .badTime(seconds: sample.time, sample: index)
      }
      guard sample.amounts.count == kinds, sample.amounts.allSatisfy(\.isFinite) else {
        throw .outOfRange
      }
    }
    var best: (costs: [Double], error: Double)?
    for subset in 1..<(1 << kinds) {
      let used = (0..<kinds).filter { subset >> $0 & 1 == 1 }
      // A kind that never occurs has no cost to find.
      guard used.allSatisfy({ kind in samples.contains { $0.amounts[kind] != 0 } }) else {
        continue
      }
      let (fitted, error) = try Self.solve(samples, used)
      guard fitted.allSatisfy({ $0 >= 0 && $0.isFinite }), error < best?.error ?? .infinity else {
        continue
      }
      var costs = [Double](repeating: 0, count: kinds)
      for (kind, cost) in zip(used, fitted) { costs[kind] = cost }
      best = (costs, error)
    }
    guard let best else { throw .outOfRange }
    costs = best.costs
  }

  /// The time that the costs come to.
  public func time(_ amounts: [Double]) -> Double {
    zip(costs, amounts).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// Least squares of the relative errors over some kinds, by the QR decomposition of GSL's solver.
  private static func solve(
    _ samples: [Sample], _ used: [Int]
  ) throws(FitError) -> (costs: [Double], error: Double) {
    // Columns are scaled to one size, or the solver would take bytes and calls for dependent.
    let scales = used.map { kind in
      samples.reduce(0) { max($0, abs($1.amounts[kind] / $1.time)) }
    }
    var rows: [Double] = []
    for sample in samples {
      for (kind, scale) in zip(used, scales) {
        rows.append(sample.amounts[kind] / sample.time / scale)
      }
    }
    var ones = [Double](repeating: 1, count: samples.count)
    var fitted = [Double](repeating: 0, count: used.count)
    var covariance = [Double](repeating: 0, count: used.count * used.count)
    var error = 0.0
    guard
      let workspace = gsl_multifit_linear_alloc(samples.count, used.count)
    else { throw .outOfRange }
    defer { gsl_multifit_linear_free(workspace) }
    try GSL.call {
      rows.withUnsafeMutableBufferPointer { rows in
        ones.withUnsafeMutableBufferPointer { ones in
          fitted.withUnsafeMutableBufferPointer { fitted in
            covariance.withUnsafeMutableBufferPointer { covariance in
              var matrix = gsl_matrix_view_array(rows.baseAddress, samples.count, used.count)
              var times = gsl_vector_view_array(ones.baseAddress, samples.count)
              var costs = gsl_vector_view_array(fitted.baseAddress, used.count)
              var spread = gsl_matrix_view_array(covariance.baseAddress, used.count, used.count)
              return gsl_multifit_linear(
                &matrix.matrix, &times.vector, &costs.vector, &spread.matrix, &error, workspace)
            }
          }
        }
      }
    }
    return (zip(fitted, scales).map { $0 / $1 }, error)
  }
}
