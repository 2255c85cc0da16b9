import Weft
import WeftCalibration
import WeftFiles

/// `weft calibrate` for files of kernel times.
struct KernelCalibration {
  var topology: Topology
  var nominal: Profile
  var held: Set<String>
  var name: String?
  var date: String?

  /// What was fitted of one kind of kernel.
  private struct Part {
    var kind: String
    var fit: KernelFit
    /// Errors of shapes that a fit to the other half has not seen.
    var unseen: [Double]
    var nominal: [Double]
    /// The rows left out as bad runs.
    var outliers: [FarRow]
    /// What the fit is from its rows, if they are more than bad runs can be.
    var missed: [FarRow]

    /// What makes the fit less than it seems.
    var warnings: [String] {
      fit.atBounds.map { FitWarnings.atBound($0.key.rawValue, $0.bound, $0.key.dimension) }
        + FitWarnings.leftOut(outliers) + [missing, idle].compactMap(\.self)
    }

    /// That the form misses more rows than bad runs can be.
    private var missing: String? {
      missed.first.map { first in
        "\(kind): far from the fit are \(missed.count) of \(fit.fit.residuals.count) rows, more than the "
          + "one in eight that can be bad runs: they took part, and the form may miss something; the "
          + "first is \(first.text)"
      }
    }

    /// That nominal values predict these rows as well as a fit predicts those that it has not seen.
    private var idle: String? {
      guard let unseen = Accuracy.figures(unseen), let nominal = Accuracy.figures(nominal),
        unseen.median >= nominal.median
      else { return nil }
      return
        "\(kind): a fit to half of the shapes predicts the others no better than nominal values "
        + "(median \(Validation.short(unseen.median)) against "
        + "\(Validation.short(nominal.median)) %): check the GPU, the type and the versions"
    }
  }

  /// Fits every kind of kernel, and gives the report, the profile and what to warn of.
  func run(
    _ rows: KernelRows
  ) throws -> (report: Report, profile: CalibratedProfile, warnings: [String]) {
    var parts: [Part] = []
    if !rows.products.isEmpty {
      parts.append(try part("gemm", rows.products, held: held) { [$0.n, $0.k] })
    }
    if !rows.decodes.isEmpty {
      // Decode shares this one with prefill, which it says little of.
      let prefill = Profile.Key.prefillAttentionComputeEfficiency.rawValue
      parts.append(
        try part("decode attention", rows.decodes, held: held.union([prefill])) {
          [$0.sequences, $0.length]
        })
    }
    if !rows.prefills.isEmpty {
      parts.append(
        try part("prefill attention", rows.prefills, held: held) { [$0.sequences, $0.length] })
    }
    var profile = nominal
    for part in parts {
      for key in part.fit.keys { profile[key] = part.fit.profile[key] }
    }
    var identity = CalibratedProfile.Identity(
      name: name ?? "\(topology.gpu.name)-kernels-calibrated",
      title: "kernels on \(topology.gpu.title), calibrated", gpu: topology.gpu.name)
    identity.date = date
    let keys = parts.flatMap(\.fit.keys).map { (key: $0, term: 0) }
    var written = CalibratedProfile(
      identity: identity, profile: profile, keys: keys, calibration: nil, data: rows.data)
    written.sample = RowSample(of: rows.identities)
    return (report(parts, rows), written, parts.flatMap(\.warnings))
  }

  /// Fits one kind, and every half of its shapes alone to predict the other.
  ///
  /// Bad runs are found by the fit to all rows, and are in no half.
  private func part<Form: KernelForm>(
    _ kind: String, _ samples: [KernelRows.Sample<Form>], held: Set<String>,
    shape: (Form) -> [Int]
  ) throws -> Part {
    let all = samples.map(\.observation)
    try checkUnits(kind, KernelFit.errors(all, gpu: topology.gpu, profile: nominal))
    do {
      // Repeats of a shape say nothing of how times follow from shapes.
      let different = Set(all.map { "\($0.form)" }).count
      let needed = Form.keys.count { !held.contains($0.rawValue) } + 1
      guard different >= needed else {
        throw FitError.tooFewSamples(count: different, needed: needed)
      }
      let fit = try KernelFit(all, gpu: topology.gpu, nominal: nominal, held: held)
      let left = Set(fit.outliers)
      let sound = all.indices.filter { !left.contains($0) }.map { all[$0] }
      let shapes = Set(sound.map { shape($0.form) }).sorted { $0.lexicographicallyPrecedes($1) }
      let places = Dictionary(uniqueKeysWithValues: shapes.enumerated().map { ($1, $0 % 2) })
      var unseen: [Double] = []
      for half in 0...1 {
        let other = sound.filter { places[shape($0.form)] != half }
        let own = sound.filter { places[shape($0.form)] == half }
        guard !own.isEmpty, other.count > 2 * Form.keys.count else { continue }
        let fit = try KernelFit(other, gpu: topology.gpu, nominal: nominal, held: held)
        unseen += KernelFit.errors(own, gpu: topology.gpu, profile: fit.profile)
      }
      func far(_ places: [Int]) -> [FarRow] {
        places.map { place in
          let time = all[place].form.time(on: topology.gpu, profile: fit.profile)
          let row = samples[place].row
          return FarRow(
            file: row.file, line: row.line, measured: row.microseconds,
            predicted: time.seconds * 1e6, unit: "us")
        }
      }
      return Part(
        kind: kind, fit: fit, unseen: unseen,
        nominal: KernelFit.errors(sound, gpu: topology.gpu, profile: nominal),
        outliers: far(fit.outliers), missed: far(fit.missed))
    } catch let error as FitError {
      throw Failure(.badContent, "\(kind): \(error)", fix: "give times of more shapes")
    }
  }

  /// Refuses times in another unit; errors are of nominal times.
  private func checkUnits(_ kind: String, _ errors: [Double]) throws(Failure) {
    guard let verdict = UnitCheck.verdict(ofMedian: errors.map { 1 / (1 + $0) }) else { return }
    throw Failure(
      .badContent,
      "\(kind): the times are \(verdict.text) than \(topology.gpu.title)'s nominal ones",
      fix: "write time_us in microseconds (\(verdict.units())), or check that --topology has the "
        + "GPU that was measured")
  }

  private func report(_ parts: [Part], _ rows: KernelRows) -> Report {
    var records: [Record] = []
    var notes: [String] = []
    for part in parts {
      for (key, estimate) in zip(part.fit.keys, part.fit.fit.estimates) {
        let (unit, factor) = CalibrationReport.unit(key.dimension)
        records.append(
          Record([
            "kernel": .text(part.kind), "parameter": .text(key.rawValue),
            "value": .number(estimate.value * factor),
            "standard_error": .number(estimate.standardError * factor), "unit": .text(unit),
            "nominal": Value((nominal[key]?.value).map { $0 * factor }),
          ]))
      }
      for (name, errors) in [("nominal", part.nominal), ("unseen shapes", part.unseen)] {
        guard let figures = Accuracy.figures(errors) else { continue }
        notes.append(
          "\(part.kind), \(name): \(errors.count) rows, median error "
            + "\(Validation.short(figures.median)) %, 95th percentile "
            + "\(Validation.short(figures.p95)) %")
      }
      notes += part.fit.held.map { "held at nominal: \($0.name): \($0.reason)" }
    }
    notes += rows.notes
    return Report(
      records, title: "kernels on \(topology.gpu.title)", notes: notes,
      extra: Record([
        "at_bounds": .list(
          parts.flatMap { $0.fit.atBounds.map { .text($0.key.rawValue) } }),
        "outliers": .list(parts.flatMap(\.outliers).map { .object($0.record) }),
        "unusable": .list(rows.unusable.map { .object(Record($0)) }),
      ]))
  }
}
