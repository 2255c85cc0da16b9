import CGSL

/// The border to the GNU Scientific Library: no C type or status passes it.
enum GSL {
  /// Runs a function of GSL and checks its status.
  ///
  /// - Throws: ``FitError/solver(status:reason:)`` for any status but success.
  static func call(_ body: () -> CInt) throws(FitError) {
    turnErrorHandlerOff()
    try check(body())
  }

  /// Checks a status of GSL.
  ///
  /// - Throws: ``FitError/solver(status:reason:)`` for any status but success.
  static func check(_ status: CInt) throws(FitError) {
    guard status != CInt(GSL_SUCCESS) else { return }
    throw .solver(status: Int(status), reason: String(cString: gsl_strerror(status)))
  }

  /// Makes GSL return a status instead of aborting the process on its first error.
  static func turnErrorHandlerOff() { _ = errorHandlerIsOff }

  /// The handler belongs to the process, so it is turned off once; the language runs this once.
  private static let errorHandlerIsOff: Bool = {
    gsl_set_error_handler_off()
    return true
  }()
}

/// Quantiles of distributions.
public enum Quantile {
  /// The two-sided quantile of Student's t: so many standard errors hold a share of the outcomes.
  public static func student(_ share: Double, degreesOfFreedom: Int) -> Double {
    GSL.turnErrorHandlerOff()
    return gsl_cdf_tdist_Pinv((1 + share) / 2, Double(max(1, degreesOfFreedom)))
  }
}
