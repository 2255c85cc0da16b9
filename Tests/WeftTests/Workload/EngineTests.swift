import Testing

@testable import Weft

struct EngineTests {
  private func timing(_ request: PredictionRequest) throws -> Prediction.Timing {
    try #require(try predict(request).first?.timing)
  }

  private func continuous(chunk: Int = 64) -> InferenceEngine {
    InferenceEngine(
      name: "continuous", title: "test engine", prefillLaunch: .graph,
      batching: .continuous(chunk: chunk))
  }

  @Test func `a grid has four all-reduces per layer and two for its norms`() throws {
    let builder = StepBuilder(
      model: try Llama.middle(), plan: ParallelPlan(tensor: 8, columns: 2), engine: staticEngine,
      types: StepTypes(weights: .bf16, keyValues: .bf16), copiesAllReduces: false)
    let step = builder.step(
      of: PipelineStage(layers: 3, isFirst: true, isLast: true), for: .decode(8, length: 10))
    let groups = step.layers.flatMap(\.operations).compactMap { operation -> String? in
      guard case .allReduce(let bytes, let type, let group) = operation.work else { return nil }
      return "\(group.rawValue) \(type.rawValue) \(bytes)"
    }
    // Rows add parts of the residual; columns QKV of 16 + 2 x 2 heads, and gate and up.
    #expect(
      groups == [
        "columns fp32 32", "columns bf16 \(8 * 20 * 128 * 2)", "rows bf16 \(8 * 4096 * 2)",
        "columns fp32 32", "columns bf16 \(8 * 2 * 7168 * 2)", "rows bf16 \(8 * 4096 * 2)",
      ])
    #expect(step.collectives == 3 * 6 + 1)
  }

  @Test func `a split head gathers logits and holds its share`() throws {
    let model = try Llama.small()
    var engine = staticEngine
    engine.head = .vocabularyParallel
    let plan = ParallelPlan(tensor: 4)
    let whole = model.parameters(of: model.wholeStage, plan: plan, head: .replicated)
    let split = model.parameters(of: model.wholeStage, plan: plan, head: .vocabularyParallel)
    #expect(whole - split == 2 * 3 * 128256 * 4096 / 4)
    let step = StepBuilder(
      model: model, plan: plan, engine: engine,
      types: StepTypes(weights: .bf16, keyValues: .bf16), copiesAllReduces: false
    ).step(of: model.wholeStage, for: .decode(8, length: 10))
    #expect(
      step.after.contains {
        $0.work == .exchange(.allGather, bytes: 8 * 128256 * 2, group: .tensor)
      })
  }

  @Test func `an engine's all-reduce serves small messages inside a node`() throws {
    var engine = staticEngine
    engine.fusedAllReduceLimit = .mib(1)
    let profile = roundProfile([.fusedAllReduceBase: 4e-6])
    func decode(_ topology: Topology, _ gpus: Int) throws -> SimDuration {
      let request = try request(
        Llama.small(), gpus: [gpus], batch: 1, topology: topology, profile: profile,
        engine: engine)
      return try #require(try timing(request).decode)[.allReduce]
    }
    // One shot of 8 KiB to three peers at 0.8 x 300 GB/s, twice in 32 layers.
    let own = 64 * (4 + 3 * 8192 / (0.8 * 300e3))
    #expect(abs(try decode(a100Nodes(), 4).microseconds - own) < 0.01)
    // Across nodes it is the library's: 7 x 5 us and 16 KiB at 25 GB/s.
    let library = 64 * (7 * 5 + 16.384 / 25)
    #expect(abs(try decode(a100Nodes(), 8).microseconds - library) < 0.01)
  }

  @Test func `prompts ride on the decode steps of others`() throws {
    func timing(_ engine: InferenceEngine, prompt: Int, decode: Int) throws -> Prediction.Timing {
      try self.timing(
        try request(
          Llama.small(), gpus: [4], batch: 8, prompt: prompt, decode: decode, engine: engine))
    }
    // With few tokens to each request most of a step is other requests' prompts.
    let busy = try timing(continuous(chunk: 512), prompt: 2048, decode: 16)
    let calm = try timing(staticEngine, prompt: 2048, decode: 16)
    #expect(try #require(busy.tpot).seconds > 2 * (try #require(calm.tpot)).seconds)
    #expect(busy.prefill.total == busy.ttft && busy.running == 8)
    // With many the share fades: 2048 tokens of prompt in 100,000 steps.
    let quiet = try timing(continuous(chunk: 512), prompt: 16, decode: 100_000)
    let plain = try timing(staticEngine, prompt: 16, decode: 100_000)
    #expect(abs(try #require(quiet.tpot) / (try #require(plain.tpot)) - 1) < 0.02)
    // Small pieces read the weights more often before the first token.
    let small = try timing(continuous(chunk: 64), prompt: 2048, decode: 16)
    #expect(small.ttft > busy.ttft)
  }

  @Test func `requests beyond memory wait`() throws {
    let row = try #require(
      try predict(
        try request(
          Llama.small(), gpus: [1], batch: 4096, prompt: 4096, decode: 4096,
          engine: continuous())
      ).first)
    let timing = try #require(row.timing)
    #expect(timing.running == row.largestBatch && timing.running < 200)
    // 40 GiB less 15 of weights and 1 reserved, for 6144 tokens of 128 KiB each.
    #expect(abs(Double(timing.running) - 24 * 1024 * 8 / 6144) < 3)
    #expect(
      abs(timing.tokensPerSecond * timing.latency.seconds - Double(timing.running * 4096)) < 1)
  }

  @Test func `the largest batch fits and one more does not`() throws {
    let first = try #require(try predict(try request(Llama.small(), gpus: [2], batch: 1)).first)
    let largest = try #require(first.largestBatch)
    func fits(_ batch: Int) throws -> Bool {
      try #require(try predict(try request(Llama.small(), gpus: [2], batch: batch)).first).fits
    }
    #expect(largest > 1)
    #expect(try fits(largest))
    #expect(try !fits(largest + 1))
  }

  @Test func `gaps of an engine add to every kernel and collective`() throws {
    func decode(_ values: [Profile.Key: Double]) throws -> CostLedger {
      try #require(
        try timing(
          try request(
            Llama.small(), gpus: [4], batch: 2, profile: roundProfile(values))
        ).decode)
    }
    let plain = try decode([:])
    let gaps = try decode([.stepKernel: 1e-6, .stepCollective: 3e-6, .hostSequence: 5e-6])
    // 11 operations in 32 layers and four outside, 64 all-reduces, two sequences.
    #expect(gaps[.launch] - plain[.launch] == .microseconds(Double(11 * 32 + 4 + 3 * 64)))
    #expect(gaps[.host] - plain[.host] == .microseconds(10))
  }

  @Test func `hidden collectives take no more than there is to hide behind`() throws {
    func step(_ overlap: Double) throws -> CostLedger {
      var engine = staticEngine
      engine.overlap = overlap
      return try #require(
        try timing(try request(Llama.middle(), gpus: [16], engine: engine)).decode)
    }
    let (none, half, all) = (try step(0), try step(0.5), try step(1))
    #expect(abs(half[.allReduce] / none[.allReduce] - 0.5) < 1e-6)
    #expect(all[.allReduce] < half[.allReduce] && all[.gemm] == none[.gemm])
    #expect(all.total >= none.total - none[.allReduce])
  }
}

private func / (left: SimDuration, right: SimDuration) -> Double { left.seconds / right.seconds }
