extension StepBuilder {
  /// The attention sublayer, its all-reduce included.
  func attention(_ batch: StepBatch) -> [StepOperation] {
    if let latent = model.latent { return latentAttention(latent, batch) }
    let element = types.activations.bytes
    let (tokens, hidden) = (batch.tokens, model.hiddenSize / plan.columns)
    let heads = model.heads / plan.rows
    let keyValueHeads = model.keyValueHeadsPerGPU(tensor: plan.rows)
    let queries = heads * model.headDimension
    let keyValues = 2 * keyValueHeads * model.headDimension
    var operations = [product("qkv", tokens, queries + keyValues, hidden)]
    operations += combine(elements: tokens * (queries + keyValues), over: .columns)
    operations.append(
      StepOperation("rotary", moving: 2 * tokens * (queries + keyValues) * element))
    if batch.decodes > 0 {
      operations.append(
        StepOperation(
          "attention",
          .decodeAttention(
            DecodeAttention(
              sequences: batch.decodes, length: batch.context, heads: heads,
              keyValueHeads: keyValueHeads, headDimension: model.headDimension,
              type: types.keyValues))))
    }
    if batch.prefills > 0 {
      operations.append(
        StepOperation(
          "attention",
          .prefillAttention(
            PrefillAttention(
              sequences: batch.prefills, length: batch.chunk, prior: batch.prior, heads: heads,
              depth: 2 * model.headDimension))))
    }
    operations.append(product("out", tokens, hidden, queries))
    return operations + combine(elements: tokens * hidden, over: .rows)
  }

  /// Latent attention: projections to and from the ranks are whole on every GPU, heads are split.
  ///
  /// Decode applies the expanding matrices to queries and results, per head, so that all heads
  /// share the cached vector; prefill expands keys and values.
  private func latentAttention(
    _ latent: ModelConfiguration.LatentAttention, _ batch: StepBatch
  ) -> [StepOperation] {
    let (tokens, hidden) = (batch.tokens, model.hiddenSize)
    let heads = model.heads / plan.tensor
    let key = latent.plain + latent.rotary
    let cached = latent.rank + latent.rotary
    let element = types.activations.bytes
    let down = cached + (latent.queryRank ?? 0)
    var operations = [
      product("down", tokens, down, hidden),
      StepOperation("norms of ranks", moving: 2 * tokens * down * element),
      product("queries", tokens, heads * key, latent.queryRank ?? hidden),
      StepOperation("rotary", moving: 2 * tokens * (heads * latent.rotary + cached) * element),
    ]
    if batch.decodes > 0 {
      operations += [
        // One matrix per head, all in one launch; each head's rows are the sequences.
        product(
          "absorb keys", heads * batch.decodes, latent.rank, latent.plain, groups: Double(heads)),
        StepOperation(
          "attention",
          .decodeAttention(
            DecodeAttention(
              sequences: batch.decodes, length: batch.context, heads: heads, keyValueHeads: 1,
              width: cached, depth: cached + latent.rank, type: types.keyValues))),
        product(
          "absorb values", heads * batch.decodes, latent.value, latent.rank,
          groups: Double(heads)),
      ]
    }
    if batch.prefills > 0 {
      operations += [
        product(
          "expand", batch.prefills * (batch.chunk + batch.prior),
          heads * (latent.plain + latent.value), latent.rank),
        StepOperation(
          "attention",
          .prefillAttention(
            PrefillAttention(
              sequences: batch.prefills, length: batch.chunk, prior: batch.prior, heads: heads,
              depth: key + latent.value))),
      ]
    }
    operations.append(product("out", tokens, hidden, heads * latent.value))
    return operations + combine(elements: tokens * hidden)
  }
}
