import CGSL

/// The border to the GNU Scientific Library: no C type or status passes it.
enum GSL {
  /// Runs a function of GSL and checks its status.
  ///
  /// - Throws: ``FitError/solver(status:reason:)`` for any status but success.
  static func call(_ body: () -> CInt) throws(FitError) {
    // Otherwise GSL aborts the process on its first error.
    _ = errorHandlerIsOff
    let status = body()
    guard status != CInt(GSL_SUCCESS) else { return }
    throw .solver(status: Int(status), reason: String(cString: gsl_strerror(status)))
  }

  /// The handler belongs to the process, so it is turned off once; the language runs this once.
  private static let errorHandlerIsOff: Bool = {
    gsl_set_error_handler_off()
    return true
  }()
}
