/// What one step of an engine works on: sequences that decode a token each, prompts, or both.
struct StepBatch: Hashable, Sendable {
  /// The sequences that get one token.
  var decodes = 0
  /// Their length, the new token included.
  var context = 0
  /// The prompts that pass the layers.
  var prefills = 0
  /// The new tokens of each prompt.
  var chunk = 0
  /// The tokens of each prompt that passed in earlier steps.
  var prior = 0

  /// A step of decode alone.
  static func decode(_ sequences: Int, length: Int) -> StepBatch {
    StepBatch(decodes: sequences, context: length)
  }

  /// A step of prompts alone.
  static func prefill(_ sequences: Int, prompt: Int) -> StepBatch {
    StepBatch(prefills: sequences, chunk: prompt)
  }

  /// The tokens that pass the layers.
  var tokens: Int { decodes + prefills * chunk }

  /// The sequences whose last token may get a successor.
  var sequences: Int { decodes + prefills }

  /// Whether there are no prompts.
  var isDecode: Bool { prefills == 0 }
}
