import Glibc
public import Weft

/// An engine's terms fitted to measured steps.
///
/// The terms enter a step linearly and may not be negative, so all subsets are fitted; the Bayesian
/// criterion keeps those out that the steps say nothing about. The loss is that of collectives, and
/// steps too far from all others are left out.
public struct EngineFit: Sendable {
  /// The steps.
  public let rows: [EngineTerms.Row]
  /// The terms in the order of ``EngineTerms/keys``, in seconds; those left out are zero.
  public let values: [Double]
  /// The terms that were left alone, by their places.
  public let held: Set<Int>
  /// The steps that were left out, being too far from all others, by their places.
  public let outliers: [Int]
  private let covariance: [[Double]]?

  /// Fits the terms.
  ///
  /// - Parameters:
  ///   - rows: The steps.
  ///   - held: The values in seconds of terms to leave alone, by their places.
  /// - Throws: ``FitError`` if there is no step, no term to fit, or GSL refuses.
  public init(_ rows: [EngineTerms.Row], held: [Int: Double] = [:]) throws(FitError) {
    let free = EngineTerms.keys.indices.filter { held[$0] == nil }
    guard !free.isEmpty else { throw .nothingToFit(reason: "all terms are held") }
    let fit = try NonNegativeFit(
      rows.map { row in
        let known = held.reduce(row.predicted) { $0 + row.counts[$1.key] * $1.value }
        return .init(amounts: free.map { row.counts[$0] }, known: known, time: row.time)
      }, choice: .bayesian, lossScale: CollectiveCalibration.Options().lossScale)
    var values = EngineTerms.keys.indices.map { held[$0] ?? 0 }
    for (place, term) in free.enumerated() { values[term] = fit.costs[place] }
    self.rows = rows
    self.values = values
    self.held = Set(held.keys)
    outliers = fit.outliers
    covariance = fit.covariance.map { inner in
      EngineTerms.keys.indices.map { row in
        EngineTerms.keys.indices.map { column in
          guard let first = free.firstIndex(of: row), let second = free.firstIndex(of: column)
          else { return 0 }
          return inner[first][second]
        }
      }
    }
  }

  /// The standard error of each term in seconds; nil where every step was needed for the values.
  public var standardErrors: [Double]? {
    covariance?.indices.map { max(0, covariance?[$0][$0] ?? 0).squareRoot() }
  }

  /// The number of terms that were fitted and are not zero.
  public var fittedTerms: Int { values.indices.count { values[$0] > 0 && !held.contains($0) } }

  /// The terms that were fitted, with those at zero that count as often in all steps but for a factor:
  /// the steps do not say which of them it is.
  public var indistinguishable: [(term: Int, others: [Int])] {
    func share(_ row: EngineTerms.Row, _ other: Int, _ term: Int) -> Double {
      row.counts[other] / row.counts[term]
    }
    return values.indices.filter { values[$0] > 0 && !held.contains($0) }.compactMap { term in
      let others = values.indices.filter { other in
        guard values[other] == 0, !held.contains(other), let first = rows.first else {
          return false
        }
        let own = share(first, other, term)
        return own > 0 && rows.allSatisfy { abs(share($0, other, term) / own - 1) < 1e-9 }
      }
      return others.isEmpty ? nil : (term, others)
    }
  }

  /// The predicted times with the terms in place, in seconds.
  public var fitted: [Double] {
    rows.map { row in row.predicted + zip(values, row.counts).map(*).reduce(0, +) }
  }

  /// The profile with the terms in place of its own, and with what is known of their errors.
  public func applied(
    to profile: Profile, source: String, calibration: StepCalibration? = nil
  ) -> Profile {
    var result = profile
    result.stepCalibration = calibration
    for (index, key) in EngineTerms.keys.enumerated() {
      result[key] = Profile.Parameter(
        value: values[index], standardError: standardErrors?[index], source: source)
    }
    return result
  }

  /// What is known of the errors; nil if every step was needed for the values.
  public func calibration(
    of measurements: [StepMeasurement], in request: PredictionRequest
  ) -> StepCalibration? {
    guard let covariance, let errors = standardErrors else { return nil }
    let used = values.indices.filter { values[$0] > 0 && !held.contains($0) }
    // A dozen steps are common, of which a single bad run would be the whole interval.
    let left = Set(outliers)
    let kept = rows.indices.filter { !left.contains($0) }
    let fitted = fitted
    let residuals = kept.map { abs(log(fitted[$0] / rows[$0].time)) }.sorted()
    let count = Double(kept.count)
    // As for collectives: errors of fitted steps are smaller than those of steps to come, and the
    // rank holds 95 % of further draws of the same kind (split conformal prediction).
    let terms = Double(used.count)
    let optimism = ((count + terms) / max(1, count - terms)).squareRoot()
    let rank = min(kept.count, Int(((count + 1) * 0.95).rounded(.up)))
    let gpus = kept.map { measurements[$0].tensor }
    let batches = kept.map { measurements[$0].workload.batch }
    return StepCalibration(
      model: request.model.name, engine: request.engine.name, topology: request.topology.name,
      parameters: used.map {
        .init(
          name: EngineTerms.keys[$0].rawValue, value: values[$0], standardError: errors[$0])
      },
      correlations: used.map { row in
        used.map { column in
          row == column
            ? 1 : covariance[row][column] / max(errors[row] * errors[column], .leastNormalMagnitude)
        }
      },
      coverageFactor: Quantile.student(0.95, degreesOfFreedom: kept.count - used.count),
      steps: kept.count, median: Median.of(residuals),
      halfWidth: residuals[rank - 1] * optimism, gpus: (gpus.min() ?? 1)...(gpus.max() ?? 1),
      batches: (batches.min() ?? 1)...(batches.max() ?? 1),
      nodes: gpus.compactMap { try? GPUAllocation(gpus: $0, of: request.topology).nodes }.max()
        ?? 1,
      weights: request.weights.rawValue, keyValues: request.keyValues.rawValue)
  }
}
