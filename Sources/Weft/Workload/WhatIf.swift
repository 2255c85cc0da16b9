/// A change of one thing in a prediction's question: `network.latency=-50%`, `all-reduce=nvrar`.
///
/// Topology values go by the paths of their files, software costs by the keys of profiles; some
/// groups of parameters have a name of their own. A change is a percentage or a new value.
public struct WhatIf: Hashable, Sendable {
  /// The change as it was asked for.
  public let text: String
  private let action: Action

  private enum Action: Hashable {
    case hardware(Hardware, Change)
    case parameters([Profile.Key], Change)
    case launch(StepLaunch)
    case library(AllReduceLibrary)
    case weights(DataType)
    case keyValues(DataType)
  }

  private enum Change: Hashable {
    case scale(Double)
    /// In the base unit of the quantity.
    case value(Double)

    func applied(to old: Double) -> Double {
      switch self {
      case .scale(let factor): old * factor
      case .value(let value): value
      }
    }
  }

  private enum Hardware: String, CaseIterable {
    case networkLatency = "network.latency"
    case hopLatency = "network.hop_latency"
    case networkBandwidth = "network.bandwidth"
    case nicPath = "node.nic_path.bandwidth"
    case scaleUpLatency = "node.scale_up.latency"
    case scaleUpBandwidth = "node.scale_up.bandwidth"
    case memoryBandwidth = "gpu.memory_bandwidth"
    case memory = "gpu.memory"
    case peak = "gpu.peak"

    var dimension: Profile.Dimension {
      switch self {
      case .networkLatency, .hopLatency, .scaleUpLatency: .duration
      case .networkBandwidth, .nicPath, .scaleUpBandwidth, .memoryBandwidth: .bandwidth
      case .memory: .size
      case .peak: .ratio
      }
    }
  }

  /// Whether it changes hardware that only messages between nodes use.
  public var isOfNetwork: Bool {
    guard case .hardware(let hardware, _) = action else { return false }
    return [.networkLatency, .hopLatency, .networkBandwidth, .nicPath].contains(hardware)
  }

  /// Groups of parameters that a person thinks of as one.
  static let groups: [(name: String, keys: [Profile.Key])] = [
    (
      "kernel-floors",
      [
        .gemmFloor, .gemmSerialK, .decodeAttentionFloor, .decodeAttentionSplit,
        .prefillAttentionFloor, .smallKernelFloor, .stepKernel,
      ]
    ),
    (
      "protocol-steps",
      Profile.Key.allCases.filter { key in
        key.dimension == .duration
          && ["nccl.", "nvshmem.", "nvrar.", "fused-all-reduce.", "step.per-collective"].contains {
            key.rawValue.hasPrefix($0)
          }
      }
    ),
    ("host-costs", [.hostStep, .hostSequence, .launchEager]),
  ]

  /// Parses a change.
  ///
  /// - Throws: ``WorkloadError`` if it is not `path=change`, the path is unknown, or the change has
  ///   the wrong unit.
  public init(_ text: String) throws(WorkloadError) {
    self.text = text
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex,
      text.index(after: equals) != text.endIndex
    else {
      throw WorkloadError(
        "--what-if '\(text)' is not 'path=change'",
        fix: "write it like 'network.latency=-50%' or 'all-reduce=nvrar'")
    }
    let path = String(text[..<equals])
    let value = String(text[text.index(after: equals)...])
    action = try Self.parse(path, value, text)
  }

  private static func parse(
    _ path: String, _ value: String, _ text: String
  ) throws(WorkloadError) -> Action {
    switch path {
    case "launch": return .launch(try named(value, text))
    case "all-reduce": return .library(try named(value, text))
    case "dtype", "kv-dtype":
      guard let type = DataType(name: value) else {
        throw unknown(value, text, among: DataType.allCases.map(\.rawValue))
      }
      return path == "dtype" ? .weights(type) : .keyValues(type)
    default: break
    }
    if let hardware = Hardware(rawValue: path) {
      return .hardware(hardware, try change(value, hardware.dimension, text))
    }
    if let group = groups.first(where: { $0.name == path }) {
      let change = try change(value, .duration, text)
      guard case .scale = change else {
        throw WorkloadError(
          "--what-if '\(text)': \(path) is a group of parameters", fix: "change it by a percentage")
      }
      return .parameters(group.keys, change)
    }
    if let key = Profile.Key(rawValue: path) {
      return .parameters([key], try change(value, key.dimension, text))
    }
    let known =
      ["launch", "all-reduce", "dtype", "kv-dtype"] + Hardware.allCases.map(\.rawValue)
      + groups.map(\.name) + Profile.Key.allCases.map(\.rawValue)
    throw WorkloadError(
      "--what-if '\(text)': there is nothing called '\(path)'",
      fix: "the nearest: " + Suggestion.nearest(to: path, among: known).joined(separator: ", "))
  }

  private static func named<Choice>(
    _ value: String, _ text: String
  ) throws(WorkloadError) -> Choice
  where Choice: CaseIterable & RawRepresentable, Choice.RawValue == String {
    if let choice = Choice(rawValue: value) { return choice }
    throw unknown(value, text, among: Choice.allCases.map(\.rawValue))
  }

  private static func unknown(
    _ value: String, _ text: String, among known: [String]
  ) -> WorkloadError {
    WorkloadError(
      "--what-if '\(text)': '\(value)' is not known",
      fix: "use one of " + known.joined(separator: ", "))
  }

  /// `-50%`, `+20%`, or a quantity with its unit.
  private static func change(
    _ value: String, _ dimension: Profile.Dimension, _ text: String
  ) throws(WorkloadError) -> Change {
    if value.hasSuffix("%") {
      guard let percent = Double(value.dropLast()), percent > -100, percent <= 1_000_000 else {
        throw WorkloadError(
          "--what-if '\(text)': '\(value)' is no change", fix: "write a percentage above -100 %")
      }
      return .scale(1 + percent / 100)
    }
    do {
      switch dimension {
      case .duration: return .value(try Quantity.duration(value).seconds)
      case .bandwidth: return .value(Double(try Quantity.bandwidth(value).bytesPerSecond))
      case .size: return .value(Double(try Quantity.size(value).bytes))
      case .ratio:
        guard let ratio = Double(value), ratio > 0, ratio <= 1 else {
          throw QuantityError(
            problem: "'\(value)' is no ratio", fix: "write a percentage, or a number up to 1")
        }
        return .value(ratio)
      }
    } catch let error as QuantityError {
      throw WorkloadError("--what-if '\(text)': \(error.problem)", fix: error.fix)
    } catch {
      throw WorkloadError("--what-if '\(text)': \(error)", fix: nil)
    }
  }
}

// MARK: - Asking again

extension WhatIf {
  /// The question with the change in it.
  public func applied(to request: PredictionRequest) -> PredictionRequest {
    var changed = request
    switch action {
    case .launch(let launch):
      changed.engine.decodeLaunch = launch
      changed.engine.prefillLaunch = launch
    case .library(let library): changed.libraries = [library]
    case .weights(let type): changed.weights = type
    case .keyValues(let type): changed.keyValues = type
    case .parameters(let keys, let change):
      for key in keys {
        guard var parameter = changed.profile[key] else { continue }
        let value = change.applied(to: parameter.value)
        parameter.value = key.dimension == .ratio ? min(1, value) : value
        changed.profile[key] = parameter
      }
    case .hardware(let hardware, let change):
      Self.apply(change, to: hardware, of: &changed.topology)
    }
    return changed
  }

  private static func apply(
    _ change: Change, to hardware: Hardware, of topology: inout Topology
  ) {
    func time(_ old: SimDuration) -> SimDuration { .seconds(change.applied(to: old.seconds)) }
    func rate(_ old: Bandwidth) -> Bandwidth {
      // A whole number of bytes per second above zero, whatever the percentage.
      let value = change.applied(to: Double(old.bytesPerSecond))
      return Bandwidth(bytesPerSecond: Int(max(1e6, min(value, 1e18))))
    }
    switch hardware {
    case .networkLatency: topology.network.latency = time(topology.network.latency)
    case .hopLatency: topology.network.hopLatency = time(topology.network.hopLatency)
    case .networkBandwidth:
      topology.network.bandwidth = rate(topology.network.bandwidth)
    case .nicPath: topology.node.nicPath.bandwidth = rate(topology.node.nicPath.bandwidth)
    case .scaleUpLatency: topology.node.scaleUp.latency = time(topology.node.scaleUp.latency)
    case .scaleUpBandwidth:
      topology.node.scaleUp.bandwidth = rate(topology.node.scaleUp.bandwidth)
    case .memoryBandwidth: topology.gpu.memoryBandwidth = rate(topology.gpu.memoryBandwidth)
    case .memory:
      let bytes = change.applied(to: Double(topology.gpu.memory.bytes))
      topology.gpu.memory = ByteCount(bytes: Int(max(1, min(bytes, 1e18))))
    case .peak:
      // A value would need one for each type; the parser takes it as a share of the peak.
      let peak = topology.gpu.peak
      topology.gpu.peak = GPU.Peak(
        bf16: scaled(peak.bf16, change), fp8: peak.fp8.map { scaled($0, change) },
        int8: peak.int8.map { scaled($0, change) }, fp32: scaled(peak.fp32, change))
    }
  }

  private static func scaled(_ peak: Double, _ change: Change) -> Double {
    switch change {
    case .scale(let factor), .value(let factor): peak * factor
    }
  }
}

extension WhatIf {
  /// Small improvements of everything that can bind a step, one at a time.
  ///
  /// - Returns: Changes by 10 % for the better, in the order of the output.
  public static func sensitivities() throws(WorkloadError) -> [WhatIf] {
    var changes: [WhatIf] = []
    for text in [
      "network.latency=-10%", "network.bandwidth=+10%", "node.scale_up.latency=-10%",
      "node.scale_up.bandwidth=+10%", "protocol-steps=-10%", "gpu.memory_bandwidth=+10%",
      "gpu.peak=+10%", "kernel-floors=-10%", "host-costs=-10%",
    ] {
      changes.append(try WhatIf(text))
    }
    return changes
  }
}
