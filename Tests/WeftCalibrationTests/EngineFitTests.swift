import Testing
import Weft
import WeftCalibration
import WeftFiles

@Suite struct EngineFitTests {
  private let request: PredictionRequest

  init() throws {
    let data = try DataDirectory.find(option: nil)
    let machine = try data.topology("dgx-h100").topology
    request = PredictionRequest(
      model: try data.model("llama-3.1-8b").model, topology: machine,
      profile: try data.nominalProfile(for: machine), gpuCounts: [1],
      plans: [try PlanPattern("tp")], libraries: [.nccl],
      workload: try InferenceWorkload(batch: 1, prompt: 127, decode: 2),
      engine: try data.engine("torch-graph").engine)
  }

  /// Steps on one to four GPUs as a profile with other values predicts them.
  private func steps(_ values: [Profile.Key: Double]) throws -> [StepMeasurement] {
    var actual = request
    for (key, value) in values { actual.profile[key]?.value = value }
    var timer = CachingTimer(SimulatedTimer(topology: actual.topology, profile: actual.profile))
    return try [(1, 1), (1, 8), (2, 1), (2, 8), (4, 4), (4, 32)].map { gpus, batch in
      var step = StepMeasurement(
        tensor: gpus, workload: try InferenceWorkload(batch: batch, prompt: 127, decode: 2),
        time: .zero)
      step.time = try EngineTerms.step(step, actual, timer: &timer)
      return step
    }
  }

  private func fit(_ steps: [StepMeasurement]) throws -> EngineFit {
    var timer = CachingTimer(SimulatedTimer(topology: request.topology, profile: request.profile))
    return try EngineFit(try EngineTerms.rows(of: steps, in: request, timer: &timer))
  }

  @Test func `a few steps give back the terms they were made with`() throws {
    let steps = try steps([.hostStep: 300e-6, .stepCollective: 4e-6])
    let fit = try fit(steps)
    let values = Dictionary(uniqueKeysWithValues: zip(EngineTerms.keys, fit.values))
    #expect(abs((values[.hostStep] ?? 0) / 300e-6 - 1) < 1e-3)
    #expect(abs((values[.stepCollective] ?? 0) / 4e-6 - 1) < 1e-3)
    #expect(values[.stepKernel] == 0 && values[.hostSequence] == 0)
    #expect(zip(fit.rows, fit.fitted).allSatisfy { abs($1 / $0.time - 1) < 1e-4 })
    #expect(fit.rows.allSatisfy { abs($0.before / $0.time - 1) > 0.01 })
    let calibration = try #require(fit.calibration(of: steps, in: request))
    #expect(calibration.parameters.map(\.name) == ["host.step", "step.per-collective"])
    #expect(calibration.gpus == 1...4 && calibration.batches == 1...32)
    #expect(calibration.halfWidth < 1e-3)
    let applied = fit.applied(to: request.profile, source: "test", calibration: calibration)
    #expect(applied[.hostStep]?.value == values[.hostStep])
    #expect(applied.stepCalibration == calibration)
  }

  @Test func `steps faster than the kernels leave every term at zero`() throws {
    let fit = try EngineFit(
      (1...4).map {
        EngineTerms.Row(
          time: 1e-3, predicted: 2e-3, before: 2e-3, counts: [1, 0, Double($0), 300])
      })
    #expect(fit.values == [0, 0, 0, 0] && fit.fittedTerms == 0 && fit.outliers.isEmpty)
  }

  @Test func `scatter makes the errors of the terms and the interval`() throws {
    let noise = [1.02, 0.98, 1.01, 0.99, 1.015, 0.985]
    let steps = zip(try steps([.hostStep: 500e-6]), noise).map { step, factor in
      var step = step
      step.time = .seconds(step.time.seconds * factor)
      return step
    }
    let fit = try fit(steps)
    let calibration = try #require(fit.calibration(of: steps, in: request))
    let host = try #require(calibration.parameters.first)
    #expect(host.name == "host.step" && host.standardError > 5e-6)
    #expect(abs(host.value - 500e-6) < 4 * host.standardError)
    // Of six the largest residual, and more for what the fit took from it.
    #expect(calibration.halfWidth > 0.015 && calibration.halfWidth < 0.06)
  }

  @Test func `one step gives a value and no error`() throws {
    let steps = Array(try steps([.hostStep: 300e-6]).prefix(1))
    let fit = try fit(steps)
    #expect(fit.standardErrors == nil && fit.calibration(of: steps, in: request) == nil)
    #expect(abs((fit.fitted.first ?? 0) / steps[0].time.seconds - 1) < 1e-6)
    #expect(throws: FitError.self) { try EngineFit([]) }
  }

  @Test(arguments: [0.1, 10]) func `a bad run is left out of values and interval`(factor: Double)
    throws
  {
    var steps = try steps([.hostStep: 300e-6, .stepCollective: 4e-6])
    let clean = try fit(Array(steps.dropFirst()))
    steps[0].time = .seconds(steps[0].time.seconds * factor)
    let fit = try fit(steps)
    #expect(fit.outliers == [0] && clean.outliers.isEmpty)
    #expect(fit.values == clean.values && fit.fittedTerms == 2)
    let calibration = try #require(fit.calibration(of: steps, in: request))
    #expect(calibration.steps == 5 && calibration.halfWidth < 1e-3)
  }

  @Test func `terms that no step tells apart are named`() throws {
    let alike = try EngineFit(
      (1...8).map {
        EngineTerms.Row(
          time: 1e-3 + 1e-4 * Double($0), predicted: 1e-4 * Double($0), before: 1e-3,
          counts: [1, 65, Double($0), 300])
      })
    #expect(alike.values[1...] == [0, 0, 0] && abs(alike.values[0] / 1e-3 - 1) < 1e-6)
    #expect(alike.indistinguishable.map(\.term) == [0])
    #expect(alike.indistinguishable.map(\.others) == [[1, 3]])
    let fit = try fit(try steps([.hostStep: 300e-6]))
    #expect(fit.indistinguishable.flatMap(\.others).allSatisfy { $0 != 1 })
  }
}
