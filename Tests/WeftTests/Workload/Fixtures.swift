import Weft

/// A timer of two constants: `steps x alpha + bytes / beta`, whatever the library.
struct AlphaBetaTimer: CollectiveTimer {
  var alpha = SimDuration.microseconds(5)
  var beta = Bandwidth.gigabytesPerSecond(25)
  /// How often a question got here.
  var calls = 0

  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    calls += 1
    let latency = (layout.ranks - 1) * alpha
    return Self.time(latency: latency, bytes: ByteCount(bytes: 2 * bytes) / beta)
  }

  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    calls += 1
    return Self.time(latency: alpha, bytes: ByteCount(bytes: bytes) / beta)
  }

  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    calls += 1
    return Self.time(latency: alpha, bytes: ByteCount(bytes: bytes) / beta)
  }

  static func time(latency: SimDuration, bytes: SimDuration) -> CollectiveTime {
    var breakdown = TimeBreakdown()
    breakdown.latency = latency
    breakdown.networkSerialization = bytes
    return CollectiveTime(
      time: breakdown.total, breakdown: breakdown,
      bottleneck: latency > bytes ? .latency : .networkBandwidth)
  }
}

/// Nodes of four A100 of 40 GiB, as on Perlmutter.
func a100Nodes(gpus: Int = 4, memoryBandwidth: Bandwidth = .gigabytesPerSecond(1555)) -> Topology {
  Topology(
    name: "a100x\(gpus)", title: "test machine",
    gpu: GPU(
      name: "a100", title: "A100", computeCapability: 80, memory: .gib(40),
      memoryBandwidth: memoryBandwidth, l2: .mib(40), multiprocessors: 108, nvlinkGeneration: 3,
      peak: GPU.Peak(bf16: 312e12, fp8: nil, int8: 624e12, fp32: 19.5e12)),
    node: Node(
      gpus: gpus, nics: gpus,
      scaleUp: .init(kind: .switch, bandwidth: .gigabytesPerSecond(300), latency: .microseconds(1)),
      nicPath: .init(kind: .hostBridge, bandwidth: .gigabytesPerSecond(25)), cpu: .amd),
    network: Network(
      kind: .switch, interconnect: .ideal, bandwidth: .gigabytesPerSecond(25),
      latency: .microseconds(2),
      hopLatency: .zero, maxNodes: 64))
}

/// A complete profile: every time a microsecond unless named here, every efficiency 0.8.
///
/// Products are the larger of arithmetic and traffic, whatever their tiles, and engines lose nothing
/// beyond the host's microsecond.
func roundProfile(_ values: [Profile.Key: Double] = [:]) -> Profile {
  var profile = Profile(names: ["test"])
  let plain: [Profile.Key: Double] = [
    .gemmBlend: 0.01, .gemmWaves: 1e-6, .gemmSerialMost: 1e6, .decodeAttentionTile: 0,
    .hostSequence: 0, .stepKernel: 0,
    .stepCollective: 0,
  ]
  for key in Profile.Key.allCases {
    let value =
      switch key.dimension {
      case .duration: 1e-6
      case .bandwidth: 1e10
      case .size: 1073741824.0
      case .ratio: 0.8
      }
    profile[key] = Profile.Parameter(value: values[key] ?? plain[key] ?? value, source: "test")
  }
  return profile
}

/// Llama 3.1 in its three sizes.
enum Llama {
  static func small() throws -> ModelConfiguration {
    try model("8b", hidden: 4096, layers: 32, heads: 32, inner: 14336)
  }

  static func middle() throws -> ModelConfiguration {
    try model("70b", hidden: 8192, layers: 80, heads: 64, inner: 28672)
  }

  static func large() throws -> ModelConfiguration {
    try model("405b", hidden: 16384, layers: 126, heads: 128, inner: 53248)
  }

  private static func model(
    _ size: String, hidden: Int, layers: Int, heads: Int, inner: Int
  ) throws -> ModelConfiguration {
    try ModelConfiguration(
      name: "llama-3.1-\(size)", hiddenSize: hidden, layers: layers, heads: heads,
      keyValueHeads: 8, headDimension: 128, intermediateSize: inner, vocabulary: 128256,
      tiedEmbeddings: false, maxPositions: 131072)
  }
}

/// A request with the values that most tests share.
func request(
  _ model: ModelConfiguration, plans: [String] = ["tp"], gpus: [Int] = [16],
  libraries: [AllReduceLibrary] = [.nccl], batch: Int = 8, prompt: Int = 128, decode: Int = 128,
  topology: Topology = a100Nodes(), profile: Profile = roundProfile(),
  weights: DataType? = nil, engine: InferenceEngine = staticEngine
) throws -> PredictionRequest {
  PredictionRequest(
    model: model, topology: topology, profile: profile, gpuCounts: gpus,
    plans: try plans.map { try PlanPattern($0) }, libraries: libraries,
    workload: try InferenceWorkload(batch: batch, prompt: prompt, decode: decode),
    weights: weights, engine: engine)
}

/// Eager prefill, decode in graphs, static batches.
let staticEngine = InferenceEngine(name: "static", title: "test engine")

/// The predictions of a request by the two-constant timer.
func predict(_ request: PredictionRequest) throws -> [Prediction] {
  var timer = CachingTimer(AlphaBetaTimer())
  return try request.predictions(timer: &timer)
}
