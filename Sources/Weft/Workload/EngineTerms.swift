import Glibc

/// A measured decode step or mean TPOT of the user's own, on one tensor group.
public struct StepMeasurement: Hashable, Sendable {
  /// The GPUs of the tensor group.
  public var tensor: Int
  /// What was asked of them.
  public var workload: InferenceWorkload
  /// The time of a step, or the mean over a request's steps.
  public var time: SimDuration

  /// Creates a measurement.
  public init(tensor: Int, workload: InferenceWorkload, time: SimDuration) {
    self.tensor = tensor
    self.workload = workload
    self.time = time
  }
}

/// The terms of an engine that a few measured steps correct: what the host adds to a step and to
/// each sequence, and what is lost at each kernel and collective.
///
/// With the four terms at zero the model predicts `p`; the fit finds terms `x >= 0` with
/// `t = p + x . counts` in least squares of relative errors. Of the subsets of terms it takes the
/// one with the least `n ln(rss / n) + k ln n` (Schwarz 1978), so that a few steps of one kind do
/// not pay for terms they say nothing about.
public struct EngineTerms: Sendable {
  /// The terms in force with their standard errors; those left out are zero and have none.
  public var values: [(key: Profile.Key, seconds: Double, standardError: Double)]
  /// The absolute errors before and after, in per cent, one per measurement.
  public var errors: [(before: Double, after: Double)]

  /// The terms, in the order of the counts.
  static let keys: [Profile.Key] = [.hostStep, .stepCollective, .hostSequence, .stepKernel]

  /// Fits the terms to measurements; the request's plans and workload do not matter.
  ///
  /// - Throws: ``WorkloadError`` if a measurement is of a plan that is illegal or does not fit, or
  ///   there are none; and what the timer throws.
  public init(
    fitting measurements: [StepMeasurement], of request: PredictionRequest,
    timer: inout some CollectiveTimer
  ) throws {
    guard !measurements.isEmpty else {
      throw WorkloadError("there is no measurement to correct with", fix: nil)
    }
    var bare = request
    for key in Self.keys { bare.profile[key]?.value = 0 }
    var rows: [Row] = []
    for measurement in measurements {
      let before = try Self.step(measurement, request, timer: &timer)
      let predicted = try Self.step(measurement, bare, timer: &timer)
      rows.append(
        Row(
          time: measurement.time.seconds, predicted: predicted.seconds, before: before.seconds,
          counts: try Self.counts(measurement, request)))
    }
    let solution = Self.solve(rows)
    let spread = Self.standardErrors(rows, solution)
    values = Self.keys.indices.map { (Self.keys[$0], solution[$0], spread[$0]) }
    errors = rows.map { row in
      let after = row.predicted + zip(solution, row.counts).map(*).reduce(0, +)
      return (100 * abs(row.before / row.time - 1), 100 * abs(after / row.time - 1))
    }
  }

  /// The profile with the terms in place of its own.
  public func applied(to profile: Profile, source: String) -> Profile {
    var result = profile
    for (key, seconds, error) in values {
      result[key] = Profile.Parameter(value: seconds, standardError: error, source: source)
    }
    return result
  }

  /// The absolute errors of a request's own terms on measurements, in per cent.
  ///
  /// - Throws: As the fit does.
  public static func errors(
    of measurements: [StepMeasurement], _ request: PredictionRequest,
    timer: inout some CollectiveTimer
  ) throws -> [Double] {
    try measurements.map {
      100 * abs(try step($0, request, timer: &timer).seconds / $0.time.seconds - 1)
    }
  }

  struct Row {
    var time: Double
    /// The model's time without the terms.
    var predicted: Double
    /// The model's time with the profile's own terms.
    var before: Double
    /// How often each term counts.
    var counts: [Double]
  }

  private static func asked(
    _ measurement: StepMeasurement, _ request: PredictionRequest
  ) throws(WorkloadError) -> PredictionRequest {
    var asked = request
    asked.gpuCounts = [measurement.tensor]
    asked.plans = [try PlanPattern("tp")]
    asked.libraries = [.nccl]
    asked.workload = measurement.workload
    return asked
  }

  private static func step(
    _ measurement: StepMeasurement, _ request: PredictionRequest,
    timer: inout some CollectiveTimer
  ) throws -> SimDuration {
    let row = try asked(measurement, request).predictions(timer: &timer).first
    guard let tpot = row?.timing?.tpot else {
      throw WorkloadError(
        "a measurement on \(measurement.tensor) GPUs cannot be predicted: "
          + (row?.reason ?? "it has no step after the first token"),
        fix: "leave the row out")
    }
    return tpot
  }

  /// What one step has of everything that a term is paid for, in the order of ``keys``.
  private static func counts(
    _ measurement: StepMeasurement, _ request: PredictionRequest
  ) throws(WorkloadError) -> [Double] {
    let plan = ParallelPlan(tensor: measurement.tensor)
    let model = request.model
    let sequences = measurement.workload.batch
    let step = StepBuilder(
      model: model, plan: plan, engine: request.engine,
      types: StepTypes(weights: request.weights, keyValues: request.keyValues),
      copiesAllReduces: false
    ).step(of: model.wholeStage, for: .decode(sequences, length: measurement.workload.length))
    return [1, Double(step.collectives), Double(sequences), Double(step.launches)]
  }
}

// MARK: - Least squares

extension EngineTerms {
  /// The terms of the subset that explains the rows best for its size, all of them at least zero.
  static func solve(_ rows: [Row]) -> [Double] {
    let terms = keys.count
    let scaled = rows.map { row in
      (target: (row.time - row.predicted) / row.time, counts: row.counts.map { $0 / row.time })
    }
    func residual(_ solution: [Double]) -> Double {
      scaled.map { row in
        let rest = row.target - zip(solution, row.counts).map(*).reduce(0, +)
        return rest * rest
      }.reduce(0, +)
    }
    let count = Double(rows.count)
    var best = (score: Double.infinity, solution: [Double](repeating: 0, count: terms))
    for subset in 0..<(1 << terms) {
      let chosen = (0..<terms).filter { subset >> $0 & 1 == 1 }
      guard chosen.count <= rows.count,
        let values = normalSolution(scaled, chosen), values.allSatisfy({ $0 >= 0 })
      else { continue }
      var solution = [Double](repeating: 0, count: terms)
      for (place, value) in zip(chosen, values) { solution[place] = value }
      // An exact fit is as good as one to a hundredth of a per cent, of which fewer terms win.
      let mean = max(1e-8, residual(solution) / count)
      let score = count * log(mean) + Double(chosen.count) * log(count)
      if score < best.score - 1e-9 { best = (score, solution) }
    }
    return best.solution
  }

  /// The standard errors of a solution, `s^2 (A' A)^-1` over the terms in force; zero for the others
  /// and where no row is to spare.
  private static func standardErrors(_ rows: [Row], _ solution: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: solution.count)
    let chosen = solution.indices.filter { solution[$0] > 0 }
    guard rows.count > chosen.count else { return result }
    let counts = rows.map { row in chosen.map { row.counts[$0] / row.time } }
    let rest = rows.reduce(0.0) { sum, row in
      let terms = zip(solution, row.counts).map(*).reduce(0, +)
      let error = (row.time - row.predicted - terms) / row.time
      return sum + error * error
    }
    let normal = chosen.indices.map { one in
      chosen.indices.map { other in counts.reduce(0.0) { $0 + $1[one] * $1[other] } }
    }
    for place in chosen.indices {
      let unit = chosen.indices.map { $0 == place ? 1.0 : 0 }
      guard let column = solved(normal, unit) else { continue }
      let variance = rest / Double(rows.count - chosen.count) * column[place]
      result[chosen[place]] = max(0, variance).squareRoot()
    }
    return result
  }

  /// The least-squares solution for some of the terms; nil where they cannot be told apart.
  private static func normalSolution(
    _ rows: [(target: Double, counts: [Double])], _ chosen: [Int]
  ) -> [Double]? {
    solved(
      chosen.map { one in
        chosen.map { other in rows.reduce(0.0) { $0 + $1.counts[one] * $1.counts[other] } }
      },
      chosen.map { one in rows.reduce(0.0) { $0 + $1.counts[one] * $1.target } })
  }

  /// The solution of a symmetric system by elimination; nil if it is singular.
  private static func solved(_ system: [[Double]], _ right: [Double]) -> [Double]? {
    var matrix = zip(system, right).map { $0 + [$1] }
    let size = right.count
    let diagonal = matrix.indices.map { matrix[$0][$0] }
    for pivot in 0..<size {
      let row = (pivot..<size).max { abs(matrix[$0][pivot]) < abs(matrix[$1][pivot]) } ?? pivot
      matrix.swapAt(pivot, row)
      guard abs(matrix[pivot][pivot]) > 1e-9 * diagonal[pivot], diagonal[pivot] > 0 else {
        return nil
      }
      for other in 0..<size where other != pivot {
        let factor = matrix[other][pivot] / matrix[pivot][pivot]
        for column in pivot...size { matrix[other][column] -= factor * matrix[pivot][column] }
      }
    }
    return (0..<size).map { matrix[$0][size] / matrix[$0][$0] }
  }
}
