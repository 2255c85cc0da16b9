import Weft

/// Calls so far from all others that no model meant for them can be meant for these.
enum Outliers {
  /// Beyond so many robust standard deviations of all residuals a call is one.
  private static let mostDeviations = 6.0
  /// And beyond so many times the residual from which errors count linearly.
  private static let mostScales = 8.0
  /// The standard deviation of a normal distribution over the median of its absolute values.
  private static let normal = 1.4826

  /// The places of the outliers.
  static func places(in residuals: [Double], lossScale: Double) -> [Int] {
    let limit = limit(residuals, lossScale: lossScale)
    return residuals.indices.filter { abs(residuals[$0]) > limit }
  }

  /// The residual beyond which a call is an outlier; infinite for plain least squares.
  static func limit(_ residuals: [Double], lossScale: Double) -> Double {
    guard !residuals.isEmpty else { return .infinity }
    return max(mostScales * lossScale, mostDeviations * normal * Median.ofSizes(residuals))
  }

  /// The places of bad runs: single calls missed by far more or less than the same calls of the next
  /// sizes, which are missed alike.
  ///
  /// Of what a model misses its neighbours tell, and of more than one call in eight it is no accident;
  /// leaving such calls out would make intervals narrow where they have to be wide. How much all calls
  /// are missed does not matter, so nominal times will do.
  /// - Parameters:
  ///   - samples: All calls.
  ///   - residuals: The places of some, and the logarithms of simulated over measured times.
  ///   - lossScale: The residual from which errors count linearly.
  /// - Returns: Their places; none where there are too many.
  static func badRuns(
    _ samples: [CollectiveSample], residuals: [(place: Int, residual: Double)], lossScale: Double
  ) -> Set<Int> {
    let kinds = Dictionary(grouping: residuals) { entry in
      var kind = samples[entry.place]
      kind.call.bytes = 0
      return kind
    }.values.map { calls in
      calls.sorted { samples[$0.place].call.bytes < samples[$1.place].call.bytes }
    }
    let changes = kinds.flatMap { calls in
      zip(calls, calls.dropFirst()).map { $1.residual - $0.residual }
    }
    let limit = limit(changes, lossScale: lossScale)
    var bad = Set<Int>()
    for calls in kinds {
      var left = calls
      // What lies beside a bad run is seen without it.
      while let index = firstBadRun(left.map(\.residual), beyond: limit) {
        bad.insert(left.remove(at: index).place)
      }
    }
    return bad.count <= mostBadRuns(of: residuals.count) ? bad : []
  }

  /// The first of residuals that differs from those beside it, which do not differ from each other.
  private static func firstBadRun(_ residuals: [Double], beyond limit: Double) -> Int? {
    let last = residuals.count - 1
    guard last > 1 else { return nil }
    return residuals.indices.first { index in
      // At an end, where another regime may begin, the next two are beside it, and twice as far.
      let isEnd = index == 0 || index == last
      let beside =
        index == 0 ? [1, 2] : index == last ? [last - 1, last - 2] : [index - 1, index + 1]
      let changes = beside.map { residuals[index] - residuals[$0] }
      let least = isEnd ? 2 * limit : limit
      return abs(residuals[beside[0]] - residuals[beside[1]]) <= limit
        && (changes.allSatisfy { $0 > least } || changes.allSatisfy { $0 < -least })
    }
  }

  /// The most of some calls that bad runs may be.
  static func mostBadRuns(of calls: Int) -> Int { max(1, calls / 8) }
}
