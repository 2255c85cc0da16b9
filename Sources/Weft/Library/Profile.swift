/// What software costs on a machine: launches, steps of protocols, efficiencies of kernels.
///
/// A profile is a table of parameters, so that files, calibration and sensitivities can name each
/// one; planners read it through typed accessors. Nominal profiles ship with Weft, one per GPU and
/// one per library, and are merged; a calibrated one replaces what it holds.
public struct Profile: Sendable {
  /// One value with its uncertainty and origin.
  public struct Parameter: Hashable, Sendable {
    /// The value: seconds, bytes per second, bytes, or a ratio, as the key's dimension says.
    public var value: Double
    /// The standard error in the same unit; nil if unknown.
    public var standardError: Double?
    /// Where the value comes from.
    public var source: String

    /// Creates a parameter.
    public init(value: Double, standardError: Double? = nil, source: String) {
      self.value = value
      self.standardError = standardError
      self.source = source
    }
  }

  /// What kind of quantity a parameter is.
  public enum Dimension: Sendable {
    case duration, bandwidth, size, ratio
  }

  /// The names of the files this profile was merged from.
  public var names: [String]
  /// What a calibration knows of the errors of its parameters; nil for nominal profiles.
  public var calibration: Calibration?
  /// What a calibration on measured decode steps knows of its errors; nil if there was none.
  public var stepCalibration: StepCalibration?
  private var parameters: [Parameter?]

  /// Creates a profile without any parameter.
  public init(names: [String]) {
    self.names = names
    parameters = Array(repeating: nil, count: Key.allCases.count)
  }

  /// The parameter of a key; nil if this profile does not hold it.
  public subscript(key: Key) -> Parameter? {
    get { parameters[key.index] }
    set { parameters[key.index] = newValue }
  }

  /// Whether some parameter was fitted to measurements, so that it has a standard error.
  public var isCalibrated: Bool { parameters.contains { $0?.standardError != nil } }

  /// The keys that have no parameter yet, in order.
  public var missing: [Key] { Key.allCases.filter { self[$0] == nil } }

  /// This profile with every parameter that `other` holds taken from there.
  public func replacing(with other: Profile) -> Profile {
    var result = self
    result.names += other.names
    result.calibration = other.calibration ?? calibration
    result.stepCalibration = other.stepCalibration ?? stepCalibration
    for key in Key.allCases {
      if let parameter = other[key] { result[key] = parameter }
    }
    return result
  }
}

// MARK: - Typed access

extension Profile {
  /// The value of a key as a time.
  ///
  /// - Precondition: the profile is complete, as every loaded one is, and the key is a duration.
  public func duration(_ key: Key) -> SimDuration { .seconds(value(key, .duration)) }

  /// The value of a key as a rate.
  ///
  /// - Precondition: the profile is complete, as every loaded one is, and the key is a bandwidth.
  public func bandwidth(_ key: Key) -> Bandwidth {
    Bandwidth(bytesPerSecond: Int(value(key, .bandwidth)))
  }

  /// The value of a key as an amount of memory.
  ///
  /// - Precondition: the profile is complete, as every loaded one is, and the key is a size.
  public func size(_ key: Key) -> ByteCount { ByteCount(bytes: Int(value(key, .size))) }

  /// The value of a key as a plain ratio.
  ///
  /// - Precondition: the profile is complete, as every loaded one is, and the key is a ratio.
  public func ratio(_ key: Key) -> Double { value(key, .ratio) }

  private func value(_ key: Key, _ dimension: Dimension) -> Double {
    precondition(key.dimension == dimension, "\(key.rawValue) is a \(key.dimension).")
    guard let parameter = self[key] else {
      preconditionFailure("The profile lacks \(key.rawValue).")
    }
    return parameter.value
  }
}
