/// Prices the steps of a model on the GPUs of a machine, one plan at a time.
struct Predictor<Timer: CollectiveTimer> {
  let model: ModelConfiguration
  let topology: Topology
  let profile: Profile
  let engine: InferenceEngine
  let types: StepTypes
  let workload: InferenceWorkload
  var kernels: KernelModel
  var timer: Timer
  /// What is known of steps, by this timer.
  var steps: [PricedStep.Question: PricedStep] = [:]

  /// What is known of a legal plan: its need and, where that fits, its times.
  struct Outcome {
    var memory: MemoryUse
    var timing: Prediction.Timing?
    /// The most sequences of this workload that fit a replica at once; 0 if not even one does.
    var largestBatch: Int
  }

  typealias Context = PlanContext

  /// The same question to another timer.
  func with<Other: CollectiveTimer>(timer: Other) -> Predictor<Other> {
    Predictor<Other>(
      model: model, topology: topology, profile: profile, engine: engine, types: types,
      workload: workload, kernels: kernels, timer: timer)
  }

  /// The memory need and, where that fits, the times of a legal plan.
  ///
  /// - Throws: What the timer throws.
  mutating func predict(
    _ plan: ParallelPlan, on machine: GPUAllocation, library: AllReduceLibrary
  ) throws -> Outcome {
    let context = Context(plan: plan, machine: machine, library: library)
    switch engine.batching {
    case .static: return try predictStatic(context)
    case .continuous(let chunk): return try predictContinuous(context, chunk: chunk)
    }
  }

  /// Whether a plan fits a GPU's memory in its smallest form.
  func fits(_ plan: ParallelPlan) -> Bool { problem(of: leastMemory(of: plan)) == nil }

  /// The need with the prompts in as many micro-batches as a pipeline lets them be, or, for
  /// continuous batches, with one request.
  func leastMemory(of plan: ParallelPlan) -> MemoryUse {
    switch engine.batching {
    case .static:
      memory(of: plan, batch: workload.batch, microBatches: plan.pipeline > 1 ? workload.batch : 1)
    case .continuous(let chunk): memory(of: plan, running: 1, chunk: chunk)
    }
  }

  /// Why a need is too large for a GPU's memory; nil if it is not.
  func problem(of memory: MemoryUse) -> String? {
    memory.problem(in: topology.gpu.memory, share: engine.memoryShare)
  }

  func memory(of plan: ParallelPlan, _ load: MemoryUse.Load) -> MemoryUse {
    MemoryUse(
      model: model, plan: plan, load: load, types: types, engine: engine,
      reserved: profile.size(.memoryReserved))
  }

  /// The largest count from 0 to `limit` for which a need that grows with it fits.
  func largest(upTo limit: Int, _ need: (Int) -> MemoryUse) -> Int {
    var (low, high) = (0, limit)
    while low < high {
      let middle = (low + high + 1) / 2
      if problem(of: need(middle)) == nil { low = middle } else { high = middle - 1 }
    }
    return low
  }
}

/// What stays the same over all steps of one plan.
struct PlanContext: Hashable {
  var plan: ParallelPlan
  var machine: GPUAllocation
  var library: AllReduceLibrary
}

// MARK: - Static batches

extension Predictor {
  private func memory(of plan: ParallelPlan, batch: Int, microBatches: Int) -> MemoryUse {
    let sequences = (batch + microBatches - 1) / microBatches
    return memory(
      of: plan,
      MemoryUse.Load(
        cachedTokens: Double(batch) * Double(workload.length),
        prefillTokens: sequences * workload.prompt, logits: sequences))
  }

  /// The prompts pass a pipeline in the number of micro-batches, among the divisors of the batch,
  /// that fits and makes prefill shortest; without a pipeline all at once.
  private mutating func predictStatic(_ context: Context) throws -> Outcome {
    let plan = context.plan
    let largest = largest(upTo: 1 << 20) {
      memory(of: plan, batch: $0, microBatches: plan.pipeline > 1 ? max(1, $0) : 1)
    }
    guard let best = try shortestPrefill(context) else {
      return Outcome(memory: leastMemory(of: plan), timing: nil, largestBatch: largest)
    }
    let timing = Prediction.Timing(
      prefill: best, decode: try decode(context),
      workload: workload, replicas: plan.data, running: workload.batch)
    return Outcome(
      memory: memory(of: plan, batch: workload.batch, microBatches: best.microBatches),
      timing: timing, largestBatch: largest)
  }

  /// The prefill with the number of micro-batches that makes it shortest, of equal ones the least;
  /// nil if none fits.
  ///
  /// Numbers that would take longer than the best so far even if collectives took their least times
  /// are not priced.
  private mutating func shortestPrefill(
    _ context: Context
  ) throws -> (ledger: CostLedger, microBatches: Int)? {
    var best: (ledger: CostLedger, microBatches: Int)?
    for (microBatches, least) in try rankedPrefills(context) {
      if let best, least > best.ledger.total { continue }
      let ledger = try prefill(context, microBatches: microBatches)
      if let best, (best.ledger.total, best.microBatches) < (ledger.total, microBatches) {
        continue
      }
      best = (ledger, microBatches)
    }
    return best
  }

  /// The numbers of micro-batches that fit with their least times, shortest first.
  func rankedPrefills(_ context: Context) throws -> [(microBatches: Int, least: SimDuration)] {
    var least = with(timer: LeastTimer(topology: topology))
    return zip(fittingCounts(context.plan), try least.prefills(context))
      .map { (microBatches: $0, least: $1) }.sorted { $0.least < $1.least }
  }

  private func fittingCounts(_ plan: ParallelPlan) -> [Int] {
    divisors(of: workload.batch, upTo: plan.pipeline > 1 ? workload.batch : 1).filter {
      problem(of: memory(of: plan, batch: workload.batch, microBatches: $0)) == nil
    }
  }

  /// The times of prefill in each number of micro-batches that fits, fewest first.
  mutating func prefills(_ context: Context) throws -> [SimDuration] {
    try fittingCounts(context.plan).map { try prefill(context, microBatches: $0).total }
  }

  func divisors(of number: Int, upTo limit: Int) -> [Int] {
    (1...max(1, min(number, limit))).filter { number % $0 == 0 }
  }

  func prefillBatch(microBatches: Int) -> StepBatch {
    .prefill(workload.batch / microBatches, prompt: workload.prompt)
  }

  mutating func prefill(
    _ context: Context, microBatches: Int
  ) throws -> CostLedger {
    // NVRAR serves decode only: prefill stays with NCCL.
    var context = context
    context.library = .nccl
    let stages = try stageLedgers(context, prefillBatch(microBatches: microBatches))
    let schedule = PipelineSchedule(stages: stages.map(\.total), microBatches: microBatches)
    return ledger(of: stages, microBatches: microBatches, total: schedule.prefill)
  }

  /// The mean decode step with the number of micro-batches that makes it shortest, among the
  /// divisors of the batch up to the number of stages; nil if there is no step.
  ///
  /// More micro-batches than stages cannot help: `m max(t)` is then the larger bound already.
  mutating func decode(
    _ context: Context
  ) throws -> (ledger: CostLedger, microBatches: Int)? {
    guard workload.decode > 1 else { return nil }
    let steps = try divisors(of: workload.batch, upTo: context.plan.pipeline).map {
      (ledger: try meanDecodeStep(context, microBatches: $0), microBatches: $0)
    }
    return steps.min { $0.ledger.total < $1.ledger.total }
  }

  /// The mean over steps with `prompt + 1 ... prompt + decode - 1` keys and values.
  ///
  /// Every step is priced up to 16 of them, else 16 at the middles of equal parts of the range:
  /// the only terms that depend on the length are affine, for which the midpoint rule is exact,
  /// and logarithmic, for which it errs by less than 1e-3 of attention's term per doubling.
  private mutating func meanDecodeStep(
    _ context: Context, microBatches: Int
  ) throws -> CostLedger {
    let steps = workload.decode - 1
    let samples = min(steps, 16)
    var sum = CostLedger()
    for sample in 0..<samples {
      let length = workload.prompt + 1 + (2 * sample + 1) * steps / (2 * samples)
      let batch = StepBatch.decode(workload.batch / microBatches, length: length)
      sum.add(try decodePeriod(context, batch, microBatches: microBatches))
    }
    return sum.divided(by: samples)
  }

  /// The period of a decode step whose micro-batches are all like `batch`.
  mutating func decodePeriod(
    _ context: Context, _ batch: StepBatch, microBatches: Int
  ) throws -> CostLedger {
    let stages = try stageLedgers(context, batch)
    let schedule = PipelineSchedule(stages: stages.map(\.total), microBatches: microBatches)
    return ledger(of: stages, microBatches: microBatches, total: schedule.decodePeriod)
  }

  /// The work of the slowest stage on all micro-batches, and the rest of `total` as bubble.
  func ledger(of stages: [CostLedger], microBatches: Int, total: SimDuration) -> CostLedger {
    var ledger = CostLedger()
    if let slowest = stages.max(by: { $0.total < $1.total }) {
      ledger.add(slowest, times: microBatches)
    }
    ledger.add(total - ledger.total, to: .bubble, boundBy: .bubble)
    return ledger
  }
}
