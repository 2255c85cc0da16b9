/// Finds the plans that no other beats in both TPOT and tokens per second and GPU, and prices no
/// plan in full that a bound can rule out.
///
/// Every plan begins with a bound: its kernels, and the least times of its collectives. Of those that
/// no other point beats, priced or bound, each is made sharper: first the steps of decode are timed,
/// whose messages are short, and the shortest of them first, then the plan is priced. A plan that
/// nothing beats even so has to be priced whatever the order, and one that is left in the end is
/// beaten by a priced plan at its very best: the front is that of pricing all (branch and bound).
struct PlanSearch<Timer: CollectiveTimer> {
  private struct Candidate {
    var context: PlanContext
    var point: PlanPoint
    /// The calls of steps without prompts; none before they are needed.
    var calls: [StepCall] = []
    /// The weight up to which calls of steps without prompts are timed.
    var limit = 0
    var isPriced = false

    /// The next limit, which times some calls more at least.
    var nextLimit: Int {
      let left = calls.map(\.weight).filter { $0 > limit }
      let next = max(PlanSearch.firstLimit, 8 * limit, left.min() ?? 0)
      return left.contains { $0 > next } ? next : .max
    }
  }

  /// The bytes that ranks send together in calls that take some milliseconds to simulate.
  private static var firstLimit: Int { 4 << 20 }

  private(set) var predictor: Predictor<PartialTimer<Timer>>
  private var least: Predictor<LeastTimer>

  /// Creates a search that prices plans with a predictor.
  init(_ predictor: Predictor<Timer>) {
    self.predictor = predictor.with(
      timer: PartialTimer(base: predictor.timer, least: LeastTimer(topology: predictor.topology)))
    least = predictor.with(timer: LeastTimer(topology: predictor.topology))
  }

  /// The front of plans that fit, in their order.
  ///
  /// - Returns: The front, and how many plans were priced to find it.
  /// - Throws: What the timer throws.
  mutating func front(
    of plans: [ParallelPlan], on machine: GPUAllocation, library: AllReduceLibrary
  ) throws -> (plans: [ParallelPlan], priced: Int) {
    var candidates: [Candidate] = []
    for plan in plans {
      let context = PlanContext(plan: plan, machine: machine, library: library)
      candidates.append(
        Candidate(
          context: context,
          point: try predictor.bound(context, least: &least, timesDecode: false)))
    }
    while true {
      let front = Self.front(candidates.map(\.point))
      let open = front.filter { !candidates[$0].isPriced }
      guard !open.isEmpty else {
        // Of equal plans the first stands for all, as in the front of a report.
        return (front.map { candidates[$0].context.plan }, candidates.count(where: \.isPriced))
      }
      let timed = open.filter { candidates[$0].limit == .max }
      try price(&candidates, timed)
      try time(&candidates, open.filter { !timed.contains($0) })
    }
  }

  /// Times more of the steps without prompts.
  private mutating func time(_ candidates: inout [Candidate], _ open: [Int]) throws {
    var calls: [StepCall] = []
    for index in open {
      if candidates[index].calls.isEmpty {
        candidates[index].calls = try predictor.decodeCalls(candidates[index].context)
      }
      // A piece of a prompt adds to a step what it takes longer than the step: that has to be known.
      let isWhole = predictor.engine.batching != .static
      candidates[index].limit = isWhole ? .max : candidates[index].nextLimit
      calls += candidates[index].calls.filter { $0.weight <= candidates[index].limit }
    }
    predictor.timer.prepare(calls)
    for index in open {
      limit(candidates[index].limit)
      candidates[index].point = try predictor.bound(
        candidates[index].context, least: &least, timesDecode: true)
    }
  }

  /// Prices plans whose steps without prompts are timed.
  private mutating func price(_ candidates: inout [Candidate], _ open: [Int]) throws {
    limit(.max)
    for isSecond in [false, true] {
      var calls: [StepCall] = []
      for index in open {
        calls += try predictor.prefillCalls(candidates[index].context, isSecond: isSecond)
      }
      predictor.timer.prepare(calls)
    }
    for index in open {
      let context = candidates[index].context
      let outcome = try predictor.predict(
        context.plan, on: context.machine, library: context.library)
      guard let timing = outcome.timing else { preconditionFailure("The plans of a search fit.") }
      candidates[index].point = timing.point(gpus: context.machine.gpus)
      candidates[index].isPriced = true
    }
  }

  private mutating func limit(_ weight: Int) {
    guard predictor.timer.limit != weight else { return }
    predictor.timer.limit = weight
    predictor.steps = [:]
  }

  /// The points that no other beats, equal ones all.
  private static func front(_ points: [PlanPoint]) -> [Int] {
    points.indices.filter { index in !points.contains { $0.beats(points[index]) } }
  }
}

/// A timer that asks another one for calls up to a weight; longer ones take their least times.
struct PartialTimer<Base: CollectiveTimer>: CollectiveTimer {
  private(set) var base: Base
  let least: LeastTimer
  /// The weight of the longest calls that the timer behind is asked for.
  var limit = Int.max

  init(base: Base, least: LeastTimer) {
    self.base = base
    self.least = least
  }

  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(
      .allReduce(bytes: bytes, type: type, layout: layout, library: library, launch: launch))
  }

  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(.exchange(collective, bytes: bytes, layout: layout, launch: launch))
  }

  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(
      .pointToPoint(bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch))
  }

  mutating func prepare(_ calls: [StepCall]) { base.prepare(calls) }

  private mutating func answer(_ call: StepCall) throws -> CollectiveTime {
    if call.weight <= limit { return try base.time(of: call) }
    var least = least
    return try least.time(of: call)
  }
}

/// What a search of `auto` came to on one number of GPUs.
public struct PlanSearchSummary: Hashable, Sendable {
  /// The number of GPUs.
  public var gpus: Int
  /// The library of decode's all-reduces.
  public var allReduce: AllReduceLibrary
  /// The sequences of one replica.
  public var batch: Int
  /// The plans that split the model and that the engine and the library have.
  public var legal: Int
  /// Those that fit into memory.
  public var fitting: Int
  /// Those that were priced in full; the bounds of the others rule them out.
  public var priced: Int

  /// The plans that are beaten even at their best.
  public var ruledOut: Int { fitting - priced }
}
