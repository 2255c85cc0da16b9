import Foundation
public import Weft

/// A Hugging Face `config.json` of a decoder-only model.
///
/// Llama, Mistral, Qwen2, Qwen3 and other families with gated MLPs and grouped-query attention are
/// read, and the mixtures of Mixtral, Qwen and DeepSeek with its latent attention; keys that decide
/// no size are ignored. Encoders, state spaces, MLPs without a gate and mixtures in some layers
/// only are refused, since the model of a step would be wrong for them.
public struct ModelFile: Sendable {
  /// The model.
  public let model: ModelConfiguration
  /// What the file says that a prediction does not follow, each in one line.
  public let notes: [String]

  /// Reads a model's configuration.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` with the line of
  ///   a missing or impossible size or of what is not supported.
  public init(path: String) throws(InputError) {
    let document = try YAMLDocument(path: path)
    var reader = try document.reader()
    let type = try reader.optionalString("model_type") ?? ""
    try Self.refuseOtherKinds(&reader, type: type)

    let hidden = try reader.integer("hidden_size", in: 1...1 << 20)
    let heads = try reader.integer("num_attention_heads", in: 1...1 << 12)
    var extras: ModelConfiguration.Extras = []
    if try reader.optionalBool("attention_bias") ?? (type == "qwen2") {
      extras.insert(.attentionBias)
    }
    if type.hasPrefix("qwen3") { extras.insert(.headNorms) }
    let layers = try reader.integer("num_hidden_layers", in: 1...1 << 12)
    let keyValueHeads = try reader.optionalInteger("num_key_value_heads", in: 1...1 << 12)
    let headDimension = try reader.optionalInteger("head_dim", in: 1...1 << 12)
    let intermediate = try reader.integer("intermediate_size", in: 1...1 << 22)
    let vocabulary = try reader.integer("vocab_size", in: 1...1 << 24)
    let tied = try reader.optionalBool("tie_word_embeddings") ?? type.hasPrefix("gemma")
    let experts = try Self.experts(&reader, type: type, intermediate: intermediate)
    let latent = try Self.latentAttention(&reader)
    let positions = try reader.optionalInteger("max_position_embeddings", in: 1...1 << 30)
    let weights = try Self.type(&reader)
    notes = try Self.notes(&reader, path: path) + Self.guesses(type: type, path: path)
    do {
      model = try ModelConfiguration(
        name: Self.name(of: path), hiddenSize: hidden, layers: layers, heads: heads,
        keyValueHeads: keyValueHeads ?? heads, headDimension: headDimension,
        intermediateSize: intermediate, vocabulary: vocabulary, tiedEmbeddings: tied,
        maxPositions: positions ?? 1 << 30, type: weights, extras: extras, experts: experts,
        latent: latent)
    } catch {
      throw reader.error(at: "num_attention_heads", error.problem, fix: error.fix)
    }
  }

  /// Families that are known to be decoders with gated MLPs.
  private static let families = [
    "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2",
    "granite", "cohere", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2", "deepseek_v3",
    "kimi_k2",
  ]

  private static func guesses(type: String, path: String) -> [String] {
    guard !families.contains(type) else { return [] }
    let kind = type.isEmpty ? "no model_type is given" : "the model_type '\(type)' is not known"
    return ["\(path): \(kind); it is priced as a decoder with gated MLPs, as Llama's"]
  }

  /// The name of the file, or of its folder if it is a `config.json`.
  private static func name(of path: String) -> String {
    let file = URL(fileURLWithPath: path)
    let name = file.deletingPathExtension().lastPathComponent
    return name == "config" ? file.deletingLastPathComponent().lastPathComponent : name
  }
}

// MARK: - What is not supported

extension ModelFile {
  /// Keys whose presence says that layers are of a kind that Weft has no model of.
  private static let otherKinds = [
    ("ssm_cfg", "state-space layers"), ("state_size", "state-space layers"),
    ("layers_block_type", "layers of several kinds"), ("text_config", "other parts than text"),
    ("interleave_moe_layer_step", "experts in some layers only"),
  ]

  /// Types whose MLP has two matrices in place of three.
  private static let ungatedTypes = [
    "bloom", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "mpt", "opt", "phi",
    "starcoder2",
  ]

  /// Types that are no attention decoders, whose sizes may read like a decoder's.
  private static let otherTypes = [
    "albert": "an encoder", "bert": "an encoder", "distilbert": "an encoder",
    "electra": "an encoder", "modernbert": "an encoder", "roberta": "an encoder",
    "vit": "an encoder", "xlm-roberta": "an encoder", "bart": "an encoder with a decoder",
    "t5": "an encoder with a decoder", "whisper": "an encoder with a decoder",
    "falcon_mamba": "a state-space model", "mamba": "a state-space model",
    "mamba2": "a state-space model", "jamba": "a state-space hybrid",
    "rwkv": "a recurrent model",
  ]

  private static func refuseOtherKinds(
    _ reader: inout YAMLReader, type: String
  ) throws(InputError) {
    for (key, kind) in otherKinds where reader.contains(key) {
      throw reader.error(
        at: key, "the model has \(kind), which Weft does not predict",
        fix: "give the config.json of a decoder such as llama, qwen3, mixtral or deepseek_v3")
    }
    if let kind = otherTypes[type] {
      throw reader.error(
        at: "model_type", "'\(type)' is \(kind), which Weft does not predict",
        fix: "give the config.json of a decoder such as llama, qwen3, mixtral or deepseek_v3")
    }
    if ungatedTypes.contains(type) {
      throw reader.error(
        at: "model_type", "the MLP of '\(type)' has no gate, which Weft does not predict",
        fix: "give a model with a gated MLP, such as llama, mistral or qwen")
    }
    if try reader.optionalBool("is_encoder_decoder") ?? false {
      throw reader.error(
        at: "is_encoder_decoder", "the model has an encoder, which Weft does not predict",
        fix: "give the config.json of a decoder-only model")
    }
  }

  private static func type(_ reader: inout YAMLReader) throws(InputError) -> DataType {
    let key = reader.contains("torch_dtype") ? "torch_dtype" : "dtype"
    guard let name = try reader.optionalString(key) else { return .bf16 }
    guard let type = DataType(name: name), type != .int32 else {
      throw reader.error(
        at: key, "'\(name)' is no type of weights", fix: "write bfloat16, float16 or float32")
    }
    return type
  }

  private static func notes(
    _ reader: inout YAMLReader, path: String
  ) throws(InputError) -> [String] {
    var notes: [String] = []
    let slides = try reader.optionalBool("use_sliding_window") ?? true
    if slides, let window = reader.optionalNode("sliding_window")?.text {
      notes.append(
        "\(path): attention is priced over the whole length, not the window of \(window)")
    }
    if reader.contains("quantization_config") {
      notes.append("\(path): quantization_config is ignored; give --dtype for narrower weights")
    }
    return notes
  }
}

// MARK: - Experts and latent attention

extension ModelFile {
  /// Types that are mixtures, by the key that counts their experts.
  private static let mixtures = [
    "mixtral": "num_local_experts", "qwen2_moe": "num_experts", "qwen3_moe": "num_experts",
    "deepseek_v3": "n_routed_experts", "kimi_k2": "n_routed_experts",
  ]

  /// The mixture of experts; nil for a dense model, and for one that writes a count of one.
  private static func experts(
    _ reader: inout YAMLReader, type: String, intermediate: Int
  ) throws(InputError) -> ModelConfiguration.Experts? {
    let keys = ["num_local_experts", "n_routed_experts", "num_experts"]
    if let key = mixtures[type], try reader.integer(key, in: 0...1 << 14) == 0 {
      throw reader.error(
        at: key, "a model of type '\(type)' has experts, not 0", fix: "write their number")
    }
    var found: (key: String, count: Int)?
    for key in keys {
      if let count = try reader.optionalInteger(key, in: 0...1 << 14), count > 1 {
        found = (key, count)
      }
    }
    guard let found else { return nil }
    let active = try reader.integer("num_experts_per_tok", in: 1...found.count)
    let width = try reader.optionalInteger("moe_intermediate_size", in: 1...1 << 22) ?? intermediate
    for key in ["decoder_sparse_step", "moe_layer_freq"] {
      if let step = try reader.optionalInteger(key, in: 0...1 << 12), step != 1 {
        throw reader.error(
          at: key,
          "only every \(step)\(step == 2 ? "nd" : "th") layer has experts, which Weft does not predict",
          fix: "give a model whose layers all have experts, after some dense ones")
      }
    }
    guard try reader.items("mlp_only_layers").isEmpty else {
      throw reader.error(
        at: "mlp_only_layers", "some layers have no experts, which Weft does not predict",
        fix: "give a model whose layers all have experts, after some dense ones")
    }
    let shared = try reader.optionalInteger("n_shared_experts", in: 0...1 << 10) ?? 0
    let sharedWidth =
      try reader.optionalInteger("shared_expert_intermediate_size", in: 0...1 << 22)
      ?? shared * width
    let dense = try reader.optionalInteger("first_k_dense_replace", in: 0...1 << 12) ?? 0
    return ModelConfiguration.Experts(
      count: found.count, active: active, intermediateSize: width, sharedSize: sharedWidth,
      denseLayers: dense)
  }

  private static func latentAttention(
    _ reader: inout YAMLReader
  ) throws(InputError) -> ModelConfiguration.LatentAttention? {
    guard let rank = try reader.optionalInteger("kv_lora_rank", in: 1...1 << 16) else { return nil }
    return ModelConfiguration.LatentAttention(
      queryRank: try reader.optionalInteger("q_lora_rank", in: 1...1 << 16), rank: rank,
      rotary: try reader.integer("qk_rope_head_dim", in: 1...1 << 12),
      plain: try reader.integer("qk_nope_head_dim", in: 1...1 << 12),
      value: try reader.integer("v_head_dim", in: 1...1 << 12))
  }
}

// MARK: - Shipped models

extension DataDirectory {
  /// The model of a shipped name, of a `config.json`, or of a folder that holds one.
  ///
  /// - Throws: ``InputError``: `missing` with the nearest names if there is none, else as
  ///   ``ModelFile`` does.
  public func model(_ nameOrPath: String) throws(InputError) -> ModelFile {
    let path = try modelPath(nameOrPath)
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    return try ModelFile(path: exists && isFolder.boolValue ? path + "/config.json" : path)
  }
}
