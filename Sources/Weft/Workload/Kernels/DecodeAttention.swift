import Glibc

/// One query token of each sequence against the keys and values of the tokens before it.
///
///     t = L + c log2(s / 128) + d b kv / SM + max(KV bytes / (em BW), operations / (ec P))
///
/// `L` is the floor at 128 tokens, `c` the reduction over a split sequence, `d` the cost of a tile
/// (a sequence and a key-value head on one multiprocessor). With a warm cache, keys and values up
/// to a size are read at `1 / share` of the memory's rate, fading out at twice that size: tables
/// taken call by call show it, a step never does, as other layers evict them. The arithmetic
/// matters only for latent attention, whose many heads share one key. Unseen batch and length,
/// bf16, grouped queries: median 2.5 % and 95th percentile 14 % on H100, 5.8 % and 25 % on A100.
public struct DecodeAttention: KernelForm {
  /// The sequences.
  public var sequences: Int
  /// The keys of each sequence.
  public var length: Int
  /// The query heads.
  public var heads: Int
  /// The key-value heads; 1 for latent attention.
  public var keyValueHeads: Int
  /// The elements of keys and values together that one head reads per token.
  public var width: Int
  /// The elements of a key plus those of a value, which decide the arithmetic.
  public var depth: Int
  /// The type of the cache.
  public var type: DataType
  /// Whether keys and values may still be in the level-two cache.
  public var isWarm: Bool

  /// Creates a call of grouped-query attention.
  public init(
    sequences: Int, length: Int, heads: Int, keyValueHeads: Int, headDimension: Int,
    type: DataType = .bf16, isWarm: Bool = false
  ) {
    self.init(
      sequences: sequences, length: length, heads: heads, keyValueHeads: keyValueHeads,
      width: 2 * headDimension, depth: 2 * headDimension, type: type, isWarm: isWarm)
  }

  /// Creates a call of any attention.
  public init(
    sequences: Int, length: Int, heads: Int, keyValueHeads: Int, width: Int, depth: Int,
    type: DataType, isWarm: Bool = false
  ) {
    self.sequences = sequences
    self.length = length
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.width = width
    self.depth = depth
    self.type = type
    self.isWarm = isWarm
  }

  /// The parameters of the form.
  public static let keys: [Profile.Key] = [
    .decodeAttentionFloor, .decodeAttentionSplit, .decodeAttentionTile,
    .decodeAttentionMemoryEfficiency, .decodeAttentionCache, .decodeAttentionCachedShare,
    .prefillAttentionComputeEfficiency,
  ]

  /// The time; see the form above.
  public func time(on gpu: GPU, parameters: (Profile.Key) -> Double) -> KernelTime {
    let tokens = Double(sequences) * Double(length)
    let bytes = tokens * Double(keyValueHeads * width * type.bytes)
    var read = bytes
    if isWarm {
      let cached = min(1, max(0, 2 - bytes / parameters(.decodeAttentionCache)))
      read = bytes * (1 - cached * (1 - parameters(.decodeAttentionCachedShare)))
    }
    let memory =
      read
      / (parameters(.decodeAttentionMemoryEfficiency) * Double(gpu.memoryBandwidth.bytesPerSecond))
    // Keys and values of any type are multiplied in 16 bits.
    let arithmetic =
      2 * tokens * Double(heads * depth)
      / (parameters(.prefillAttentionComputeEfficiency) * gpu.peak.bf16)
    let doublings = max(0, log2(Double(length) / 128))
    let tiles = Double(sequences * keyValueHeads) / Double(gpu.multiprocessors)
    return KernelTime(
      floor: parameters(.decodeAttentionFloor),
      latency: doublings * parameters(.decodeAttentionSplit)
        + tiles * parameters(.decodeAttentionTile),
      roof: max(memory, arithmetic), cause: arithmetic > memory ? .compute : .memory)
  }
}
