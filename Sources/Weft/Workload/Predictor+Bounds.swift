/// How good a plan is by the two measures of the front: of a plan that is not priced yet, how good
/// it is at the best.
struct PlanPoint {
  /// The time per output token, or to the first where there is no other.
  var time: SimDuration
  /// The tokens per second and GPU.
  var yield: Double

  /// Whether another point is worse in one measure and no better in the other.
  func beats(_ other: PlanPoint) -> Bool {
    time <= other.time && yield >= other.yield && (time < other.time || yield > other.yield)
  }
}

extension Predictor {
  /// What a plan that fits reaches at the best, by the least times of its collectives.
  ///
  /// Predicted times only grow with those of collectives, so least ones give a bound; a millionth is
  /// left to rounding.
  ///
  /// - Parameters:
  ///   - context: The plan on its machine.
  ///   - least: A predictor whose collectives take their least times.
  ///   - timesDecode: Whether this predictor's own timer is asked for the steps without prompts;
  ///     `least` is for all others.
  /// - Returns: No less than the yield, and no more than the time.
  /// - Throws: What the timer throws.
  mutating func bound(
    _ context: Context, least: inout Predictor<LeastTimer>, timesDecode: Bool
  ) throws -> PlanPoint {
    let (ttft, tpot, running): (SimDuration, Double?, Int)
    switch engine.batching {
    case .static:
      running = workload.batch
      ttft = try least.prefills(context).min() ?? .zero
      tpot =
        try timesDecode
        ? decode(context)?.ledger.total.seconds : least.decode(context)?.ledger.total.seconds
    case .continuous(let chunk):
      running = self.running(context.plan, chunk: chunk)
      let times =
        try timesDecode
        ? steadyBound(context, running, chunk, &least)
        : least.steadyBound(context, running, chunk)
      ttft = times.ttft
      tpot = workload.decode > 1 ? times.tpot : nil
    }
    let latency = ttft.seconds + Double(workload.decode - 1) * (tpot ?? 0)
    let tokens = Double(context.plan.data * running * workload.decode)
    return PlanPoint(
      time: .seconds((tpot ?? ttft.seconds) * (1 - 1e-6)),
      yield: tokens / latency / Double(context.plan.gpus) * (1 + 1e-6))
  }
}

// MARK: - What will be asked

extension Predictor {
  /// The calls of the steps without prompts, in any number of micro-batches.
  ///
  /// - Throws: Nothing in practice: a list has every answer.
  func decodeCalls(_ context: Context) throws -> [StepCall] {
    try calls(context, decodeBatches(context.plan))
  }

  /// The calls of prompts, in the number of micro-batches that seems fastest; asked again when those
  /// have answers, in the numbers that may be faster still.
  ///
  /// - Throws: What the timer throws, which is asked for steps without prompts, and the second time
  ///   for what it was told of the first.
  mutating func prefillCalls(_ context: Context, isSecond: Bool) throws -> [StepCall] {
    var context = context
    let batches: [StepBatch]
    switch engine.batching {
    case .static:
      var counts = try rankedPrefills(context)[...]
      if isSecond, let first = counts.popFirst() {
        let time = try prefill(context, microBatches: first.microBatches).total
        counts = counts.prefix { $0.least <= time }
      } else {
        counts = counts.prefix(1)
      }
      batches = counts.map { prefillBatch(microBatches: $0.microBatches) }
    case .continuous(let chunk):
      guard !isSecond else { return [] }
      let plain = try fastestPlain(context, running(context.plan, chunk: chunk))
      batches = mixedBatches(plain.batch, chunk)
    }
    context.library = .nccl
    return try calls(context, batches)
  }

  private func calls(_ context: Context, _ batches: [StepBatch]) throws -> [StepCall] {
    var list = with(timer: CallList())
    for batch in batches { _ = try list.stageLedgers(context, batch) }
    return list.timer.calls
  }

  private func decodeBatches(_ plan: ParallelPlan) -> [StepBatch] {
    switch engine.batching {
    case .static:
      guard workload.decode > 1 else { return [] }
      return divisors(of: workload.batch, upTo: plan.pipeline).map {
        .decode(workload.batch / $0, length: workload.length)
      }
    case .continuous(let chunk):
      let running = running(plan, chunk: chunk)
      return microBatchCounts(plan, running).map { plainBatch(running, $0) }
    }
  }
}
