import Testing

@testable import WeftCalibration

/// The residual that sets the width of an interval.
@Suite struct ResidualQuantileTests {
  @Test func `few calls are held by the largest, more by the rank between two`() {
    #expect(CollectiveCalibration.quantile([0.1]) == 0.1)
    #expect(CollectiveCalibration.quantile((1...18).map(Double.init)) == 18)
    #expect(CollectiveCalibration.quantile((1...19).map(Double.init)) == 19)
    // 0.95 * 34 = 32.3, whatever the worst call is.
    let worst = (1...32).map(Double.init) + [1000]
    #expect(abs(CollectiveCalibration.quantile(worst) - (32 + 0.3 * 968)) < 1e-9)
    #expect(abs(CollectiveCalibration.quantile((1...99).map(Double.init)) - 95) < 1e-9)
  }
}
