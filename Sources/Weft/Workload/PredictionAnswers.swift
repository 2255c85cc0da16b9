/// What a sweep's rows say when they are compared.
public enum PredictionAnswers {
  /// Two plans whose order of latency turns between two GPU counts.
  public struct Crossover: Hashable, Sendable {
    /// The plan that is faster on fewer GPUs.
    public var first: String
    /// The plan that is faster on more.
    public var second: String
    /// The library of both plans' all-reduces.
    public var allReduce: AllReduceLibrary
    /// The batch of both.
    public var batch: Int
    /// The last GPU count with `first` ahead.
    public var before: Int
    /// The first GPU count with `second` ahead.
    public var after: Int
  }

  /// The crossovers of the plans asked for, by batch, all-reduce and plan in the order of the rows.
  ///
  /// Of `auto` the fastest plan of each family counts.
  public static func crossovers(of rows: [Prediction]) -> [Crossover] {
    var result: [Crossover] = []
    for batch in distinct(rows.map(\.workload.batch)) {
      for library in distinct(rows.map(\.allReduce)) {
        let own = rows.filter { $0.workload.batch == batch && $0.allReduce == library && $0.fits }
        let families = distinct(own.map(\.family))
        for (index, first) in families.enumerated() {
          for second in families[(index + 1)...] {
            result += turns(own, first, second)
          }
        }
      }
    }
    return result
  }

  private static func turns(
    _ rows: [Prediction], _ first: String, _ second: String
  ) -> [Crossover] {
    func latency(_ family: String, _ gpus: Int) -> SimDuration? {
      rows.filter { $0.family == family && $0.gpus == gpus }.compactMap { $0.timing?.latency }.min()
    }
    var result: [Crossover] = []
    var last: (gpus: Int, firstLeads: Bool)?
    for gpus in distinct(rows.map(\.gpus)).sorted() {
      guard let one = latency(first, gpus), let other = latency(second, gpus), one != other,
        let row = rows.first
      else { continue }
      let leads = one < other
      if let last, last.firstLeads != leads {
        result.append(
          Crossover(
            first: leads ? second : first, second: leads ? first : second,
            allReduce: row.allReduce, batch: row.workload.batch, before: last.gpus, after: gpus))
      }
      last = (gpus, leads)
    }
    return result
  }

  /// The fastest all-reduce of a plan at a batch, and what it gains over the slowest.
  public struct AllReduceChoice: Hashable, Sendable {
    /// The number of GPUs.
    public var gpus: Int
    /// The plan.
    public var plan: String
    /// The batch.
    public var batch: Int
    /// The library to use.
    public var best: AllReduceLibrary
    /// The slowest TPOT over the best.
    public var gain: Double
  }

  /// The library to use for every plan that ran with more than one and has all-reduces, by rows.
  public static func allReduceChoices(of rows: [Prediction]) -> [AllReduceChoice] {
    var result: [AllReduceChoice] = []
    var seen = Set<[String]>()
    for row in rows where row.fits {
      let key = ["\(row.gpus)", row.plan, "\(row.workload.batch)"]
      guard seen.insert(key).inserted else { continue }
      let same = rows.filter {
        $0.gpus == row.gpus && $0.plan == row.plan && $0.workload.batch == row.workload.batch
          && $0.requested == row.requested
      }
      let timed = same.compactMap { row in row.timing?.tpot.map { (row.allReduce, $0) } }
      guard timed.count > 1, let best = timed.min(by: { $0.1 < $1.1 }),
        let worst = timed.max(by: { $0.1 < $1.1 }), best.1.seconds < 0.995 * worst.1.seconds
      else { continue }
      result.append(
        AllReduceChoice(
          gpus: row.gpus, plan: row.plan, batch: row.workload.batch, best: best.0,
          gain: worst.1.seconds / best.1.seconds))
    }
    return result
  }

  /// The rows that no other beats in both TPOT and tokens per second and GPU, fastest first; TTFT
  /// stands for TPOT where one token was asked for.
  ///
  /// Of equal rows the first counts.
  /// - Returns: The places of the rows in `rows`.
  public static func paretoFront(of rows: [Prediction]) -> [Int] {
    let points = rows.indices.compactMap { index in
      rows[index].timing.map { (index, $0.point(gpus: rows[index].gpus)) }
    }
    // By time, then yield, then place: each point that yields more than all faster ones stays.
    let sorted = points.sorted { ($0.1.time, -$0.1.yield, $0.0) < ($1.1.time, -$1.1.yield, $1.0) }
    var best = -Double.infinity
    return sorted.filter { point in
      defer { best = max(best, point.1.yield) }
      return point.1.yield > best
    }.map(\.0)
  }

  /// The values in order of first appearance.
  private static func distinct<Value: Hashable>(_ values: [Value]) -> [Value] {
    var seen = Set<Value>()
    return values.filter { seen.insert($0).inserted }
  }
}
