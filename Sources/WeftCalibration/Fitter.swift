import Glibc
import Weft

/// Fits terms to observations, and takes away what they do not determine.
struct Fitter {
  let observations: [CollectiveCalibration.Observation]
  let model: CollectiveModel
  let nominal: Profile
  let options: CollectiveCalibration.Options
  let progress: (CollectiveCalibration.Stage) -> Void

  /// The most steps of a fit.
  private static let steps = 15
  /// A median of nominal residuals' absolute values from which the start is poor.
  private static let poorStart = 0.4
  /// The further starts that are tried then.
  private static let starts = 16
  /// A change of the logarithm of a time, per unit of a term, that is an answer.
  private static let leastAnswer = 1e-4

  /// The residuals of all observations at values of terms.
  private func residuals(_ terms: [CalibrationTerm], _ points: [[Double]]) throws -> [[Double]] {
    let profiles = points.map { point in
      var profile = nominal
      for (term, value) in zip(terms, point) { term.apply(value, to: &profile) }
      return profile
    }
    return try model.seconds(observations.map(\.sample), under: profiles).map { times in
      zip(times, observations).map { log($0 / $1.seconds) }
    }
  }

  /// A term that some call answers to, and how much each one does.
  struct Answering {
    let term: CalibrationTerm
    /// The change of the logarithm of each call's time per unit of the term, or per factor of e.
    let answers: [Double]
  }

  /// The terms that some call answers to, and may be fitted.
  func answering(_ held: inout [Calibration.Held]) throws -> [Answering] {
    let asked = CalibrationTerm.all.filter { !options.held.contains($0.name) }
    held += CalibrationTerm.all.filter { options.held.contains($0.name) }.map {
      Calibration.Held(name: $0.name, reason: "asked for")
    }
    progress(
      .init(name: "what the calls answer to", step: 0, most: 1, simulations: model.simulations))
    let unknowns = asked.map { $0.unknown(from: nominal) }
    let base = asked.map { $0.value(in: nominal) }
    let moved = unknowns.indices.map { index in
      var point = base
      // A whole unit: a term may begin to matter only away from its nominal value.
      let unknown = unknowns[index]
      point[index] = min(point[index] + unknown.unit, 0.5 * (point[index] + unknown.upper))
      return point
    }
    let all = try residuals(asked, [base] + moved)
    return asked.indices.compactMap { index in
      let changes = zip(all[index + 1], all[0]).map { $0 - $1 }
      guard changes.contains(where: { abs($0) >= Self.leastAnswer }) else {
        held.append(.init(name: asked[index].name, reason: "no measured call answers to it"))
        return nil
      }
      let units = (moved[index][index] - base[index]) / max(unknowns[index].unit, abs(base[index]))
      return Answering(term: asked[index], answers: changes.map { $0 / units })
    }
  }

  /// Whether nominal times are so far from measured ones that the nearest minimum may be another.
  func startsPoorly() throws -> Bool {
    Median.ofSizes(try residuals([], [[]])[0]) > Self.poorStart
  }

  /// Fits terms from given values, and from nominal ones where there are none.
  func fit(
    _ terms: [CalibrationTerm], from start: [String: Double], isFirst: Bool = false
  ) throws -> NonlinearFit {
    let starts = try isFirst && startsPoorly() ? Self.starts : 0
    let unknowns = terms.map { term in
      var unknown = term.unknown(from: nominal)
      if let value = start[term.name], unknown.lower < value, value < unknown.upper {
        unknown.start = value
      }
      return unknown
    }
    func report(_ step: Int) {
      progress(
        .init(
          name: "fitting \(terms.count) parameters", step: step, most: Self.steps,
          simulations: model.simulations))
    }
    var last = 0
    return try NonlinearFit(
      unknowns, samples: observations.count,
      options: .init(
        lossScale: options.lossScale, iterations: Self.steps, starts: starts, tolerance: 2e-3),
      progress: { step in
        last = step
        report(step)
      },
      model: { points in
        report(last)
        return try residuals(terms, points)
      })
  }
}
