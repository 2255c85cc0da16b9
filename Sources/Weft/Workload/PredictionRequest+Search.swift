extension PredictionRequest {
  /// The question with every `auto` replaced by the plans of its front.
  ///
  /// They are those that no other beats on one of the GPU counts with one of the libraries, and at
  /// the other GPU counts the plans of the same families, which strong scaling is read from. If no
  /// plan fits a GPU count, the one that needs least memory stands for them.
  ///
  /// - Throws: ``WorkloadError`` if the question makes no sense as a whole; and what the timer
  ///   throws.
  public func narrowed(
    timer: inout some CollectiveTimer
  ) throws -> (request: PredictionRequest, searches: [PlanSearchSummary]) {
    try check()
    guard let auto = plans.first(where: \.isOpen) else { return (self, []) }
    var search = PlanSearch(try predictor(timer))
    defer { timer = search.predictor.timer.base }
    var searches: [PlanSearchSummary] = []
    var chosen: [ParallelPlan] = []
    var families: Set<String> = []
    var fitting: [ParallelPlan] = []
    for gpus in gpuCounts {
      // A number of GPUs that is illegal is a row of its own later.
      guard let machine = try? GPUAllocation(gpus: gpus, of: topology),
        let legal = try? auto.plans(for: model, on: machine)
      else { continue }
      fitting += legal.filter(search.predictor.fits)
      for library in libraries {
        let served = legal.filter { problem(with: $0, library) == nil }
        let fit = served.filter(search.predictor.fits)
        let least = served.min {
          search.predictor.leastMemory(of: $0).total < search.predictor.leastMemory(of: $1).total
        }
        if fit.isEmpty, let least, !chosen.contains(least) { chosen.append(least) }
        let front: (plans: [ParallelPlan], priced: Int)
        do {
          front = try search.front(of: fit, on: machine, library: library)
        } catch is WorkloadError {
          // What the timer cannot serve is the reason of a row.
          front = (fit, 0)
        }
        families.formUnion(front.plans.map(auto.family))
        searches.append(
          PlanSearchSummary(
            gpus: gpus, allReduce: library, batch: workload.batch,
            legal: served.count, fitting: fit.count,
            priced: front.priced))
      }
    }
    chosen += fitting.filter { families.contains(auto.family(of: $0)) }
    var request = self
    request.plans = plans.map { $0.isOpen ? $0.among(chosen) : $0 }
    return (request, searches)
  }

  /// Why the engine or the library of a plan's all-reduces does not have it; nil if they do.
  func problem(with plan: ParallelPlan, _ library: AllReduceLibrary) -> WorkloadError? {
    guard plan.columns > 1 else { return nil }
    guard engine.hasGrids else {
      return WorkloadError(
        "\(plan) is a grid, which \(engine.name) does not have",
        fix: "give a plan of one dimension, or an engine whose file says 'grids: true'")
    }
    return library == .nccl
      ? nil
      : WorkloadError(
        "\(plan) is a grid, whose all-reduces \(library.rawValue) does not serve",
        fix: "give --all-reduce nccl, or a plan of one dimension")
  }
}
