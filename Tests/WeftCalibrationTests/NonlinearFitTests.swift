import Foundation
import TestSupport
import Testing
import WeftCalibration

@Suite struct NonlinearFitTests {
  /// Evenly spread noise of a seed, with mean 0 and standard deviation 1.
  private static func noise(_ count: Int, seed: UInt64 = 7) -> [Double] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Double.random(in: -1...1, using: &generator) * 3.0.squareRoot() }
  }

  private static func model(
    _ x: [Double], _ y: [Double], _ curve: @escaping ([Double], Double) -> Double
  ) -> NonlinearFit.Model {
    { points in points.map { point in zip(x, y).map { curve(point, $0) - $1 } } }
  }

  private static let x = (0..<40).map { 0.1 * Double($0) }

  @Test func `a decay is found again, with errors that cover the truth`() throws {
    let truth = [3.0, 0.7, 0.5]
    let curve = { (p: [Double], x: Double) in p[0] * exp(-p[1] * x) + p[2] }
    let y = zip(Self.x, Self.noise(40)).map { curve(truth, $0) + 0.01 * $1 }
    let parameters = [
      FitParameter(name: "height", start: 1, in: 0...10),
      FitParameter(name: "rate", start: 0.1, in: 0.01...10, isLogarithmic: true),
      FitParameter(name: "floor", start: 0.1, in: -1...1),
    ]
    let fit = try NonlinearFit(parameters, samples: 40, model: Self.model(Self.x, y, curve))
    #expect(fit.hasConverged && fit.degreesOfFreedom == 37)
    for (estimate, truth) in zip(fit.estimates, truth) {
      #expect(abs(estimate.value - truth) < 3 * estimate.standardError, "\(estimate)")
      #expect(estimate.standardError < 0.1 * truth)
    }
    #expect(abs(fit.scale - 0.01) < 0.003)
  }

  @Test func `the covariance of a line is that of linear regression`() throws {
    let y = zip(Self.x, Self.noise(40)).map { 2 + 3 * $0 + $1 }
    let parameters = ["a", "b"].map { FitParameter(name: $0, start: 1, in: -100...100) }
    let fit = try NonlinearFit(
      parameters, samples: 40, options: .init(tolerance: 1e-9),
      model: Self.model(Self.x, y) { $0[0] + $0[1] * $1 })
    let mean = Self.x.reduce(0, +) / 40
    let spread = Self.x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let slope = zip(Self.x, y).reduce(0) { $0 + ($1.0 - mean) * $1.1 } / spread
    #expect(abs(fit.values[1] - slope) < 1e-5)
    let variance = fit.scale * fit.scale
    #expect(abs(fit.covariance[1][1] / (variance / spread) - 1) < 1e-6)
    #expect(abs(fit.covariance[0][1] / (-variance * mean / spread) - 1) < 1e-6)
    #expect(fit.correlation(0, 1) < -0.8)
  }

  @Test func `outliers pull squares away and leave the robust loss`() throws {
    var y = zip(Self.x, Self.noise(40)).map { 1 + 2 * $0 + 0.02 * $1 }
    for index in stride(from: 0, to: 40, by: 9) { y[index] += 10 }
    let parameters = ["a", "b"].map { FitParameter(name: $0, start: 0.5, in: -100...100) }
    func fit(_ lossScale: Double) throws -> [Double] {
      try NonlinearFit(
        parameters, samples: 40, options: .init(lossScale: lossScale),
        model: Self.model(Self.x, y) { $0[0] + $0[1] * $1 }
      ).values
    }
    #expect(abs(try fit(.infinity)[0] - 1) > 0.5)
    #expect(abs(try fit(0.02)[0] - 1) < 0.05)
  }

  @Test func `one bad run of many does not make everything look undetermined`() throws {
    var y = zip(Self.x, Self.noise(40)).map { 1 + 2 * $0 + 0.01 * $1 }
    let parameters = ["a", "b"].map { FitParameter(name: $0, start: 0.5, in: -100...100) }
    func fit() throws -> NonlinearFit {
      try NonlinearFit(
        parameters, samples: 40, options: .init(lossScale: 0.05),
        model: Self.model(Self.x, y) { $0[0] + $0[1] * $1 })
    }
    let clean = try fit()
    y[17] += 2.3
    let spoilt = try fit()
    for (estimate, other) in zip(spoilt.estimates, clean.estimates) {
      #expect(estimate.standardError < 1.3 * other.standardError)
      #expect(abs(estimate.value - other.value) < 2 * other.standardError)
    }
  }

  @Test func `a value stays inside its bounds when the data would have it outside`() throws {
    let y = Self.x.map { 5 * $0 }
    let fit = try NonlinearFit(
      [FitParameter(name: "slope", start: 1, in: 0...2)], samples: 40,
      model: Self.model(Self.x, y) { $0[0] * $1 })
    #expect(fit.values[0] <= 2 && fit.values[0] > 1.99)
  }

  @Test func `parameters that only matter as a sum show it, and nothing fails`() throws {
    let y = zip(Self.x, Self.noise(40)).map { 3 * $0 + 0.1 * $1 }
    let parameters = ["a", "b"].map { FitParameter(name: $0, start: 1, in: 0...10) }
    let fit = try NonlinearFit(
      parameters, samples: 40, model: Self.model(Self.x, y) { ($0[0] + $0[1]) * $1 })
    #expect(abs(fit.values[0] + fit.values[1] - 3) < 0.1)
    #expect(fit.singularValues[1] < 1e-6 * fit.singularValues[0])
    #expect(fit.correlation(0, 1) < -0.999 && fit.estimates[0].relativeError > 100)
  }

  @Test func `another start is taken where the given one ends in a worse valley`() throws {
    // |p - 8| (p + 8) has a shallow valley at -8 beside the one at 8.
    let model: NonlinearFit.Model = { points in
      points.map { p in
        let far = p[0] < 0 ? 1.0 : 0.0
        return [(abs(p[0]) - 8) / 4 + far, far, far]
      }
    }
    let parameter = FitParameter(name: "p", start: -6, in: -10...10)
    #expect(try NonlinearFit([parameter], samples: 3, model: model).values[0] < 0)
    let fit = try NonlinearFit([parameter], samples: 3, options: .init(starts: 16), model: model)
    #expect(abs(fit.values[0] - 8) < 0.1)
  }

  @Test func `what cannot be fitted is an error, never an abort`() throws {
    let parameter = FitParameter(name: "p", start: 1, in: 0...10)
    struct Broken: Error {}
    #expect(throws: Broken.self) {
      try NonlinearFit([parameter], samples: 3) { _ in throw Broken() }
    }
    #expect(throws: FitError.notFinite(sample: 1)) {
      try NonlinearFit([parameter], samples: 3) { $0.map { [$0[0], .nan, 1] } }
    }
    #expect(throws: FitError.tooFewSamples(count: 1, needed: 2)) {
      try NonlinearFit([parameter], samples: 1) { $0.map { _ in [1] } }
    }
    #expect(throws: FitError.badBounds(parameter: "q")) {
      let outside = FitParameter(name: "q", start: 20, in: 0...10)
      return try NonlinearFit([outside], samples: 3) { $0.map { _ in [1, 1, 1] } }
    }
    // A model that answers to nothing.
    let flat = try NonlinearFit([parameter], samples: 3) { $0.map { _ in [1, 2, 3] } }
    #expect(flat.singularValues == [0] && flat.covariance[0][0].isFinite)
  }

  @Test func `Student's quantile is the table's`() {
    #expect(abs(Quantile.student(0.95, degreesOfFreedom: 10) - 2.228) < 1e-3)
    #expect(abs(Quantile.student(0.95, degreesOfFreedom: 100_000) - 1.96) < 1e-3)
  }
}
