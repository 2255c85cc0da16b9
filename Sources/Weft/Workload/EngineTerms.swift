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

/// The terms of an engine that measured steps correct: what the host adds to a step and to each
/// sequence, and what is lost at each kernel and collective.
///
/// With the four terms at zero the model predicts `p`, and with them `p + x . counts`: a fit of the
/// terms to measured steps is linear.
public enum EngineTerms {
  /// The terms, in the order of the counts.
  public static let keys: [Profile.Key] = [
    .hostStep, .stepCollective, .hostSequence, .stepKernel,
  ]

  /// A measured step as a fit takes it; times are in seconds.
  public struct Row: Hashable, Sendable {
    /// The measured time.
    public var time: Double
    /// The model's time without the terms.
    public var predicted: Double
    /// The model's time with the profile's own terms.
    public var before: Double
    /// How often each of ``keys`` counts.
    public var counts: [Double]

    /// Creates a row.
    public init(time: Double, predicted: Double, before: Double, counts: [Double]) {
      self.time = time
      self.predicted = predicted
      self.before = before
      self.counts = counts
    }
  }

  /// What the model says of measurements; the request's own plans and workload do not matter.
  ///
  /// - Throws: ``WorkloadError`` if a measurement is of a plan that is illegal or does not fit, or of
  ///   more sequences than memory holds; and what the timer throws.
  public static func rows(
    of measurements: [StepMeasurement], in request: PredictionRequest,
    timer: inout some CollectiveTimer
  ) throws -> [Row] {
    var bare = request
    for key in keys { bare.profile[key]?.value = 0 }
    return try measurements.map { measurement in
      Row(
        time: measurement.time.seconds,
        predicted: try step(measurement, bare, timer: &timer).seconds,
        before: try step(measurement, request, timer: &timer).seconds,
        counts: try counts(measurement, request))
    }
  }

  /// The time that a request's model and machine give for a measured step.
  ///
  /// - Throws: As ``rows(of:in:timer:)`` does.
  public static func step(
    _ measurement: StepMeasurement, _ request: PredictionRequest,
    timer: inout some CollectiveTimer
  ) throws -> SimDuration {
    var asked = request
    asked.gpuCounts = [measurement.tensor]
    asked.plans = [try PlanPattern("tp")]
    asked.libraries = [.nccl]
    asked.workload = measurement.workload
    let row = try asked.predictions(timer: &timer).first
    guard let timing = row?.timing, let tpot = timing.tpot else {
      throw WorkloadError(
        "a measurement on \(measurement.tensor) GPUs cannot be predicted: "
          + (row?.reason ?? "it has no step after the first token"),
        fix: "leave the row out")
    }
    guard timing.running == measurement.workload.batch else {
      throw WorkloadError(
        "memory holds \(timing.running) of \(measurement.workload.batch) requests on "
          + "\(measurement.tensor) GPUs, and what waits is in no prediction",
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
