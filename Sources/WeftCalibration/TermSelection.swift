import CGSL

/// Which terms to fit when there are fewer calls than terms.
enum TermSelection {
  /// The columns of a matrix that say most and least of the same thing, best first.
  ///
  /// Each is the one with the longest part that the columns before it do not span, which is the
  /// order of a QR decomposition with column pivoting (Golub and Van Loan, Matrix Computations,
  /// section 5.5.7).
  ///
  /// - Parameters:
  ///   - columns: The columns, all of one length.
  ///   - count: How many to choose.
  /// - Returns: Indices of columns, no more than `count`, without those that others span.
  /// - Throws: ``FitError`` if GSL fails.
  static func mostIndependent(_ columns: [[Double]], count: Int) throws(FitError) -> [Int] {
    GSL.turnErrorHandlerOff()
    let width = columns.count
    let height = columns.first?.count ?? 0
    guard width > 0, height > 0 else { return [] }
    let most = min(width, height)
    guard let matrix = gsl_matrix_alloc(height, width), let scales = gsl_vector_alloc(most),
      let norms = gsl_vector_alloc(width), let order = gsl_permutation_alloc(width)
    else { throw .outOfRange }
    defer {
      gsl_matrix_free(matrix)
      gsl_vector_free(scales)
      gsl_vector_free(norms)
      gsl_permutation_free(order)
    }
    for (column, cells) in columns.enumerated() {
      for (row, cell) in cells.enumerated() { gsl_matrix_set(matrix, row, column, cell) }
    }
    var sign: CInt = 0
    try GSL.check(gsl_linalg_QRPT_decomp(matrix, scales, order, &sign, norms))
    // The diagonal of R: what of each column those before it do not span.
    let lengths = (0..<most).map { abs(gsl_matrix_get(matrix, $0, $0)) }
    // What rounding leaves of a column that the others span.
    let kept = lengths.prefix { $0 > 1e-9 * lengths[0] }.count
    return (0..<min(count, kept)).map { gsl_permutation_get(order, $0) }
  }
}
