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
    let watcher = Watcher(progress)
    let watching = Unmanaged.passUnretained(watcher).toOpaque()
    // The workspace keeps a pointer to the description, so it must stay where it is.
    let description = UnsafeMutablePointer<gsl_multifit_nlinear_fdf>.allocate(capacity: 1)
    description.initialize(
      to: gsl_multifit_nlinear_fdf(
        f: fillResiduals, df: fillSlopes, fvv: nil, n: count, p: width, params: pointer,
        nevalf: 0, nevaldf: 0, nevalfvv: 0))
    defer { description.deallocate() }

    return try withExtendedLifetime((problem, watcher)) {
      let opened = gsl_multifit_nlinear_init(vector, description, workspace)
      if let failure = problem.failure { throw failure }
      try GSL.check(opened)
      var information: CInt = 0
      let status = gsl_multifit_nlinear_driver(
        iterations, tolerance, 1e-10, 1e-8, { _, watcher, _ in watcher.map(Watcher.step) },
        watching, &information, workspace)
      if let failure = problem.failure { throw failure }
      let ended = [CInt(GSL_SUCCESS), CInt(GSL_EMAXITER), CInt(GSL_ENOPROG)]
      guard ended.contains(status) else {
        try GSL.check(status)
        throw FitError.outOfRange
      }
      guard let position = gsl_multifit_nlinear_position(workspace) else {
        throw FitError.outOfRange
      }
      let coordinates = (0..<width).map { gsl_vector_get(position, $0) }
      return Outcome(
        coordinates: coordinates, cost: problem.cost(try problem.residuals(at: coordinates)),
        iterations: gsl_multifit_nlinear_niter(workspace),
        hasConverged: status != CInt(GSL_EMAXITER))
    }
  }

  /// Carries the progress closure through C.
  private final class Watcher {
    private let progress: (Int) -> Void
    private var steps = 0

    init(_ progress: @escaping (Int) -> Void) { self.progress = progress }

    static func step(_ pointer: UnsafeMutableRawPointer) {
      let watcher = Unmanaged<Watcher>.fromOpaque(pointer).takeUnretainedValue()
      watcher.steps += 1
      watcher.progress(watcher.steps)
    }
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
