import Weft

/// Why measured calls cannot be what they are said to be.
public struct CalibrationError: Error, Hashable, Sendable {
  /// What is wrong, in one line.
  public let problem: String
  /// What to do about it.
  public let fix: String

  /// Refuses times in another unit, and sizes in another one.
  ///
  /// All times too short are milliseconds; only those of large messages far too long are of sizes
  /// that were divided, since small ones hardly depend on their size.
  static func checkUnits(
    _ observations: [CollectiveCalibration.Observation], nominal: [Double]
  ) throws(CalibrationError) {
    let ratios = zip(observations, nominal).map { $0.seconds / $1 }
    let middle = Median.of(ratios)
    let sizes = observations.map(\.sample.call.bytes)
    let order = sizes.indices.sorted { (sizes[$0], $0) < (sizes[$1], $1) }
    let large = Median.of(order.suffix(max(1, order.count / 4)).map { ratios[$0] })
    if case .shorter(let times)? = UnitCheck.verdict(min(middle, large)) {
      throw CalibrationError(
        problem: "the times are \(UnitCheck.Verdict.shorter(times).text) than this machine's "
          + "links and software allow",
        fix: "write time_us in microseconds and size_bytes in bytes; these look like milliseconds, "
          + "or like sizes that were multiplied")
    }
    if case .longer(let times)? = UnitCheck.verdict(max(middle, large)) {
      throw CalibrationError(
        problem: "the times are \(UnitCheck.Verdict.longer(times).text) than nominal ones",
        fix: "write time_us in microseconds and size_bytes in bytes; these look like nanoseconds, "
          + "or like sizes in KiB or MiB; or check that --topology is the machine measured")
    }
  }
}
