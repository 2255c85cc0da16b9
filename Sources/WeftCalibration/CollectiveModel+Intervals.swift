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
    let times = try seconds(samples, under: [profile], progress: progress)[0]
    guard let calibration = profile.calibration else {
      return times.map { Prediction(seconds: $0) }
    }
    let named = calibration.parameters.enumerated().compactMap { index, parameter in
      CalibrationTerm.named(parameter.name).map { (index: index, term: $0) }
    }
    // Terms of a file stand in any order, but must be applied in that of the list.
    let ordered = CalibrationTerm.all.compactMap { term in named.first { $0.term == term } }
    let smaller = try samples.map { try self.smaller($0, profile) }
    let gradients = try Gradient.of(
      smaller, ordered.map(\.term), profile, self, progress: progress)
    return samples.indices.map { index in
      var gradient = Array(repeating: 0.0, count: calibration.parameters.count)
      for (place, entry) in ordered.enumerated() { gradient[entry.index] = gradients[index][place] }
      let factors = calibration.factors(
        gradient: gradient, bytes: samples[index].call.bytes, nodes: samples[index].layout.nodes)
      return Prediction(
        seconds: times[index], low: times[index] * factors.low, high: times[index] * factors.high)
    }
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
