import Glibc

/// A robust nonlinear least-squares fit of bounded parameters, with covariance.
///
/// It minimises `sum rho(r_i)` with the pseudo-Huber loss `rho(r) = d^2 (sqrt(1 + (r/d)^2) - 1)`,
/// which is quadratic for residuals below `d` and linear above, by GSL's trust-region method
/// (Levenberg-Marquardt steps) on `sign(r) sqrt(2 rho(r))`. The covariance is
/// `s^2 (J' W J)^-1` with the weights `w_i = 1 / sqrt(1 + (r_i/d)^2)` of that loss and
/// `s^2 = sum w_i r_i^2 / (n - p)` (Huber and Ronchetti, Robust Statistics, 2009, chapter 7).
public struct NonlinearFit: Sendable {
  /// A fitted value.
  public struct Estimate: Hashable, Sendable {
    /// The parameter.
    public var parameter: FitParameter
    /// The value at the minimum.
    public var value: Double
    /// Its standard error.
    public var standardError: Double

    /// The standard error as a share of the value, or of the parameter's unit if that is larger.
    public var relativeError: Double { standardError / max(abs(value), parameter.unit) }
  }

  /// How to fit.
  public struct Options: Sendable {
    /// The residual `d` from which errors count linearly, in the residuals' unit.
    public var lossScale: Double
    /// The most steps from one start.
    public var iterations: Int
    /// Points of a Sobol sequence inside the bounds that are tried as starts besides the given one.
    public var starts: Int
    /// The relative change of the parameters that ends the fit.
    public var tolerance: Double

    /// Creates options.
    public init(
      lossScale: Double = .infinity, iterations: Int = 50, starts: Int = 0,
      tolerance: Double = 1e-4
    ) {
      self.lossScale = lossScale
      self.iterations = iterations
      self.starts = starts
      self.tolerance = tolerance
    }
  }

  /// Residuals of all samples at each of some parameter vectors: `[vector][sample]`.
  public typealias Model = ([[Double]]) throws -> [[Double]]

  /// The fitted values in the order of the parameters.
  public let estimates: [Estimate]
  /// The covariance of the values.
  public let covariance: [[Double]]
  /// The residuals at the minimum.
  public let residuals: [Double]
  /// The change of each residual with each parameter at the minimum: `[sample][parameter]`.
  public let jacobian: [[Double]]
  /// The robust standard deviation `s` of the residuals.
  public let scale: Double
  /// The singular values of the weighted Jacobian in units of parameters and `scale`, falling.
  ///
  /// The inverse of one is the standard error, in units, of a direction in the space of parameters:
  /// far below 1 a direction is undetermined.
  public let singularValues: [Double]
  /// The starts that were followed to their minimum.
  public let starts: Int
  /// The steps taken.
  public let iterations: Int
  /// The parameter vectors that were evaluated.
  public let evaluations: Int
  /// Whether the fit ended because it no longer moved.
  public let hasConverged: Bool

  /// The values alone.
  public var values: [Double] { estimates.map(\.value) }

  /// The samples less the parameters.
  public var degreesOfFreedom: Int { residuals.count - estimates.count }

  /// The correlation of two parameters; 0 where one has no error.
  public func correlation(_ first: Int, _ second: Int) -> Double {
    let scale = (covariance[first][first] * covariance[second][second]).squareRoot()
    return scale > 0 ? covariance[first][second] / scale : 0
  }

  /// Fits the parameters to samples.
  ///
  /// - Parameters:
  ///   - parameters: The unknowns, with starts and bounds.
  ///   - samples: The number of residuals.
  ///   - options: How to fit.
  ///   - progress: Called after every step with its number.
  ///   - model: Gives the residuals; it is asked for many vectors at a time, so that it can compute
  ///     them side by side.
  /// - Throws: ``FitError`` if there are too few samples, bounds make no sense, a residual is not
  ///   finite or GSL fails; what the model throws.
  public init(
    _ parameters: [FitParameter], samples: Int, options: Options = Options(),
    progress: @escaping (Int) -> Void = { _ in }, model: @escaping Model
  ) throws {
    guard !parameters.isEmpty else { throw FitError.nothingToFit(reason: "there is none") }
    guard samples > parameters.count else {
      throw FitError.tooFewSamples(count: samples, needed: parameters.count + 1)
    }
    if let bad = parameters.first(where: { !$0.isSound }) {
      throw FitError.badBounds(parameter: bad.name)
    }
    let problem = FitProblem(
      parameters: parameters, samples: samples, lossScale: options.lossScale, model: model)
    var best: TrustRegion.Outcome?
    let starts = try Self.starts(problem, options.starts)
    for start in starts {
      let outcome = try TrustRegion.minimise(
        problem, from: start, iterations: options.iterations, tolerance: options.tolerance,
        progress: progress)
      if outcome.cost < best?.cost ?? .infinity { best = outcome }
    }
    guard let best else { throw FitError.outOfRange }
    let point = zip(parameters, best.coordinates).map { $0.value($1) }
    let linear = try problem.linearised(at: point)
    let spread = try Spread(
      residuals: linear.residuals, jacobian: linear.jacobian, lossScale: options.lossScale,
      units: zip(parameters, point).map { max($0.unit, abs($1)) })
    estimates = parameters.indices.map { index in
      Estimate(
        parameter: parameters[index], value: point[index],
        standardError: spread.covariance[index][index].squareRoot())
    }
    covariance = spread.covariance
    residuals = linear.residuals
    jacobian = linear.jacobian
    scale = spread.scale
    singularValues = spread.singularValues
    self.starts = starts.count
    iterations = best.iterations
    evaluations = problem.evaluations
    hasConverged = best.hasConverged
  }

  /// The start that was given and, if asked for, the best of others if it is better.
  private static func starts(_ problem: FitProblem, _ count: Int) throws -> [[Double]] {
    let given = problem.parameters.map { $0.coordinate($0.start) }
    guard count > 0 else { return [given] }
    let others = try SobolPoints.points(count, dimensions: given.count).map { point in
      // The outermost parts of the range are flat in the solver's coordinates.
      point.map { share in
        let inner = 0.02 + 0.96 * share
        return log(inner / (1 - inner))
      }
    }
    let costs = try problem.costs(at: [given] + others)
    guard let best = others.indices.min(by: { costs[$0 + 1] < costs[$1 + 1] }),
      costs[best + 1] < costs[0]
    else { return [given] }
    return [given, others[best]]
  }
}
