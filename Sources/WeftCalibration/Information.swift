import Glibc
import Weft

/// What calls tell about terms: `J' J / s^2`, with terms in their units and a wide prior.
///
/// The prior, a factor of e or a unit on each term, makes the matrix regular where no call answers.
struct Information: Sendable {
  let terms: [CalibrationTerm]
  let profile: Profile
  /// The standard deviation of the logarithm of a time.
  let scale: Double
  /// The covariance of the terms in their units.
  private(set) var covariance: [[Double]]

  init(terms: [CalibrationTerm], profile: Profile, scale: Double, rows: [[Double]]) {
    self.terms = terms
    self.profile = profile
    self.scale = max(scale, 1e-3)
    covariance = terms.indices.map { row in terms.indices.map { row == $0 ? 1 : 0 } }
    for row in rows { add(row) }
  }

  /// What measuring a call once more is worth: `ln(1 + g' C g / s^2)`, the growth of the logarithm
  /// of the determinant (D-optimality; Atkinson and Donev, Optimum Experimental Designs, 1992).
  func gain(_ row: [Double]) -> Double {
    let spread = zip(row, moved(row)).reduce(0) { $0 + $1.0 * $1.1 }
    return log(1 + max(0, spread) / (scale * scale))
  }

  /// Takes a measured call in (Sherman and Morrison's formula).
  mutating func add(_ row: [Double]) {
    let moved = moved(row)
    let spread = zip(row, moved).reduce(scale * scale) { $0 + $1.0 * $1.1 }
    for first in row.indices {
      for second in row.indices {
        covariance[first][second] -= moved[first] * moved[second] / spread
      }
    }
  }

  /// The standard error of a term in its units.
  func error(_ index: Int) -> Double { max(0, covariance[index][index]).squareRoot() }

  private func moved(_ row: [Double]) -> [Double] {
    covariance.map { zip($0, row).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  /// The change of the logarithms of simulated times with each term, per unit or factor of e.
  static func rows(
    _ samples: [CollectiveSample], _ terms: [CalibrationTerm], _ profile: Profile,
    _ model: CollectiveModel
  ) throws -> [[Double]] {
    let gradients = try Gradient.of(samples, terms, profile, model)
    let units = terms.map { max($0.unit, abs($0.value(in: profile))) }
    return gradients.map { row in zip(row, units).map { $0 * $1 } }
  }
}

/// Derivatives of simulated times.
enum Gradient {
  /// The change of the logarithm of each sample's time with each term: `[sample][term]`.
  static func of(
    _ samples: [CollectiveSample], _ terms: [CalibrationTerm], _ profile: Profile,
    _ model: CollectiveModel, progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws -> [[Double]] {
    var steps: [Double] = []
    let values = terms.map { $0.value(in: profile) }
    let moved = terms.indices.map { index in
      let unknown = terms[index].unknown(from: profile)
      let step = unknown.step(at: values[index])
      steps.append(step)
      // Terms after this one build on its parameters: they keep their values.
      var changed = profile
      for (other, term) in terms.enumerated() {
        term.apply(other == index ? values[other] + step : values[other], to: &changed)
      }
      return changed
    }
    let times = try model.seconds(samples, under: [profile] + moved, progress: progress)
    return samples.indices.map { sample in
      terms.indices.map { log(times[$0 + 1][sample] / times[0][sample]) / steps[$0] }
    }
  }
}
