/// A rate in bytes per second; `GB/s` is 10^9.
public struct Bandwidth: Hashable, Sendable {
  /// The rate in bytes per second.
  public var bytesPerSecond: Int

  /// Creates a rate in bytes per second.
  @inlinable
  public init(bytesPerSecond: Int) {
    self.bytesPerSecond = bytesPerSecond
  }

  /// A rate in units of 10^9 bytes per second, rounded to a byte per second.
  ///
  /// - Precondition: the value is finite and below 9.2 x 10^9.
  public static func gigabytesPerSecond(_ rate: Double) -> Bandwidth {
    Bandwidth(bytesPerSecond: Int((rate * 1e9).rounded()))
  }

  /// The rate in units of 10^9 bytes per second.
  public var gigabytesPerSecond: Double { Double(bytesPerSecond) / 1e9 }

  /// The time to move so many bytes at this rate, rounded up to a picosecond.
  ///
  /// A time above 106 days is given as 106 days; no run that reaches it means anything.
  /// - Precondition: the rate is positive and the count is not negative.
  public func time(toMove bytes: Int) -> SimDuration {
    precondition(bytesPerSecond > 0 && bytes >= 0, "A transfer needs a rate and a size.")
    let (product, overflow) = bytes.multipliedReportingOverflow(by: 1_000_000_000_000)
    if !overflow {
      let (quotient, remainder) = product.quotientAndRemainder(dividingBy: bytesPerSecond)
      return SimDuration(picoseconds: Int64(remainder > 0 ? quotient + 1 : quotient))
    }
    let picobytes = Int128(bytes) * 1_000_000_000_000
    let rate = Int128(bytesPerSecond)
    return SimDuration(picoseconds: Int64(clamping: (picobytes + rate - 1) / rate))
  }
}

extension Bandwidth {
  /// The rate times a positive factor, at least a byte per second and at most the largest rate.
  func scaled(by factor: Double) -> Bandwidth {
    guard factor != 1 else { return self }
    let product = (Double(bytesPerSecond) * factor).rounded()
    return Bandwidth(bytesPerSecond: max(1, Int(exactly: product) ?? .max))
  }
}

extension Bandwidth: Comparable {
  /// Whether the left rate is slower.
  public static func < (left: Bandwidth, right: Bandwidth) -> Bool {
    left.bytesPerSecond < right.bytesPerSecond
  }
}

extension Bandwidth: CustomStringConvertible {
  /// The value in the unit that keeps it between 1 and 1000, for example `25 GB/s`.
  public var description: String {
    Decimal.scaled(
      Int128(bytesPerSecond),
      units: [("B/s", 0), ("kB/s", 3), ("MB/s", 6), ("GB/s", 9), ("TB/s", 12)])
  }
}
