import Weft
import WeftCalibration

/// Puts the 95 % intervals of a calibrated profile into results.
enum Interval {
  /// The records with `low_us` and `high_us` where a sample says what was simulated.
  ///
  /// The interval is a factor of the time, so it holds for another network model too.
  static func added(
    to records: [Record], _ samples: [CollectiveSample?], _ profile: Profile, _ topology: Topology
  ) throws -> [Record] {
    guard profile.calibration != nil else { return records }
    let places = samples.indices.filter { samples[$0] != nil }
    let predictions = try CollectiveModel(topology: topology).predictions(
      places.compactMap { samples[$0] }, under: profile)
    var result = records
    for (place, prediction) in zip(places, predictions) {
      guard let low = prediction.low, let high = prediction.high,
        case .number(let time) = records[place]["time_us"]
      else { continue }
      result[place]["low_us"] = .number(time * low / prediction.seconds)
      result[place]["high_us"] = .number(time * high / prediction.seconds)
    }
    return result
  }
}
