import CGSL
import Glibc
import Testing
import Weft

@testable import WeftCalibration

@Suite struct LatencyBandwidthFitTests {
  private typealias Sample = LatencyBandwidthFit.Sample

  private static let latency = 5e-6
  private static let bandwidth = 25e9

  /// 8 B to 128 MiB by factors of two, on the line or off it by a factor per sample.
  private static func samples(
    relativeError: Double = 0.01, factor: () -> Double = { 1 }
  ) -> [Sample] {
    (3...27).map { power in
      let size = ByteCount(bytes: 1 << power)
      let seconds = latency + Double(size.bytes) / bandwidth
      return Sample(size: size, seconds: seconds * factor(), relativeError: relativeError)
    }
  }

  @Test func `an exact line is recovered`() throws {
    let fit = try LatencyBandwidthFit(Self.samples())
    #expect(abs(fit.latency.value / Self.latency - 1) < 1e-9)
    #expect(abs(fit.bandwidth.value / Self.bandwidth - 1) < 1e-9)
    #expect(fit.chiSquared < 1e-12)
    #expect(fit.largestRelativeResidual < 1e-9)
    #expect(fit.degreesOfFreedom == 23)
  }

  @Test func `errors of two groups of samples are those of arithmetic`() throws {
    // Two empty messages of 2 s and two of 10 bytes and 4 s: latency 2, slope 0.2.
    let samples = [(0, 2.0), (0, 2.0), (10, 4.0), (10, 4.0)].map { bytes, seconds in
      Sample(size: ByteCount(bytes: bytes), seconds: seconds, relativeError: 0.1)
    }
    let fit = try LatencyBandwidthFit(samples)
    // The means have variances 0.2^2/2 = 0.02 and 0.4^2/2 = 0.08; the slope (0.02 + 0.08)/10^2.
    #expect(abs(fit.latency.value - 2) < 1e-12)
    #expect(abs(fit.latency.standardError - 0.02.squareRoot()) < 1e-12)
    #expect(abs(fit.bandwidth.value - 5) < 1e-12)
    #expect(abs(fit.bandwidth.standardError - 25 * 0.001.squareRoot()) < 1e-12)
    // Latency and slope covary by -0.02/10; the bandwidth's derivative by the slope is -25.
    #expect(abs(fit.covariance - 0.05) < 1e-12)
  }

  @Test func `truth lies within two standard errors as often as it should`() throws {
    var random = SplitMix(state: 20_240_607)
    let trials = 500
    var latencies = 0
    var bandwidths = 0
    var chiSquared = 0.0
    for _ in 0..<trials {
      let fit = try LatencyBandwidthFit(Self.samples { 1 + 0.01 * random.gaussian() })
      let latencyError = abs(fit.latency.value - Self.latency)
      let bandwidthError = abs(fit.bandwidth.value - Self.bandwidth)
      latencies += latencyError < 1.96 * fit.latency.standardError ? 1 : 0
      bandwidths += bandwidthError < 1.96 * fit.bandwidth.standardError ? 1 : 0
      chiSquared += fit.reducedChiSquared / Double(trials)
    }
    // 95 % of 500 is 475 with a standard deviation of 4.9.
    #expect((460...490).contains(latencies), "\(latencies)")
    #expect((460...490).contains(bandwidths), "\(bandwidths)")
    #expect(abs(chiSquared - 1) < 0.05, "\(chiSquared)")
  }

  @Test func `a time off the line shows in the residuals`() throws {
    var samples = Self.samples()
    samples[5].seconds *= 1.5
    let fit = try LatencyBandwidthFit(samples)
    #expect(fit.reducedChiSquared > 10)
    #expect((0.3...0.34).contains(fit.largestRelativeResidual), "\(fit.largestRelativeResidual)")
  }

  private static let badSamples: [(points: [(bytes: Int, seconds: Double)], error: FitError)] = [
    ([], .tooFewSamples(count: 0, needed: 3)),
    ([(8, 1), (16, 2)], .tooFewSamples(count: 2, needed: 3)),
    ([(8, 1), (8, 2), (8, 3)], .equalSizes(bytes: 8)),
    ([(8, 1), (-1, 2), (32, 3)], .badSize(bytes: -1, sample: 1)),
    ([(8, 1), (16, 2), (32, 0)], .badTime(seconds: 0, sample: 2)),
    ([(8, 1), (16, -2), (32, 3)], .badTime(seconds: -2, sample: 1)),
    ([(8, .infinity), (16, 2), (32, 3)], .badTime(seconds: .infinity, sample: 0)),
    ([(8, 1), (16, 1), (32, 1)], .noBandwidth(secondsPerByte: 0)),
    ([(8, 1e-200), (16, 2e-200), (32, 4e-200)], .outOfRange),
  ]

  @Test(arguments: badSamples)
  func `bad samples have their error`(points: [(bytes: Int, seconds: Double)], error: FitError) {
    let samples = points.map {
      Sample(size: ByteCount(bytes: $0.bytes), seconds: $0.seconds, relativeError: 0.01)
    }
    #expect(throws: error) { try LatencyBandwidthFit(samples) }
  }

  @Test func `a time that is no number is an error`() throws {
    var samples = Self.samples()
    samples[1].seconds = .nan
    let error = try #require(throws: FitError.self) { try LatencyBandwidthFit(samples) }
    #expect(
      error.description
        == "measurement 1 has the time nan s, which is not positive and finite")
  }

  @Test func `times that fall with size have no bandwidth`() throws {
    let samples = [(8, 3.0), (16, 2.0), (24, 1.0)].map { bytes, seconds in
      Sample(size: ByteCount(bytes: bytes), seconds: seconds, relativeError: 1 / seconds)
    }
    let error = try #require(throws: FitError.self) { try LatencyBandwidthFit(samples) }
    guard case .noBandwidth(let slope) = error else {
      Issue.record(error)
      return
    }
    #expect(abs(slope + 0.125) < 1e-12)
  }

  @Test(arguments: [0, -0.1, .infinity])
  func `a relative error has to be positive and finite`(value: Double) {
    var samples = Self.samples()
    samples[2].relativeError = value
    #expect(throws: FitError.badRelativeError(value, sample: 2)) {
      try LatencyBandwidthFit(samples)
    }
  }

  @Test func `an error inside GSL is thrown and does not abort`() {
    #expect(throws: FitError.solver(status: 4, reason: "invalid argument supplied by user")) {
      try GSL.call {
        gsl_error("a test", "a file", 1, CInt(GSL_EINVAL))
        return CInt(GSL_EINVAL)
      }
    }
  }
}

/// Random numbers that depend on the seed alone (Steele, Lea and Flood 2014).
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// A draw from the normal distribution (Box and Muller 1958).
  mutating func gaussian() -> Double {
    let radius = Double.random(in: Double.leastNonzeroMagnitude..<1, using: &self)
    let angle = Double.random(in: 0..<2 * .pi, using: &self)
    return (-2 * log(radius)).squareRoot() * cos(angle)
  }
}
