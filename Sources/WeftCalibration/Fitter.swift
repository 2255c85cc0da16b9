import Glibc
import Weft

/// Fits terms to observations, and takes away what they do not determine.
struct Fitter {
  let observations: [CollectiveCalibration.Observation]
  let model: CollectiveModel
  let nominal: Profile
  let options: CollectiveCalibration.Options
  let progress: (CollectiveCalibration.Stage) -> Void

  /// A standard error above this share of the value or unit leaves a term undetermined.
  private static let mostError = 0.5
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

  /// Fits the terms that calls answer to most, no more than half as many as calls, holds what is
  /// undetermined or moved least, and fits the others again.
  func reduce(
    _ answering: [Answering], _ held: inout [Calibration.Held]
  ) throws -> (terms: [CalibrationTerm], fit: NonlinearFit) {
    // Fewer than two calls for each term leave no covariance to judge them by.
    let affordable = max(1, observations.count / 2)
    let most = min(max(1, options.mostParameters), affordable)
    var terms = answering.map(\.term)
    if terms.count > affordable {
      let kept = Set(TermSelection.mostIndependent(answering.map(\.answers), count: affordable))
      held += terms.indices.filter { !kept.contains($0) }.map {
        .init(
          name: terms[$0].name,
          reason: "there are too few calls to fit it, and they answer more to others")
      }
      terms = terms.indices.filter(kept.contains).map { terms[$0] }
    }
    var start: [String: Double] = [:]
    while true {
      let isPoor = try start.isEmpty && startsPoorly()
      let fit = try self.fit(terms, from: start, starts: isPoor ? Self.starts : 0)
      for (term, value) in zip(terms, fit.values) { start[term.name] = value }
      let dropped = Self.toHold(fit, terms, nominal: nominal, most: most)
      guard !dropped.isEmpty, dropped.count < terms.count else { return (terms, fit) }
      held += dropped.map { .init(name: terms[$0.index].name, reason: $0.reason) }
      let gone = Set(dropped.map(\.index))
      terms = terms.indices.filter { !gone.contains($0) }.map { terms[$0] }
    }
  }

  /// Whether nominal times are so far from measured ones that the nearest minimum may be another.
  private func startsPoorly() throws -> Bool {
    let errors = try residuals([], [[]])[0].map(abs).sorted()
    return errors[errors.count / 2] > Self.poorStart
  }

  private func fit(
    _ terms: [CalibrationTerm], from start: [String: Double], starts: Int
  ) throws -> NonlinearFit {
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

  /// The terms to hold after a fit, with the reasons.
  ///
  /// What holding one does to the others is read off the covariance, without another fit: they move
  /// by `C_ik / C_kk` times its way back to nominal, and their covariance loses
  /// `C_ik C_jk / C_kk`.
  private static func toHold(
    _ fit: NonlinearFit, _ terms: [CalibrationTerm], nominal: Profile, most: Int
  ) -> [(index: Int, reason: String)] {
    var values = fit.values
    var covariance = fit.covariance
    var left = Array(terms.indices)
    var dropped: [(index: Int, reason: String)] = []

    func error(_ index: Int) -> Double { max(0, covariance[index][index]).squareRoot() }
    func relative(_ index: Int) -> Double {
      error(index) / max(abs(values[index]), fit.estimates[index].parameter.unit)
    }
    func move(_ index: Int) -> Double {
      // A small floor keeps what is exact at nominal from counting as infinitely far.
      abs(values[index] - terms[index].value(in: nominal)) / max(error(index), 1e-300)
    }
    while left.count > 1 {
      let still = left.min { move($0) < move($1) } ?? left[0]
      // What is uncertain, and yet not where nominal has it, is better left free.
      let worst = left.filter { move($0) < 2 }.max { relative($0) < relative($1) } ?? still
      let index: Int
      let reason: String
      if relative(worst) > mostError && move(worst) < 2 {
        index = worst
        reason = undetermined(worst, left, covariance, relative(worst), terms)
      } else if left.count > most {
        index = still
        reason =
          "the data move it by \(rounded(move(still))) standard errors, least of "
          + "\(left.count) terms, and no more than \(most) were asked for"
      } else {
        break
      }
      dropped.append((index, reason))
      left.removeAll { $0 == index }
      let own = max(covariance[index][index], 1e-300)
      let way = terms[index].value(in: nominal) - values[index]
      let row = covariance[index]
      for first in left {
        values[first] += row[first] / own * way
        for second in left { covariance[first][second] -= row[first] * row[second] / own }
      }
    }
    return dropped
  }

  private static func undetermined(
    _ index: Int, _ left: [Int], _ covariance: [[Double]], _ error: Double,
    _ terms: [CalibrationTerm]
  ) -> String {
    let own = covariance[index][index]
    let partner = left.filter { $0 != index }.map { other in
      (other, covariance[index][other] / max((own * covariance[other][other]).squareRoot(), 1e-300))
    }.max { abs($0.1) < abs($1.1) }
    var reason =
      error > 10
      ? "undetermined: hardly any time answers to it"
      : "undetermined: its standard error would be \(Int((100 * error).rounded())) %"
    if let partner, abs(partner.1) > 0.7 {
      reason += ", as it trades with \(terms[partner.0].name) (correlation \(rounded(partner.1)))"
    }
    return reason
  }

  private static func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }

  /// What the observations say about terms at a profile, those that were held included.
  func information(
    _ terms: [CalibrationTerm], at profile: Profile, scale: Double
  ) throws -> Information {
    try Information(
      terms: terms, profile: profile, scale: scale,
      rows: Information.rows(observations.map(\.sample), terms, profile, model))
  }
}
