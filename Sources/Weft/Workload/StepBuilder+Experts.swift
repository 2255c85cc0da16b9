import Glibc

extension StepBuilder {
  /// The mixture of experts, its all-reduce or all-to-alls included.
  ///
  /// Tokens are taken to be routed evenly. Where the expert group lies in a tensor group, every
  /// rank has all tokens already and works on those of its experts; the all-reduce adds up. Where
  /// it gathers several replicas, tokens travel: each tensor rank dispatches its share of them, in
  /// the weights' type, gets the results back in 16 bits, and the tensor group gathers them.
  func experts(_ batch: StepBatch) -> [StepOperation] {
    guard let experts = model.experts else { return [] }
    let element = types.activations.bytes
    let (tokens, hidden) = (batch.tokens, model.hiddenSize)
    let inner = experts.intermediateSize / plan.expertSplit
    let travels = plan.replicasPerExpertGroup > 1
    let pairs = tokens * plan.replicasPerExpertGroup * experts.active
    let local = experts.count / plan.expert
    let landed = max(1, (pairs + plan.expert - 1) / plan.expert)
    let touched = Self.touched(experts: local, by: landed)
    let sent = (tokens + plan.tensor - 1) / plan.tensor * experts.active * hidden

    var operations = [
      product("router", tokens, experts.count, hidden),
      StepOperation("top-k", moving: 2 * tokens * experts.count * element),
    ]
    if experts.sharedSize > 0 {
      operations += mlp(batch, width: experts.sharedSize, prefix: "shared ")
    }
    operations.append(
      travels
        ? StepOperation(
          "dispatch", .exchange(.allToAll, bytes: sent * types.weights.bytes, group: .experts))
        : StepOperation("permute", moving: 2 * landed * hidden * element))
    operations += [
      product("experts' gate-up", landed, 2 * inner, hidden, groups: touched),
      StepOperation("experts' activation", moving: 3 * landed * inner * element),
      product("experts' down", landed, hidden, inner, groups: touched),
    ]
    guard travels else {
      operations.append(StepOperation("weigh", moving: 2 * landed * hidden * element))
      return operations + combine(elements: tokens * hidden)
    }
    operations.append(
      StepOperation("combine", .exchange(.allToAll, bytes: sent * element, group: .experts)))
    operations.append(
      StepOperation("weigh", moving: (experts.active + 1) * tokens * hidden * element))
    if plan.tensor > 1 {
      operations.append(
        StepOperation(
          "all-gather",
          .exchange(.allGather, bytes: tokens * hidden * element, group: .tensor)))
      if experts.sharedSize > 0 { operations += combine(elements: tokens * hidden) }
    }
    return operations
  }

  /// The expected number of different experts among `experts` that `pairs` even draws touch:
  /// `E (1 - (1 - 1 / E)^pairs)`.
  static func touched(experts: Int, by pairs: Int) -> Double {
    let count = Double(experts)
    guard experts > 1 else { return count }
    return count * (1 - exp(Double(pairs) * log1p(-1 / count)))
  }
}
