import ArgumentParser
import Weft
import WeftCalibration
import WeftFiles

/// `weft validate`: predictions held against measurements.
struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Compare predictions with measurements.",
    discussion: """
      Measurements are CSV files with a header (size_bytes and time_us, and system, nodes, ranks, \
      library, version, collective, … as far as known), or what nccl-tests printed. An error is \
      predicted / measured - 1; the bias is the median error with its sign. What was measured more \
      than once, in place and out of place included, counts once with its best time; how far the \
      others are above it is the noise. With --folds every call is predicted by a calibration that \
      has not seen it: by size, of K folds the k-th has every K-th size; by nodes, each number of \
      nodes is predicted from the smaller ones; by system, each from the others. Files of decode \
      steps and serving runs are compared by their TPOT, and folds are made of batches. Files of \
      kernels are compared with the profile's forms.
      """)

  @OptionGroup var topology: TopologyOptions
  @OptionGroup var profile: ProfileOptions
  @OptionGroup var rowsOptions: MeasurementOptions
  @OptionGroup var steps: StepOptions
  @OptionGroup var fitting: FittingOptions
  @OptionGroup var global: GlobalOptions

  @Flag(help: "List every call, not groups alone.")
  var rows = false

  @Option(
    parsing: .unconditional, help: "Exit with 1 if the overall median error is above this, in %.")
  var maxError: Double?

  @Option(parsing: .unconditional, help: "Calibrate on the other folds, 2 or more of them.")
  var folds: Int?

  @Option(
    name: .customLong("folds-by"),
    help: "What folds are made of: size (unless said), nodes or system.")
  var division: CrossValidation.Division?

  private var foldsBy: CrossValidation.Division { division ?? .size }

  /// What is said of rows of one system.
  static let idlePool = "--pool changes nothing: the rows are of one system"

  func run() throws {
    try check()
    let file = try self.topology.load(global)
    if self.topology.showTopology { return try global.emit(TopologyCommand.report(file)) }
    let topology = file.topology
    try Output.check(
      global.output,
      replacesNoneOf: rowsOptions.measurements + self.profile.profiles + [self.topology.topology])
    if try rowsOptions.areSteps() { return try validateSteps(topology) }
    try steps.checkUnused()
    if try rowsOptions.areKernels() { return try validateKernels(topology) }
    let costs = try profile.loaded(for: topology, global)
    var validation = try rowsOptions.calls(on: topology, costs: costs)
    var notes: [String] = []
    try global.timed("the validation") {
      let progress = Progress(global)
      defer { progress.finish() }
      if let folds {
        let division = CrossValidation(division: foldsBy, folds: folds, fitting: fitting)
        notes = try division.predict(&validation, progress)
      } else {
        try validation.predict(validation.served) {
          progress.update("simulating", $0, of: $1)
        }
      }
    }
    try validation.requireResults(notes.filter { $0.hasPrefix("not predicted") })
    let pool = fitting.pool && validation.systems.count == 1 ? [Self.idlePool] : []
    for warning in validation.warnings + pool { Console.warn(warning, global) }
    warnOfUnit(validation.compared.map { $0.best / $0.predicted })
    let title =
      folds == nil
      ? nil
      : "held-out predictions for \(topology.name) against measurements, folds by "
        + foldsBy.rawValue
    try global.emit(
      validation.report(rows: rows, asData: global.format == .json, title: title, notes: notes))
    try judge(validation.overall?.medianAbsolutePercent)
  }

  /// Compares decode steps and serving runs.
  private func validateSteps(_ topology: Topology) throws {
    var comparison = try rowsOptions.steps(steps, on: topology, profile, global)
    if fitting.pool && comparison.isOfOneSystem { comparison.warnings.append(Self.idlePool) }
    for warning in comparison.warnings { Console.warn(warning, global) }
    var notes: [String] = []
    try global.timed("the validation") {
      if let folds {
        guard foldsBy == .size else {
          throw Failure(
            .usage, "--folds-by \(foldsBy.rawValue): folds of steps are made of batches",
            fix: "leave --folds-by out")
        }
        try comparison.requireOneSystem(pooled: fitting.pool)
        notes = try comparison.predict(folds: folds)
      } else {
        try comparison.predict(Array(comparison.rows.indices))
      }
    }
    try comparison.requireResults()
    warnOfUnit(comparison.ratios, ofMilliseconds: comparison.isServing)
    let request = comparison.request
    try global.emit(
      comparison.report(
        rows: rows, asData: global.format == .json,
        title: (folds == nil ? "predictions" : "held-out predictions, folds by batch,")
          + " for \(request.model.name) under \(request.engine.name) on \(topology.name) against "
          + "measured TPOT", notes: notes))
    try judge(comparison.overall?.medianAbsolutePercent)
  }

  /// Compares kernel times with the forms of a profile.
  private func validateKernels(_ topology: Topology) throws {
    guard folds == nil else {
      throw Failure(
        .usage, "--folds: weft calibrate itself predicts shapes of kernels that it has not seen",
        fix: "leave --folds out, or run weft calibrate")
    }
    if rows { Console.warn("--rows changes nothing for kernels", global) }
    for warning in rowsOptions.unused(by: "kernels") { Console.warn(warning, global) }
    let costs = try profile.loaded(for: topology, global)
    let measured = try KernelRows(
      rowsOptions.measurements, where: rowsOptions.conditions, on: topology, pooled: true)
    for warning in measured.warnings { Console.warn(warning, global) }
    let parts = measured.errors(topology.gpu, costs.profile)
    let nominal = measured.errors(topology.gpu, costs.nominal)
    if let warning = costs.idleWarning, parts.map(\.errors) == nominal.map(\.errors) {
      Console.warn(warning, global)
    }
    for part in parts { warnOfUnit(part.errors.map { 1 / (1 + $0) }) }
    let records = parts.compactMap { part in
      Accuracy.figures(part.errors).map { figures in
        Record([
          "kernel": .text(part.kind), "rows": .integer(part.errors.count),
          "median_abs_pct": .number(figures.median), "p95_abs_pct": .number(figures.p95),
          "bias_pct": .number(100 * part.errors.sorted()[part.errors.count / 2]),
        ])
      }
    }
    try global.emit(
      Report(
        records, title: "kernels of \(topology.gpu.title) against measurements",
        notes: measured.notes))
    try judge(Accuracy.figures(parts.flatMap(\.errors))?.median)
  }

  /// Warns of times that can only be of another unit.
  private func warnOfUnit(_ ratios: [Double], ofMilliseconds: Bool = false) {
    guard let verdict = UnitCheck.verdict(ofMedian: ratios) else { return }
    Console.warn(
      "measured times are \(verdict.text) than predicted ones in the median: "
        + verdict.units(ofMilliseconds: ofMilliseconds), global)
  }

  private func check() throws(Failure) {
    if !topology.showTopology { try rowsOptions.check() }
    try fitting.check()
    if folds == nil {
      for (flag, isGiven) in [
        ("--folds-by", division != nil), ("--pool", fitting.pool),
        ("--hold", !fitting.hold.isEmpty),
        ("--max-parameters", fitting.maxParameters != nil),
      ] where isGiven {
        throw Failure(
          .usage, "\(flag) is unused without --folds, as nothing is fitted",
          fix: "leave it out, or give --folds K")
      }
    }
    if let folds {
      guard folds >= 2 && folds <= 100 else {
        throw Failure(
          .usage, "--folds \(folds): a call must be predicted by a fit that has not seen it",
          fix: "give 2 to 100, such as 2 for half the sizes against the other half")
      }
      guard profile.profile == nil else {
        throw Failure(
          .usage, "--folds calibrates by itself, so --profile changes nothing",
          fix: "leave one of them out")
      }
    }
    if let maxError, !(maxError >= 0 && maxError.isFinite) {
      throw Failure(
        .usage, "--max-error \(maxError) is no percentage", fix: "give 0 or more, such as 25")
    }
  }

  /// Ends with the exit code of a check that said no, if it does.
  private func judge(_ median: Double?) throws {
    guard let maxError, let median else { return }
    guard median > maxError else { return }
    Console.error(
      "the overall median error is \(Validation.short(median)) %, above --max-error \(maxError)",
      fix: "see the groups for where it comes from, or give a profile of this machine")
    throw ExitCode(Failure.Status.check.rawValue)
  }
}
