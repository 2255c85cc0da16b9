import Foundation
public import Weft

/// A Hugging Face `config.json` of a dense decoder-only model.
///
/// Llama, Mistral, Qwen2, Qwen3 and other families with gated MLPs and grouped-query attention are
/// read; keys that decide no size are ignored. Mixtures of experts, latent attention, encoders and
/// MLPs without a gate are refused, since the model of a step would be wrong for them.
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
    if type == "qwen3" { extras.insert(.headNorms) }
    let layers = try reader.integer("num_hidden_layers", in: 1...1 << 12)
    let keyValueHeads = try reader.optionalInteger("num_key_value_heads", in: 1...1 << 12)
    let headDimension = try reader.optionalInteger("head_dim", in: 1...1 << 12)
    let intermediate = try reader.integer("intermediate_size", in: 1...1 << 22)
    let vocabulary = try reader.integer("vocab_size", in: 1...1 << 24)
    let tied = try reader.optionalBool("tie_word_embeddings") ?? type.hasPrefix("gemma")
    let positions = try reader.optionalInteger("max_position_embeddings", in: 1...1 << 30)
    let weights = try Self.type(&reader)
    notes = try Self.notes(&reader, path: path) + Self.guesses(type: type, path: path)
    do {
      model = try ModelConfiguration(
        name: Self.name(of: path), hiddenSize: hidden, layers: layers, heads: heads,
        keyValueHeads: keyValueHeads ?? heads, headDimension: headDimension,
        intermediateSize: intermediate, vocabulary: vocabulary, tiedEmbeddings: tied,
        maxPositions: positions ?? 1 << 30, type: weights, extras: extras)
    } catch {
      throw reader.error(at: "num_attention_heads", error.problem, fix: error.fix)
    }
  }

  /// Families that are known to be decoders with gated MLPs.
  private static let families = [
    "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2",
    "granite", "cohere",
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
  /// Keys whose presence says that a layer has other matrices, with what they mean.
  private static let otherKinds = [
    ("num_local_experts", "a mixture of experts"), ("n_routed_experts", "a mixture of experts"),
    ("num_experts", "a mixture of experts"), ("moe_intermediate_size", "a mixture of experts"),
    ("kv_lora_rank", "latent attention"),
  ]

  /// Types whose MLP has two matrices in place of three.
  private static let ungatedTypes = [
    "bloom", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "mpt", "opt", "phi",
    "starcoder2",
  ]

  private static func refuseOtherKinds(
    _ reader: inout YAMLReader, type: String
  ) throws(InputError) {
    for (key, kind) in otherKinds where reader.contains(key) {
      // Some dense models write the key with the value that means none.
      guard let text = try reader.optionalString(key), ["0", "1"].contains(text) else {
        throw reader.error(
          at: key, "the model has \(kind), which Weft does not predict yet",
          fix: "give the config.json of a dense model")
      }
    }
    if ungatedTypes.contains(type) {
      throw reader.error(
        at: "model_type", "the MLP of '\(type)' has no gate, which Weft does not predict yet",
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
