import Weft
import WeftCalibration

/// Puts the 95 % intervals of a calibrated profile into results.
enum Interval {
  /// The records with `low_us` and `high_us` where a sample says what was simulated, and why others
  /// have none.
  ///
  /// The interval is a factor of the time, so it holds for another network model too; no link is
  /// faster there either.
  static func added(
    to records: [Record], _ samples: [CollectiveSample?], _ profile: Profile, _ topology: Topology
  ) throws -> (records: [Record], notes: [String]) {
    guard profile.calibration != nil else { return (records, []) }
    let places = samples.indices.filter { samples[$0] != nil }
    let predictions = try CollectiveModel(topology: topology).predictions(
      places.compactMap { samples[$0] }, under: profile)
    var result = records
    for (place, prediction) in zip(places, predictions) {
      guard let low = prediction.low, let high = prediction.high,
        case .number(let time) = records[place]["time_us"]
      else { continue }
      let scaled = max(time * low / prediction.seconds, prediction.least * 1e6)
      result[place]["low_us"] = .number(min(time, scaled))
      result[place]["high_us"] = .number(time * high / prediction.seconds)
    }
    var notes = notes(unmeasured: predictions.compactMap(\.unmeasured), profile)
    if places.count < records.count {
      notes.append(
        "no interval for what no profile is calibrated on: plain schedules, isolated calls, --tune")
    }
    return (result, notes)
  }

  /// Why predictions of calls have no interval, a line for each kind of them.
  static func notes(unmeasured calls: [String], _ profile: Profile) -> [String] {
    guard let measured = profile.calibration?.measured, !measured.isEmpty else { return [] }
    return Set(calls).sorted().map { call in
      "no interval for \(call): the profile was calibrated on " + measured.joined(separator: ", ")
    }
  }
}
