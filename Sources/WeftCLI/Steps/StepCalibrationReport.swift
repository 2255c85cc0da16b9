import Weft
import WeftCalibration
import WeftFiles

/// `weft calibrate` for decode steps and serving runs: the engine's own terms.
struct StepCalibrationReport {
  var comparison: StepComparison
  var name: String?
  var date: String?

  /// Fits the terms to all rows, and gives the report, the profile and what to warn of.
  ///
  /// - Throws: ``Failure`` and ``WorkloadError`` for rows that cannot be predicted.
  mutating func run() throws -> (report: Report, profile: CalibratedProfile, warnings: [String]) {
    let fitted = try comparison.fit(Array(comparison.rows.indices))
    let (fit, profile, rows) = (fitted.fit, fitted.profile, fitted.rows)
    let request = comparison.request
    let records = EngineTerms.keys.enumerated().map { index, key in
      Record([
        "parameter": .text(key.rawValue), "value": .number(fit.values[index] * 1e6),
        "standard_error": Value(fit.standardErrors.map { $0[index] * 1e6 }), "unit": .text("us"),
        "nominal": Value((request.profile[key]?.value).map { $0 * 1e6 }),
      ])
    }
    let before = fit.rows.map { $0.before / $0.time - 1 }
    let after = zip(fit.rows, fit.fitted).map { $1 / $0.time - 1 }
    var notes = [("nominal", before), ("fitted", after)].compactMap { title, errors in
      Accuracy.figures(errors).map {
        "\(title): \(errors.count) rows, median error \(Validation.short($0.median)) %, 95th "
          + "percentile \(Validation.short($0.p95)) %"
      }
    }
    let silent = EngineTerms.keys.indices.filter { fit.values[$0] == 0 && !fit.held.contains($0) }
    if !fit.held.isEmpty {
      notes.append(
        "held at nominal, as asked for: "
          + fit.held.sorted().map { EngineTerms.keys[$0].rawValue }.joined(separator: ", "))
    }
    if !silent.isEmpty {
      notes.append(
        "left at zero, as the rows ask for none: "
          + silent.map { EngineTerms.keys[$0].rawValue }.joined(separator: ", "))
    }
    for (term, others) in fit.indistinguishable {
      notes.append(
        "\(EngineTerms.keys[term].rawValue) stands for "
          + others.map { EngineTerms.keys[$0].rawValue }.joined(separator: ", ")
          + " too, as all rows have as many of them")
    }
    notes += Validation.notes(of: comparison.unusable)
    var identity = CalibratedProfile.Identity(
      name: name ?? "\(request.topology.name)-\(request.engine.name)-steps-calibrated",
      title: "\(request.engine.name) with \(request.model.name) on \(request.topology.name), "
        + "calibrated", gpu: request.topology.gpu.name)
    identity.library = request.engine.name
    identity.date = date
    let systems = Set(rows.compactMap { $0.cells["system"] }).sorted()
    identity.environment = systems.isEmpty ? nil : systems.joined(separator: "; ")
    let files = rows.reduce(into: [String]()) { if !$0.contains($1.file) { $0.append($1.file) } }
    return (
      Report(
        records,
        title: "\(request.engine.name) with \(request.model.name) on \(request.topology.name): "
          + "\(records.count - silent.count - fit.held.count) terms from "
          + "\(rows.count - fit.outliers.count) rows",
        notes: notes,
        extra: Record([
          "outliers": .list(fitted.outliers.map { .object($0.record) }),
          "unusable": .list(comparison.unusable.map { .object(Record($0)) }),
        ])),
      CalibratedProfile(
        identity: identity, profile: profile, keys: EngineTerms.keys.map { (key: $0, term: 0) },
        calibration: nil,
        data: files.map { file in (file: file, rows: rows.count { $0.file == file }) }),
      fitted.warnings
    )
  }
}
