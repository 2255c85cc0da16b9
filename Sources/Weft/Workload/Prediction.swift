/// What a model needs on so many GPUs under one plan and one all-reduce.
public struct Prediction: Sendable {
  /// The name of the model.
  public var model: String
  /// The name of the topology.
  public var topology: String
  /// The number of GPUs.
  public var gpus: Int
  /// The number of nodes; nil if the GPUs are no legal number.
  public var nodes: Int?
  /// The plan as it was asked for.
  public var requested: String
  /// The plan that this is about; the one asked for if that is illegal.
  public var plan: String
  /// The degrees of the plan; nil if it is illegal.
  public var shape: ParallelPlan?
  /// The GPUs of one replica.
  public var gpusPerReplica: Int { shape.map { $0.tensor * $0.pipeline } ?? gpus }
  /// The plans of one shape at other GPU counts that this one is compared with.
  public var family: String
  /// The library of decode's all-reduces.
  public var allReduce: AllReduceLibrary
  /// The software that runs the model.
  public var engine: InferenceEngine
  /// What a replica is asked for.
  public var workload: InferenceWorkload
  /// The need of the fullest GPU; nil if the plan is illegal.
  public var memory: MemoryUse?
  /// The most sequences of this length that fit a replica at once; nil if the plan is illegal.
  public var largestBatch: Int?
  /// Why there is no timing: the plan is illegal or does not fit.
  public var reason: String?
  /// Why a calibrated profile gives ``Timing/tpotInterval`` none, in words.
  public var intervalObstacle: String?
  /// The times; nil if the plan is illegal or does not fit.
  public var timing: Timing?
  /// Tokens per second over those of the smallest GPU count asked for of this family that fits.
  public var speedup: Double?
  /// ``speedup`` over the growth of the GPU count.
  public var efficiency: Double?

  /// Whether the plan is legal and fits into memory.
  public var fits: Bool { timing != nil }

  /// The times of a plan that fits.
  public struct Timing: Hashable, Sendable {
    /// Where the time to first token goes.
    public var prefill: CostLedger
    /// Where the mean decode step goes; nil if one token was asked for.
    public var decode: CostLedger?
    /// The micro-batches of prefill.
    public var prefillMicroBatches: Int
    /// The micro-batches of a decode step.
    public var decodeMicroBatches: Int
    /// The sequences of a replica that are under way at the same time: the batch, or what fits.
    public var running: Int
    /// The bounds of the 95 % interval of ``tpot``; nil without a calibrated profile.
    public var tpotInterval: ClosedRange<SimDuration>?
    /// Output tokens of all replicas per second: of ``latency``, or of what every request takes of the
    /// GPUs where that is longer.
    public var tokensPerSecond: Double
    /// The time of a request: ``ttft`` + (decode - 1) ``tpot``.
    public var latency: SimDuration
    /// What binds the largest share of ``latency``.
    public var bottleneck: Bottleneck

    /// The time of prefill, which yields the first token.
    public var ttft: SimDuration { prefill.total }

    /// The mean time of a step over the other tokens; nil if there are none.
    public var tpot: SimDuration? { decode?.total }

    /// What a front compares: TPOT, or TTFT where one token was asked for, and the yield of a GPU.
    func point(gpus: Int) -> PlanPoint {
      PlanPoint(time: tpot ?? ttft, yield: tokensPerSecond / Double(gpus))
    }

    init(
      prefill: (ledger: CostLedger, microBatches: Int),
      decode: (ledger: CostLedger, microBatches: Int)?, workload: InferenceWorkload, replicas: Int,
      running: Int, perRequest: SimDuration = .zero
    ) {
      self.running = running
      self.prefill = prefill.ledger
      self.decode = decode?.ledger
      prefillMicroBatches = prefill.microBatches
      decodeMicroBatches = decode?.microBatches ?? 1
      var batch = prefill.ledger
      if let decode { batch.add(decode.ledger, times: workload.decode - 1) }
      latency = batch.total
      bottleneck = batch.bottleneck
      let seconds = max(latency.seconds, Double(running) * perRequest.seconds)
      tokensPerSecond = Double(replicas * running * workload.decode) / seconds
    }
  }
}
