/// What runs on each GPU of a stage in one step, in stream order, as data.
///
/// The list of a dense layer is that of YALIS (source: axonn-ai/yalis): column-parallel QKV and
/// gate+up, row-parallel out and down projections, each of the latter followed by an all-reduce.
/// Engines join the residual addition to the norm and the rotary embedding to the write of the KV
/// cache; both are one kernel here.
struct InferenceStep: Hashable, Sendable {
  /// The operations before the layers.
  var before: [StepOperation]
  /// The operations of each kind of layer, and how many such layers there are.
  var layers: [Layer]
  /// The operations after the layers.
  var after: [StepOperation]

  /// A kind of layer.
  struct Layer: Hashable, Sendable {
    var operations: [StepOperation]
    var count: Int
  }

  /// The operations with how often each runs, in order.
  var parts: [(operations: [StepOperation], count: Int)] {
    [(before, 1)] + layers.map { ($0.operations, $0.count) } + [(after, 1)]
  }

  /// The kernels and collectives of the step, each started once by the host if launched eagerly.
  var launches: Int { parts.map { $0.count * $0.operations.count }.reduce(0, +) }

  /// The collectives of the step.
  var collectives: Int {
    parts.map { $0.count * $0.operations.count(where: { $0.work.isCollective }) }.reduce(0, +)
  }
}

/// One kernel or one collective.
struct StepOperation: Hashable, Sendable {
  /// What a person would call it.
  var name: String
  /// What it does.
  var work: Work

  /// The kinds of work, each with what decides its time on one GPU.
  enum Work: Hashable, Sendable {
    case product(MatrixProduct)
    case decodeAttention(DecodeAttention)
    case prefillAttention(PrefillAttention)
    case memoryBound(MemoryBoundKernel)
    /// An all-reduce of so many bytes over a group.
    case allReduce(bytes: Int, type: DataType, group: PlanGroup)
    /// An all-gather or all-to-all of so many bytes, counted as nccl-tests does.
    case exchange(Collective, bytes: Int, group: PlanGroup)

    var isCollective: Bool {
      switch self {
      case .allReduce, .exchange: true
      case .product, .decodeAttention, .prefillAttention, .memoryBound: false
      }
    }
  }

  init(_ name: String, _ work: Work) {
    self.name = name
    self.work = work
  }

  init(_ name: String, moving bytes: Int) {
    self.init(name, .memoryBound(MemoryBoundKernel(bytes: bytes)))
  }
}

/// How the numbers of a step are stored.
struct StepTypes: Hashable, Sendable {
  /// Weights and the arithmetic of matrix products.
  var weights: DataType
  /// Keys and values in the cache.
  var keyValues: DataType
  /// What flows between kernels, and so all-reduces: 16 bits where weights are narrower.
  var activations: DataType { weights.activations }
}

/// Builds the steps of a model's stage under a plan.
struct StepBuilder {
  let model: ModelConfiguration
  let plan: ParallelPlan
  let engine: InferenceEngine
  let types: StepTypes
  /// Whether results of all-reduces are copied out of a shared buffer.
  let copiesAllReduces: Bool

  /// The step of one stage for a micro-batch.
  ///
  /// The LM head and the sampling see the last token of each sequence only.
  func step(of stage: PipelineStage, for batch: StepBatch) -> InferenceStep {
    let element = types.activations.bytes
    let message = batch.tokens * model.hiddenSize * element
    let attention = norms(batch) + attention(batch)
    let denseLayers = stage.layers - stage.expertLayers
    var layers: [InferenceStep.Layer] = []
    if denseLayers > 0 {
      layers.append(
        .init(operations: attention + norms(batch) + denseMLP(batch), count: denseLayers))
    }
    if stage.expertLayers > 0 {
      layers.append(
        .init(operations: attention + norms(batch) + experts(batch), count: stage.expertLayers))
    }
    return InferenceStep(
      before: stage.isFirst ? [StepOperation("embedding", moving: 2 * message)] : [],
      layers: layers, after: stage.isLast ? head(batch) : [])
  }

  func product(
    _ name: String, _ m: Int, _ n: Int, _ k: Int, groups: Double = 1
  ) -> StepOperation {
    StepOperation(
      name, .product(MatrixProduct(m: m, n: n, k: k, groups: groups, weights: types.weights)))
  }

  /// The all-reduce of a row-parallel product over a group, with the copy that may follow; nothing
  /// for a group of one.
  func combine(elements: Int, over group: PlanGroup = .tensor) -> [StepOperation] {
    let ranks =
      switch group {
      case .tensor: plan.tensor
      case .rows: plan.rows
      case .columns: plan.columns
      case .experts: plan.expert
      }
    guard ranks > 1 else { return [] }
    let bytes = elements * types.activations.bytes
    let call = StepOperation(
      "all-reduce", .allReduce(bytes: bytes, type: types.activations, group: group))
    return copiesAllReduces ? [call, StepOperation("clone", moving: 2 * bytes)] : [call]
  }

  /// Reads the sublayer's result and the residual, writes the new residual and its norm.
  ///
  /// A grid holds a part of each token and adds up one 32-bit square per token.
  private func norms(_ batch: StepBatch) -> [StepOperation] {
    let bytes = 4 * batch.tokens * model.hiddenSize / plan.columns * types.activations.bytes
    let norm = StepOperation("norm", moving: bytes)
    guard plan.columns > 1 else { return [norm] }
    return [
      norm,
      StepOperation(
        "norm's all-reduce", .allReduce(bytes: 4 * batch.tokens, type: .fp32, group: .columns)),
    ]
  }

  private func denseMLP(_ batch: StepBatch) -> [StepOperation] {
    mlp(batch, width: model.intermediateSize, prefix: "")
      + combine(elements: batch.tokens * model.hiddenSize / plan.columns, over: .rows)
  }

  /// Gate+up, activation and down of an MLP that the rows of the tensor group share.
  func mlp(_ batch: StepBatch, width: Int, prefix: String) -> [StepOperation] {
    let (tokens, hidden) = (batch.tokens, model.hiddenSize / plan.columns)
    let inner = width / plan.rows
    return [product(prefix + "gate-up", tokens, 2 * inner, hidden)]
      + combine(elements: tokens * 2 * inner, over: .columns)
      + [
        // Reads gate and up, writes their product.
        StepOperation(
          prefix + "activation", moving: 3 * tokens * inner * types.activations.bytes),
        product(prefix + "down", tokens, hidden, inner),
      ]
  }

  private func head(_ batch: StepBatch) -> [StepOperation] {
    let (rows, hidden, element) = (batch.sequences, model.hiddenSize, types.activations.bytes)
    let isSplit = engine.head == .vocabularyParallel && plan.tensor > 1
    let columns = isSplit ? (model.vocabulary + plan.tensor - 1) / plan.tensor : model.vocabulary
    var operations: [StepOperation] = []
    if plan.columns > 1 {
      operations.append(
        StepOperation(
          "all-gather",
          .exchange(.allGather, bytes: rows * hidden * element, group: .columns)))
    }
    operations.append(StepOperation("final norm", moving: 4 * rows * hidden * element))
    // The head stays in 16 bits beside narrower weights, as quantised models have it.
    operations.append(
      StepOperation(
        "head", .product(MatrixProduct(m: rows, n: columns, k: hidden, weights: types.activations)))
    )
    if isSplit {
      operations.append(
        StepOperation(
          "logits",
          .exchange(
            .allGather, bytes: rows * columns * plan.tensor * element,
            group: .tensor)))
    }
    // Reads the logits, writes and reads 32-bit probabilities: what any sampling has to move.
    operations.append(
      StepOperation("sampling", moving: rows * model.vocabulary * (element + 8)))
    return operations
  }
}
