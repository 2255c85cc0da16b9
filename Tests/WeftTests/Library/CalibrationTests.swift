import Glibc
import Testing

@testable import Weft

@Suite struct CalibrationTests {
  private let calibration = Calibration(
    topology: "alps",
    parameters: [
      .init(name: "a", value: 2, standardError: 0.1),
      .init(name: "b", value: 5, standardError: 0.2),
    ],
    correlations: [[1, -0.5], [-0.5, 1]], coverageFactor: 2,
    residuals: [
      .init(window: .all, calls: 30, median: 0.05, halfWidth: 0.3),
      .init(window: .small, calls: 20, median: 0.04, halfWidth: 0.1),
      .init(window: .large, calls: 2, median: 0.04, halfWidth: 0.05),
    ], sizes: 1024...1 << 30, nodes: 2...8)

  @Test func `an interval joins the errors of parameters and what the model misses`() {
    // Variance of a + b: 0.01 + 0.04 - 2 x 0.5 x 0.02 = 0.03.
    let factors = calibration.factors(gradient: [1, 1], bytes: 2048, nodes: 4)
    let width = (4 * 0.03 + 0.1 * 0.1).squareRoot()
    #expect(abs(factors.high - exp(width)) < 1e-12 && abs(factors.low * factors.high - 1) < 1e-12)
  }

  @Test func `a window of few calls takes the width of all, and one without calls too`() {
    for bytes in [1 << 25, 1 << 18] {
      let factors = calibration.factors(gradient: [0, 0], bytes: bytes, nodes: 4)
      #expect(abs(factors.high - exp(0.3)) < 1e-12)
    }
  }

  @Test func `outside of what was measured the interval is wider`() {
    let inside = calibration.factors(gradient: [0, 0], bytes: 2048, nodes: 8).high
    let outside = calibration.factors(gradient: [0, 0], bytes: 2048, nodes: 32).high
    #expect(abs(outside - exp(0.2)) < 1e-12 && inside < outside)
    #expect(calibration.extrapolates(bytes: 8, nodes: 4))
    #expect(!calibration.extrapolates(bytes: 1024, nodes: 8))
  }
}
