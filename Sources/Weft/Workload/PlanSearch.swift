/// Finds the plans that no other beats in both TPOT and tokens per second and GPU, and prices no
/// plan in full that a bound can rule out.
///
/// Every plan begins with a bound: its kernels, and the least times of its collectives. Of those that
/// no other point beats, priced or bound, each is made sharper: first the steps of decode are timed,
/// whose messages are short, then the plan is priced. A plan that nothing beats even so has to be
/// priced whatever the order, and one that is left in the end is beaten by a priced plan at its very
/// best: the front is that of pricing all (branch and bound).
struct PlanSearch<Timer: CollectiveTimer> {
  private enum Known {
    case least, decode, all
  }

  private struct Candidate {
    var context: PlanContext
    var known: Known
    var point: PlanPoint
  }

  private(set) var predictor: Predictor<Timer>
  private var least: Predictor<LeastTimer>

  /// Creates a search that prices plans with a predictor.
  init(_ predictor: Predictor<Timer>) {
    self.predictor = predictor
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
          context: context, known: .least,
          point: try predictor.bound(context, least: &least, timesDecode: false)))
    }
    while true {
      let front = Self.front(candidates.map(\.point))
      let open = front.filter { candidates[$0].known != .all }
      guard !open.isEmpty else {
        // Of equal plans the first stands for all, as in the front of a report.
        return (
          front.map { candidates[$0].context.plan }, candidates.count(where: { $0.known == .all })
        )
      }
      try prepare(open.map { candidates[$0] })
      for index in open { try sharpen(&candidates[index]) }
    }
  }

  private mutating func prepare(_ candidates: [Candidate]) throws {
    for isSecond in [false, true] {
      var calls: [StepCall] = []
      for candidate in candidates {
        if candidate.known == .decode {
          calls += try predictor.prefillCalls(candidate.context, isSecond: isSecond)
        } else if !isSecond {
          calls += try predictor.decodeCalls(candidate.context)
        }
      }
      predictor.timer.prepare(calls)
    }
  }

  private mutating func sharpen(_ candidate: inout Candidate) throws {
    let context = candidate.context
    guard candidate.known == .decode else {
      candidate.known = .decode
      candidate.point = try predictor.bound(context, least: &least, timesDecode: true)
      return
    }
    candidate.known = .all
    let outcome = try predictor.predict(
      context.plan, on: context.machine, library: context.library)
    guard let timing = outcome.timing else { preconditionFailure("The plans of a search fit.") }
    candidate.point = timing.point(gpus: context.machine.gpus)
  }

  /// The points that no other beats, equal ones all.
  private static func front(_ points: [PlanPoint]) -> [Int] {
    points.indices.filter { index in !points.contains { $0.beats(points[index]) } }
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
