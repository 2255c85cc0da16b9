import Weft

/// Why measured calls cannot be what they are said to be.
public struct CalibrationError: Error, Hashable, Sendable {
  /// What is wrong, in one line.
  public let problem: String
  /// What to do about it.
  public let fix: String

  /// Beyond this ratio of measured to nominal times no profile can be meant.
  private static let mostRatio = 30.0

  /// Refuses times in another unit, and sizes in another one.
  ///
  /// All times too short are milliseconds; only those of large messages far too long are of sizes
  /// that were divided, since small ones hardly depend on their size.
  static func checkUnits(
    _ observations: [CollectiveCalibration.Observation], nominal: [Double]
  ) throws(CalibrationError) {
    let ratios = zip(observations, nominal).map { $0.seconds / $1 }
    let middle = median(ratios)
    let sizes = observations.map(\.sample.call.bytes)
    let order = sizes.indices.sorted { (sizes[$0], $0) < (sizes[$1], $1) }
    let large = median(order.suffix(max(1, order.count / 4)).map { ratios[$0] })
    if middle < 1 / mostRatio || large < 1 / mostRatio {
      throw CalibrationError(
        problem: "the times are \(short(1 / min(middle, large))) times shorter than this machine's "
          + "links and software allow",
        fix: "write time_us in microseconds and size_bytes in bytes; these look like milliseconds, "
          + "or like sizes that were multiplied")
    }
    if middle > mostRatio || large > mostRatio {
      throw CalibrationError(
        problem: "the times are \(short(max(middle, large))) times longer than nominal ones",
        fix: "write time_us in microseconds and size_bytes in bytes; these look like nanoseconds, "
          + "or like sizes in KiB or MiB; or check that --topology is the machine measured")
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted[sorted.count / 2]
  }

  private static func short(_ ratio: Double) -> String { "\(Int(ratio.rounded()))" }
}
