/// The device memory that the fullest GPU of a plan needs, in bytes.
public struct MemoryUse: Hashable, Sendable {
  /// The weights of its stage, replicated parts included.
  public var weights: Double
  /// The keys and values of all sequences.
  public var keyValues: Double
  /// The live tensors of the largest prefill micro-batch.
  public var activations: Double
  /// What libraries and the CUDA context take.
  public var reserved: Double

  /// The sum in bytes.
  public var total: Double { weights + keyValues + activations + reserved }

  /// The sum in units of 2^30 bytes.
  public var gib: Double { total / 1_073_741_824 }

  /// What fills memory at one time: tokens in the cache, and tokens in the layers.
  struct Load: Hashable {
    /// The tokens whose keys and values are kept.
    var cachedTokens: Double
    /// The tokens of the prompts that pass the layers together.
    var prefillTokens: Int
    /// The sequences whose logits are there at once.
    var logits: Int
  }

  /// The need of the fullest stage.
  ///
  /// The embedding and the LM head have the type of the activations. Activations are an estimate
  /// of what must be live at once, not of an allocator's waste: the residual and one more tensor
  /// of its size, and the larger of QKV with the attention's result and gate, up and their
  /// product; plus the logits in 16 and in 32 bits.
  ///
  /// - Precondition: the plan has stages, and its degree divides what it splits.
  init(
    model: ModelConfiguration, plan: ParallelPlan, load: Load, types: StepTypes,
    engine: InferenceEngine, reserved: ByteCount
  ) {
    let element = Double(types.activations.bytes)
    let attention =
      2 * model.heads / plan.rows * model.headDimension
      + 2 * model.keyValueHeadsPerGPU(tensor: plan.rows) * model.headDimension
    var inner = 3 * model.intermediateSize / plan.tensor
    if let experts = model.experts {
      let routed = experts.active * experts.intermediateSize * plan.replicasPerExpertGroup
      inner = max(
        experts.denseLayers > 0 ? inner : 0, 3 * routed / max(plan.expert, plan.tensor))
    }
    let width = 2 * model.hiddenSize / plan.columns + max(attention, inner)
    let hidden = Double(load.prefillTokens) * Double(width) * element
    let logits = Double(load.logits) * Double(model.vocabulary) * (element + 4)
    let keyValueBytes = model.keyValueBytesPerTokenAndLayer(
      type: types.keyValues, tensor: plan.rows)

    self.init(weights: 0, keyValues: 0, activations: 0, reserved: Double(reserved.bytes))
    for stage in plan.stages(of: model) {
      var use = self
      let all = model.parameters(of: stage, plan: plan, head: engine.head)
      var inside = stage
      (inside.isFirst, inside.isLast) = (false, false)
      let layers = model.parameters(of: inside, plan: plan, head: engine.head)
      use.weights =
        Double(layers) * Double(types.weights.bytes) + Double(all - layers) * element
      use.keyValues = load.cachedTokens * Double(stage.layers) * Double(keyValueBytes)
      use.activations = hidden + (stage.isLast ? logits : 0)
      if use.total > total { self = use }
    }
  }

  private init(weights: Double, keyValues: Double, activations: Double, reserved: Double) {
    self.weights = weights
    self.keyValues = keyValues
    self.activations = activations
    self.reserved = reserved
  }

  /// Why this does not fit into a share of a GPU's memory; nil if it does.
  func problem(in memory: ByteCount, share: Double = 1) -> String? {
    let room = Double(memory.bytes) * share
    guard total > room else { return nil }
    func gib(_ bytes: Double) -> String {
      Decimal.text(Int128((bytes / 1_073_741_824 * 10).rounded()), power: 1)
    }
    return "needs \(gib(total)) GiB of \(gib(room)) GiB per GPU: "
      + "weights \(gib(weights)), KV \(gib(keyValues)), activations \(gib(activations)), "
      + "reserved \(gib(reserved))"
  }
}
