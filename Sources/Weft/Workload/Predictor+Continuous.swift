/// Continuous batching: `batch` requests are always under way, each new one's prompt passes in
/// pieces that ride on the decode steps of the others.
///
/// In the steady state every request needs its `n` pieces once per `decode` steps, so of the steps
/// a token takes, `running n / decode` carry a piece:
///
///     TPOT = t(running) + running / decode x sum over pieces of (t(running + piece) - t(running))
///
/// with sequences of mean length. Requests beyond what fits in memory wait, which is in neither
/// TTFT nor TPOT. TTFT is the time of one request's pieces.
extension Predictor {
  /// The need of `running` requests at their mean length, the newest with a piece in the layers.
  func memory(of plan: ParallelPlan, running: Int, chunk: Int) -> MemoryUse {
    memory(
      of: plan,
      MemoryUse.Load(
        cachedTokens: Double(running) * meanLength, prefillTokens: min(chunk, workload.prompt),
        logits: running + 1))
  }

  private var meanLength: Double { Double(workload.prompt) + Double(workload.decode) / 2 }

  mutating func predictContinuous(_ context: Context, chunk: Int) throws -> Outcome {
    let plan = context.plan
    let largest = largest(upTo: 1 << 20) { memory(of: plan, running: $0, chunk: chunk) }
    let running = min(workload.batch, largest)
    guard running > 0 else {
      return Outcome(
        memory: memory(of: plan, running: 1, chunk: chunk), timing: nil, largestBatch: 0)
    }
    // Micro-batches keep the stages of a pipeline busy at the same time. As many are taken as make a
    // step without prompts shortest: what a piece adds hardly depends on them.
    let periods = try (1...max(1, min(plan.pipeline, running))).map { microBatches in
      (
        microBatches: microBatches,
        time: try decodePeriod(
          context, plainBatch(running, microBatches), microBatches: microBatches
        ).total
      )
    }
    let microBatches = periods.min { $0.time < $1.time }?.microBatches ?? 1
    let best = try steadyStep(
      context, running: running, microBatches: microBatches, chunk: chunk)
    let timing = Prediction.Timing(
      prefill: (best.prefill, 1),
      decode: workload.decode > 1 ? (best.decode, microBatches) : nil,
      workload: workload, replicas: plan.data, running: running)
    return Outcome(
      memory: memory(of: plan, running: running, chunk: chunk), timing: timing,
      largestBatch: largest)
  }

  /// A micro-batch of a step without prompts.
  private func plainBatch(_ running: Int, _ microBatches: Int) -> StepBatch {
    .decode((running + microBatches - 1) / microBatches, length: Int(meanLength))
  }

  private mutating func steadyStep(
    _ context: Context, running: Int, microBatches: Int, chunk: Int
  ) throws -> (decode: CostLedger, prefill: CostLedger) {
    let plain = plainBatch(running, microBatches)
    var decode = try decodePeriod(context, plain, microBatches: microBatches)
    let plainStages = try stageLedgers(context, plain)
    let pieces = (workload.prompt + chunk - 1) / chunk
    let piece = (workload.prompt + pieces - 1) / pieces
    let share = Double(running) / Double(workload.decode)
    // Prompts go through the library that serves long messages.
    var mixedContext = context
    mixedContext.library = .nccl
    var prefill = CostLedger()
    for index in 0..<pieces {
      var mixed = plain
      mixed.prefills = 1
      mixed.chunk = min(piece, workload.prompt - index * piece)
      mixed.prior = index * piece
      let stages = try stageLedgers(mixedContext, mixed)
      let passage = PipelineSchedule(stages: stages.map(\.total), microBatches: 1)
      prefill.add(ledger(of: stages, microBatches: 1, total: passage.prefill))
      // What the piece adds to the period is what it adds to the slowest stage.
      let slowest = stages.indices.max { stages[$0].total < stages[$1].total } ?? 0
      decode.add(stages[slowest], beyond: plainStages[slowest], scaledBy: share)
    }
    return (decode, prefill)
  }
}
