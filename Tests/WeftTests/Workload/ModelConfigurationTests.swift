import Testing

@testable import Weft

struct ModelConfigurationTests {
  @Test func `parameter counts are those published`() throws {
    #expect(try Llama.small().parameters == 8_030_261_248)
    #expect(try Llama.middle().parameters == 70_553_706_496)
    #expect(try Llama.large().parameters == 405_853_388_800)
    // Qwen2 7B has biases, Qwen3 8B norms of heads, Llama 3.2 1B tied embeddings.
    let qwen2 = try ModelConfiguration(
      name: "qwen2-7b", hiddenSize: 3584, layers: 28, heads: 28, keyValueHeads: 4,
      intermediateSize: 18944, vocabulary: 152064, tiedEmbeddings: false, maxPositions: 32768,
      extras: .attentionBias)
    #expect(qwen2.parameters == 7_615_616_512)
    let qwen3 = try ModelConfiguration(
      name: "qwen3-8b", hiddenSize: 4096, layers: 36, heads: 32, keyValueHeads: 8,
      headDimension: 128, intermediateSize: 12288, vocabulary: 151936, tiedEmbeddings: false,
      maxPositions: 40960, extras: .headNorms)
    #expect(qwen3.parameters == 8_190_735_360)
    let tied = try ModelConfiguration(
      name: "llama-3.2-1b", hiddenSize: 2048, layers: 16, heads: 32, keyValueHeads: 8,
      headDimension: 64, intermediateSize: 8192, vocabulary: 128256, tiedEmbeddings: true,
      maxPositions: 131072)
    #expect(tied.parameters == 1_235_814_400)
  }

  @Test func `keys and values of a token take the published bytes`() throws {
    #expect(try Llama.small().keyValueBytesPerToken(type: .bf16) == .kib(128))
    #expect(try Llama.middle().keyValueBytesPerToken(type: .bf16) == .kib(320))
    #expect(try Llama.large().keyValueBytesPerToken(type: .fp8) == .kib(252))
  }

  @Test(arguments: [1, 2, 4, 8])
  func `shards hold the model once and the whole parts on every GPU`(tensor: Int) throws {
    let model = try Llama.middle()
    let whole = PipelineStage(layers: 80, isFirst: true, isLast: true)
    let repeated = 2 * model.vocabulary * model.hiddenSize + (2 * 80 + 1) * model.hiddenSize
    let shard = model.parameters(
      of: whole, plan: ParallelPlan(tensor: tensor), head: .replicated)
    #expect(tensor * (shard - repeated) == model.parameters - repeated)
  }

  @Test func `key-value heads repeat beyond their number`() throws {
    let model = try Llama.middle()
    let layer = PipelineStage(layers: 1, isFirst: false, isLast: false)
    // At 16 GPUs each holds one of the 8 heads, as at 8.
    let queries = 64 / 16 * 128
    let expected =
      8192 * (queries + 2 * 128) + queries * 8192 + 3 * 8192 * 28672 / 16 + 2 * 8192
    #expect(
      model.parameters(of: layer, plan: ParallelPlan(tensor: 16), head: .replicated) == expected)
    #expect(model.keyValueBytesPerTokenAndLayer(type: .bf16, tensor: 16) == 512)
    #expect(model.keyValueBytesPerTokenAndLayer(type: .bf16, tensor: 8) == 512)
  }

  @Test func `stages of a pipeline hold the model once`() throws {
    let model = try Llama.large()
    let stages = ParallelPlan(tensor: 1, pipeline: 8).stages(of: model)
    #expect(stages.map(\.layers) == [16, 16, 16, 16, 16, 16, 15, 15])
    let parts = stages.map {
      model.parameters(of: $0, plan: ParallelPlan(tensor: 1), head: .replicated)
    }
    #expect(parts.reduce(0, +) == model.parameters)
  }

  @Test func `impossible shapes are refused with the key`() {
    let negative = #expect(throws: WorkloadError.self) {
      try ModelConfiguration(
        name: "m", hiddenSize: -1, layers: 1, heads: 1, keyValueHeads: 1, intermediateSize: 1,
        vocabulary: 1, tiedEmbeddings: false, maxPositions: 1)
    }
    #expect(negative?.description == "hidden_size of m is -1; give a size from 1 to 1048576")
    let uneven = #expect(throws: WorkloadError.self) {
      try ModelConfiguration(
        name: "m", hiddenSize: 64, layers: 1, heads: 4, keyValueHeads: 3, intermediateSize: 1,
        vocabulary: 1, tiedEmbeddings: false, maxPositions: 1)
    }
    #expect(uneven?.description.contains("multiple of num_key_value_heads") == true)
    let ragged = #expect(throws: WorkloadError.self) {
      try ModelConfiguration(
        name: "m", hiddenSize: 65, layers: 1, heads: 4, keyValueHeads: 4, intermediateSize: 1,
        vocabulary: 1, tiedEmbeddings: false, maxPositions: 1)
    }
    #expect(ragged?.description.contains("add head_dim") == true)
  }
}
