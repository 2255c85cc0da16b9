public import Weft

extension CollectiveModel {
  /// A predicted time, with its 95 % interval if the profile was calibrated.
  public struct Prediction: Hashable, Sendable {
    /// The time in seconds.
    public var seconds: Double
    /// The lower end of the interval in seconds; nil without a calibration.
    public var low: Double?
    /// The upper end.
    public var high: Double?
    /// What the busiest link takes at the least, in seconds; the interval does not reach below it.
    public var least = 0.0
    /// Why a calibrated profile gives no interval, in words: it was calibrated without such calls.
    public var obstacle: String?
  }

  /// A call of more operations takes the gradient of a smaller message: it would be simulated again
  /// for every parameter, and what large messages answer to hardly changes with their size.
  private static let gradientOperations = 100_000

  /// The times of samples under a profile, with intervals if it was calibrated.
  ///
  /// - Parameters:
  ///   - samples: The calls.
  ///   - profile: A complete profile.
  ///   - progress: Called from any thread with the number of simulations done and to do.
  /// - Returns: A prediction for every sample.
  /// - Throws: ``PlanError`` if a call cannot be planned, ``SimulationError``.
  public func predictions(
    _ samples: [CollectiveSample], under profile: Profile,
    progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws -> [Prediction] {
    let times = try timed(samples, under: [profile], progress: progress)[0]
    guard let calibration = profile.calibration else {
      return times.map { Prediction(seconds: $0.seconds, least: $0.least) }
    }
    let obstacles = try samples.map { sample in
      calibration.obstacle(
        Calibration.call(sample.call.collective, by: try plan(sample, profile)),
        on: scope(of: sample))
    }
    let places = samples.indices.filter { obstacles[$0] == nil }
    let named = calibration.parameters.enumerated().compactMap { index, parameter in
      CalibrationTerm.named(parameter.name).map { (index: index, term: $0) }
    }
    // Terms of a file stand in any order, but must be applied in that of the list.
    let ordered = CalibrationTerm.all.compactMap { term in named.first { $0.term == term } }
    let smaller = try places.map { try self.smaller(samples[$0], profile) }
    let gradients = try Gradient.of(
      smaller, ordered.map(\.term), profile, self, progress: progress)
    var result = samples.indices.map { index in
      Prediction(
        seconds: times[index].seconds, least: times[index].least, obstacle: obstacles[index])
    }
    for (row, index) in places.enumerated() {
      var gradient = Array(repeating: 0.0, count: calibration.parameters.count)
      for (place, entry) in ordered.enumerated() { gradient[entry.index] = gradients[row][place] }
      let factors = calibration.factors(
        gradient: gradient, bytes: samples[index].call.bytes, nodes: samples[index].layout.nodes)
      let (seconds, least) = (times[index].seconds, times[index].least)
      result[index].low = min(seconds, max(seconds * factors.low, least))
      result[index].high = seconds * factors.high
    }
    return result
  }

  private func smaller(_ sample: CollectiveSample, _ profile: Profile) throws -> CollectiveSample {
    var result = sample
    while try operations(result, profile, limit: 2 * Self.gradientOperations)
      > Self.gradientOperations, result.call.bytes > 1 << 20
    {
      result.call.bytes /= 2
    }
    return result
  }
}
