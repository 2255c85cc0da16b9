extension ModelConfiguration {
  /// The number of parameters of the whole model.
  public var parameters: Int {
    parameters(of: wholeStage, plan: ParallelPlan(tensor: 1), head: .replicated)
  }

  /// The parameters that one token passes: all but those of experts it is not routed to.
  public var activeParameters: Int {
    guard let experts else { return parameters }
    let idle = (experts.count - experts.active) * 3 * hiddenSize * experts.intermediateSize
    return parameters - expertLayers(in: 0..<layers) * idle
  }

  /// The whole model as one stage.
  var wholeStage: PipelineStage {
    PipelineStage(
      layers: layers, expertLayers: expertLayers(in: 0..<layers), isFirst: true, isLast: true)
  }

  /// The parameters that one GPU of a pipeline stage holds.
  ///
  /// Matrices of a layer are split over the tensor group, except that key and value heads are
  /// repeated where the group is larger than their number, and that a mixture's experts are dealt
  /// to the expert group. Norms, the router and the embedding are whole on every GPU, and so is
  /// the LM head unless the engine splits it; a tied pair is one matrix where both stages are the
  /// same.
  func parameters(
    of stage: PipelineStage, plan: ParallelPlan, head: InferenceEngine.Head
  ) -> Int {
    let norms = 2 * hiddenSize
    let dense = 3 * hiddenSize * intermediateSize / plan.tensor
    var total = stage.layers * (attentionParameters(plan: plan) + norms)
    total += (stage.layers - stage.expertLayers) * dense
    if let experts {
      let routed =
        experts.count * 3 * hiddenSize * experts.intermediateSize / plan.expertShards
      let shared = 3 * hiddenSize * experts.sharedSize / plan.tensor
      total += stage.expertLayers * (routed + shared + hiddenSize * experts.count)
    }
    let table = vocabulary * hiddenSize
    let headShare = head == .vocabularyParallel ? (table + plan.tensor - 1) / plan.tensor : table
    if stage.isFirst { total += head == .vocabularyParallel ? headShare : table }
    if stage.isLast { total += hiddenSize + (tiedEmbeddings && stage.isFirst ? 0 : headShare) }
    return total
  }

  private func attentionParameters(plan: ParallelPlan) -> Int {
    if let latent {
      let heads = heads / plan.tensor
      let key = latent.plain + latent.rotary
      let queries =
        latent.queryRank.map { $0 * (hiddenSize + 1 + heads * key) } ?? hiddenSize * heads * key
      let down = hiddenSize * (latent.rank + latent.rotary) + latent.rank
      let up = latent.rank * heads * (latent.plain + latent.value)
      return queries + down + up + heads * latent.value * hiddenSize
    }
    // A grid splits heads over its rows and the residual stream over its columns.
    let queries = heads / plan.rows * headDimension
    let keyValues = 2 * keyValueHeadsPerGPU(tensor: plan.rows) * headDimension
    var count = (hiddenSize * (queries + keyValues) + queries * hiddenSize) / plan.columns
    if extras.contains(.attentionBias) { count += queries + keyValues }
    if extras.contains(.headNorms) { count += 2 * headDimension }
    return count
  }

  /// The key-value heads that each GPU of a tensor group holds; at least one.
  func keyValueHeadsPerGPU(tensor: Int) -> Int { max(1, keyValueHeads / tensor) }

  /// The bytes of keys and values of one token in all layers, before any split.
  public func keyValueBytesPerToken(type: DataType) -> ByteCount {
    ByteCount(bytes: layers * keyValueBytesPerTokenAndLayer(type: type, tensor: 1))
  }

  /// The bytes of keys and values of one token in one layer on one GPU of a tensor group; the
  /// vector of latent attention is whole on each.
  func keyValueBytesPerTokenAndLayer(type: DataType, tensor: Int) -> Int {
    if let latent { return (latent.rank + latent.rotary) * type.bytes }
    return 2 * keyValueHeadsPerGPU(tensor: tensor) * headDimension * type.bytes
  }
}

/// The part of a model that one stage of a pipeline holds.
public struct PipelineStage: Hashable, Sendable {
  /// The number of layers.
  public var layers: Int
  /// How many of them have experts in place of one MLP.
  public var expertLayers: Int
  /// Whether the stage holds the embedding.
  public var isFirst: Bool
  /// Whether the stage holds the final norm, the LM head and the sampling.
  public var isLast: Bool

  /// Creates a stage.
  public init(layers: Int, expertLayers: Int = 0, isFirst: Bool, isLast: Bool) {
    self.layers = layers
    self.expertLayers = expertLayers
    self.isFirst = isFirst
    self.isLast = isLast
  }
}
