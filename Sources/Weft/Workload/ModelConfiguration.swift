/// The shape of a dense decoder-only language model: what decides its matrix products and memory.
///
/// Every layer holds grouped-query attention and an MLP with a gate (SwiGLU), each behind an RMS
/// norm; the names are those of a Hugging Face `config.json`. It is no model of experts or of
/// latent attention, whose layers have other matrices.
public struct ModelConfiguration: Hashable, Sendable {
  /// The name to report.
  public let name: String
  /// The width of the residual stream, `hidden_size`.
  public let hiddenSize: Int
  /// The number of layers, `num_hidden_layers`.
  public let layers: Int
  /// The number of query heads, `num_attention_heads`.
  public let heads: Int
  /// The number of key and value heads, `num_key_value_heads`.
  public let keyValueHeads: Int
  /// The width of a head, `head_dim`.
  public let headDimension: Int
  /// The width inside the MLP, `intermediate_size`.
  public let intermediateSize: Int
  /// The number of tokens of the vocabulary, `vocab_size`.
  public let vocabulary: Int
  /// Whether the LM head is the embedding's matrix, `tie_word_embeddings`.
  public let tiedEmbeddings: Bool
  /// The longest sequence, `max_position_embeddings`.
  public let maxPositions: Int
  /// The type of the weights as published, `torch_dtype`.
  public let type: DataType
  /// Parameters that no matrix product reads but memory holds.
  public let extras: Extras

  /// Vectors that some families add to every layer.
  public struct Extras: OptionSet, Hashable, Sendable {
    /// The set's bits.
    public let rawValue: Int

    /// Creates a set from its bits.
    public init(rawValue: Int) {
      self.rawValue = rawValue
    }

    /// A bias for queries, keys and values, as in Qwen2.
    public static let attentionBias = Extras(rawValue: 1)
    /// A norm over each query's and each key's head, as in Qwen3.
    public static let headNorms = Extras(rawValue: 2)
  }

  /// Creates a model from its shape; a head is `hiddenSize / heads` wide if `headDimension` is nil.
  ///
  /// - Throws: ``WorkloadError`` if a size is not positive or absurd, or the heads do not share out.
  public init(
    name: String, hiddenSize: Int, layers: Int, heads: Int, keyValueHeads: Int,
    headDimension: Int? = nil, intermediateSize: Int, vocabulary: Int, tiedEmbeddings: Bool,
    maxPositions: Int, type: DataType = .bf16, extras: Extras = []
  ) throws(WorkloadError) {
    // The limits keep the products of these sizes inside 64 bits.
    let sizes = [
      ("hidden_size", hiddenSize, 1 << 20), ("num_hidden_layers", layers, 1 << 12),
      ("num_attention_heads", heads, 1 << 12), ("num_key_value_heads", keyValueHeads, 1 << 12),
      ("head_dim", headDimension ?? 1, 1 << 12), ("intermediate_size", intermediateSize, 1 << 22),
      ("vocab_size", vocabulary, 1 << 24), ("max_position_embeddings", maxPositions, 1 << 30),
    ]
    for (key, size, limit) in sizes where !(1...limit).contains(size) {
      throw WorkloadError(
        "\(key) of \(name) is \(size)", fix: "give a size from 1 to \(limit)")
    }
    guard heads % keyValueHeads == 0 else {
      throw WorkloadError(
        "\(name) has \(heads) query heads for \(keyValueHeads) key-value heads",
        fix: "num_attention_heads has to be a multiple of num_key_value_heads")
    }
    guard headDimension != nil || hiddenSize % heads == 0 else {
      throw WorkloadError(
        "\(name) gives no head_dim, and hidden_size \(hiddenSize) is no multiple of "
          + "\(heads) heads", fix: "add head_dim")
    }
    self.name = name
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension ?? hiddenSize / heads
    self.intermediateSize = intermediateSize
    self.vocabulary = vocabulary
    self.tiedEmbeddings = tiedEmbeddings
    self.maxPositions = maxPositions
    self.type = type
    self.extras = extras
  }
}

// MARK: - Parameters

extension ModelConfiguration {
  /// The number of parameters of the whole model.
  public var parameters: Int {
    parameters(of: PipelineStage(layers: layers, isFirst: true, isLast: true), tensor: 1)
  }

  /// The parameters that one GPU of a pipeline stage holds.
  ///
  /// Matrices of a layer are split over the tensor group, except that key and value heads are
  /// repeated where the group is larger than their number. Norms, the embedding and the LM head
  /// are whole on every GPU of the first and the last stage, as in YALIS; a tied pair is one
  /// matrix where both stages are the same.
  func parameters(of stage: PipelineStage, tensor: Int) -> Int {
    let queries = heads / tensor * headDimension
    let keyValues = 2 * keyValueHeadsPerGPU(tensor: tensor) * headDimension
    var layer = hiddenSize * (queries + keyValues) + queries * hiddenSize
    layer += 3 * hiddenSize * (intermediateSize / tensor) + 2 * hiddenSize
    if extras.contains(.attentionBias) { layer += queries + keyValues }
    if extras.contains(.headNorms) { layer += 2 * headDimension }
    let table = vocabulary * hiddenSize
    var total = stage.layers * layer
    if stage.isFirst { total += table }
    if stage.isLast {
      total += hiddenSize + (tiedEmbeddings && stage.isFirst ? 0 : table)
    }
    return total
  }

  /// The key-value heads that each GPU of a tensor group holds; at least one.
  func keyValueHeadsPerGPU(tensor: Int) -> Int { max(1, keyValueHeads / tensor) }

  /// The bytes of keys and values of one token in all layers, before any split.
  public func keyValueBytesPerToken(type: DataType) -> ByteCount {
    ByteCount(bytes: layers * keyValueBytesPerTokenAndLayer(type: type, tensor: 1))
  }

  /// The bytes of keys and values of one token in one layer on one GPU of a tensor group.
  func keyValueBytesPerTokenAndLayer(type: DataType, tensor: Int) -> Int {
    2 * keyValueHeadsPerGPU(tensor: tensor) * headDimension * type.bytes
  }
}

/// The part of a model that one stage of a pipeline holds.
public struct PipelineStage: Hashable, Sendable {
  /// The number of layers.
  public var layers: Int
  /// Whether the stage holds the embedding.
  public var isFirst: Bool
  /// Whether the stage holds the final norm, the LM head and the sampling.
  public var isLast: Bool
}
