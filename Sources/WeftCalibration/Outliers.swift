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

  /// The places of bad runs: single calls far from a fit that is near the same call of the next sizes.
  ///
  /// What a model misses it misses for neighbours too, and for more than one call in ten; leaving such
  /// calls out would make intervals narrow where they have to be wide.
  /// - Parameters:
  ///   - samples: The calls.
  ///   - residuals: The logarithm of simulated over measured times, one for each.
  ///   - lossScale: The residual from which errors count linearly.
  ///   - most: The most calls that may be far off.
  /// - Returns: Their places in order; none where more calls than that are far off.
  static func badRuns(
    _ samples: [CollectiveSample], residuals: [Double], lossScale: Double, most: Int
  ) -> [Int] {
    let far = Set(places(in: residuals, lossScale: lossScale))
    guard !far.isEmpty, far.count <= most else { return [] }
    let kinds = Dictionary(grouping: samples.indices) { place in
      var kind = samples[place]
      kind.call.bytes = 0
      return kind
    }
    return kinds.values.flatMap { places in
      let bySize = places.sorted { samples[$0].call.bytes < samples[$1].call.bytes }
      return bySize.indices.filter { index in
        guard far.contains(bySize[index]) else { return false }
        let beside = [index - 1, index + 1].filter(bySize.indices.contains)
        return !beside.isEmpty && beside.allSatisfy { !far.contains(bySize[$0]) }
      }.map { bySize[$0] }
    }.sorted()
  }

  /// The most of some calls that bad runs may be.
  static func mostBadRuns(of calls: Int) -> Int { max(1, calls / 10) }
}
