import CGSL
public import Weft

/// The line `time = latency + bytes / bandwidth` through measured times, with its uncertainty.
///
/// A weighted linear least-squares fit (Hockney 1994, doi:10.1016/S0167-8191(06)80021-9): sample i
/// has the weight `1 / (relativeError_i x time_i)^2`, so that microseconds count as much as
/// milliseconds. The standard errors follow from the samples' own errors and are not rescaled by
/// how well the line fits; ``reducedChiSquared`` near 1 says that line and errors agree, far above 1
/// that the errors were too small or the times do not lie on a line.
public struct LatencyBandwidthFit: Hashable, Sendable {
  /// One measured time.
  public struct Sample: Hashable, Sendable {
    /// The size of the message.
    public var size: ByteCount
    /// The time in seconds.
    public var seconds: Double
    /// The standard error of the time, as a fraction of it.
    public var relativeError: Double

    /// Creates a sample.
    public init(size: ByteCount, seconds: Double, relativeError: Double) {
      self.size = size
      self.seconds = seconds
      self.relativeError = relativeError
    }
  }

  /// A fitted value and its standard error, in the same unit.
  public struct Estimate: Hashable, Sendable {
    /// The value.
    public var value: Double
    /// The standard error.
    public var standardError: Double
  }

  /// The time of an empty message in seconds.
  ///
  /// Where the bandwidth takes nearly all of every time, noise may leave it below zero.
  public let latency: Estimate
  /// The rate in bytes per second; its error is that of its inverse carried over to first order.
  public let bandwidth: Estimate
  /// The covariance of latency and bandwidth in bytes.
  public let covariance: Double
  /// The weighted sum of squared residuals.
  public let chiSquared: Double
  /// The number of samples less the two parameters.
  public let degreesOfFreedom: Int
  /// The largest distance of a sample from the line, as a fraction of the sample's time.
  public let largestRelativeResidual: Double

  /// The weighted sum of squared residuals per degree of freedom.
  public var reducedChiSquared: Double { chiSquared / Double(degreesOfFreedom) }

  /// The least number of samples: two leave no residual to judge the line by.
  public static let leastSamples = 3

  /// Fits the line to samples.
  ///
  /// - Throws: ``FitError`` if there are fewer than ``leastSamples``, all of one size, a number is
  ///   negative, zero or not finite where it may not be, or the slope is not positive.
  public init(_ samples: [Sample]) throws(FitError) {
    try Self.check(samples)
    let sizes = samples.map { Double($0.size.bytes) }
    let times = samples.map(\.seconds)
    let weights = samples.map { sample in
      let error = sample.relativeError * sample.seconds
      return 1 / (error * error)
    }
    var intercept = 0.0
    var slope = 0.0
    var interceptVariance = 0.0
    var mixed = 0.0
    var slopeVariance = 0.0
    var chiSquared = 0.0
    try GSL.call {
      gsl_fit_wlinear(
        sizes, 1, weights, 1, times, 1, sizes.count, &intercept, &slope, &interceptVariance,
        &mixed, &slopeVariance, &chiSquared)
    }
    let results = [intercept, slope, interceptVariance, mixed, slopeVariance, chiSquared]
    guard results.allSatisfy(\.isFinite) else { throw .outOfRange }
    guard slope > 0 else { throw .noBandwidth(secondsPerByte: slope) }
    let rate = 1 / slope
    // d(1/slope) = -d(slope) / slope^2
    let bandwidth = Estimate(value: rate, standardError: slopeVariance.squareRoot() * rate * rate)
    let covariance = -mixed * rate * rate
    guard bandwidth.standardError.isFinite && covariance.isFinite else { throw .outOfRange }
    latency = Estimate(value: intercept, standardError: interceptVariance.squareRoot())
    self.bandwidth = bandwidth
    self.covariance = covariance
    self.chiSquared = chiSquared
    degreesOfFreedom = samples.count - 2
    largestRelativeResidual = zip(sizes, times).reduce(0) { largest, point in
      max(largest, abs(intercept + slope * point.0 - point.1) / point.1)
    }
  }

  private static func check(_ samples: [Sample]) throws(FitError) {
    guard samples.count >= leastSamples else {
      throw .tooFewSamples(count: samples.count, needed: leastSamples)
    }
    for (index, sample) in samples.enumerated() {
      guard sample.size >= .zero else {
        throw .badSize(bytes: sample.size.bytes, sample: index)
      }
      guard sample.seconds > 0 && sample.seconds.isFinite else {
        throw .badTime(seconds: sample.seconds, sample: index)
      }
      guard sample.relativeError > 0 && sample.relativeError.isFinite else {
        throw .badRelativeError(sample.relativeError, sample: index)
      }
    }
    let size = samples[0].size
    guard samples.contains(where: { $0.size != size }) else {
      throw .equalSizes(bytes: size.bytes)
    }
  }
}
