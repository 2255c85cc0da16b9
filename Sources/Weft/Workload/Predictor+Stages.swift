/// The stages of a step with everything but what depends on the length of its sequences, which is
/// all that changes from one decode step to the next.
struct PricedStep {
  /// What decides it.
  struct Question: Hashable {
    var context: PlanContext
    /// The micro-batch, of sequences without a length.
    var batch: StepBatch
  }

  /// One kind of stage.
  struct Stage {
    /// The operations but for ``attention``.
    var operations = CostLedger()
    /// The attention of decode, of any length, and how often it runs.
    var attention: [(kernel: DecodeAttention, count: Int)] = []
    /// What comes after the operations and hides nothing: the send, gaps between kernels.
    var after = CostLedger()
    /// The kernels and collectives.
    var launches: Int
    var isLast: Bool
    /// The least seconds of ``operations`` by the data sheet.
    var least = 0.0
  }

  /// The place in ``parts`` of every stage, in order.
  var stages: [Int]
  /// The different stages.
  var parts: [Stage]
}

extension Predictor {
  /// What decides a stage's time: stages with the same are priced once.
  private struct StageKind: Hashable {
    var stage: PipelineStage
    var sendCrossesNodes: Bool
  }

  /// The occupancy of every stage by one micro-batch.
  mutating func stageLedgers(_ context: Context, _ batch: StepBatch) throws -> [CostLedger] {
    let step = try pricedStep(context, batch)
    let ledgers = try step.parts.map { try ledger(of: $0, batch) }
    return step.stages.map { ledgers[$0] }
  }

  /// The operations of a stage in one step.
  func step(of stage: PipelineStage, _ context: Context, _ batch: StepBatch) -> InferenceStep {
    StepBuilder(
      model: model, plan: context.plan, engine: engine, types: types,
      copiesAllReduces: engine.copiedLibraries.contains(context.library)
    ).step(of: stage, for: batch)
  }

  /// The stages of a step but for the length of its sequences.
  private mutating func pricedStep(_ context: Context, _ batch: StepBatch) throws -> PricedStep {
    var question = PricedStep.Question(context: context, batch: batch)
    question.batch.context = 0
    if let known = steps[question] { return known }
    let stages = context.plan.stages(of: model)
    // The last stage sends its tokens back to the first, across the nodes if the replica does.
    let crossings = context.machine.stageCrossings(of: context.plan)
    var step = PricedStep(stages: [], parts: [])
    var places: [StageKind: Int] = [:]
    for (stage, crosses) in zip(stages, crossings + [crossings.contains(true)]) {
      let kind = StageKind(stage: stage, sendCrossesNodes: crosses)
      if let place = places[kind] {
        step.stages.append(place)
        continue
      }
      step.stages.append(step.parts.count)
      places[kind] = step.parts.count
      step.parts.append(try pricedStage(kind, context, batch))
    }
    steps[question] = step
    return step
  }

  private mutating func pricedStage(
    _ kind: StageKind, _ context: Context, _ batch: StepBatch
  ) throws -> PricedStep.Stage {
    let launch = launch(of: batch)
    let step = step(of: kind.stage, context, batch)
    var stage = PricedStep.Stage(launches: step.launches, isLast: kind.stage.isLast)
    for (operations, count) in step.parts where count > 0 {
      var part = CostLedger()
      for operation in operations {
        if case .decodeAttention(let kernel) = operation.work {
          stage.attention.append((kernel, count))
          continue
        }
        try charge(operation.work, context, launch: launch, to: &part)
        stage.least += Double(count) * operation.work.leastSeconds(on: topology.gpu)
      }
      stage.operations.add(part, times: count)
    }
    try chargeSend(kind, context, batch, launch: launch, to: &stage.after)
    let gaps =
      step.launches * profile.duration(.stepKernel)
      + step.collectives * profile.duration(.stepCollective)
    stage.after.add(gaps, to: .launch, boundBy: .launch)
    return stage
  }

  private func launch(of batch: StepBatch) -> StepLaunch {
    batch.isDecode ? engine.decodeLaunch : engine.prefillLaunch
  }

  /// Adds what depends on the length of the sequences, and what depends on the whole.
  private mutating func ledger(
    of stage: PricedStep.Stage, _ batch: StepBatch
  ) throws -> CostLedger {
    let launch = launch(of: batch)
    var ledger = stage.operations
    var least = stage.least
    for (kernel, count) in stage.attention {
      var kernel = kernel
      kernel.length = batch.context
      let work = StepOperation.Work.decodeAttention(kernel)
      var part = CostLedger()
      kernels.charge(work, launch: launch, to: &part)
      ledger.add(part, times: count)
      least += Double(count) * work.leastSeconds(on: topology.gpu)
    }
    ledger.hideCollectives(share: engine.overlap)
    ledger.add(stage.after)
    if launch == .eager {
      // The host starts kernels one by one while the GPU runs them: the slower of the two counts.
      let host = stage.launches * profile.duration(.launchEager)
      ledger.add(max(.zero, host - ledger.total), to: .host, boundBy: .host)
    }
    // One graph is one launch, eager prefill of a static batch hides what the host does besides.
    let isStaticPrefill = engine.batching == .static && launch == .eager && !batch.isDecode
    if stage.isLast && !isStaticPrefill {
      let host = profile.duration(.hostStep) + batch.decodes * profile.duration(.hostSequence)
      ledger.add(host, to: .host, boundBy: .host)
    }
    try PhysicalBoundError.check(ledger.total, least: least)
    return ledger
  }

  private mutating func charge(
    _ work: StepOperation.Work, _ context: Context, launch: StepLaunch, to ledger: inout CostLedger
  ) throws {
    switch work {
    case .product, .decodeAttention, .prefillAttention, .memoryBound:
      kernels.charge(work, launch: launch, to: &ledger)
    case .allReduce(let bytes, let type, let group):
      let layout = context.machine.layout(of: group, context.plan)
      let time = try allReduce(
        bytes: bytes, type: type, layout: layout, library: context.library, launch: launch)
      ledger.add(time.time, to: .allReduce, boundBy: time.bottleneck)
    case .exchange(let collective, let bytes, let group):
      let layout = context.machine.layout(of: group, context.plan)
      let time = try timer.exchange(collective, bytes: bytes, layout: layout, launch: launch)
      ledger.add(time.time, to: .allToAll, boundBy: time.bottleneck)
    }
  }

  /// The engine's own all-reduce where it has one for such a message, else the library's.
  ///
  /// The engine takes the better of one shot (every GPU reads all others' buffers) and two
  /// (reduce-scatter and all-gather by direct reads, with a second barrier):
  ///
  ///     min(L + (n - 1) S / (e B), 1.4 L + 2 (n - 1) / n S / (e B))
  private mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    guard let limit = engine.fusedAllReduceLimit, layout.nodes == 1, bytes <= limit.bytes,
      library == .nccl
    else {
      return try timer.allReduce(
        bytes: bytes, type: type, layout: layout, library: library, launch: launch)
    }
    let ranks = Double(layout.ranks)
    let rate =
      profile.ratio(.fusedAllReduceEfficiency)
      * Double(topology.node.scaleUp.bandwidth.bytesPerSecond)
    let base = profile.duration(.fusedAllReduceBase).seconds
    let whole = Double(bytes) / rate
    let oneShot = (base, (ranks - 1) * whole)
    let twoShot = (1.4 * base, 2 * (ranks - 1) / ranks * whole)
    let best = oneShot.0 + oneShot.1 <= twoShot.0 + twoShot.1 ? oneShot : twoShot
    var breakdown = TimeBreakdown()
    breakdown.latency = .seconds(best.0)
    breakdown.scaleUpSerialization = .seconds(best.1)
    return CollectiveTime(
      time: breakdown.total, breakdown: breakdown,
      bottleneck: best.0 >= best.1 ? .latency : .scaleUpBandwidth)
  }

  /// The send that ends a stage's step: activations to the next stage, and in decode from the last
  /// stage the chosen tokens to the first, 8 bytes each.
  ///
  /// Every GPU of a tensor group sends the whole activations to its counterpart.
  private mutating func chargeSend(
    _ kind: StageKind, _ context: Context, _ batch: StepBatch, launch: StepLaunch,
    to ledger: inout CostLedger
  ) throws {
    guard context.plan.pipeline > 1 else { return }
    let bytes: Int
    if !kind.stage.isLast {
      bytes = batch.tokens * model.hiddenSize / context.plan.columns * types.activations.bytes
    } else if batch.decodes > 0 {
      bytes = 8 * batch.sequences
    } else {
      return
    }
    let time = try timer.pointToPoint(
      bytes: bytes, crossesNodes: kind.sendCrossesNodes,
      pairs: min(context.plan.tensor, context.machine.gpusPerNode), launch: launch)
    ledger.add(time.time, to: .pointToPoint, boundBy: time.bottleneck)
  }
}
