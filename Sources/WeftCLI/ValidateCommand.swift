import ArgumentParser
import Weft
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
      others are above it is the noise.
      """)

  @OptionGroup var topology: TopologyOptions
  @OptionGroup var profile: ProfileOptions
  @OptionGroup var global: GlobalOptions

  @Option(
    parsing: .upToNextOption, help: "Files of measured times: CSV, or the output of nccl-tests.")
  var measurements: [String] = []

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp(
      "Use rows alone whose column has this text in it; repeatable.", valueName: "column=value"))
  var conditions: [String] = []

  @Option(help: "The library of rows that name none: nccl or nvrar.")
  var library: String?

  @Option(
    help: "How kernels were started in rows that do not say: graph or eager.",
    transform: { text throws(ValidationError) in
      guard let launch = StepLaunch(rawValue: text) else {
        throw ValidationError("'\(text)' is neither graph nor eager.")
      }
      return launch
    })
  var launch = StepLaunch.eager

  @Flag(help: "List every call, not groups alone.")
  var rows = false

  @Option(
    parsing: .unconditional, help: "Exit with 1 if the overall median error is above this, in %.")
  var maxError: Double?

  @Option(parsing: .unconditional, help: "Not available: it needs calibration.")
  var folds: Int?

  func run() throws {
    try check()
    let file = try self.topology.load(global)
    if self.topology.showTopology { return try global.emit(TopologyCommand.report(file)) }
    let topology = file.topology
    let profile = try self.profile.load(for: topology, global)
    var files: [MeasurementFile] = []
    for path in measurements { files.append(try MeasurementFile(path: path)) }
    let filter = try RowFilter(conditions, columns: files.flatMap(\.columns))
    let chosen = try filter.choose(from: files)
    var validation = Validation(
      topology: topology, profile: profile,
      defaults: MeasuredCall.Defaults(library: library, launch: launch))
    for file in files { validation.leaveOut(file.unusable) }
    for row in chosen { validation.add(row) }
    try global.timed("the validation") {
      var progress = Progress("calls predicted", of: validation.calls.count, global)
      defer { progress.finish() }
      try validation.predict { progress.update($0) }
    }
    try validation.requireResults()
    for warning in validation.warnings { Console.warn(warning, global) }
    try global.emit(validation.report(rows: rows, asData: global.format == .json))
    try judge(validation)
  }

  private func check() throws(Failure) {
    guard !measurements.isEmpty || topology.showTopology else {
      throw Failure(
        .usage, "there is nothing to compare with",
        fix: "name files of measured times with --measurements FILE…")
    }
    guard folds == nil else {
      throw Failure(
        .usage,
        "--folds needs a calibration that is repeated without each part of the data, "
          + "which this version of Weft does not have",
        fix: "leave --folds out: the profile is compared with all rows")
    }
    if let maxError, !(maxError >= 0 && maxError.isFinite) {
      throw Failure(
        .usage, "--max-error \(maxError) is no percentage", fix: "give 0 or more, such as 25")
    }
    if let library, !["nccl", "nvrar"].contains(library) {
      throw Failure(
        .usage, "unknown library '\(library)'",
        fix: Failure.suggestion(library, ["nccl", "nvrar"]))
    }
  }

  /// Ends with the exit code of a check that said no, if it does.
  private func judge(_ validation: Validation) throws {
    guard let maxError, let overall = validation.overall else { return }
    let median = overall.medianAbsolutePercent
    guard median > maxError else { return }
    Console.error(
      "the overall median error is \(Validation.short(median)) %, above --max-error \(maxError)",
      fix: "see the groups for where it comes from, or give a profile of this machine")
    throw ExitCode(Failure.Status.check.rawValue)
  }
}
