import Testing

@testable import Weft

struct PhysicalBoundTests {
  /// Rates of the data sheet are reached in full, and nothing else costs anything.
  private var perfect: Profile {
    var profile = roundProfile()
    for key in Profile.Key.allCases {
      switch key.dimension {
      case .ratio: profile[key]?.value = 1
      case .duration: profile[key]?.value = 0
      case .bandwidth, .size: break
      }
    }
    profile[.gemmBlend]?.value = 0.01
    profile[.gemmWaves]?.value = 1e-6
    return profile
  }

  private static let engines = [
    staticEngine,
    InferenceEngine(
      name: "continuous", title: "test", prefillLaunch: .graph, batching: .continuous(chunk: 64),
      head: .vocabularyParallel, overlap: 1),
  ]

  @Test(arguments: engines)
  func `no step is faster than weights, keys and values over the memory's rate`(
    engine: InferenceEngine
  ) throws {
    let cases = [
      (try Llama.small(), "tp", 4, 4), (try Llama.middle(), "tp4xpp", 16, 4),
      (try Llama.middle(), "tp8c2", 16, 16), (try Mixture.small(), "tp2xdpxep", 8, 2),
      (try Mixture.small(), "tp4xep4", 4, 4), (try Mixture.large(), "tp8xpp", 256, 8),
    ]
    for (model, plan, gpus, tensor) in cases {
      let rows = try predict(
        try request(
          model, plans: [plan], gpus: [gpus], batch: 4, prompt: 512, decode: 64,
          profile: perfect, engine: engine))
      let row = try #require(rows.first)
      let timing = try #require(row.timing, "\(plan): \(row.reason ?? "")")
      // Attention and shared matrices at least, whatever experts are touched.
      let always =
        model.parameters - model.vocabulary * model.hiddenSize
        - (model.experts.map {
          model.expertLayers(in: 0..<model.layers) * 3 * model.hiddenSize * $0.intermediateSize
            * $0.count
        } ?? 0)
      let cache = 4 * 512 * model.keyValueBytesPerTokenAndLayer(type: .bf16, tensor: tensor)
      let bytes = 2 * always / tensor + model.layers * cache
      let tpot = try #require(timing.tpot)
      #expect(tpot.seconds >= Double(bytes) / 1555e9, "\(plan) of \(model.name)")
      let operations =
        2 * Double(model.activeParameters - 2 * model.vocabulary * model.hiddenSize) * 512
        * Double(engine.batching == .static ? 4 : 1)
      #expect(timing.ttft.seconds >= operations / (Double(gpus) * 312e12), "\(plan)")
    }
  }

  @Test func `a step below the bound is a mistake`() throws {
    let model = try Llama.small()
    let gpu = a100Nodes().gpu
    let step = StepBuilder(
      model: model, plan: ParallelPlan(tensor: 1), engine: staticEngine,
      types: StepTypes(weights: .bf16, keyValues: .bf16), copiesAllReduces: false
    ).step(of: model.wholeStage, for: .decode(8, length: 1024))
    let matrices = model.parameters - model.vocabulary * model.hiddenSize
    let cache = 8 * 1024 * model.keyValueBytesPerToken(type: .bf16).bytes
    let least = step.leastSeconds(on: gpu)
    // Norms, rotary and activations come on top of weights and cache.
    let traffic = Double(2 * matrices + cache) / 1555e9
    #expect(least > traffic && least < 1.02 * traffic)
    try PhysicalBoundError.check(.seconds(least), least: least)
    let error = #expect(throws: PhysicalBoundError.self) {
      try PhysicalBoundError.check(.seconds(0.99 * least), least: least)
    }
    #expect(error?.description.contains("faster than its memory traffic") == true)
  }
}
