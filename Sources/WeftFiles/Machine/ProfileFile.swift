public import Weft

/// A profile file: parameters by key, each with its source, and what they belong to.
public struct ProfileFile: Sendable {
  /// The parameters; usually a part of all keys, to be merged with others.
  public let profile: Profile
  /// What the parameters are, in one line.
  public let title: String
  /// The GPUs of `gpus.yaml` that the parameters belong to; empty if they hold for all.
  public let gpus: [String]
  /// The kinds of fabric that the parameters belong to; empty if they hold for all.
  public let interconnects: [String]
  /// The topologies that the parameters belong to; empty if they hold for all.
  public let topologies: [String]
  /// The library that the parameters belong to, such as `nccl`; nil if they are the GPU's.
  public let library: String?
  /// The library's version; nil if unknown.
  public let version: String?
  /// The environment the data was taken in, such as variables that were set; nil if unknown.
  public let environment: String?
  /// When the data was taken, or the numbers looked up, as `YYYY-MM-DD`; nil if unknown.
  public let date: String?

  /// Some of the rows that the parameters were fitted to; nil if they are not known.
  public let sample: RowSample?

  /// Reads a profile.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` for an unknown
  ///   key, a wrong unit, or a parameter without a source.
  public init(path: String) throws(InputError) {
    var reader = try YAMLDocument(path: path).reader()
    var profile = Profile(names: [try reader.string("name")])
    title = try reader.string("title")
    gpus = try reader.strings("gpus")
    interconnects = try reader.strings("interconnects")
    topologies = try reader.strings("topologies")
    library = try reader.optionalString("library")
    version = try reader.optionalString("version")
    environment = try reader.optionalString("environment")
    date = try reader.optionalString("date")
    profile.calibration = try reader.optionalMapping("calibration").map {
      mapping throws(InputError) in try Self.calibration(mapping)
    }
    profile.stepCalibration = try reader.optionalMapping("steps").map {
      mapping throws(InputError) in try Self.stepCalibration(mapping)
    }
    let rows = try reader.strings("fitted_rows")
    sample = rows.isEmpty ? nil : RowSample(rows)
    guard rows.isEmpty || sample != nil else {
      throw reader.error(
        at: "fitted_rows", "this is no list of hashes",
        fix: "write the profile anew with weft calibrate, or leave the key out")
    }
    var parameters = try reader.mapping("parameters")
    for key in Profile.Key.allCases {
      guard let mapping = try parameters.optionalMapping(key.rawValue) else { continue }
      profile[key] = try Self.parameter(mapping, key.dimension)
    }
    try parameters.finish()
    try reader.finish()
    self.profile = profile
  }

  /// Why these parameters do not belong to a machine, in words; nil if they do.
  public func mismatch(with topology: Topology) -> String? {
    let name = profile.names.joined(separator: ", ")
    for (owners, own) in [
      (gpus, topology.gpu.name), (interconnects, topology.network.interconnect.rawValue),
      (topologies, topology.name),
    ] where !owners.isEmpty && !owners.contains(own) {
      return "the profile '\(name)' belongs to \(owners.joined(separator: ", ")), not to \(own)"
    }
    return nil
  }

  /// What to know before parameters that were fitted on one machine are used for another of the
  /// same GPU and fabric, in words; nil if it is the same one, or the parameters are nominal.
  public func transfer(to topology: Topology) -> String? {
    let origin = profile.calibration?.topology ?? profile.stepCalibration?.topology
    guard let origin, origin != topology.name else { return nil }
    return "the profile '\(profile.names.joined(separator: ", "))' was calibrated on "
      + "'\(origin)', not on '\(topology.name)': its intervals do not know of what "
      + "differs between the two"
  }

  static func parameter(
    _ mapping: YAMLReader, _ dimension: Profile.Dimension
  ) throws(InputError) -> Profile.Parameter {
    var reader = mapping
    let value = try number(&reader, "value", dimension)
    let standardError =
      reader.contains("standard_error") ? try number(&reader, "standard_error", dimension) : nil
    let source = try reader.string("source")
    if standardError == nil { _ = reader.optionalNode("standard_error") }
    try reader.finish()
    return Profile.Parameter(value: value, standardError: standardError, source: source)
  }

  /// A value in the unit that ``Profile/Parameter`` keeps: seconds, bytes per second, bytes or 1.
  private static func number(
    _ reader: inout YAMLReader, _ key: String, _ dimension: Profile.Dimension
  ) throws(InputError) -> Double {
    switch dimension {
    case .duration:
      try reader.value(key, Limits.duration).seconds
    case .bandwidth where key == "value":
      Double(try reader.value(key, Limits.bandwidth).bytesPerSecond)
    case .bandwidth:
      // An error may be as small as it likes.
      Double(try reader.value(key, Quantity.bandwidth).bytesPerSecond)
    case .size:
      Double(try reader.value(key, Quantity.size).bytes)
    case .ratio:
      // An efficiency of zero would make a time infinite.
      try reader.number(key, in: key == "value" ? 1e-6...1 : 0...1)
    }
  }
}
