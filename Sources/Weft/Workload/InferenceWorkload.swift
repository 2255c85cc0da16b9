/// What a replica is asked for: a static batch of prompts of one length, and tokens after each.
public struct InferenceWorkload: Hashable, Sendable {
  /// The sequences of one replica.
  public let batch: Int
  /// The tokens of each prompt.
  public let prompt: Int
  /// The tokens to generate for each prompt; prefill yields the first of them.
  public let decode: Int

  /// Creates a workload.
  ///
  /// - Throws: ``WorkloadError`` if a count is not positive or beyond 2^26 tokens in all.
  public init(batch: Int, prompt: Int, decode: Int) throws(WorkloadError) {
    for (name, count) in [("batch", batch), ("prompt", prompt), ("decode", decode)] {
      guard count > 0 else {
        throw WorkloadError("the \(name) is \(count)", fix: "give at least 1")
      }
    }
    let limit = 1 << 26
    guard batch <= limit && prompt <= limit && decode <= limit,
      batch * (prompt + decode) <= limit
    else {
      throw WorkloadError(
        "batch \(batch) x (prompt \(prompt) + decode \(decode)) is more than \(limit) tokens",
        fix: "make one of them smaller")
    }
    self.batch = batch
    self.prompt = prompt
    self.decode = decode
  }

  /// The longest sequence.
  public var length: Int { prompt + decode }
}
