/// What runs on each GPU of a stage in one step, in stream order, as data.
///
/// The list is that of YALIS (source: axonn-ai/yalis): one-dimensional tensor parallelism with
/// column-parallel QKV and gate+up, row-parallel out and down projections, each of the latter
/// followed by an all-reduce; embedding, final norm, LM head and sampling whole on every GPU of
/// their stage, without a collective. `torch.compile` joins the residual addition to the norm and
/// the rotary embedding to the write of the KV cache; both are one kernel here.
struct InferenceStep: Hashable, Sendable {
  /// The operations before the layers.
  var before: [StepOperation]
  /// The operations of one layer.
  var layer: [StepOperation]
  /// How often ``layer`` runs.
  var layers: Int
  /// The operations after the layers.
  var after: [StepOperation]
}

/// One kernel or one collective.
struct StepOperation: Hashable, Sendable {
  /// What a person would call it.
  var name: String
  /// What it does.
  var work: Work

  /// The kinds of work, each with what decides its time on one GPU.
  enum Work: Hashable, Sendable {
    /// A product of an m x k by a k x n matrix, the second being weights.
    case product(MatrixProduct)
    case decodeAttention(DecodeAttention)
    case prefillAttention(PrefillAttention)
    case memoryBound(MemoryBoundKernel)
    /// An all-reduce of so many bytes over the tensor group.
    case allReduce(bytes: Int)
  }
}

/// The part of a workload that a step is about.
enum StepPhase: Hashable, Sendable {
  /// All tokens of the prompts at once.
  case prefill(prompt: Int)
  /// One token of each sequence, the `length`-th.
  case decode(length: Int)

  /// The tokens of one sequence that pass the layers.
  var tokensPerSequence: Int {
    switch self {
    case .prefill(let prompt): prompt
    case .decode: 1
    }
  }
}

extension InferenceStep {
  /// The step of one stage for a micro-batch.
  ///
  /// The LM head and the sampling see the last token of each sequence only. Activations, and so
  /// all-reduces, stay in 16 bits where `weights` are narrower.
  /// NVRAR leaves its result in a shared buffer that YALIS clones before use.
  init(
    model: ModelConfiguration, stage: PipelineStage, tensor: Int, sequences: Int, phase: StepPhase,
    weights: DataType, clonesAllReduces: Bool
  ) {
    let element = weights.activations.bytes
    let tokens = sequences * phase.tokensPerSequence
    let hidden = model.hiddenSize
    let heads = model.heads / tensor
    let queries = heads * model.headDimension
    let keyValues = 2 * model.keyValueHeadsPerGPU(tensor: tensor) * model.headDimension
    let inner = model.intermediateSize / tensor
    let message = tokens * hidden * element

    func product(_ m: Int, _ n: Int, _ k: Int) -> StepOperation.Work {
      .product(MatrixProduct(m: m, n: n, k: k, weights: weights))
    }
    func moving(_ bytes: Int) -> StepOperation.Work {
      .memoryBound(MemoryBoundKernel(bytes: bytes))
    }
    let attention: StepOperation.Work =
      switch phase {
      case .prefill(let prompt):
        .prefillAttention(
          PrefillAttention(
            sequences: sequences, length: prompt, heads: heads, depth: 2 * model.headDimension))
      case .decode(let length):
        .decodeAttention(
          DecodeAttention(
            sequences: sequences, length: length, heads: heads,
            keyValueHeads: model.keyValueHeadsPerGPU(tensor: tensor),
            headDimension: model.headDimension, type: weights))
      }
    var combine: [StepOperation] = []
    if tensor > 1 {
      combine.append(StepOperation(name: "all-reduce", work: .allReduce(bytes: message)))
      if clonesAllReduces {
        combine.append(StepOperation(name: "clone", work: moving(2 * message)))
      }
    }
    // Reads the sublayer's result and the residual, writes the new residual and its norm.
    let norm = StepOperation(name: "norm", work: moving(4 * message))

    layer =
      [
        norm,
        StepOperation(
          name: "qkv", work: product(tokens, queries + keyValues, hidden)),
        StepOperation(
          name: "rotary",
          work: moving(2 * tokens * (queries + keyValues) * element)),
        StepOperation(name: "attention", work: attention),
        StepOperation(name: "out", work: product(tokens, hidden, queries)),
      ] + combine + [
        norm,
        StepOperation(name: "gate-up", work: product(tokens, 2 * inner, hidden)),
        // Reads gate and up, writes their product.
        StepOperation(
          name: "activation", work: moving(3 * tokens * inner * element)),
        StepOperation(name: "down", work: product(tokens, hidden, inner)),
      ] + combine
    layers = stage.layers
    before =
      stage.isFirst
      ? [StepOperation(name: "embedding", work: moving(2 * message))] : []
    after =
      stage.isLast
      ? [
        StepOperation(
          name: "final norm", work: moving(4 * sequences * hidden * element)),
        StepOperation(
          name: "head", work: product(sequences, model.vocabulary, hidden)),
        // Reads the logits, writes and reads 32-bit probabilities: what any sampling has to move.
        StepOperation(
          name: "sampling", work: moving(sequences * model.vocabulary * (element + 8))),
      ] : []
  }
}
