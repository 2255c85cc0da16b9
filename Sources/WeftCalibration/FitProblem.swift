import Glibc

/// Residuals, their loss and their Jacobian in the solver's coordinates.
///
/// A class, because GSL holds on to it through a pointer while it calls back.
final class FitProblem {
  let parameters: [FitParameter]
  let samples: Int
  private let lossScale: Double
  private let refresh: Int
  private let model: NonlinearFit.Model
  /// The parameter vectors that were evaluated.
  private(set) var evaluations = 0
  /// What went wrong inside a callback, which can only give GSL a status.
  var failure: (any Error)?
  /// The last point and its residuals: GSL asks for the Jacobian where it has been before.
  private var last: (coordinates: [Double], residuals: [Double])?

  /// The last point whose Jacobian was asked for, with what the solver squares there.
  private var known: (coordinates: [Double], squared: [Double], jacobian: [[Double]])?
  /// How many Jacobians since the last one by differences were updates of it.
  private(set) var updates = 0

  init(
    parameters: [FitParameter], samples: Int, lossScale: Double, refresh: Int = 1,
    model: @escaping NonlinearFit.Model
  ) {
    self.refresh = refresh
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
  func squared(_ residual: Double) -> Double {
    guard lossScale.isFinite else { return residual }
    let ratio = residual / lossScale
    // The plain form loses all digits of small residuals.
    let root = (1 + ratio * ratio).squareRoot()
    return residual * (2 / (root + 1)).squareRoot()
  }

  /// The derivative of ``squared(_:)``.
  func squaredSlope(_ residual: Double) -> Double {
    guard lossScale.isFinite else { return 1 }
    let ratio = residual / lossScale
    let root = (1 + ratio * ratio).squareRoot()
    return ((root + 1) / 2).squareRoot() / root
  }

  /// The sums of losses at points of the solver.
  func costs(at coordinates: [[Double]]) throws -> [Double] {
    try evaluate(coordinates.map(values)).map(cost)
  }

  func cost(_ residuals: [Double]) -> Double {
    residuals.reduce(0) { $0 + squared($1) * squared($1) } / 2
  }

  /// The residuals at a point of the solver.
  func residuals(at coordinates: [Double]) throws -> [Double] {
    if let last, last.coordinates == coordinates { return last.residuals }
    let residuals = try evaluate([values(coordinates)])[0]
    last = (coordinates, residuals)
    return residuals
  }

  /// The Jacobian of what the solver squares, in its coordinates: `[sample][parameter]`.
  ///
  /// By differences, or that of the point before with what the step to this one showed (Broyden's
  /// update; Dennis and Schnabel, Numerical Methods for Unconstrained Optimization, section 8.1).
  func slopes(at coordinates: [Double]) throws -> [[Double]] {
    let here = last.flatMap { $0.coordinates == coordinates ? $0.residuals : nil }
    if let known, let here, updates + 1 < refresh, known.coordinates != coordinates {
      let squared = here.map(self.squared)
      let step = zip(coordinates, known.coordinates).map { $0 - $1 }
      let length = step.reduce(0) { $0 + $1 * $1 }
      let jacobian = zip(known.jacobian, zip(squared, known.squared)).map { row, change in
        let expected = zip(row, step).reduce(0) { $0 + $1.0 * $1.1 }
        let miss = (change.0 - change.1 - expected) / length
        return zip(row, step).map { $0 + miss * $1 }
      }
      updates += 1
      self.known = (coordinates, squared, jacobian)
      return jacobian
    }
    let linear = try linearised(at: values(coordinates), base: here)
    last = (coordinates, linear.residuals)
    let inner = zip(parameters, coordinates).map { $0.slope($1) }
    let jacobian = zip(linear.residuals, linear.jacobian).map { residual, row in
      let outer = squaredSlope(residual)
      return zip(row, inner).map { $0 * $1 * outer }
    }
    updates = 0
    known = (coordinates, linear.residuals.map(squared), jacobian)
    return jacobian
  }

  /// Makes the next Jacobian one by differences.
  func forgetSlopes() { known = nil }

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
