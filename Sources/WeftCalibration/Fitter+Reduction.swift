import Glibc
import Weft

/// Which terms a fit keeps: those that the observations determine, and no more than asked for.
extension Fitter {
  /// A standard error above this share of the value or unit leaves a term undetermined.
  private static let mostError = 0.5

  /// Terms with their fit, and those that were held.
  struct Reduction {
    var terms: [CalibrationTerm]
    var fit: NonlinearFit
    var held: [Calibration.Held]

    /// The terms that ended at a bound, with it.
    var pressed: [(term: CalibrationTerm, bound: Double)] {
      zip(terms, fit.estimates).compactMap { term, estimate in
        estimate.parameter.bound(near: estimate.value).map { (term, $0) }
      }
    }
  }

  /// Fits the terms that calls answer to most, no more than half as many as calls, holds what is
  /// undetermined or moved least, and fits the others again.
  ///
  /// A term that was chosen and ends where it is nominally, at a bound, has taken the place of one
  /// that was not: then the choice is made again without it, and kept if that halves the loss.
  func reduce(_ answering: [Answering]) throws -> Reduction {
    var left = answering
    var best = try reduction(left)
    var refused: [Calibration.Held] = []
    while left.count > affordable {
      let idle = best.pressed.filter(isIdle)
      guard !idle.isEmpty, idle.count < left.count else { break }
      left.removeAll { entry in idle.contains { $0.term == entry.term } }
      refused += idle.map(Self.held)
      var other = try reduction(left)
      // A choice that fits a little better need not predict better.
      let rows = sound(best.fit).filter(Set(sound(other.fit)).contains)
      guard loss(other.fit, rows) < 0.5 * loss(best.fit, rows) else { break }
      other.held = refused + other.held
      best = other
    }
    return best
  }

  /// Whether a term ended at a bound where it is nominally, and so changes nothing.
  private func isIdle(_ pressed: (term: CalibrationTerm, bound: Double)) -> Bool {
    abs(pressed.bound - pressed.term.value(in: nominal)) <= 0.05 * pressed.term.unit
  }

  private static func held(_ pressed: (term: CalibrationTerm, bound: Double)) -> Calibration.Held {
    .init(name: pressed.term.name, reason: "the fit presses it against its bound")
  }

  /// Fewer than two calls for each term leave no covariance to judge them by.
  private var affordable: Int { max(1, observations.count / 2) }

  private func reduction(_ answering: [Answering]) throws -> Reduction {
    var terms = answering.map(\.term)
    var held: [Calibration.Held] = []
    if terms.count > affordable {
      let kept = Set(
        try TermSelection.mostIndependent(answering.map(\.answers), count: affordable))
      held += terms.indices.filter { !kept.contains($0) }.map {
        .init(
          name: terms[$0].name,
          reason: "there are too few calls to fit it, and they answer more to others")
      }
      terms = terms.indices.filter(kept.contains).map { terms[$0] }
    }
    let fit = try self.fit(terms, from: [:], isFirst: true)
    var now = Reduction(terms: terms, fit: fit, held: held)
    // What a fit cannot do without, whatever its covariance says.
    var needed: Set<String> = []
    while let next = try step(now, &needed) { now = next }
    return now
  }

  /// Holds what is undetermined, or one too many; nil if there is no such term.
  ///
  /// What holding terms costs is read off the covariance, which knows of no bounds: where the others
  /// cannot take over, as they are pressed against theirs, these are held instead. Where that does
  /// not help either, terms are held one at a time, and those that cost more than they should stay.
  private func step(_ now: Reduction, _ needed: inout Set<String>) throws -> Reduction? {
    let dropped = toHold(now.fit, now.terms, needed: needed)
    guard !dropped.isEmpty, dropped.count < now.terms.count else { return nil }
    let next = try holding(dropped, after: now)
    guard isWorse(next, dropped, than: now) else { return next }
    let pressed = next.pressed
    let idle = pressed.filter(isIdle)
    let instead = (idle.isEmpty ? pressed : idle).map { Drop(held: Self.held($0), loss: 0) }
    if !instead.isEmpty, instead.count < now.terms.count {
      let other = try holding(instead, after: now)
      let rows = sound(now.fit)
      if loss(other.fit, rows) < loss(next.fit, rows) { return other }
    }
    guard let first = dropped.first, first.isUndetermined else { return next }
    let alone = dropped.count > 1 ? try holding([first], after: now) : next
    guard isWorse(alone, [first], than: now) else { return alone }
    needed.insert(first.held.name)
    return try step(now, &needed)
  }

  /// A term to hold.
  private struct Drop {
    var held: Calibration.Held
    /// What holding it adds to the loss, as the covariance has it.
    var loss: Double
    /// Whether it is held for its error, not for the number of terms.
    var isUndetermined = false
  }

  private func holding(_ dropped: [Drop], after now: Reduction) throws -> Reduction {
    let gone = Set(dropped.map(\.held.name))
    let terms = now.terms.filter { !gone.contains($0.name) }
    var start: [String: Double] = [:]
    for (term, value) in zip(now.terms, now.fit.values) { start[term.name] = value }
    let fit = try self.fit(terms, from: start)
    return Reduction(terms: terms, fit: fit, held: now.held + dropped.map(\.held))
  }

  /// Whether holding terms cost far more than the covariance says: several times the loss.
  ///
  /// From less than that a fit is none the worse for calls that it has not seen.
  private func isWorse(_ next: Reduction, _ dropped: [Drop], than now: Reduction) -> Bool {
    let rows = sound(now.fit)
    return loss(next.fit, rows) > 5 * loss(now.fit, rows) + 2 * dropped.reduce(0) { $0 + $1.loss }
  }

  /// The calls that a fit is not far from: the loss of a bad run hides what holding terms costs.
  private func sound(_ fit: NonlinearFit) -> [Int] {
    let limit = Outliers.limit(fit.residuals, lossScale: options.lossScale)
    return fit.residuals.indices.filter { abs(fit.residuals[$0]) <= limit }
  }

  /// The pseudo-Huber loss of some calls.
  private func loss(_ fit: NonlinearFit, _ rows: [Int]) -> Double {
    rows.reduce(0) { $0 + RobustLoss.value(fit.residuals[$1], options.lossScale) } / 2
  }

  /// The terms to hold after a fit, with the reasons.
  ///
  /// What holding one does to the others is read off the covariance, without another fit: they move
  /// by `C_ik / C_kk` times its way back to nominal, and their covariance loses
  /// `C_ik C_jk / C_kk`.
  private func toHold(
    _ fit: NonlinearFit, _ terms: [CalibrationTerm], needed: Set<String>
  ) -> [Drop] {
    let most = min(max(1, options.mostParameters), affordable)
    var values = fit.values
    var covariance = fit.covariance
    var left = Array(terms.indices)
    var dropped: [Drop] = []

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
      let worst =
        left.filter { move($0) < 2 && !needed.contains(terms[$0].name) }.max {
          relative($0) < relative($1)
        } ?? still
      let index: Int
      let reason: String
      let isUndetermined =
        relative(worst) > Self.mostError && move(worst) < 2 && !needed.contains(terms[worst].name)
      if isUndetermined {
        index = worst
        reason = Self.undetermined(worst, left, covariance, relative(worst), terms)
      } else if left.count > most {
        index = still
        reason =
          "the data move it by \(Self.rounded(move(still))) standard errors, least of "
          + "\(left.count) terms, and no more than \(most) were asked for"
      } else {
        break
      }
      dropped.append(
        Drop(
          held: .init(name: terms[index].name, reason: reason),
          loss: move(index) * move(index) * fit.scale * fit.scale / 2,
          isUndetermined: isUndetermined))
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
}
