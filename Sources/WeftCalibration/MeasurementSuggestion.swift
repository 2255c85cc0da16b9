import Weft

/// A call whose measurement would tell most about what a calibration could not.
///
/// Candidates are ranked greedily by D-optimality: the first is the one whose time says most about
/// all terms together, the next the one that says most after the first is known.
public struct MeasurementSuggestion: Hashable, Sendable {
  /// The call.
  public var sample: CollectiveSample
  /// The growth of the logarithm of the determinant of the information.
  public var gain: Double
  /// The term whose error falls most, by name.
  public var term: String
  /// The standard error of that term before, as a share of its value or unit.
  public var errorBefore: Double
  /// The same when this call and those before it are measured.
  public var errorAfter: Double
}

extension CollectiveCalibration {
  /// What to measure next.
  ///
  /// - Parameters:
  ///   - count: The most suggestions.
  ///   - candidates: Calls that could be measured; what takes too long to simulate is left out.
  ///   - model: The simulations.
  /// - Returns: The best first; fewer than asked for if the others say next to nothing.
  /// - Throws: ``PlanError``, ``SimulationError``.
  public func suggestions(
    _ count: Int, among candidates: [CollectiveSample], model: CollectiveModel
  ) throws -> [MeasurementSuggestion] {
    let possible = try candidates.filter { sample in
      // A protocol that the machine rules out cannot be measured.
      guard (try? model.plan(sample, profile)) != nil else { return false }
      return try model.operations(sample, profile, limit: 20_000) < 20_000
    }
    guard !possible.isEmpty else { return [] }
    // What is known of every term that a call answers to, those that were held included.
    var information = try Information(
      terms: answering, profile: profile, scale: fit.scale,
      rows: Information.rows(used, answering, profile, model))
    let rows = try Information.rows(possible, information.terms, profile, model)
    var left = Array(possible.indices)
    var result: [MeasurementSuggestion] = []
    while result.count < count,
      let best = left.max(by: {
        (information.gain(rows[$0]), $1) < (information.gain(rows[$1]), $0)
      })
    {
      let gain = information.gain(rows[best])
      let before = information.terms.indices.map { information.error($0) }
      information.add(rows[best])
      // The term whose error falls by the largest share; less than a twentieth is not worth a run.
      let remaining = before.indices.map { information.error($0) / before[$0] }
      guard gain > 0.05, let index = remaining.indices.min(by: { remaining[$0] < remaining[$1] }),
        remaining[index] < 0.95
      else { break }
      result.append(
        MeasurementSuggestion(
          sample: possible[best], gain: gain, term: information.terms[index].name,
          errorBefore: before[index], errorAfter: information.error(index)))
      left.removeAll { $0 == best }
    }
    return result
  }
}
