import CGSL

/// GSL's trust-region solver behind a function.
enum TrustRegion {
  /// Where it ended.
  struct Outcome {
    var coordinates: [Double]
    var cost: Double
    var iterations: Int
    var hasConverged: Bool
  }

  /// Minimises a problem from a start in the solver's coordinates.
  ///
  /// Running out of iterations, or finding no step that gets lower, ends it where it is.
  /// - Throws: What the problem's model throws; ``FitError`` if GSL fails.
  static func minimise(
    _ problem: FitProblem, from start: [Double], iterations: Int, tolerance: Double,
    progress: @escaping (Int) -> Void
  ) throws -> Outcome {
    GSL.turnErrorHandlerOff()
    var settings = gsl_multifit_nlinear_default_parameters()
    let count = problem.samples
    let width = start.count
    guard let vector = gsl_vector_alloc(width) else { throw FitError.outOfRange }
    defer { gsl_vector_free(vector) }
    for (index, value) in start.enumerated() { gsl_vector_set(vector, index, value) }
    guard
      let workspace = gsl_multifit_nlinear_alloc(weft_gsl_trust_region(), &settings, count, width)
    else { throw FitError.outOfRange }
    defer { gsl_multifit_nlinear_free(workspace) }

    let pointer = Unmanaged.passUnretained(problem).toOpaque()
    // The workspace keeps a pointer to the description, so it must stay where it is.
    let description = UnsafeMutablePointer<gsl_multifit_nlinear_fdf>.allocate(capacity: 1)
    description.initialize(
      to: gsl_multifit_nlinear_fdf(
        f: fillResiduals, df: fillSlopes, fvv: nil, n: count, p: width, params: pointer,
        nevalf: 0, nevaldf: 0, nevalfvv: 0))
    defer { description.deallocate() }

    return try withExtendedLifetime(problem) {
      let opened = gsl_multifit_nlinear_init(vector, description, workspace)
      if let failure = problem.failure { throw failure }
      try GSL.check(opened)
      let hasConverged = try iterate(workspace, problem, iterations, tolerance, progress)
      guard let position = gsl_multifit_nlinear_position(workspace) else {
        throw FitError.outOfRange
      }
      let coordinates = (0..<width).map { gsl_vector_get(position, $0) }
      return Outcome(
        coordinates: coordinates, cost: problem.cost(try problem.residuals(at: coordinates)),
        iterations: gsl_multifit_nlinear_niter(workspace), hasConverged: hasConverged)
    }
  }

  /// Steps until the parameters or the loss no longer change, no step gets lower, or the steps run
  /// out; tells whether they did not.
  ///
  /// GSL's own driver does not look at the loss, and simulated times have kinks at which parameters
  /// jump to and fro for nothing.
  private static func iterate(
    _ workspace: UnsafeMutablePointer<gsl_multifit_nlinear_workspace>, _ problem: FitProblem,
    _ iterations: Int, _ tolerance: Double, _ progress: (Int) -> Void
  ) throws -> Bool {
    var still = 0
    var last = loss(workspace)
    for step in 1...max(1, iterations) {
      let status = gsl_multifit_nlinear_iterate(workspace)
      if let failure = problem.failure { throw failure }
      // No step gets lower: this is the minimum, as far as differences of times can tell.
      if status == CInt(GSL_ENOPROG) { return true }
      try GSL.check(status)
      progress(step)
      var information: CInt = 0
      if gsl_multifit_nlinear_test(tolerance, 1e-10, 0, &information, workspace)
        == CInt(GSL_SUCCESS)
      {
        return true
      }
      let now = loss(workspace)
      still = now > last * (1 - 0.1 * tolerance.squareRoot()) ? still + 1 : 0
      if still == 2 { return true }
      last = now
    }
    return false
  }

  /// The sum of squares at the workspace's position.
  private static func loss(
    _ workspace: UnsafeMutablePointer<gsl_multifit_nlinear_workspace>
  ) -> Double {
    guard let residuals = gsl_multifit_nlinear_residual(workspace) else { return .infinity }
    return coordinates(residuals).reduce(0) { $0 + $1 * $1 }
  }

  private static func coordinates(_ vector: UnsafePointer<gsl_vector>) -> [Double] {
    (0..<vector.pointee.size).map { gsl_vector_get(vector, $0) }
  }

  private static let fillResiduals:
    @convention(c) (
      UnsafePointer<gsl_vector>?, UnsafeMutableRawPointer?, UnsafeMutablePointer<gsl_vector>?
    ) -> CInt = { vector, pointer, target in
      guard let vector, let pointer, let target else { return CInt(GSL_EFAULT) }
      let problem = Unmanaged<FitProblem>.fromOpaque(pointer).takeUnretainedValue()
      do {
        for (index, residual) in try problem.residuals(at: coordinates(vector)).enumerated() {
          gsl_vector_set(target, index, problem.squared(residual))
        }
        return CInt(GSL_SUCCESS)
      } catch {
        problem.failure = error
        return CInt(GSL_EBADFUNC)
      }
    }

  private static let fillSlopes:
    @convention(c) (
      UnsafePointer<gsl_vector>?, UnsafeMutableRawPointer?, UnsafeMutablePointer<gsl_matrix>?
    ) -> CInt = { vector, pointer, target in
      guard let vector, let pointer, let target else { return CInt(GSL_EFAULT) }
      let problem = Unmanaged<FitProblem>.fromOpaque(pointer).takeUnretainedValue()
      do {
        for (row, slopes) in try problem.slopes(at: coordinates(vector)).enumerated() {
          for (column, slope) in slopes.enumerated() { gsl_matrix_set(target, row, column, slope) }
        }
        return CInt(GSL_SUCCESS)
      } catch {
        problem.failure = error
        return CInt(GSL_EBADFUNC)
      }
    }
}
