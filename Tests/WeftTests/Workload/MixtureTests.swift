import Testing

@testable import Weft

/// Models with experts.
enum Mixture {
  /// Mixtral 8x7B.
  static func small() throws -> ModelConfiguration {
    try ModelConfiguration(
      name: "mixtral-8x7b", hiddenSize: 4096, layers: 32, heads: 32, keyValueHeads: 8,
      intermediateSize: 14336, vocabulary: 32000, tiedEmbeddings: false, maxPositions: 32768,
      experts: .init(count: 8, active: 2, intermediateSize: 14336))
  }

  /// DeepSeek-V3.
  static func large() throws -> ModelConfiguration {
    try ModelConfiguration(
      name: "deepseek-v3", hiddenSize: 7168, layers: 61, heads: 128, keyValueHeads: 128,
      headDimension: 128, intermediateSize: 18432, vocabulary: 129280, tiedEmbeddings: false,
      maxPositions: 163840,
      experts: .init(
        count: 256, active: 8, intermediateSize: 2048, sharedSize: 2048, denseLayers: 3),
      latent: .init(queryRank: 1536, rank: 512, rotary: 64, plain: 128, value: 128))
  }
}

struct MixtureTests {
  private func builder(
    _ model: ModelConfiguration, _ plan: ParallelPlan, weights: DataType = .bf16
  ) -> StepBuilder {
    StepBuilder(
      model: model, plan: plan, engine: staticEngine,
      types: StepTypes(weights: weights, keyValues: .bf16), copiesAllReduces: false)
  }

  private func work(
    _ builder: StepBuilder, _ stage: PipelineStage, _ batch: StepBatch
  ) -> [StepOperation] {
    builder.step(of: stage, for: batch).layers.flatMap(\.operations)
  }

  @Test func `parameter counts are those published`() throws {
    #expect(try Mixture.small().parameters == 46_702_792_704)
    let qwen = try ModelConfiguration(
      name: "qwen3-30b-a3b", hiddenSize: 2048, layers: 48, heads: 32, keyValueHeads: 4,
      headDimension: 128, intermediateSize: 6144, vocabulary: 151936, tiedEmbeddings: false,
      maxPositions: 40960, extras: .headNorms,
      experts: .init(count: 128, active: 8, intermediateSize: 768))
    #expect(qwen.parameters == 30_532_122_624)
    // 671 billion, 37 of them active, without the module that predicts a second token.
    let deepSeek = try Mixture.large()
    #expect(abs(Double(deepSeek.parameters) / 671.03e9 - 1) < 1e-4)
    #expect(abs(Double(deepSeek.activeParameters) / 37.5e9 - 1) < 0.02)
  }

  @Test func `a latent cache holds one vector per token on every GPU`() throws {
    let model = try Mixture.large()
    for tensor in [1, 8, 16] {
      #expect(model.keyValueBytesPerTokenAndLayer(type: .bf16, tensor: tensor) == 2 * 576)
    }
  }

  @Test(arguments: [1, 2, 4, 8])
  func `experts' weights share out over groups and splits`(expert: Int) throws {
    let model = try Mixture.small()
    let layer = PipelineStage(layers: 1, expertLayers: 1, isFirst: false, isLast: false)
    let plan = ParallelPlan(tensor: 4, data: 2, expert: expert)
    let routed = 8 * 3 * 4096 * 14336
    let rest = 4096 * (1024 + 512) + 1024 * 4096 + 2 * 4096 + 4096 * 8
    let held = model.parameters(of: layer, plan: plan, head: .replicated)
    // Up to the tensor group an expert's splits make up for fewer ranks.
    #expect(held == rest + routed / max(4, expert))
  }

  @Test func `the first layers are dense`() throws {
    let stages = ParallelPlan(tensor: 1, pipeline: 8).stages(of: try Mixture.large())
    #expect(stages.map(\.layers) == [8, 8, 8, 8, 8, 7, 7, 7])
    #expect(stages.map(\.expertLayers) == [5, 8, 8, 8, 8, 7, 7, 7])
  }

  @Test func `touched experts follow even draws`() {
    #expect(StepBuilder.touched(experts: 1, by: 5) == 1)
    #expect(abs(StepBuilder.touched(experts: 8, by: 1) - 1) < 1e-12)
    // Two draws of eight: 8 (1 - (7/8)^2) = 1.875.
    #expect(abs(StepBuilder.touched(experts: 8, by: 2) - 1.875) < 1e-12)
    #expect(StepBuilder.touched(experts: 8, by: 10_000) > 7.999)
  }

  @Test func `experts inside a tensor group need its all-reduce alone`() throws {
    let model = try Mixture.small()
    let layer = PipelineStage(layers: 1, expertLayers: 1, isFirst: false, isLast: false)
    for expert in [1, 4] {
      let work = work(
        builder(model, ParallelPlan(tensor: 4, expert: expert)), layer,
        .decode(16, length: 100))
      #expect(work.count(where: { $0.work.isCollective }) == 2)
      let products = work.compactMap { operation -> MatrixProduct? in
        if case .product(let product) = operation.work, operation.name.hasPrefix("experts'") {
          product
        } else {
          nil
        }
      }
      // 32 pairs of token and expert; four ranks have them all or a quarter each.
      #expect(products.map(\.m) == [32 / expert, 32 / expert])
      #expect(products.map(\.n) == [2 * 14336 * expert / 4, 4096])
    }
  }

  @Test func `experts of several replicas exchange tokens`() throws {
    let plan = ParallelPlan(tensor: 2, data: 4, expert: 8)
    let layer = PipelineStage(layers: 1, expertLayers: 1, isFirst: false, isLast: false)
    let work = work(
      builder(try Mixture.small(), plan, weights: .fp8), layer, .decode(16, length: 100))
    let exchanges = work.compactMap { operation -> [Int]? in
      guard case .exchange(let kind, let bytes, let group) = operation.work else { return nil }
      return [kind == .allToAll ? 1 : 0, bytes, group == .experts ? 1 : 0]
    }
    // A rank sends half of 16 tokens to two experts each: in 8 bits there, in 16 back.
    #expect(
      exchanges == [[1, 16 * 4096, 1], [1, 32 * 4096, 1], [0, 2 * 16 * 4096, 0]])
    #expect(plan.replicasPerExpertGroup == 4)
  }

  @Test func `latent decode applies expanding matrices to queries`() throws {
    let model = try Mixture.large()
    let layer = PipelineStage(layers: 1, isFirst: false, isLast: false)
    let builder = builder(model, ParallelPlan(tensor: 8))
    let decode = work(builder, layer, .decode(4, length: 1000))
    let attention = decode.compactMap { operation -> DecodeAttention? in
      if case .decodeAttention(let kernel) = operation.work { kernel } else { nil }
    }
    #expect(
      attention == [
        DecodeAttention(
          sequences: 4, length: 1000, heads: 16, keyValueHeads: 1, width: 576, depth: 576 + 512,
          type: .bf16)
      ])
    #expect(!decode.contains { $0.name == "expand" })
    let prefill = work(builder, layer, .prefill(2, prompt: 64))
    #expect(prefill.contains { $0.name == "expand" })
    #expect(!prefill.contains { $0.name.hasPrefix("absorb") })
  }
}
