/// What `--algorithm` names: NCCL as it chooses or as forced, NVRAR, a plain schedule, or one that
/// was read from a file.
public enum AlgorithmName: Hashable, Sendable {
  /// NCCL; what is nil is left to its tuner.
  case nccl(NCCLTuner.Algorithm?, NCCLTuner.ProtocolName?)
  /// NVRAR, with what runs inside nodes; nil for what NVSHMEM runs there when built without NCCL.
  case nvrar(NVRARPlanner.InNode?)
  /// A textbook schedule.
  case plain(PlainAlgorithm)
  /// A schedule from a file.
  case imported(ChunkProgram)

  /// All names that are not made of parts.
  public static let known =
    ["nccl", "nvrar"] + PlainAlgorithm.allCases.map(\.rawValue)
    + NCCLTuner.Algorithm.allCases.map { "nccl:\($0.rawValue)" }
    + NVRARPlanner.InNode.allCases.map { "nvrar:\($0.rawValue)" }

  /// Whether a library runs it, at that library's costs and with ranks ordered by node.
  public var isLibrary: Bool {
    switch self {
    case .nccl, .nvrar: true
    case .plain, .imported: false
    }
  }

  /// Parses `ring`, `nvrar`, `nvrar:nccl`, `nccl`, `nccl:ring` or `nccl:tree/simple`.
  public init?(_ text: String) {
    if text == "nvrar" {
      self = .nvrar(nil)
    } else if text.hasPrefix("nvrar:") {
      let name = NVRARPlanner.InNode(rawValue: String(text.dropFirst("nvrar:".count)))
      guard let name else { return nil }
      self = .nvrar(name)
    } else if let plain = PlainAlgorithm(rawValue: text) {
      self = .plain(plain)
    } else if text == "nccl" {
      self = .nccl(nil, nil)
    } else if text.hasPrefix("nccl:") {
      let parts = text.dropFirst("nccl:".count)
        .split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count <= 2, let algorithm = NCCLTuner.Algorithm(rawValue: String(parts[0]))
      else { return nil }
      guard parts.count == 2 else {
        self = .nccl(algorithm, nil)
        return
      }
      guard let name = NCCLTuner.ProtocolName(rawValue: String(parts[1])) else { return nil }
      self = .nccl(algorithm, name)
    } else {
      return nil
    }
  }
}

extension AlgorithmName: CustomStringConvertible {
  /// The text that ``init(_:)`` parses; for a schedule from a file, its name.
  public var description: String {
    switch self {
    case .nccl(nil, _): "nccl"
    case .nccl(let algorithm?, nil): "nccl:\(algorithm.rawValue)"
    case .nccl(let algorithm?, let name?): "nccl:\(algorithm.rawValue)/\(name.rawValue)"
    case .nvrar(let inNode): inNode.map { "nvrar:\($0.rawValue)" } ?? "nvrar"
    case .plain(let algorithm): algorithm.rawValue
    case .imported(let program): program.name
    }
  }
}

/// What a call is planned with: the machine and what software costs on it.
public struct Planner: Sendable {
  /// The machine.
  public let fabric: Fabric
  /// How its ranks lie on nodes.
  public var layout: Layout { Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode) }
  /// NCCL's table of predicted times for a collective.
  public func tuner(_ collective: Collective) -> NCCLTuner { nccl.value.tuner(collective) }
  /// What NVRAR runs inside nodes where nothing else is asked for.
  public func nvrarInNode(for call: CollectiveCall) -> NVRARPlanner.InNode {
    nvrar.ownKernels(for: call)
  }
  /// Its search and tables take longer than a plain algorithm's plan and closed form do.
  private let nccl: Lazy<NCCLPlanner>
  private let nvrar: NVRARPlanner
  private let runtime: RuntimePlanner
  private let hasProfile: Bool

  /// Whether the profile holds what pricing an algorithm takes; links alone ask for nothing.
  public func canPrice(_ name: AlgorithmName) -> Bool { hasProfile || !name.isLibrary }

  /// How a plan is priced.
  public enum Pricing: Hashable, Sendable {
    /// As the library that runs it costs; plain schedules by their links alone.
    case library
    /// By its links alone.
    case ideal
    /// A plain schedule with what NCCL's steps cost under a protocol.
    case nccl(NCCLTuner.ProtocolName)
    /// As Weft's own runtime executes it on GPUs.
    case runtime(RuntimeForm)
  }

  /// Creates a planner for all GPUs in use of a fabric, with a version of NCCL.
  public init(fabric: Fabric, profile: Profile, ncclVersion: NCCLVersion = .latest) {
    self.fabric = fabric
    nccl = Lazy { NCCLPlanner(fabric: fabric, profile: profile, version: ncclVersion) }
    nvrar = NVRARPlanner(fabric: fabric, profile: profile, ncclVersion: ncclVersion)
    runtime = RuntimePlanner(fabric: fabric, profile: profile)
    hasProfile = profile.missing.isEmpty
  }

  /// The plan of a call.
  ///
  /// - Throws: ``PlanError`` if the algorithm lacks the collective, the machine rules out the
  ///   protocol, or the pricing makes no sense.
  public func plan(
    _ name: AlgorithmName, for call: CollectiveCall, pricing: Pricing = .library,
    parameters: NVRARPlanner.Parameters = .standard
  ) throws(PlanError) -> Plan {
    if case .runtime(let form) = pricing {
      return runtime.priced(
        try plan(name, call, channels: form.channels, parameters), for: call, as: form)
    }
    let plan = try plan(name, call, channels: nil, parameters)
    switch name {
    case .nccl, .nvrar: return try priced(plan, pricing)
    case .plain, .imported: return stepsPriced(plan, call, pricing)
    }
  }

  /// The plan of a call as its library runs it; a plain schedule is priced by its links alone.
  private func plan(
    _ name: AlgorithmName, _ call: CollectiveCall, channels: Int?,
    _ parameters: NVRARPlanner.Parameters
  ) throws(PlanError) -> Plan {
    switch name {
    case .nccl(let algorithm, let protocolName):
      guard let plan = nccl.value.plan(for: call, algorithm: algorithm, protocolName: protocolName)
      else { throw missing(call, algorithm) }
      return plan
    case .nvrar(let inNode):
      try require(.allReduce, call, "nvrar")
      guard let plan = nvrar.plan(for: call, parameters: parameters, inNode: inNode) else {
        throw PlanError(
          problem: "NVSHMEM has no multicast for \(call.bytes) bytes of \(call.type.rawValue) on "
            + "\(fabric.gpusPerNode) GPUs per node of '\(fabric.topology.name)'",
          fix: "use nvrar:one-shot or nvrar:nccl; multicast needs an NVSwitch, Hopper or later, an "
            + "even number of GPUs, and parts of whole 4-byte words")
      }
      return plan
    case .plain(let algorithm):
      return try algorithm.plan(for: call, layout: layout, channels: channels)
    case .imported(let program):
      return try program.plan(for: call, layout: layout)
    }
  }

  /// Why NCCL does not run what is asked for.
  private func missing(_ call: CollectiveCall, _ algorithm: NCCLTuner.Algorithm?) -> PlanError {
    if call.collective == .allToAll {
      return call.inPlace
        ? PlanError(
          problem: "NCCL sends and receives no all-to-all in place", fix: "leave --in-place out")
        : PlanError(
          problem: "NCCL makes an all-to-all of sends and receives, with LL or Simple",
          fix: "ask for nccl")
    }
    let tuner = nccl.value.tuner(call.collective)
    if let algorithm,
      !tuner.candidates(for: call.type).contains(where: { $0.algorithm == algorithm })
    {
      return PlanError(
        problem: "NCCL \(tuner.version) has no \(call.collective.rawValue) by "
          + "\(algorithm.rawValue) on \(fabric.nodes) x \(fabric.gpusPerNode) GPUs of "
          + "'\(fabric.topology.name)'",
        fix: "use nccl"
          + Set(tuner.candidates(for: call.type).map { ", nccl:\($0.algorithm.rawValue)" }).sorted()
          .joined())
    }
    let pattern = algorithm == .tree ? nccl.value.graph.tree : nccl.value.graph.ring
    return PlanError(
      problem: "NCCL \(tuner.version) does not use LL128 on '\(fabric.topology.name)'",
      fix: "ask for ll or simple; LL128 needs GPUs that this version knows and near NICs, and "
        + "the path to the NIC crosses \(pattern.interPath.words)")
  }

  private func require(
    _ collective: Collective, _ call: CollectiveCall, _ library: String
  ) throws(PlanError) {
    guard call.collective == collective else {
      throw PlanError(lacking: call.collective, in: library)
    }
  }

  /// A schedule without costs of its own, with those of NCCL's steps if that is asked for.
  private func stepsPriced(_ plan: Plan, _ call: CollectiveCall, _ pricing: Pricing) -> Plan {
    guard case .nccl(let protocolName) = pricing else { return plan }
    return plan.priced(
      as: protocolName.rawValue, nccl.value.costs(for: call, .ring, protocolName, threads: 512))
  }

  private func priced(_ plan: Plan, _ pricing: Pricing) throws(PlanError) -> Plan {
    switch pricing {
    case .library, .runtime:
      return plan
    case .ideal:
      return plan.priced(
        as: "ideal",
        .ideal(elementBytes: plan.costs.elementBytes, kernels: plan.costs.kernels.count))
    case .nccl(let name):
      throw PlanError(
        problem: "--protocol \(name.rawValue) does not apply to \(plan.algorithm)",
        fix: "force NCCL's protocol with nccl:ring/\(name.rawValue), or leave --protocol out")
    }
  }
}

/// Why a call cannot be planned.
public struct PlanError: Error, Equatable, Sendable {
  /// What is wrong.
  public let problem: String
  /// What to do about it.
  public let fix: String
}
