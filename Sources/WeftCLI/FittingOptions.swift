import ArgumentParser
import Weft
import WeftCalibration

/// The options of a fit.
struct FittingOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "The most parameters to fit at a time; 10 unless said.")
  var maxParameters: Int?

  @Option(
    help: ArgumentHelp(
      "Leave a term at its nominal value; repeatable. Names are in the result.",
      valueName: "term"))
  var hold: [String] = []

  @Flag(help: "Fit systems, versions and environments together that differ.")
  var pool = false

  func check() throws(Failure) {
    if let maxParameters, maxParameters < 1 {
      throw Failure(.usage, "--max-parameters \(maxParameters) fits nothing", fix: "give 1 or more")
    }
    let names = Measured.allCases.flatMap(\.terms)
    if let name = hold.first(where: { !names.contains($0) }) {
      throw Failure(
        .usage, "--hold: there is no term '\(name)'", fix: Failure.suggestion(name, names))
    }
  }

  /// The options as calibration takes them.
  var options: CollectiveCalibration.Options {
    var options = CollectiveCalibration.Options()
    if let maxParameters { options.mostParameters = maxParameters }
    options.held = Set(hold)
    return options
  }

  /// What a fit is of.
  enum Measured: CaseIterable {
    case collectives, kernels, steps

    /// The names of the terms that such measurements can determine.
    var terms: [String] {
      switch self {
      case .collectives: CalibrationTerm.all.map(\.name)
      case .kernels:
        (MatrixProduct.keys + DecodeAttention.keys + PrefillAttention.keys).map(\.rawValue)
      case .steps: EngineTerms.keys.map(\.rawValue)
      }
    }

    var name: String {
      switch self {
      case .collectives: "collectives"
      case .kernels: "kernels"
      case .steps: "decode steps"
      }
    }
  }

  /// Which of the options change nothing for a fit to such measurements.
  func unused(by measured: Measured, suggest: Bool) -> [String] {
    var flags = hold.filter { !measured.terms.contains($0) }.map { "--hold \($0)" }
    if measured != .collectives {
      if maxParameters != nil { flags.append("--max-parameters") }
      if suggest { flags.append("--suggest") }
    }
    return flags.map { "\($0) changes nothing for measured \(measured.name)" }
  }
}
