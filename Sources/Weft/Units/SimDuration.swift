// Without it an executable that has no Foundation does not link rounded().
import Glibc

/// A length of simulated time in whole picoseconds; a moment is the duration since the run began.
///
/// Sixty-four bits hold 106 days; sums beyond stay there, and ``isTooLong`` tells. Integers make runs reproducible: sums do not depend on their
/// order. Times derived from sizes round up, so no transfer is faster than its link.
public struct SimDuration: Hashable, Sendable {
  /// The length in picoseconds.
  public var picoseconds: Int64

  /// Creates a duration of so many picoseconds.
  @inlinable
  public init(picoseconds: Int64) {
    self.picoseconds = picoseconds
  }

  /// No time at all.
  public static let zero = SimDuration(picoseconds: 0)

  /// A duration of so many whole nanoseconds.
  public static func nanoseconds(_ count: Int64) -> SimDuration {
    SimDuration(picoseconds: count * 1_000)
  }

  /// A duration in microseconds, rounded to the nearest picosecond and limited to 106 days.
  public static func microseconds(_ count: Double) -> SimDuration {
    SimDuration(rounding: count * 1e6)
  }

  /// A duration in seconds, rounded to the nearest picosecond and limited to 106 days.
  public static func seconds(_ count: Double) -> SimDuration {
    SimDuration(rounding: count * 1e12)
  }

  /// The nearest duration to so many picoseconds, limited to 106 days.
  init(rounding picoseconds: Double) {
    self.picoseconds =
      Int64(exactly: picoseconds.rounded()) ?? (picoseconds < 0 ? -Int64.max : Int64.max)
  }

  /// Whether this is beyond what can be told apart from the longest time, 106 days.
  ///
  /// No communication or inference step lasts days: an input has the wrong unit.
  public var isTooLong: Bool { picoseconds > Int64.max / 4 }

  /// The length in microseconds.
  public var microseconds: Double { Double(picoseconds) / 1e6 }

  /// The length in milliseconds.
  public var milliseconds: Double { Double(picoseconds) / 1e9 }

  /// The length in seconds.
  public var seconds: Double { Double(picoseconds) / 1e12 }
}

// MARK: - Arithmetic

extension SimDuration: Comparable, AdditiveArithmetic {
  /// Whether the left duration is shorter.
  public static func < (left: SimDuration, right: SimDuration) -> Bool {
    left.picoseconds < right.picoseconds
  }

  /// The sum of two durations, at most 106 days.
  public static func + (left: SimDuration, right: SimDuration) -> SimDuration {
    let (sum, overflow) = left.picoseconds.addingReportingOverflow(right.picoseconds)
    return overflow ? limit(right.picoseconds) : SimDuration(picoseconds: sum)
  }

  /// The difference of two durations, which may be negative, at most 106 days either way.
  public static func - (left: SimDuration, right: SimDuration) -> SimDuration {
    let (difference, overflow) = left.picoseconds.subtractingReportingOverflow(right.picoseconds)
    return overflow ? limit(left.picoseconds) : SimDuration(picoseconds: difference)
  }

  /// So many times a duration, at most 106 days.
  public static func * (count: Int, duration: SimDuration) -> SimDuration {
    let (product, overflow) = Int64(count).multipliedReportingOverflow(by: duration.picoseconds)
    let sign: Int64 = (count < 0) == (duration.picoseconds < 0) ? 1 : -1
    return overflow ? limit(sign) : SimDuration(picoseconds: product)
  }

  /// The sum of two parts of a time that is limited itself, so that nothing has to be done here.
  @inline(__always)
  static func &+ (left: SimDuration, right: SimDuration) -> SimDuration {
    SimDuration(picoseconds: left.picoseconds &+ right.picoseconds)
  }

  /// The difference of two parts of a time that is limited itself.
  @inline(__always)
  static func &- (left: SimDuration, right: SimDuration) -> SimDuration {
    SimDuration(picoseconds: left.picoseconds &- right.picoseconds)
  }

  /// Adds to a part of a time that is limited itself.
  @inline(__always)
  static func &+= (left: inout SimDuration, right: SimDuration) { left = left &+ right }

  /// Not inlined, so that what never happens costs a branch and no arithmetic.
  @inline(never)
  private static func limit(_ sign: Int64) -> SimDuration {
    SimDuration(picoseconds: sign < 0 ? -Int64.max : Int64.max)
  }
}

extension SimDuration {
  /// The duration times a factor, rounded to the nearest picosecond and limited to 106 days.
  func scaled(by factor: Double) -> SimDuration {
    SimDuration(rounding: Double(picoseconds) * factor)
  }
}

extension SimDuration: CustomStringConvertible {
  /// The value in the unit that keeps it between 1 and 1000, for example `1.024 us`.
  public var description: String {
    Decimal.scaled(Int128(picoseconds), units: Self.units)
  }

  static let units: [(name: String, power: Int)] = [
    ("ps", 0), ("ns", 3), ("us", 6), ("ms", 9), ("s", 12),
  ]
}
