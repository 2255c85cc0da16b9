/// A question about strong scaling: GPU counts x plans x all-reduces for one model and workload.
///
///     let request = PredictionRequest(
///       model: llama, topology: perlmutter, profile: nominal, gpuCounts: [16, 32],
///       plans: [try PlanPattern("tp")], libraries: [.nccl, .nvrar], workload: workload)
///     var timer = CachingTimer(mySimulationTimer)
///     let rows = try request.predictions(timer: &timer)
public struct PredictionRequest: Sendable {
  /// The model.
  public var model: ModelConfiguration
  /// The machine.
  public var topology: Topology
  /// The costs of its software; complete.
  public var profile: Profile
  /// The GPU counts, in the order of the results.
  public var gpuCounts: [Int]
  /// The plans to try at each GPU count.
  public var plans: [PlanPattern]
  /// The libraries to try for decode's all-reduces.
  public var libraries: [AllReduceLibrary]
  /// What each replica is asked for.
  public var workload: InferenceWorkload
  /// The type of weights and matrix products.
  public var weights: DataType
  /// The type of the KV cache.
  public var keyValues: DataType
  /// The software that runs the model.
  public var engine: InferenceEngine

  /// Creates a question; the weights have the model's own type if `weights` is nil, and the KV
  /// cache that of the activations if `keyValues` is.
  public init(
    model: ModelConfiguration, topology: Topology, profile: Profile, gpuCounts: [Int],
    plans: [PlanPattern], libraries: [AllReduceLibrary], workload: InferenceWorkload,
    weights: DataType? = nil, keyValues: DataType? = nil, engine: InferenceEngine
  ) {
    self.model = model
    self.topology = topology
    self.profile = profile
    self.gpuCounts = gpuCounts
    self.plans = plans
    self.libraries = libraries
    self.workload = workload
    self.weights = weights ?? model.type
    self.keyValues = keyValues ?? self.weights.activations
    self.engine = engine
  }
}

extension PredictionRequest {
  /// One prediction per GPU count, plan and all-reduce, in that order.
  ///
  /// An illegal plan is a row with its reason in a sweep. `auto` gives the plans that
  /// ``narrowed(timer:)`` finds.
  ///
  /// - Throws: ``WorkloadError`` if the question makes no sense as a whole, or if it is about a
  ///   single plan on a single GPU count and that is illegal; and what the timer throws.
  public func predictions(timer: inout some CollectiveTimer) throws -> [Prediction] {
    try check()
    if plans.contains(where: \.isOpen) {
      return try narrowed(timer: &timer).request.predictions(timer: &timer)
    }
    var predictor = try predictor(timer)
    defer { timer = predictor.timer }
    try prepare(&predictor)
    let isSweep = gpuCounts.count * plans.count > 1
    var rows: [Prediction] = []
    for gpus in gpuCounts {
      for pattern in plans {
        for library in libraries {
          do {
            rows += try self.rows(gpus, pattern, library, predictor: &predictor)
          } catch let error as WorkloadError where isSweep {
            rows.append(row(gpus, pattern, library, error))
          }
        }
      }
    }
    return compared(rows)
  }

  /// Tells the timer what pricing the plans will ask it, as far as that is known.
  private func prepare(_ predictor: inout Predictor<some CollectiveTimer>) throws {
    var contexts: [PlanContext] = []
    for gpus in gpuCounts {
      guard let machine = try? GPUAllocation(gpus: gpus, of: topology) else { continue }
      for pattern in plans {
        guard let plans = try? pattern.plans(for: model, on: machine) else { continue }
        for library in libraries {
          contexts += plans.filter { problem(with: $0, library) == nil && predictor.fits($0) }
            .map { PlanContext(plan: $0, machine: machine, library: library) }
        }
      }
    }
    predictor.timer.prepare(try contexts.flatMap(predictor.decodeCalls))
    // A call that fails does so again when its plan is priced.
    for isSecond in [false, true] {
      predictor.timer.prepare(
        contexts.flatMap { (try? predictor.prefillCalls($0, isSecond: isSecond)) ?? [] })
    }
  }

  func predictor<Timer: CollectiveTimer>(
    _ timer: Timer
  ) throws(WorkloadError) -> Predictor<Timer> {
    Predictor(
      model: model, topology: topology, profile: profile, engine: engine,
      types: StepTypes(weights: weights, keyValues: keyValues), workload: workload,
      kernels: try KernelModel(gpu: topology.gpu, profile: profile, weights: weights),
      timer: timer)
  }

  func check() throws(WorkloadError) {
    guard workload.length <= model.maxPositions else {
      throw WorkloadError(
        "prompt \(workload.prompt) + decode \(workload.decode) is longer than the "
          + "\(model.maxPositions) positions of \(model.name)",
        fix: "shorten one of them")
    }
    for gpus in gpuCounts where gpus < 1 {
      throw WorkloadError("\(gpus) GPUs cannot run a model", fix: "give at least 1")
    }
  }

  private func rows(
    _ gpus: Int, _ pattern: PlanPattern, _ library: AllReduceLibrary,
    predictor: inout Predictor<some CollectiveTimer>
  ) throws -> [Prediction] {
    let machine = try GPUAllocation(gpus: gpus, of: topology)
    var rows: [Prediction] = []
    let plans = try pattern.plans(
      for: model, on: machine,
      fits: { [predictor] in problem(with: $0, library) == nil && predictor.fits($0) })
    for plan in plans {
      if let problem = problem(with: plan, library) {
        // A plan of `auto` is there for the libraries that serve it.
        if pattern.isAuto { continue }
        throw problem
      }
      let outcome = try predictor.predict(plan, on: machine, library: library)
      var prediction = row(gpus, pattern, library, nil)
      prediction.nodes = machine.nodes
      prediction.plan = plan.description
      prediction.shape = plan
      prediction.memory = outcome.memory
      prediction.timing = outcome.timing
      prediction.largestBatch = outcome.largestBatch
      prediction.reason = outcome.timing == nil ? predictor.problem(of: outcome.memory) : nil
      prediction.family = pattern.family(of: plan)
      rows.append(prediction)
    }
    guard pattern.isAuto else { return rows }
    let fitting = rows.filter(\.fits)
    let least = rows.min {
      $0.memory?.total ?? 0 < $1.memory?.total ?? 0
    }
    return fitting.isEmpty ? least.map { [$0] } ?? [] : fitting
  }

  private func row(
    _ gpus: Int, _ pattern: PlanPattern, _ library: AllReduceLibrary, _ error: WorkloadError?
  ) -> Prediction {
    let machine = try? GPUAllocation(gpus: gpus, of: topology)
    return Prediction(
      model: model.name, topology: topology.name, gpus: gpus, nodes: machine?.nodes,
      requested: pattern.text,
      plan: machine.map { pattern.name(for: model, on: $0) } ?? pattern.text,
      family: pattern.text, allReduce: library,
      engine: engine,
      workload: workload,
      reason: error?.description)
  }

  /// Fills in speedups, each against the smallest GPU count of the same family and all-reduce.
  private func compared(_ rows: [Prediction]) -> [Prediction] {
    rows.map { row in
      var prediction = row
      let base =
        rows.filter {
          $0.family == row.family && $0.requested == row.requested
            && $0.allReduce == row.allReduce && $0.fits
        }.min { $0.gpus < $1.gpus }
      if let timing = row.timing, let base, let baseTiming = base.timing {
        let speedup = timing.tokensPerSecond / baseTiming.tokensPerSecond
        prediction.speedup = speedup
        prediction.efficiency = speedup * Double(base.gpus) / Double(row.gpus)
      }
      return prediction
    }
  }
}
