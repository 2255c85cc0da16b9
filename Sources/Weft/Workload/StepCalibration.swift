import Glibc

/// What a calibration on measured decode steps knows of its own errors: enough to put an interval
/// around a predicted TPOT.
public struct StepCalibration: Hashable, Sendable {
  /// The model that was measured.
  public var model: String
  /// The engine that ran it.
  public var engine: String
  /// The type of its weights; empty where it was not kept.
  public var weights: String
  /// The type of its KV cache; empty where it was not kept.
  public var keyValues: String
  /// The name of the topology of the fit.
  public var topology: String
  /// The fitted terms, named by their keys; those at zero are left out.
  public var parameters: [Calibration.Parameter]
  /// Their correlations, a square of their order.
  public var correlations: [[Double]]
  /// So many standard errors hold 95 %: Student's t for the degrees of freedom.
  public var coverageFactor: Double
  /// The measured steps.
  public var steps: Int
  /// The median of `|ln(predicted / measured)|`.
  public var median: Double
  /// What holds 95 % of it in steps that were not fitted.
  public var halfWidth: Double
  /// The GPUs that the measured steps ran on.
  public var gpus: ClosedRange<Int>
  /// The most nodes that one of them ran on.
  public var nodes: Int
  /// Their batches.
  public var batches: ClosedRange<Int>

  /// Creates a calibration.
  public init(
    model: String, engine: String, topology: String, parameters: [Calibration.Parameter],
    correlations: [[Double]], coverageFactor: Double, steps: Int, median: Double,
    halfWidth: Double, gpus: ClosedRange<Int>, batches: ClosedRange<Int>, nodes: Int = 1,
    weights: String = "", keyValues: String = ""
  ) {
    precondition(correlations.count == parameters.count, "A row of correlations per parameter.")
    self.model = model
    self.engine = engine
    self.topology = topology
    self.parameters = parameters
    self.correlations = correlations
    self.coverageFactor = coverageFactor
    self.steps = steps
    self.median = median
    self.halfWidth = halfWidth
    self.gpus = gpus
    self.batches = batches
    self.nodes = nodes
    self.weights = weights
    self.keyValues = keyValues
  }

  /// Why there is no interval for a prediction, in words; nil if there is one.
  ///
  /// Steps of one model, engine and precision with NCCL say nothing of what is missed of others, and
  /// those of tensor groups in a node nothing of pipelines and of the network.
  func obstacle(_ request: PredictionRequest, _ row: Prediction) -> String? {
    let asked = [
      (row.allReduce.rawValue, AllReduceLibrary.nccl.rawValue, "all-reduces by"),
      (request.model.name, model, "steps of"), (request.engine.name, engine, "steps under"),
      (request.weights.rawValue, weights, "weights of"),
      (request.keyValues.rawValue, keyValues, "KV caches of"),
    ]
    let calibrated = ": the profile was calibrated on "
    if let (own, measured, what) = asked.first(where: { !$0.1.isEmpty && $0.0 != $0.1 }) {
      return "\(what) \(own)\(calibrated)\(what) \(measured)"
    }
    if let shape = row.shape, shape.pipeline > 1 || shape.columns > 1 || shape.expert > 1 {
      return "pipelines, grids and dealt experts\(calibrated)tensor groups"
    }
    if let running = row.timing?.running, running < request.workload.batch {
      return "more requests than memory holds\(calibrated)runs of which none waits"
    }
    if nodes == 1,
      (try? GPUAllocation(gpus: row.gpusPerReplica, of: request.topology).nodes) ?? 1 > 1
    {
      return "models over several nodes\(calibrated)one node"
    }
    return nil
  }

  /// The half width of the 95 % interval of the logarithm of a TPOT.
  ///
  /// The errors of the terms are carried over by the delta method, those of the model are the
  /// residuals' 95 % quantile. Beyond the GPUs and batches that were measured the interval is half as
  /// wide again for each doubling, as for collectives (``Calibration/factors(gradient:bytes:nodes:)``).
  ///
  /// - Parameters:
  ///   - changes: The change of the logarithm with one standard error of each parameter.
  ///   - gpus: The GPUs of a replica.
  ///   - batch: Its sequences.
  /// - Returns: The half width; at most 20, beyond which no interval says anything.
  func halfWidth(changes: [Double], gpus: Int, batch: Int) -> Double {
    var variance = 0.0
    for (row, first) in changes.enumerated() {
      for (column, second) in changes.enumerated() {
        variance += first * second * correlations[row][column]
      }
    }
    let known = coverageFactor * max(0, variance).squareRoot()
    let doublings =
      Self.doublings(gpus, outside: self.gpus) + Self.doublings(batch, outside: batches)
    return min((known * known + halfWidth * halfWidth).squareRoot() * (1 + 0.5 * doublings), 20)
  }

  private static func doublings(_ value: Int, outside range: ClosedRange<Int>) -> Double {
    let nearest = min(max(value, range.lowerBound), range.upperBound)
    return abs(log2(Double(max(1, value)) / Double(nearest)))
  }
}

extension PredictionRequest {
  /// The rows with the 95 % intervals of their TPOT, if the profile was calibrated on steps.
  ///
  /// - Parameters:
  ///   - rows: What ``predictions(timer:)`` gave for this question, narrowed if it has an `auto`.
  ///   - timer: The timer of that.
  /// - Returns: The rows in the same order.
  /// - Throws: What the timer throws.
  public func bounded(
    _ rows: [Prediction], timer: inout some CollectiveTimer
  ) throws -> [Prediction] {
    guard let calibration = profile.stepCalibration else { return rows }
    precondition(!plans.contains(where: \.isOpen), "A search may end elsewhere with other terms.")
    var changes = [[Double]](repeating: [], count: rows.count)
    for parameter in calibration.parameters {
      var moved = self
      if let key = Profile.Key(rawValue: parameter.name) {
        moved.profile[key]?.value += parameter.standardError
      }
      for (index, other) in try moved.predictions(timer: &timer).enumerated() {
        guard let tpot = rows[index].timing?.tpot, let far = other.timing?.tpot else { continue }
        changes[index].append(log(far.seconds / tpot.seconds))
      }
    }
    return zip(rows, changes).map { row, changes in
      guard let timing = row.timing, let tpot = timing.tpot else { return row }
      var bounded = row
      bounded.intervalObstacle = calibration.obstacle(self, row)
      guard bounded.intervalObstacle == nil else { return bounded }
      let half = calibration.halfWidth(
        changes: changes, gpus: row.gpusPerReplica, batch: timing.running)
      bounded.timing?.tpotInterval =
        .seconds(tpot.seconds * exp(-half))
        ... .seconds(tpot.seconds * exp(half))
      return bounded
    }
  }
}
