import Glibc

/// Which terms to fit when there are fewer calls than terms.
enum TermSelection {
  /// The columns of a matrix that say most and least of the same thing, best first.
  ///
  /// Each is the one with the longest part that the columns before it do not span, which is the
  /// order of a QR decomposition with column pivoting (Golub and Van Loan, Matrix Computations,
  /// section 5.5.7). Ties keep the order of the columns.
  ///
  /// - Parameters:
  ///   - columns: The columns, all of one length.
  ///   - count: How many to choose.
  /// - Returns: Indices of columns, no more than `count`, without those that others span.
  static func mostIndependent(_ columns: [[Double]], count: Int) -> [Int] {
    var left = columns
    var chosen: [Int] = []
    let longest = columns.map(length).max() ?? 0
    while chosen.count < min(count, columns.count) {
      var best = -1
      for index in left.indices
      where !chosen.contains(index) && (best < 0 || length(left[index]) > length(left[best])) {
        best = index
      }
      let size = length(left[best])
      // What rounding leaves of a column that the others span.
      guard size > 1e-9 * longest else { break }
      chosen.append(best)
      let direction = left[best].map { $0 / size }
      for index in left.indices where !chosen.contains(index) {
        let share = zip(left[index], direction).reduce(0) { $0 + $1.0 * $1.1 }
        left[index] = zip(left[index], direction).map { $0 - share * $1 }
      }
    }
    return chosen
  }

  private static func length(_ column: [Double]) -> Double {
    column.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }
}
