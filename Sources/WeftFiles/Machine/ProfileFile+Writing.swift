public import Weft

/// A calibrated profile on its way into a file.
public struct CalibratedProfile: Sendable {
  /// What the parameters belong to.
  public struct Identity: Sendable {
    /// A short name without blanks.
    public var name: String
    /// What the parameters are, in one line.
    public var title: String
    /// The GPU, as in `gpus.yaml`.
    public var gpu: String
    /// The kind of fabric; nil if one node was measured alone.
    public var interconnect: String?
    /// The library.
    public var library: String?
    /// Its version.
    public var version: String?
    /// The environment the data was taken in.
    public var environment: String?
    /// The date of the data.
    public var date: String?

    /// Creates an identity.
    public init(name: String, title: String, gpu: String) {
      self.name = name
      self.title = title
      self.gpu = gpu
    }
  }

  /// What the parameters belong to.
  public var identity: Identity
  /// The profile; only the keys below are written.
  public var profile: Profile
  /// The fitted keys, in the order of the file, with the term that set them.
  public var keys: [(key: Profile.Key, term: Int)]
  /// The errors of predictions; nil for kernels, whose parameters have their own alone.
  public var calibration: Calibration?
  /// The files of the data with the rows used of each.
  public var data: [(file: String, rows: Int)]
  /// The rows of the fit; nil where fitting them again on top of it counts nothing twice.
  public var sample: RowSample?
  /// What the fit started from besides nominal values, whose other parameters are kept; nil if from
  /// these alone.
  public var base: Profile?

  /// Creates a profile to write.
  public init(
    identity: Identity, profile: Profile, keys: [(key: Profile.Key, term: Int)],
    calibration: Calibration?, data: [(file: String, rows: Int)]
  ) {
    self.identity = identity
    self.profile = profile
    self.keys = keys
    self.calibration = calibration
    self.data = data
  }

  /// The file, which ``ProfileFile`` reads.
  public var text: String {
    var lines = ["# Written by weft calibrate; what is not here is nominal."]
    lines.append("name: \(quoted(identity.name))")
    lines.append("title: \(quoted(identity.title))")
    lines.append("gpus: [\(identity.gpu)]")
    if let interconnect = identity.interconnect { lines.append("interconnects: [\(interconnect)]") }
    for (key, value) in [
      ("library", identity.library), ("version", identity.version),
      ("environment", identity.environment), ("date", identity.date),
    ] {
      if let value { lines.append("\(key): \(quoted(value))") }
    }
    if let sample {
      lines.append("# Some of the rows of the fit, which would count twice on top of it.")
      lines.append("fitted_rows: [\(sample.texts.map(quoted).joined(separator: ", "))]")
    }
    if let calibration { lines += self.lines(of: calibration) }
    if let steps = profile.stepCalibration { lines += self.lines(of: steps) }
    lines.append("parameters:")
    let files = data.map { "\($0.file) (\($0.rows) rows)" }.joined(separator: ", ")
    for (key, term) in keys {
      guard let parameter = profile[key] else { continue }
      let fitted = calibration?.parameters[term]
      let name = fitted.map { $0.name + ", " } ?? ""
      lines += self.lines(
        of: key, parameter, error: fitted?.standardError ?? parameter.standardError ?? 0,
        source: "weft calibrate, \(name)from \(files)")
    }
    let fitted = Set(keys.map(\.key))
    for key in Profile.Key.allCases where !fitted.contains(key) {
      guard let kept = base?[key] else { continue }
      lines += self.lines(of: key, kept, error: kept.standardError, source: kept.source)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func lines(
    of key: Profile.Key, _ parameter: Profile.Parameter, error: Double?, source: String
  ) -> [String] {
    var lines = [
      "  \(key.rawValue):", "    value: \(quantity(parameter.value, key.dimension))",
    ]
    if let error { lines.append("    standard_error: \(quantity(error, key.dimension))") }
    return lines + ["    source: \(quoted(source))"]
  }

  private func lines(of calibration: Calibration) -> [String] {
    var lines = ["calibration:", "  topology: \(quoted(calibration.topology))"]
    lines.append("  sizes: [\(calibration.sizes.lowerBound), \(calibration.sizes.upperBound)]")
    lines.append("  nodes: [\(calibration.nodes.lowerBound), \(calibration.nodes.upperBound)]")
    if !calibration.measured.isEmpty {
      let calls = calibration.measured.map(quoted).joined(separator: ", ")
      lines.append("  # Predictions of other calls bear no interval.")
      lines.append("  measured: [\(calls)]")
    }
    lines += self.lines(of: calibration.scope)
    lines.append("  coverage_factor: \(short(calibration.coverageFactor))")
    lines.append("  data:")
    for entry in data { lines.append("    - {file: \(quoted(entry.file)), rows: \(entry.rows)}") }
    lines.append(
      "  # Of |ln(predicted / measured)|: the median, and what holds 95 % of further calls.")
    lines.append("  residuals:")
    for window in calibration.residuals {
      lines.append(
        "    - {window: \(window.window.rawValue), calls: \(window.calls), "
          + "median: \(short(window.median)), half_width: \(short(window.halfWidth))}")
    }
    lines += parameterLines(calibration.parameters, calibration.correlations) { index in
      keys.first { $0.term == index }?.key.dimension ?? .ratio
    }
    if !calibration.held.isEmpty {
      lines.append("  # Left at their nominal values.")
      lines.append("  held:")
      for held in calibration.held {
        lines.append("    - {name: \(held.name), reason: \(quoted(held.reason))}")
      }
    }
    return lines
  }

  private func lines(of scope: Calibration.Scope) -> [String] {
    [
      ("ranks_per_node", scope.ranksPerNode.map(String.init)),
      ("type_bits", scope.typeBits.map(String.init)), ("tuners", scope.tuners.map(quoted)),
      ("rates_in_node", scope.ratesInNode.map(quoted)),
      ("rates_between_nodes", scope.ratesBetweenNodes.map(quoted)), ("launches", scope.launches),
    ].filter { !$0.1.isEmpty }.map { "  \($0.0): [\($0.1.joined(separator: ", "))]" }
  }

  /// The list of fitted parameters of a calibration.
  func parameterLines(
    _ parameters: [Calibration.Parameter], _ correlations: [[Double]],
    dimension: (Int) -> Profile.Dimension
  ) -> [String] {
    var lines = ["  # Correlations are with the parameters above."]
    lines.append(parameters.isEmpty ? "  parameters: []" : "  parameters:")
    for (index, parameter) in parameters.enumerated() {
      let row = correlations[index].prefix(index).map(short).joined(separator: ", ")
      lines.append("    - name: \(parameter.name)")
      lines.append("      value: \(quantity(parameter.value, dimension(index)))")
      lines.append(
        "      standard_error: \(quantity(parameter.standardError, dimension(index)))")
      lines.append("      correlations: [\(row)]")
    }
    return lines
  }

  private func quantity(_ value: Double, _ dimension: Profile.Dimension) -> String {
    switch dimension {
    case .duration: SimDuration.seconds(value).description
    case .bandwidth: Bandwidth(bytesPerSecond: Int(value.rounded())).description
    case .size: "\(Int(value.rounded())) B"
    case .ratio: short(value)
    }
  }

  /// Five significant digits: what a fit knows, and no noise of the last bits in files.
  func short(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return "0" }
    var power = 1.0
    while abs(value) * power < 10_000 { power *= 10 }
    return "\((value * power).rounded() / power)"
  }

  func quoted(_ text: String) -> String {
    var result = "\""
    for character in text.unicodeScalars {
      switch character {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      default: result.unicodeScalars.append(character)
      }
    }
    return result + "\""
  }
}
