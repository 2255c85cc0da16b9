import Glibc

/// Residuals, their loss and their Jacobian in the solver's coordinates.
///
/// A class, because GSL holds on to it through a pointer while it calls back.
final class FitProblem {
  let parameters: [FitParameter]
  let samples: Int
  private let lossScale: Double
  private let model: NonlinearFit.Model
  /// The parameter vectors that were evaluated.
  private(set) var evaluations = 0
  /// What went wrong inside a callback, which can only give GSL a status.
  var failure: (any Error)?
  /// The last point and its residuals: GSL asks for the Jacobian where it has been before.
  private var last: (coordinates: [Double], residuals: [Double])?

  init(
    parameters: [FitParameter], samples: Int, lossScale: Double, model: @escaping NonlinearFit.Model
  ) {
    self.parameters = parameters
    self.samples = samples
    self.lossScale = lossScale
    self.model = model
  }

  private func values(_ coordinates: [Double]) -> [Double] {
    zip(parameters, coordinates).map { $0.value($1) }
  }

  /// The residuals at points given by values.
  private func evaluate(_ points: [[Double]]) throws -> [[Double]] {
    evaluations += points.count
    let residuals = try model(points)
    for point in residuals {
      guard point.count == samples else {
        throw FitError.tooFewSamples(count: point.count, needed: samples)
      }
      if let bad = point.firstIndex(where: { !$0.isFinite }) {
        throw FitError.notFinite(sample: bad)
      }
    }
    return residuals
  }

  /// What the solver squares: `sign(r) sqrt(2 rho(r))`.
  func squared(_ residual: Double) -> Double { RobustLoss.root(residual, lossScale) }

  /// The sums of losses at points of the solver.
  func costs(at coordinates: [[Double]]) throws -> [Double] {
    try evaluate(coordinates.map(values)).map(cost)
  }

  func cost(_ residuals: [Double]) -> Double {
    residuals.reduce(0) { $0 + RobustLoss.value($1, lossScale) } / 2
  }

  /// The residuals at a point of the solver.
  func residuals(at coordinates: [Double]) throws -> [Double] {
    if let last, last.coordinates == coordinates { return last.residuals }
    let residuals = try evaluate([values(coordinates)])[0]
    last = (coordinates, residuals)
    return residuals
  }

  /// The Jacobian of what the solver squares, in its coordinates: `[sample][parameter]`.
  func slopes(at coordinates: [Double]) throws -> [[Double]] {
    let point = values(coordinates)
    let base = last.flatMap { $0.coordinates == coordinates ? $0.residuals : nil }
    let linear = try linearised(at: point, base: base)
    last = (coordinates, linear.residuals)
    let inner = zip(parameters, coordinates).map { $0.slope($1) }
    return zip(linear.residuals, linear.jacobian).map { residual, row in
      let outer = RobustLoss.rootSlope(residual, lossScale)
      return zip(row, inner).map { $0 * $1 * outer }
    }
  }

  /// The residuals at a point of values and their change with each value, by differences.
  func linearised(
    at point: [Double], base: [Double]? = nil
  ) throws -> (residuals: [Double], jacobian: [[Double]]) {
    let steps = zip(parameters, point).map { $0.step(at: $1) }
    let moved = steps.indices.map { index in
      var other = point
      other[index] += steps[index]
      return other
    }
    var all = try evaluate(base == nil ? [point] + moved : moved)
    let residuals = base ?? all.removeFirst()
    let jacobian = residuals.indices.map { sample in
      steps.indices.map { (all[$0][sample] - residuals[sample]) / steps[$0] }
    }
    return (residuals, jacobian)
  }
}
