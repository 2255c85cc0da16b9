import ArgumentParser
import Weft
import WeftFiles

/// The options that name measured rows and say what they leave blank.
struct MeasurementOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: """
      Files of measured times: CSV of collectives, kernels, decode steps or serving runs, the \
      output of nccl-tests, Inspector or OSU.
      """)
  var measurements: [String] = []

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp(
      """
      Use rows alone whose column has this text in it, or one of several between |, or with \
      column<=number and column>=number is in this range; repeatable.
      """, valueName: "column=value"))
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
  var launch: StepLaunch?

  func check() throws(Failure) {
    guard !measurements.isEmpty else {
      throw Failure(
        .usage, "there is nothing to compare with",
        fix: "name files of measured times with --measurements FILE…")
    }
    var seen = Set<String>()
    if let file = measurements.first(where: { !seen.insert(Output.resolved($0)).inserted }) {
      throw Failure(
        .usage, "--measurements names \(file) twice, and its rows would count twice",
        fix: "name each file once")
    }
    if let library, !["nccl", "nvrar"].contains(library) {
      throw Failure(
        .usage, "unknown library '\(library)'",
        fix: Failure.suggestion(library, ["nccl", "nvrar"]))
    }
  }

  /// Reads the files and gathers their rows to calls that a machine can serve.
  ///
  /// - Throws: ``InputError`` for a file, ``Failure`` for a condition that no row meets.
  func calls(on topology: Topology, costs: ProfileOptions.Loaded) throws -> Validation {
    var files: [MeasurementFile] = []
    for path in measurements { files.append(try MeasurementFile(path: path)) }
    let filter = try RowFilter(conditions, columns: files.flatMap(\.columns))
    let chosen = try filter.choose(from: files.flatMap(\.measurements))
    var validation = Validation(
      topology: topology, profile: costs.profile,
      defaults: MeasuredCall.Defaults(library: library, launch: launch ?? .eager))
    for file in files { validation.leaveOut(file.unusable) }
    for row in chosen { validation.add(row) }
    if library != nil && chosen.allSatisfy({ $0.library != nil }) {
      validation.warn("--library changes nothing: every row names its library")
    }
    if let launch, chosen.allSatisfy({ $0.launch != nil }) {
      let others = Set(chosen.compactMap(\.launch)).sorted().joined(separator: " and ")
      validation.warn(
        "--launch \(launch.rawValue) changes nothing: every row says how its kernels were started "
          + "(\(others))")
    }
    try validation.plan()
    if let warning = costs.idleWarning, try validation.isAlike(under: costs.nominal) {
      validation.warn(warning)
    }
    return validation
  }

  /// The options that say what rows of collectives leave blank, and change nothing for others.
  func unused(by measured: String) -> [String] {
    [("--library", library != nil), ("--launch", launch != nil)].filter(\.1)
      .map { "\($0.0) changes nothing for measured \(measured)" }
  }
}

extension GPU {
  /// Whether a measured row's text names this chip, whatever its board: `h100` of `h100-sxm`.
  func isNamed(in text: String) -> Bool {
    let chip = name.split(separator: "-").first.map(String.init) ?? name
    return text.lowercased().contains(chip.lowercased())
  }
}
