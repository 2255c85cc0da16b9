import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct ModelFileTests {
  private let data = DataDirectory(path: repositoryRoot)

  @Test(arguments: [
    ("llama-3.1-8b", 8_030_261_248), ("llama-3.1-70b", 70_553_706_496),
    ("llama-3.1-405b", 405_853_388_800), ("mixtral-8x7b", 46_702_792_704),
    ("mixtral-8x22b", 140_620_634_112), ("qwen3-30b-a3b", 30_532_122_624),
    ("qwen3-235b-a22b", 235_093_634_560), ("qwen3-32b", 32_762_123_264),
    ("mistral-7b-v0.3", 7_248_023_552),
  ])
  func `a shipped model has the published size`(name: String, parameters: Int) throws {
    let file = try data.model(name)
    #expect(file.model.name == name && file.notes.isEmpty)
    #expect(file.model.parameters == parameters)
    #expect(file.model.type == .bf16)
  }

  @Test func `DeepSeek-V3 has latent attention and dense first layers`() throws {
    let model = try data.model("deepseek-v3").model
    #expect(model.latent?.rank == 512 && model.latent?.queryRank == 1536)
    #expect(model.experts?.count == 256 && model.experts?.denseLayers == 3)
    #expect(model.experts?.sharedSize == 2048 && model.experts?.active == 8)
    #expect(abs(Double(model.parameters) / 671.03e9 - 1) < 1e-4)
  }

  @Test func `a count of one expert is a dense model`() throws {
    #expect(try read(config(#""num_local_experts": 1,"#)).model.experts == nil)
    #expect(
      try read(config(#""num_local_experts": 8, "num_experts_per_tok": 2,"#)).model.experts?
        .intermediateSize == 18944)
  }

  @Test func `errors of a JSON file speak of JSON`() {
    #expect(refusal("{\"hidden_size\": 4,").map { $0.problem.contains("valid JSON") } == true)
    #expect(refusal("[1, 2]")?.problem == "the file is a list, not an object")
    #expect(refusal("{}")?.fix == "add \"hidden_size\":")
  }

  private func read(_ json: String) throws -> ModelFile {
    let folder = try TemporaryFolder()
    return try ModelFile(path: try folder.write(json, to: "my-model.json"))
  }

  private func refusal(_ json: String) -> InputError? {
    #expect(throws: InputError.self) { try read(json) }
  }

  /// The keys that every model has, after some of its own.
  private func config(_ own: String) -> String {
    """
    {
      \(own)
      "num_hidden_layers": 28, "num_attention_heads": 28, "hidden_size": 3584,
      "intermediate_size": 18944, "vocab_size": 152064
    }
    """
  }

  @Test func `families differ in biases, head norms and defaults`() throws {
    let qwen2 = try read(config(#""model_type": "qwen2", "num_key_value_heads": 4,"#)).model
    #expect(qwen2.name == "my-model")
    #expect(qwen2.parameters == 7_615_616_512)
    let qwen3 = try read(config(#""model_type": "qwen3", "head_dim": 64,"#)).model
    #expect(qwen3.extras == .headNorms && qwen3.headDimension == 64)
    let mistral = try read(
      config(#""model_type": "mistral", "sliding_window": 4096, "dtype": "float16","#))
    #expect(mistral.model.extras == [] && mistral.model.keyValueHeads == 28)
    #expect(mistral.model.type == .fp16)
    #expect(mistral.notes.count == 1 && mistral.notes[0].contains("not the window of 4096"))
    let unlimited = config(#""model_type": "llama", "sliding_window": null,"#)
    #expect(try read(unlimited).notes.isEmpty)
    let unnamed = try read(config(""))
    #expect(unnamed.notes.count == 1 && unnamed.notes[0].contains("no model_type is given"))
    #expect(try read(config(#""num_experts": 0,"#)).model.layers == 28)
  }

  @Test(arguments: [
    (#""model_type": "mixtral","#, "lacks the key 'num_local_experts'"),
    (#""model_type": "qwen3_moe", "num_experts": 0,"#, "num_experts: a model of type 'qwen3_moe'"),
    (#""model_type": "deepseek_v3","#, "lacks the key 'n_routed_experts'"),
    (#""head_dim": "128","#, "\"128\" is a text, not a number"),
  ])
  func `mixtures have experts, and numbers are numbers`(own: String, problem: String) {
    let error = refusal(config(own))
    #expect(error?.kind == .badContent)
    #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "accepted")")
  }

  @Test func `a whole number may have a point`() throws {
    #expect(try read(config(#""head_dim": 64.0,"#)).model.headDimension == 64)
  }

  @Test func `a missing size names file, line and key`() {
    let error = refusal("{\n  \"model_type\": \"llama\", \"num_attention_heads\": 2\n}")
    #expect(error?.kind == .badContent)
    #expect(error?.place?.hasSuffix("my-model.json:1") == true)
    #expect(error?.problem == "the file lacks the key 'hidden_size'")
  }

  @Test(arguments: [
    (#""ssm_cfg": {},"#, "state-space layers"),
    (#""text_config": {},"#, "other parts than text"),
    (
      #""decoder_sparse_step": 2, "num_experts": 8, "num_experts_per_tok": 2,"#,
      "only every 2nd layer"
    ),
    (#""num_experts": 8, "num_experts_per_tok": 9,"#, "'9' is out of range"),
    (#""model_type": "gpt_neox","#, "has no gate"),
    (#""model_type": "bert","#, "'bert' is an encoder"),
    (#""model_type": "mamba","#, "a state-space model"),
    (#""is_encoder_decoder": true,"#, "an encoder"),
    (#""torch_dtype": "float4","#, "no type of weights"),
    (#""head_dim": 1.5,"#, "not a whole number"),
    (#""num_key_value_heads": 3,"#, "28 query heads for 3 key-value heads"),
  ])
  func `what would be predicted wrongly is refused in its line`(own: String, problem: String) {
    let error = refusal(config(own))
    #expect(error?.kind == .badContent)
    #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
    let line = own.contains("key_value") ? 3 : 2
    #expect(error?.place?.hasSuffix(":\(line)") == true, "\(error?.place ?? "")")
  }

  @Test func `an unknown name suggests the nearest`() {
    let error = #expect(throws: InputError.self) { try data.model("llama-3.1-8") }
    #expect(error?.kind == .missing)
    #expect(error?.fix?.hasPrefix("did you mean 'llama-3.1-8b'?") == true)
    let path = #expect(throws: InputError.self) { try data.model("no/config.json") }
    #expect(path?.kind == .missing)
  }
}
