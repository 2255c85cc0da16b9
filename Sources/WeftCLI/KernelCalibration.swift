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
    var rows: Int

    /// That nominal values predict these rows as well as a fit predicts those that it has not seen.
    var warning: String? {
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
    return (report(parts, rows), written, parts.compactMap(\.warning))
  }

  /// Fits one kind, and every half of its shapes alone to predict the other.
  private func part<Form: KernelForm>(
    _ kind: String, _ all: [KernelFit.Observation<Form>], held: Set<String>,
    shape: (Form) -> [Int]
  ) throws -> Part {
    let errors = KernelFit.errors(all, gpu: topology.gpu, profile: nominal)
    try checkUnits(kind, errors)
    let shapes = Set(all.map { shape($0.form) }).sorted { $0.lexicographicallyPrecedes($1) }
    let places = Dictionary(uniqueKeysWithValues: shapes.enumerated().map { ($1, $0 % 2) })
    do {
      // Repeats of a shape say nothing of how times follow from shapes.
      let different = Set(all.map { "\($0.form)" }).count
      let needed = Form.keys.count { !held.contains($0.rawValue) } + 1
      guard different >= needed else {
        throw FitError.tooFewSamples(count: different, needed: needed)
      }
      var unseen: [Double] = []
      for half in 0...1 {
        let other = all.filter { places[shape($0.form)] != half }
        let own = all.filter { places[shape($0.form)] == half }
        guard !own.isEmpty, other.count > 2 * Form.keys.count else { continue }
        let fit = try KernelFit(other, gpu: topology.gpu, nominal: nominal, held: held)
        unseen += KernelFit.errors(own, gpu: topology.gpu, profile: fit.profile)
      }
      return Part(
        kind: kind, fit: try KernelFit(all, gpu: topology.gpu, nominal: nominal, held: held),
        unseen: unseen, nominal: errors, rows: all.count)
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
    return Report(records, title: "kernels on \(topology.gpu.title)", notes: notes)
  }
}
