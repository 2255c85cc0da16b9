/// The device memory that the fullest GPU of a plan needs, in bytes.
public struct MemoryUse: Hashable, Sendable {
  /// The weights of its stage, replicated parts included.
  public var weights: Double
  /// The keys and values of all sequences at their full length.
  public var keyValues: Double
  /// The live tensors of the largest prefill micro-batch.
  public var activations: Double
  /// What libraries and the CUDA context take.
  public var reserved: Double

  /// The sum in bytes.
  public var total: Double { weights + keyValues + activations + reserved }

  /// The sum in units of 2^30 bytes.
  public var gib: Double { total / 1_073_741_824 }

  /// The need of the fullest stage.
  ///
  /// Weights and the KV cache have the type `weights`. Activations are an estimate of what must
  /// be live at once, not of an allocator's waste: the residual and one more tensor of its size,
  /// and the larger of QKV with the attention's result and gate, up and their product; plus the
  /// logits in 16 and in 32 bits for the last token of each sequence.
  ///
  /// - Precondition: the plan has stages, and its degree divides what it splits.
  init(
    model: ModelConfiguration, plan: ParallelPlan, workload: InferenceWorkload, weights: DataType,
    prefillMicroBatches: Int, reserved: ByteCount
  ) {
    let tensor = plan.tensor
    let sequences = workload.batch / prefillMicroBatches
    let element = Double(weights.activations.bytes)
    let attention =
      2 * model.heads / tensor * model.headDimension
      + 2 * model.keyValueHeadsPerGPU(tensor: tensor) * model.headDimension
    let width = 2 * model.hiddenSize + max(attention, 3 * model.intermediateSize / tensor)
    let hidden = Double(sequences * workload.prompt) * Double(width) * element
    let logits = Double(sequences) * Double(model.vocabulary) * (element + 4)
    let tokens = Double(workload.batch) * Double(workload.length)
    let keyValueBytes = model.keyValueBytesPerTokenAndLayer(type: weights, tensor: tensor)

    self.init(weights: 0, keyValues: 0, activations: 0, reserved: Double(reserved.bytes))
    for stage in plan.stages(of: model) {
      var use = self
      use.weights = Double(model.parameters(of: stage, tensor: tensor)) * Double(weights.bytes)
      use.keyValues = tokens * Double(stage.layers) * Double(keyValueBytes)
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

  /// Why this does not fit into a GPU's memory; nil if it does.
  func problem(in memory: ByteCount) -> String? {
    guard total > Double(memory.bytes) else { return nil }
    func gib(_ bytes: Double) -> String {
      Decimal.text(Int128((bytes / 1_073_741_824 * 10).rounded()), power: 1)
    }
    return "needs \(gib(total)) GiB of \(gib(Double(memory.bytes))) GiB per GPU: "
      + "weights \(gib(weights)), KV \(gib(keyValues)), activations \(gib(activations)), "
      + "reserved \(gib(reserved))"
  }
}
