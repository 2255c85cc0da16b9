import Glibc
import Testing

@testable import Weft

struct StepCalibrationTests {
  private func calibration(
    errors: [Double] = [10e-6, 2e-6], correlation: Double = 0, model: String = "llama-3.1-8b",
    engine: String = "static", weights: String = "", keyValues: String = "", nodes: Int = 4
  ) -> StepCalibration {
    StepCalibration(
      model: model, engine: engine, topology: "a100x4",
      parameters: zip([Profile.Key.hostStep, .hostSequence], errors).map {
        .init(name: $0.rawValue, value: 100e-6, standardError: $1)
      },
      correlations: [[1, correlation], [correlation, 1]], coverageFactor: 2, steps: 20,
      median: 0.01, halfWidth: 0.03, gpus: 1...4, batches: 1...8, nodes: nodes, weights: weights,
      keyValues: keyValues)
  }

  private func interval(
    _ calibration: StepCalibration?, gpus: Int = 4, batch: Int = 8
  ) throws -> (tpot: Double, low: Double, high: Double)? {
    var asked = try request(Llama.small(), gpus: [gpus], batch: batch)
    asked.profile.stepCalibration = calibration
    var timer = CachingTimer(AlphaBetaTimer())
    let rows = try asked.bounded(try asked.predictions(timer: &timer), timer: &timer)
    let timing = try #require(rows.first?.timing)
    return timing.tpotInterval.map {
      (timing.tpot?.seconds ?? 0, $0.lowerBound.seconds, $0.upperBound.seconds)
    }
  }

  @Test func `without a calibration there is no interval`() throws {
    #expect(try interval(nil) == nil)
  }

  @Test func `what steps were not measured of has no interval and says so`() throws {
    func obstacle(
      _ calibration: StepCalibration, _ library: AllReduceLibrary = .nccl,
      weights: DataType? = nil, gpus: Int = 4, plan: String = "tp"
    ) throws -> String? {
      var asked = try request(
        Llama.small(), plans: [plan], gpus: [gpus], libraries: [library], weights: weights)
      asked.profile.stepCalibration = calibration
      var timer = CachingTimer(AlphaBetaTimer())
      let row = try #require(
        try asked.bounded(try asked.predictions(timer: &timer), timer: &timer).first)
      let timing = try #require(row.timing)
      #expect((timing.tpotInterval == nil) == (row.intervalObstacle != nil))
      return row.intervalObstacle
    }
    #expect(try obstacle(calibration()) == nil)
    #expect(try obstacle(calibration(weights: "bf16")) == nil)
    #expect(
      try obstacle(calibration(), .nvrar)
        == "all-reduces by nvrar: the profile was calibrated on all-reduces by nccl")
    #expect(
      try obstacle(calibration(model: "llama-3.1-70b"))
        == "steps of llama-3.1-8b: the profile was calibrated on steps of llama-3.1-70b")
    #expect(try obstacle(calibration(engine: "vllm"))?.hasPrefix("steps under static") == true)
    #expect(
      try obstacle(calibration(weights: "bf16"), weights: .fp16)
        == "weights of fp16: the profile was calibrated on weights of bf16")
    #expect(try obstacle(calibration(keyValues: "bf16")) == nil)
    #expect(
      try obstacle(calibration(keyValues: "fp8"))
        == "KV caches of bf16: the profile was calibrated on KV caches of fp8")
    #expect(try obstacle(calibration(), plan: "tp2xpp2")?.hasPrefix("pipelines, grids") == true)
    #expect(try obstacle(calibration(), plan: "tp2xdp2") == nil)
    #expect(try obstacle(calibration(nodes: 1)) == nil)
    #expect(try obstacle(calibration(nodes: 1), gpus: 8, plan: "tp4xdp2") == nil)
    #expect(try obstacle(calibration(nodes: 2), gpus: 8) == nil)
    #expect(
      try obstacle(calibration(nodes: 1), gpus: 8)
        == "models over several nodes: the profile was calibrated on one node")
  }

  @Test func `terms and residuals make the interval`() throws {
    let bounds = try #require(try interval(calibration()))
    // One more of each error: 10 us of the step, and 8 times 2 us.
    let terms = [10e-6, 16e-6].map { log1p($0 / bounds.tpot) }
    let half = (4 * (terms[0] * terms[0] + terms[1] * terms[1]) + 0.03 * 0.03).squareRoot()
    #expect(abs(log(bounds.high / bounds.tpot) / half - 1) < 1e-4)
    #expect(abs(log(bounds.tpot / bounds.low) / half - 1) < 1e-4)
  }

  @Test func `errors of terms that trade cancel`() throws {
    let free = try #require(try interval(calibration()))
    let bound = try #require(try interval(calibration(correlation: -1)))
    #expect(bound.high - bound.low < free.high - free.low)
  }

  @Test(arguments: [(8, 8, 1.5), (16, 8, 2), (4, 16, 1.5), (4, 4, 1)])
  func `beyond what was measured it widens`(gpus: Int, batch: Int, factor: Double) throws {
    let bounds = try #require(
      try interval(calibration(errors: [0, 0]), gpus: gpus, batch: batch))
    #expect(abs(log(bounds.high / bounds.tpot) / (0.03 * factor) - 1) < 1e-4)
  }
}
