/// The shape of a decoder-only language model: what decides its matrix products and memory.
///
/// Every layer holds attention, grouped-query or latent, and an MLP with a gate (SwiGLU) or a
/// mixture of such MLPs, each behind an RMS norm; the names are those of a Hugging Face
/// `config.json`.
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
  /// The width of a head, `head_dim`; that of a value for latent attention.
  public let headDimension: Int
  /// The width inside the MLP of a dense layer, `intermediate_size`.
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
  /// The experts of the layers that have some; nil for a dense model.
  public let experts: Experts?
  /// The ranks of latent attention; nil for grouped queries.
  public let latent: LatentAttention?

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
    maxPositions: Int, type: DataType = .bf16, extras: Extras = [], experts: Experts? = nil,
    latent: LatentAttention? = nil
  ) throws(WorkloadError) {
    // The limits keep the products of these sizes inside 64 bits.
    var sizes = [
      ("hidden_size", hiddenSize, 1 << 20), ("num_hidden_layers", layers, 1 << 12),
      ("num_attention_heads", heads, 1 << 12), ("num_key_value_heads", keyValueHeads, 1 << 12),
      ("head_dim", headDimension ?? 1, 1 << 12), ("intermediate_size", intermediateSize, 1 << 22),
      ("vocab_size", vocabulary, 1 << 24), ("max_position_embeddings", maxPositions, 1 << 30),
    ]
    sizes += experts?.sizes ?? []
    sizes += latent?.sizes ?? []
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
    if let experts, experts.active > experts.count {
      throw WorkloadError(
        "\(name) routes a token to \(experts.active) of \(experts.count) experts",
        fix: "num_experts_per_tok has to be at most the number of experts")
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
    self.experts = experts
    self.latent = latent
  }
}

// MARK: - Kinds of layers

extension ModelConfiguration {
  /// A mixture of experts: of many MLPs each token uses a few.
  public struct Experts: Hashable, Sendable {
    /// The number of routed experts, `num_local_experts`, `n_routed_experts` or `num_experts`.
    public let count: Int
    /// The experts of a token, `num_experts_per_tok`.
    public let active: Int
    /// The width inside an expert, `moe_intermediate_size`.
    public let intermediateSize: Int
    /// The width of the experts that every token passes, together; 0 if there are none.
    public let sharedSize: Int
    /// The first layers, which are dense, `first_k_dense_replace`.
    public let denseLayers: Int

    /// Creates a mixture; ``ModelConfiguration`` checks its sizes.
    public init(
      count: Int, active: Int, intermediateSize: Int, sharedSize: Int = 0, denseLayers: Int = 0
    ) {
      self.count = count
      self.active = active
      self.intermediateSize = intermediateSize
      self.sharedSize = sharedSize
      self.denseLayers = denseLayers
    }

    fileprivate var sizes: [(String, Int, Int)] {
      [
        ("the number of experts", count, 1 << 14), ("num_experts_per_tok", active, 1 << 14),
        ("moe_intermediate_size", intermediateSize, 1 << 22),
        ("the width of shared experts plus 1", sharedSize + 1, 1 << 24),
        ("first_k_dense_replace plus 1", denseLayers + 1, 1 << 12),
      ]
    }
  }

  /// Multi-head latent attention: keys and values are kept as one short vector per token.
  ///
  /// In decode the matrices that would expand it are applied to queries and results instead
  /// (DeepSeek-V2, arXiv 2405.04434), so one key of `rank + rotary` serves all heads.
  public struct LatentAttention: Hashable, Sendable {
    /// The rank of the queries' projection, `q_lora_rank`; nil if it is whole.
    public let queryRank: Int?
    /// The rank of keys and values, `kv_lora_rank`.
    public let rank: Int
    /// The part of a key that carries the position, `qk_rope_head_dim`.
    public let rotary: Int
    /// The part of a head's key that does not, `qk_nope_head_dim`.
    public let plain: Int
    /// The width of a head's value, `v_head_dim`.
    public let value: Int

    /// Creates latent attention; ``ModelConfiguration`` checks its sizes.
    public init(queryRank: Int?, rank: Int, rotary: Int, plain: Int, value: Int) {
      self.queryRank = queryRank
      self.rank = rank
      self.rotary = rotary
      self.plain = plain
      self.value = value
    }

    fileprivate var sizes: [(String, Int, Int)] {
      [
        ("q_lora_rank", queryRank ?? 1, 1 << 16), ("kv_lora_rank", rank, 1 << 16),
        ("qk_rope_head_dim", rotary, 1 << 12), ("qk_nope_head_dim", plain, 1 << 12),
        ("v_head_dim", value, 1 << 12),
      ]
    }
  }

  /// The number of layers with experts among layers `range`.
  func expertLayers(in range: Range<Int>) -> Int {
    guard let experts else { return 0 }
    return range.count(where: { $0 >= experts.denseLayers })
  }
}
