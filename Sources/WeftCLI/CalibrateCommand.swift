import ArgumentParser
import Foundation
import Weft
import WeftCalibration
import WeftFiles

/// `weft calibrate`: a profile from measurements.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Fit what software costs to measured times, and say how sure that is.",
    discussion: """
      Every measured call is simulated inside the fit. What the data do not determine stays nominal \
      and is named with the reason. The profile that -o writes holds values, standard errors, \
      correlations and residuals; commands that take --profile then give 95 % intervals. Rows of \
      different systems, versions or environments never share a fit unless --pool asks for it. \
      Files of kernel times give the parameters of kernels' forms; files of decode steps or serving \
      runs what an engine adds to a step, to each sequence, kernel and collective. Bad runs take no \
      part and are named: single rows far from all others, of collectives where the sizes beside them \
      are sound; of collectives and kernels at most one in eight.
      """)

  @OptionGroup var topology: TopologyOptions
  @OptionGroup var start: ProfileOptions
  @OptionGroup var rowsOptions: MeasurementOptions
  @OptionGroup var steps: StepOptions
  @OptionGroup var fitting: FittingOptions
  @OptionGroup var global: GlobalOptions

  @Flag(help: "Say which sizes, nodes and protocols to measure next.")
  var suggest = false

  @Option(help: "The name of the profile; by default made of topology and library.")
  var name: String?

  @Option(help: "When the data was taken, as YYYY-MM-DD; it is not guessed.")
  var date: String?

  func run() throws {
    try check()
    let file = try topology.load(global)
    if topology.showTopology { return try global.emit(TopologyCommand.report(file)) }
    try Output.checkFolder(of: global.output)
    // A fit on top of a profile may take its place.
    try Output.check(
      global.output, replacesNoneOf: rowsOptions.measurements + [topology.topology])
    if try rowsOptions.areSteps() { return try calibrateSteps(file.topology) }
    try steps.checkUnused()
    let costs = try start.loaded(for: file.topology, global)
    if try rowsOptions.areKernels() {
      return try calibrateKernels(file.topology, costs)
    }
    let nominal = costs.profile
    let validation = try rowsOptions.calls(on: file.topology, costs: costs)
    let system = try validation.onlySystem(pooled: fitting.pool)
    let rows = validation.identities(of: system.calls)
    let twice = try costs.warning(ofRows: rows)
    let progress = Progress(global)
    let (calibration, suggestions) = try global.timed("the calibration") {
      defer { progress.finish() }
      let calibration = try calibrate(validation, system, progress)
      let candidates = suggest ? Self.candidates(validation, system) : []
      let suggestions = try calibration.suggestions(
        8, among: candidates, model: validation.model)
      return (calibration, suggestions)
    }
    let report = CalibrationReport(
      calibration: calibration, nominal: nominal, validation: validation, system: system,
      suggestions: suggest ? suggestions : nil)
    var warnings = validation.warnings + twice + report.warnings
    if fitting.pool && validation.systems.count == 1 {
      warnings.append(ValidateCommand.idlePool)
    }
    var profile = profile(calibration, validation, system)
    profile.sample = RowSample(of: rows)
    try emit(
      report.report, profile, .collectives, costs.own,
      warnings: warnings)
  }

  /// Writes the profile if a file was named, prints the report, and warns, there too.
  private func emit(
    _ report: Report, _ profile: CalibratedProfile, _ measured: FittingOptions.Measured,
    _ base: Profile?, warnings own: [String]
  ) throws {
    var warnings = own + fitting.unused(by: measured, suggest: suggest)
    if let output = global.output {
      var whole = profile
      whole.base = base
      try Output.write(whole.text, to: output)
      if base != nil {
        warnings.append(
          "the values of --profile are kept in \(output), its intervals are not: those rest on the "
            + "rows given here")
      }
    }
    for warning in warnings { Console.warn(warning, global) }
    var whole = report
    whole.extra["warnings"] = .list(warnings.map { .text($0) })
    var printed = global
    printed.output = nil
    try printed.emit(whole)
  }

  /// Fits files of kernel times, which go by shape and not by rows of calls.
  private func calibrateKernels(_ topology: Topology, _ costs: ProfileOptions.Loaded) throws {
    let kernels = KernelCalibration(
      topology: topology, nominal: costs.profile, held: Set(fitting.hold), name: name, date: date)
    let measured = try KernelRows(
      rowsOptions.measurements, where: rowsOptions.conditions, on: topology, pooled: fitting.pool)
    let twice = try costs.warning(ofRows: measured.identities)
    let (report, profile, warnings) = try global.timed("the calibration") {
      try kernels.run(measured)
    }
    try emit(
      report, profile, .kernels, costs.own,
      warnings: measured.warnings + warnings + twice + rowsOptions.unused(by: "kernels")
        + (fitting.pool && measured.areOfOneSystem ? [ValidateCommand.idlePool] : []))
  }

  /// Fits files of decode steps or serving runs.
  private func calibrateSteps(_ topology: Topology) throws {
    var comparison = try rowsOptions.steps(steps, on: topology, start, global)
    comparison.held = Set(fitting.hold)
    try comparison.requireOneSystem(pooled: fitting.pool)
    let isPooled = fitting.pool && comparison.isOfOneSystem
    let (report, profile, warnings) = try global.timed("the calibration") {
      var report = StepCalibrationReport(comparison: comparison, name: name, date: date)
      return try report.run()
    }
    try emit(
      report, profile, .steps, comparison.own,
      warnings: comparison.warnings + warnings
        + (isPooled ? [ValidateCommand.idlePool] : []))
  }

  private func check() throws(Failure) {
    if !topology.showTopology { try rowsOptions.check() }
    try fitting.check()
    if let date, !Self.isDate(date) {
      throw Failure(.usage, "--date '\(date)' is no date", fix: "write it like 2026-03-31")
    }
    if let name,
      name.isEmpty || !name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) })
    {
      throw Failure(
        .usage, "--name '\(name)' is no name", fix: "use letters, digits, '-', '_' and '.'")
    }
  }

  private static func isDate(_ text: String) -> Bool {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.count) == [4, 2, 2] else { return false }
    guard let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]) else {
      return false
    }
    return DateComponents(
      calendar: Calendar(identifier: .gregorian), year: year, month: month, day: day
    ).isValidDate
  }

  private func calibrate(
    _ validation: Validation, _ system: Validation.System, _ progress: Progress
  ) throws -> CollectiveCalibration {
    do {
      return try CollectiveCalibration(
        system.calls.map(validation.observation), model: validation.model,
        topology: validation.topology, nominal: validation.profile, options: fitting.options
      ) { stage in
        progress.update(
          "\(stage.name), \(stage.simulations) simulations", stage.step, of: stage.most)
      }
    } catch let error as FitError {
      throw Failure(
        .badContent, "\(error)",
        fix: "give measurements of more sizes, node counts or protocols"
          + (validation.unusable.isEmpty ? "" : "; " + validation.notes.joined(separator: "; ")))
    } catch let error as CalibrationError {
      throw Failure(.badContent, error.problem, fix: error.fix)
    }
  }

  // MARK: - The profile

  private func profile(
    _ calibration: CollectiveCalibration, _ validation: Validation, _ system: Validation.System
  ) -> CalibratedProfile {
    let calls = system.calls.map { validation.calls[$0] }
    let topology = validation.topology
    let libraries = Self.unique(calls.map(\.call.group.library))
    var identity = CalibratedProfile.Identity(
      name: name ?? ([topology.name] + libraries + ["calibrated"]).joined(separator: "-"),
      title: "\(libraries.joined(separator: ", ")) on \(topology.name), calibrated",
      gpu: topology.gpu.name)
    if calls.contains(where: { $0.call.layout.nodes > 1 }) {
      identity.interconnect = topology.network.interconnect.rawValue
    }
    identity.library = libraries.joined(separator: ", ")
    let versions = Self.unique(calls.compactMap(\.call.group.version))
    identity.version = versions.isEmpty ? nil : versions.joined(separator: ", ")
    let environment = Self.unique(
      calls.flatMap { [$0.call.group.system] + $0.call.setup.prefix(3) }.compactMap { $0 })
    identity.environment = environment.isEmpty ? nil : environment.joined(separator: "; ")
    identity.date = date
    let keys = calibration.terms.enumerated().flatMap { index, term in
      term.parameters.map { (key: $0, term: index) }
    }
    let files = Self.unique(calls.flatMap(\.rows).map(\.file))
    let data = files.map { file in
      (file: file, rows: calls.flatMap(\.rows).count { $0.file == file })
    }
    return CalibratedProfile(
      identity: identity, profile: calibration.profile, keys: keys,
      calibration: calibration.calibration, data: data)
  }

  private static func unique(_ texts: [String]) -> [String] {
    var seen = Set<String>()
    return texts.filter { seen.insert($0).inserted }
  }

  // MARK: - What could be measured

  /// Calls like those measured: as NCCL chooses and with everything forced, on these numbers of
  /// nodes, half and twice of them, over a range of sizes.
  private static func candidates(
    _ validation: Validation, _ system: Validation.System
  ) -> [CollectiveSample] {
    let samples = system.calls.map { validation.calls[$0].sample }
    let most = min(16, validation.topology.network.maxNodes)
    var seen: Set<CollectiveSample> = []
    var result: [CollectiveSample] = []
    for sample in samples {
      for algorithm in algorithms(like: sample.algorithm) {
        for nodes in nodeCounts(like: sample).sorted() where (1...most).contains(nodes) {
          var way = sample
          way.algorithm = algorithm
          way.layout = Layout(nodes: nodes, ranksPerNode: sample.layout.ranksPerNode)
          way.call.bytes = 0
          // How it is started changes one term alone, which any call tells of.
          way.call.launch = samples[0].call.launch
          guard way.layout.ranks > 1, seen.insert(way).inserted else { continue }
          for power in powers(like: sample) {
            way.call.bytes = 1 << power
            result.append(way)
          }
        }
      }
    }
    return result
  }

  /// What could run in place of an algorithm: of NCCL all that it has, of others themselves.
  private static func algorithms(like algorithm: AlgorithmName) -> [AlgorithmName] {
    guard case .nccl = algorithm else { return [algorithm] }
    return [.nccl(nil, nil)]
      + [NCCLTuner.Algorithm.ring, .tree].flatMap { name in
        NCCLTuner.ProtocolName.allCases.map { .nccl(name, $0) }
      }
  }

  /// The sizes to try, as powers of two: fewer where there are many ways to run a call.
  private static func powers(like sample: CollectiveSample) -> StrideThrough<Int> {
    if case .runtime = sample.pricing { return stride(from: 10, through: 24, by: 7) }
    return stride(from: 3, through: 24, by: 3)
  }

  /// The nodes to try: of a library half and twice as many too, of the runtime what it ran on, since
  /// its groups of GPUs may only stand for nodes.
  private static func nodeCounts(like sample: CollectiveSample) -> Set<Int> {
    let nodes = sample.layout.nodes
    if case .runtime = sample.pricing { return [nodes] }
    return [nodes, 2 * nodes, nodes / 2]
  }
}
