/// Prices the steps of a model on the GPUs of a machine, one plan at a time.
struct Predictor<Timer: CollectiveTimer> {
  let model: ModelConfiguration
  let topology: Topology
  let profile: Profile
  let engine: InferenceEngine
  let weights: DataType
  let workload: InferenceWorkload
  let kernels: KernelModel
  var timer: Timer

  /// The memory need and, where that fits, the times of a legal plan.
  ///
  /// The prompts pass a pipeline in the number of micro-batches, among the divisors of the batch,
  /// that fits and makes prefill shortest; without a pipeline all at once.
  ///
  /// - Throws: What the timer throws.
  mutating func predict(
    _ plan: ParallelPlan, on machine: GPUAllocation, library: AllReduceLibrary
  ) throws -> (memory: MemoryUse, timing: Prediction.Timing?) {
    let needs = divisors(of: workload.batch, upTo: plan.pipeline > 1 ? workload.batch : 1).map {
      (
        microBatches: $0,
        memory: MemoryUse(
          model: model, plan: plan, workload: workload, weights: weights, prefillMicroBatches: $0,
          reserved: profile.size(.memoryReserved))
      )
    }
    // The first, that is one micro-batch, is always there.
    let least = needs.min { $0.memory.total < $1.memory.total } ?? needs[0]
    let fitting = needs.filter { $0.memory.problem(in: topology.gpu.memory) == nil }

    // NVRAR serves decode only: prefill stays with NCCL.
    let context = Context(plan: plan, machine: machine, library: .nccl)
    let prefills = try fitting.map { need in
      (ledger: try prefill(context, microBatches: need.microBatches), need: need)
    }
    guard let best = prefills.min(by: { $0.ledger.total < $1.ledger.total }) else {
      return (least.memory, nil)
    }
    let timing = Prediction.Timing(
      prefill: (best.ledger, best.need.microBatches),
      decode: try decode(Context(plan: plan, machine: machine, library: library)),
      workload: workload, replicas: plan.data)
    return (best.need.memory, timing)
  }

  /// What stays the same over all steps of one plan.
  private struct Context {
    var plan: ParallelPlan
    var machine: GPUAllocation
    var library: AllReduceLibrary
  }

  private func divisors(of number: Int, upTo limit: Int) -> [Int] {
    (1...max(1, min(number, limit))).filter { number % $0 == 0 }
  }
}

// MARK: - Phases

extension Predictor {
  private mutating func prefill(
    _ context: Context, microBatches: Int
  ) throws -> CostLedger {
    let stages = try stageLedgers(
      context, sequences: workload.batch / microBatches, phase: .prefill(prompt: workload.prompt))
    let schedule = PipelineSchedule(stages: stages.map(\.total), microBatches: microBatches)
    return ledger(of: stages, microBatches: microBatches, total: schedule.prefill)
  }

  /// The mean decode step with the number of micro-batches that makes it shortest, among the
  /// divisors of the batch up to the number of stages; nil if there is no step.
  ///
  /// More micro-batches than stages cannot help: `m max(t)` is then the larger bound already.
  private mutating func decode(
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
      let stages = try stageLedgers(
        context, sequences: workload.batch / microBatches, phase: .decode(length: length))
      let schedule = PipelineSchedule(stages: stages.map(\.total), microBatches: microBatches)
      sum.add(ledger(of: stages, microBatches: microBatches, total: schedule.decodePeriod))
    }
    return sum.divided(by: samples)
  }

  /// The work of the slowest stage on all micro-batches, and the rest of `total` as bubble.
  private func ledger(
    of stages: [CostLedger], microBatches: Int, total: SimDuration
  ) -> CostLedger {
    var ledger = CostLedger()
    if let slowest = stages.max(by: { $0.total < $1.total }) {
      ledger.add(slowest, times: microBatches)
    }
    ledger.add(total - ledger.total, to: .bubble, boundBy: .bubble)
    return ledger
  }
}

// MARK: - Stages

extension Predictor {
  /// What decides a stage's time: stages with the same are priced once.
  private struct StageKind: Hashable {
    var stage: PipelineStage
    var sendCrossesNodes: Bool
  }

  /// The occupancy of every stage by one micro-batch of so many sequences.
  private mutating func stageLedgers(
    _ context: Context, sequences: Int, phase: StepPhase
  ) throws -> [CostLedger] {
    let plan = context.plan
    let stages = plan.stages(of: model)
    // The last stage sends its tokens back to the first, across the nodes if the replica does.
    let crossings = context.machine.stageCrossings(of: plan)
    let kinds = zip(stages, crossings + [crossings.contains(true)]).map {
      StageKind(stage: $0, sendCrossesNodes: $1)
    }
    var priced: [StageKind: CostLedger] = [:]
    return try kinds.map { kind in
      if let known = priced[kind] { return known }
      let ledger = try stageLedger(kind, context, sequences: sequences, phase: phase)
      priced[kind] = ledger
      return ledger
    }
  }

  private mutating func stageLedger(
    _ kind: StageKind, _ context: Context, sequences: Int, phase: StepPhase
  ) throws -> CostLedger {
    let launch =
      switch phase {
      case .prefill: engine.prefillLaunch
      case .decode: engine.decodeLaunch
      }
    let step = InferenceStep(
      model: model, stage: kind.stage, tensor: context.plan.tensor, sequences: sequences,
      phase: phase, weights: weights,
      clonesAllReduces: engine.clonesAllReduces(of: context.library))
    var ledger = CostLedger()
    for (operations, count) in [(step.before, 1), (step.layer, step.layers), (step.after, 1)] {
      var part = CostLedger()
      for operation in operations {
        try charge(operation.work, context, launch: launch, to: &part)
      }
      ledger.add(part, times: count)
    }
    try chargeSend(kind, context, sequences: sequences, phase: phase, launch: launch, to: &ledger)
    switch launch {
    case .eager:
      // The host starts kernels one by one while the GPU runs them: the slower of the two counts.
      let host = step.launches * profile.duration(.launchEager)
      ledger.add(max(.zero, host - ledger.total), to: .host, boundBy: .host)
    case .graph where kind.stage.isLast:
      ledger.add(profile.duration(.hostStep), to: .host, boundBy: .host)
    case .graph:
      break
    }
    return ledger
  }

  private mutating func charge(
    _ work: StepOperation.Work, _ context: Context, launch: StepLaunch, to ledger: inout CostLedger
  ) throws {
    switch work {
    case .product(let kernel): kernels.charge(kernel, as: .gemm, launch: launch, to: &ledger)
    case .decodeAttention(let kernel):
      kernels.charge(kernel, as: .attention, launch: launch, to: &ledger)
    case .prefillAttention(let kernel):
      kernels.charge(kernel, as: .attention, launch: launch, to: &ledger)
    case .memoryBound(let kernel):
      kernels.charge(kernel, as: .otherKernels, launch: launch, to: &ledger)
    case .allReduce(let bytes):
      let time = try timer.allReduce(
        bytes: bytes, type: weights.activations,
        layout: context.machine.tensorLayout(of: context.plan), library: context.library,
        launch: launch)
      ledger.add(time.time, to: .allReduce, boundBy: time.bottleneck)
    }
  }

  /// The send that ends a stage's step: activations to the next stage, and in decode from the last
  /// stage the chosen tokens to the first, 8 bytes each.
  ///
  /// Every GPU of a tensor group sends the whole activations to its counterpart.
  private mutating func chargeSend(
    _ kind: StageKind, _ context: Context, sequences: Int, phase: StepPhase, launch: StepLaunch,
    to ledger: inout CostLedger
  ) throws {
    guard context.plan.pipeline > 1 else { return }
    let bytes: Int
    if !kind.stage.isLast {
      bytes =
        sequences * phase.tokensPerSequence * model.hiddenSize * weights.activations.bytes
    } else if case .decode = phase {
      bytes = 8 * sequences
    } else {
      return
    }
    let time = try timer.pointToPoint(
      bytes: bytes, crossesNodes: kind.sendCrossesNodes,
      pairs: min(context.plan.tensor, context.machine.gpusPerNode), launch: launch)
    ledger.add(time.time, to: .pointToPoint, boundBy: time.bottleneck)
  }
}

extension InferenceStep {
  /// The kernels and collectives of the step, each started once by the host if launched eagerly.
  var launches: Int { before.count + layers * layer.count + after.count }
}
