/// What kernels cost on a GPU: their forms with the parameters of a profile.
///
/// A floor is fitted to whole kernels and so contains their start-up: nothing is added for a
/// launch, but `launch.graph` or `launch.eager` of a floor is shown as ``CostCategory/launch``.
struct KernelModel: Sendable {
  let gpu: GPU
  let profile: Profile
  private let graphStart: SimDuration
  private let eagerStart: SimDuration
  /// Steps have most kernels in common with the steps before.
  private var known: [StepOperation.Work: KernelTime] = [:]

  /// The kernels of a GPU for weights of a type.
  ///
  /// - Throws: ``WorkloadError`` if the GPU has no matrix units for the type, or an efficiency of
  ///   the profile is not positive.
  init(gpu: GPU, profile: Profile, weights: DataType) throws(WorkloadError) {
    guard weights != .int32, gpu.peak[weights] != nil else {
      let known = DataType.allCases.filter { $0 != .int32 && gpu.peak[$0] != nil }
        .map(\.rawValue).joined(separator: ", ")
      throw WorkloadError(
        "\(gpu.name) has no matrix products of \(weights.rawValue)", fix: "use one of \(known)")
    }
    for key in Profile.Key.allCases where key.dimension == .ratio && profile.ratio(key) <= 0 {
      throw WorkloadError("\(key.rawValue) is \(profile.ratio(key))", fix: "give a value above 0")
    }
    self.gpu = gpu
    self.profile = profile
    graphStart = profile.duration(.launchGraph)
    eagerStart = profile.duration(.launchEager)
  }

  /// Adds a kernel's time to its category of a ledger; nothing for a collective.
  mutating func charge(_ work: StepOperation.Work, launch: StepLaunch, to ledger: inout CostLedger)
  {
    let category: CostCategory
    switch work {
    case .product: category = .gemm
    case .decodeAttention, .prefillAttention: category = .attention
    case .memoryBound: category = .otherKernels
    case .allReduce, .exchange: return
    }
    let time = time(of: work)
    let floor = SimDuration.seconds(time.floor)
    let startUp = min(floor, launch == .graph ? graphStart : eagerStart)
    ledger.add(startUp, to: .launch, boundBy: .launch)
    ledger.add(floor - startUp + .seconds(time.latency), to: category, boundBy: .latency)
    ledger.add(.seconds(time.roof), to: category, boundBy: time.cause)
  }

  private mutating func time(of work: StepOperation.Work) -> KernelTime {
    if let time = known[work] { return time }
    let time =
      switch work {
      case .product(let kernel): kernel.time(on: gpu, profile: profile)
      case .decodeAttention(let kernel): kernel.time(on: gpu, profile: profile)
      case .prefillAttention(let kernel): kernel.time(on: gpu, profile: profile)
      case .memoryBound(let kernel): kernel.time(on: gpu, profile: profile)
      case .allReduce, .exchange: preconditionFailure("A collective is no kernel.")
      }
    known[work] = time
    return time
  }
}
