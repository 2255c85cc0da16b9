import Glibc

/// What kernels cost on a GPU: rooflines over fitted floors, with the coefficients of a profile.
///
/// The forms are those that describe published kernel tables best with few parameters (source:
/// fits to the tables of aiconfigurator-core 0.12.0, Apache-2.0: matrix products within 5 to 7 %
/// in the median, decode attention within 4 to 13 %). A floor is fitted to whole kernels and so
/// contains their start-up: nothing is added for a launch, but `launch.graph` or `launch.eager` of
/// a floor is shown as ``CostCategory/launch``.
struct KernelModel: Sendable {
  private let memoryBandwidth: Double
  private let peak: Double
  private let attentionPeak: Double
  private let weightBytes: Int
  private let activationBytes: Int
  private let profile: Profile

  /// The kernels of a GPU for weights of a type.
  ///
  /// - Throws: ``WorkloadError`` if the GPU has no matrix units for the type, or an efficiency of
  ///   the profile is not positive.
  init(gpu: GPU, profile: Profile, weights: DataType) throws(WorkloadError) {
    guard weights != .int32, let peak = gpu.peak[weights] else {
      let known = DataType.allCases.filter { $0 != .int32 && gpu.peak[$0] != nil }
        .map(\.rawValue).joined(separator: ", ")
      throw WorkloadError(
        "\(gpu.name) has no matrix products of \(weights.rawValue)", fix: "use one of \(known)")
    }
    for key in Profile.Key.allCases where key.dimension == .ratio && profile.ratio(key) <= 0 {
      throw WorkloadError("\(key.rawValue) is \(profile.ratio(key))", fix: "give a value above 0")
    }
    self.peak = peak
    attentionPeak = gpu.peak[weights.activations] ?? gpu.peak.bf16
    memoryBandwidth = Double(gpu.memoryBandwidth.bytesPerSecond)
    weightBytes = weights.bytes
    activationBytes = weights.activations.bytes
    self.profile = profile
  }

  /// Adds a kernel's time to a ledger; collectives are none of its business.
  func charge(_ work: StepOperation.Work, launch: StepLaunch, to ledger: inout CostLedger) {
    switch work {
    case .matrixProduct(let m, let n, let k):
      chargeMatrixProduct(m: Double(m), n: Double(n), k: Double(k), launch: launch, to: &ledger)
    case .decodeAttention(let sequences, let length, let keyValueBytesPerToken):
      // t = L + c log2(s / 128) + KV bytes / (e HBM); the table starts at s = 128.
      let bytes = Double(sequences) * Double(length) * Double(keyValueBytesPerToken)
      let doublings = max(0, log2(Double(length) / 128))
      charge(
        floor: profile.duration(.decodeAttentionFloor), launch: launch,
        latency: doublings * profile.duration(.decodeAttentionSplit).seconds,
        roof: bytes / (profile.ratio(.decodeAttentionMemoryEfficiency) * memoryBandwidth),
        cause: .memory, category: .attention, to: &ledger)
    case .prefillAttention(let sequences, let length, let heads, let headDimension):
      // Two products of s x s x d per head, half of each masked away: 2 s^2 d operations.
      let operations =
        2 * Double(sequences) * Double(length) * Double(length) * Double(heads)
        * Double(headDimension)
      charge(
        floor: profile.duration(.prefillAttentionFloor), launch: launch, latency: 0,
        roof: operations / (profile.ratio(.prefillAttentionComputeEfficiency) * attentionPeak),
        cause: .compute, category: .attention, to: &ledger)
    case .memoryBound(let bytes):
      let floor = profile.duration(.smallKernelFloor)
      let roof = Double(bytes) / (profile.ratio(.memoryEfficiency) * memoryBandwidth)
      // t = max(floor, bytes / (e HBM)): of a long kernel the floor is hidden by its traffic.
      charge(
        floor: floor, launch: launch, latency: 0, roof: max(0, roof - floor.seconds),
        cause: .memory, category: .otherKernels, to: &ledger)
    case .allReduce:
      break
    }
  }

  /// t = max(2 m n k / (ec P), bytes / (em HBM)) + floor + c k / 1024.
  private func chargeMatrixProduct(
    m: Double, n: Double, k: Double, launch: StepLaunch, to ledger: inout CostLedger
  ) {
    let arithmetic = 2 * m * n * k / (profile.ratio(.gemmComputeEfficiency) * peak)
    let bytes =
      (m * k + k * n) * Double(weightBytes) + m * n * Double(activationBytes)
    let memory = bytes / (profile.ratio(.gemmMemoryEfficiency) * memoryBandwidth)
    charge(
      floor: profile.duration(.gemmFloor), launch: launch,
      latency: k / 1024 * profile.duration(.gemmSerialK).seconds, roof: max(arithmetic, memory),
      cause: arithmetic > memory ? .compute : .memory, category: .gemm, to: &ledger)
  }

  private func charge(
    floor: SimDuration, launch: StepLaunch, latency: Double, roof: Double, cause: Bottleneck,
    category: CostCategory, to ledger: inout CostLedger
  ) {
    let startUp = min(
      floor, profile.duration(launch == .graph ? .launchGraph : .launchEager))
    ledger.add(startUp, to: .launch, boundBy: .launch)
    ledger.add(floor - startUp + .seconds(latency), to: category, boundBy: .latency)
    ledger.add(.seconds(roof), to: category, boundBy: cause)
  }
}
