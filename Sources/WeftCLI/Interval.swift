import Weft
import WeftCalibration

/// Puts the 95 % intervals of a calibrated profile into results.
enum Interval {
  /// The records with `low_us` and `high_us` where a sample says what was simulated, and why others
  /// have none.
  ///
  /// Fits simulate with `flow`, so times of other network models bear none.
  static func added(
    to records: [Record], _ samples: [CollectiveSample?], _ profile: Profile, _ topology: Topology
  ) throws -> (records: [Record], notes: [String]) {
    guard profile.calibration != nil else { return (records, []) }
    let places = samples.indices.filter { samples[$0] != nil }
    let predictions = try CollectiveModel(topology: topology).predictions(
      places.compactMap { samples[$0] }, under: profile)
    var result = records
    for place in records.indices { result[place][reason] = .text(uncalibrated) }
    for (place, prediction) in zip(places, predictions) {
      result[place][reason] = Value(prediction.obstacle)
      guard let low = prediction.low, let high = prediction.high,
        case .number(let time) = records[place]["time_us"]
      else { continue }
      let scaled = max(time * low / prediction.seconds, prediction.least * 1e6)
      result[place]["low_us"] = .number(min(time, scaled))
      result[place]["high_us"] = .number(time * high / prediction.seconds)
    }
    var notes = notes(predictions.compactMap(\.obstacle))
    if places.count < records.count { notes.append("no interval for " + uncalibrated) }
    return (result, notes)
  }

  /// The name of the value that says why a row has no interval; only rows of a calibrated profile
  /// have it.
  private static let reason = "no_interval"
  private static let uncalibrated =
    "what no profile is calibrated on: plain schedules, isolated calls, --tune, --network other than "
    + "flow, slow or broken parts"

  /// Why predictions have no interval, a line for each reason.
  static func notes(_ obstacles: [String]) -> [String] {
    Set(obstacles).sorted().map { "no interval for " + $0 }
  }
}
