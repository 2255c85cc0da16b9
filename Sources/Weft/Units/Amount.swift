import Glibc

/// A number with a unit of whatever kind: a count, a time, a rate, an amount of memory.
///
/// Where a text says a quantity and the kind is not known beforehand, as in a study's ranges and
/// limits, the unit tells. `K`, `M`, `G` and `T` alone are powers of two of a plain number, as sizes
/// of messages are given.
public struct Amount: Hashable, Sendable {
  /// What an amount is of.
  public enum Kind: String, Sendable {
    /// A plain number: a count, a ratio, a message's bytes.
    case number
    /// A time; in seconds.
    case time
    /// A rate of data; in bytes per second.
    case bandwidth
    /// An amount of memory; in bytes.
    case memory
    /// An arithmetic rate; in operations per second.
    case arithmetic
  }

  /// What it is of.
  public let kind: Kind
  /// The value in the kind's base unit.
  public let value: Double
  /// The unit as written, empty for a plain number.
  public let unit: String
  /// How many base units one of ``unit`` is.
  public let scale: Double

  /// Reads `64`, `0.5`, `128M`, `2 us`, `25 GB/s`, `40 GiB` or `312 TFLOP/s`; nil for anything else.
  public init?(_ text: String) {
    if let number = Double(text.trimmed()), number.isFinite {
      self.init(kind: .number, value: number, unit: "", scale: 1)
      return
    }
    guard let unit = Decimal.split(text)?.unit else { return nil }
    if ["K", "M", "G", "T", "k", "m", "g"].contains(unit) {
      guard let bytes = try? Quantity.messageSize(text).bytes else { return nil }
      self.init(kind: .number, value: Double(bytes), unit: "", scale: 1)
    } else if let time = try? Quantity.duration(text), let one = try? Quantity.duration("1" + unit)
    {
      self.init(kind: .time, value: time.seconds, unit: unit, scale: one.seconds)
    } else if let rate = try? Quantity.bandwidth(text),
      let one = try? Quantity.bandwidth("1" + unit)
    {
      self.init(
        kind: .bandwidth, value: Double(rate.bytesPerSecond), unit: unit,
        scale: Double(one.bytesPerSecond))
    } else if let size = try? Quantity.size(text), let one = try? Quantity.size("1" + unit) {
      self.init(kind: .memory, value: Double(size.bytes), unit: unit, scale: Double(one.bytes))
    } else if let rate = try? Quantity.flops(text), let one = try? Quantity.flops("1" + unit) {
      self.init(kind: .arithmetic, value: rate, unit: unit, scale: one)
    } else {
      return nil
    }
  }

  private init(kind: Kind, value: Double, unit: String, scale: Double) {
    self.kind = kind
    self.value = value
    self.unit = unit
    self.scale = scale
  }

  /// A plain number as a person writes it: rounded to so many significant digits, no exponent.
  ///
  /// - Precondition: the value is finite and below 2^100.
  public static func text(_ value: Double, digits: Int = 6) -> String {
    guard value != 0 else { return "0" }
    let exponent = Int(log10(abs(value)).rounded(.down))
    let power = max(0, min(30, digits - 1 - exponent))
    return Decimal.text(
      Int128((value * pow(10, Double(power))).rounded()), power: power, places: power)
  }
}
