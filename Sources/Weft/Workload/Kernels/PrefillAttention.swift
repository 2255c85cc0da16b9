/// New tokens of each sequence against all before them and, causally, each other.
///
///     t = L + F / (ec P) (1 + a 128 / s),  F = 2 b h depth s (prior + s / 2)
///
/// `1 / (1 + a)` is the share of the long-sequence efficiency that 128 tokens reach. Unseen batch
/// and length, bf16, grouped queries, 128 tokens and up: median 6.9 % and 95th percentile 27 % on
/// H100, 5.4 % and 30 % on A100.
public struct PrefillAttention: KernelForm {
  /// The sequences.
  public var sequences: Int
  /// The new tokens of each sequence.
  public var length: Int
  /// The tokens of each sequence that are in the cache already.
  public var prior: Int
  /// The query heads.
  public var heads: Int
  /// The elements of a key plus those of a value.
  public var depth: Int

  /// Creates a call.
  public init(sequences: Int, length: Int, prior: Int = 0, heads: Int, depth: Int) {
    self.sequences = sequences
    self.length = length
    self.prior = prior
    self.heads = heads
    self.depth = depth
  }

  /// The parameters of the form.
  public static let keys: [Profile.Key] = [
    .prefillAttentionFloor, .prefillAttentionComputeEfficiency, .prefillAttentionShort,
  ]

  /// The time; see the form above.
  public func time(on gpu: GPU, parameters: (Profile.Key) -> Double) -> KernelTime {
    let length = Double(length)
    let operations =
      2 * Double(sequences) * Double(heads) * Double(depth) * length
      * (Double(prior) + length / 2)
    let slowdown = 1 / parameters(.prefillAttentionShort) - 1
    let roof =
      operations / (parameters(.prefillAttentionComputeEfficiency) * gpu.peak.bf16)
      * (1 + slowdown * 128 / (length + Double(prior)))
    return KernelTime(
      floor: parameters(.prefillAttentionFloor), latency: 0, roof: roof, cause: .compute)
  }
}
