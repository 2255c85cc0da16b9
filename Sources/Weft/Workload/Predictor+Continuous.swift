/// Continuous batching: `batch` requests are always under way, each new one's prompt passes in
/// pieces that ride on the decode steps of the others.
///
/// In the steady state every request needs its `n` pieces once per `decode` steps, so of the steps
/// a token of one request takes, `(running - 1) n / decode` carry a piece of another:
///
///     TPOT = t(running) + (running - 1) / decode x sum over pieces of (t(running + piece) - t(running))
///
/// with sequences of mean length. However many are under way, the GPUs take what all pieces of a
/// request add for every request, which bounds the throughput where few tokens are asked for. Requests beyond what fits in memory wait, which is in neither
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

  /// The requests that are under way: as many as asked for, or as fit.
  func running(_ plan: ParallelPlan, chunk: Int) -> Int {
    min(workload.batch, largestRunning(plan, chunk: chunk))
  }

  private func largestRunning(_ plan: ParallelPlan, chunk: Int) -> Int {
    largest(upTo: 1 << 20) { memory(of: plan, running: $0, chunk: chunk) }
  }

  /// The prompts of others that pass during a token of one request.
  private func promptsPerToken(_ running: Int) -> Double {
    Double(running - 1) / Double(workload.decode)
  }

  mutating func predictContinuous(_ context: Context, chunk: Int) throws -> Outcome {
    let plan = context.plan
    let largest = largestRunning(plan, chunk: chunk)
    let running = min(workload.batch, largest)
    guard running > 0 else {
      return Outcome(
        memory: memory(of: plan, running: 1, chunk: chunk), timing: nil, largestBatch: 0)
    }
    let plain = try fastestPlain(context, running)
    let best = try steadyStep(context, plain, running: running, chunk: chunk)
    let timing = Prediction.Timing(
      prefill: (best.prefill, 1),
      decode: workload.decode > 1 ? (best.decode, plain.microBatches) : nil,
      workload: workload, replicas: plan.data, running: running, perRequest: best.added)
    return Outcome(
      memory: memory(of: plan, running: running, chunk: chunk), timing: timing,
      largestBatch: largest)
  }

  /// A micro-batch of a step without prompts.
  func plainBatch(_ running: Int, _ microBatches: Int) -> StepBatch {
    .decode((running + microBatches - 1) / microBatches, length: Int(meanLength))
  }

  /// Micro-batches keep the stages of a pipeline busy at the same time.
  func microBatchCounts(_ plan: ParallelPlan, _ running: Int) -> ClosedRange<Int> {
    1...max(1, min(plan.pipeline, running))
  }

  /// A step without prompts.
  struct PlainStep {
    var microBatches: Int
    var batch: StepBatch
    var stages: [CostLedger]
    var period: CostLedger
  }

  /// The step without prompts in as many micro-batches as make it shortest: what a piece adds hardly
  /// depends on them.
  mutating func fastestPlain(_ context: Context, _ running: Int) throws -> PlainStep {
    var best: PlainStep?
    for microBatches in microBatchCounts(context.plan, running) {
      let step = try plainStep(context, running, microBatches)
      if let best, best.period.total <= step.period.total { continue }
      best = step
    }
    guard let best else { preconditionFailure("A step has at least one micro-batch.") }
    return best
  }

  private mutating func plainStep(
    _ context: Context, _ running: Int, _ microBatches: Int
  ) throws -> PlainStep {
    let batch = plainBatch(running, microBatches)
    let stages = try stageLedgers(context, batch)
    let schedule = PipelineSchedule(stages: stages.map(\.total), microBatches: microBatches)
    return PlainStep(
      microBatches: microBatches, batch: batch, stages: stages,
      period: ledger(of: stages, microBatches: microBatches, total: schedule.decodePeriod))
  }

  /// The steps that carry a piece of a prompt besides, one after the other.
  func mixedBatches(_ plain: StepBatch, _ chunk: Int) -> [StepBatch] {
    let pieces = (workload.prompt + chunk - 1) / chunk
    let piece = (workload.prompt + pieces - 1) / pieces
    return (0..<pieces).map { index in
      var mixed = plain
      mixed.prefills = 1
      mixed.chunk = min(piece, workload.prompt - index * piece)
      mixed.prior = index * piece
      return mixed
    }
  }

  private mutating func steadyStep(
    _ context: Context, _ plain: PlainStep, running: Int, chunk: Int
  ) throws -> (decode: CostLedger, prefill: CostLedger, added: SimDuration) {
    var decode = plain.period
    var added = SimDuration.zero
    let share = promptsPerToken(running)
    var prefill = CostLedger()
    for mixed in mixedBatches(plain.batch, chunk) {
      let stages = try mixedStages(context, mixed)
      let passage = PipelineSchedule(stages: stages.map(\.total), microBatches: 1)
      prefill.add(ledger(of: stages, microBatches: 1, total: passage.prefill))
      // What the piece adds to the period is what it adds to the slowest stage.
      let slowest = stages.indices.max { stages[$0].total < stages[$1].total } ?? 0
      decode.add(stages[slowest], beyond: plain.stages[slowest], scaledBy: share)
      added += stages[slowest].total - plain.stages[slowest].total
    }
    return (decode, prefill, added)
  }

  /// Prompts go through the library that serves long messages.
  private mutating func mixedStages(_ context: Context, _ mixed: StepBatch) throws -> [CostLedger] {
    var context = context
    context.library = .nccl
    return try stageLedgers(context, mixed)
  }
}

// MARK: - Bounds

extension Predictor {
  /// The least times where the steps without prompts are timed and those with a piece are not.
  ///
  /// The stage that a piece makes slowest had no more than the slowest stage without.
  mutating func steadyBound(
    _ context: Context, _ running: Int, _ chunk: Int,
    _ least: inout Predictor<LeastTimer>
  ) throws -> (ttft: SimDuration, tpot: Double) {
    let plain = try fastestPlain(context, running)
    let share = promptsPerToken(running)
    let mixed = try least.pieces(context, plain.batch, chunk)
    let before = plain.stages.map(\.total).max() ?? .zero
    let added = mixed.slowest.seconds - Double(mixed.count) * before.seconds
    return (mixed.passages, plain.period.total.seconds + share * added)
  }

  /// The least times where nothing is timed, for any number of micro-batches.
  ///
  /// A period is no less than its slowest stage, so of a step that pieces lengthen at all, at least
  /// `(1 - share pieces)` periods remain; where pieces ride on every step nothing is known.
  mutating func steadyBound(
    _ context: Context, _ running: Int, _ chunk: Int
  ) throws -> (ttft: SimDuration, tpot: Double) {
    let share = promptsPerToken(running)
    let bounds = try microBatchCounts(context.plan, running).map {
      let plain = try plainStep(context, running, $0)
      let mixed = try pieces(context, plain.batch, chunk)
      let rest = 1 - share * Double(mixed.count)
      return (
        mixed.passages,
        rest < 0 ? 0 : rest * plain.period.total.seconds + share * mixed.slowest.seconds
      )
    }
    return (bounds.map(\.0).min() ?? .zero, bounds.map(\.1).min() ?? 0)
  }

  /// The slowest stages of the steps with a piece, and the pieces' passages, each in sum.
  private mutating func pieces(
    _ context: Context, _ plain: StepBatch, _ chunk: Int
  ) throws -> (slowest: SimDuration, passages: SimDuration, count: Int) {
    let batches = mixedBatches(plain, chunk)
    var (slowest, passages) = (SimDuration.zero, SimDuration.zero)
    for mixed in batches {
      let stages = try mixedStages(context, mixed).map(\.total)
      slowest += stages.max() ?? .zero
      passages += PipelineSchedule(stages: stages, microBatches: 1).prefill
    }
    return (slowest, passages, batches.count)
  }
}
