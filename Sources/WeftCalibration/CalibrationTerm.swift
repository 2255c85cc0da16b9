public import Weft

/// One thing that a calibration can learn: a number that sets one parameter of a profile or several.
///
/// Times that a step shares with the wire and the proxy are fitted as what is left of them, since
/// planners take those parts off the step (``NCCLPlanner``): the terms are then independent.
public struct CalibrationTerm: Hashable, Sendable {
  /// How the number becomes parameters.
  enum Form: Hashable, Sendable {
    /// The parameters are the number.
    case value
    /// The parameters are the number plus other parameters, as a step is its wire, its message and
    /// what else it costs.
    case beyond([Profile.Key])
  }

  /// The name, as profile files have it.
  public let name: String
  let keys: [Profile.Key]
  let form: Form
  let bounds: ClosedRange<Double>
  let isLogarithmic: Bool
  let unit: Double

  /// The quantity that the number is.
  public var dimension: Profile.Dimension { keys[0].dimension }

  /// The parameters that the term sets.
  public var parameters: [Profile.Key] { keys }

  /// The number that a profile has: of the first parameter, where several differ.
  public func value(in profile: Profile) -> Double {
    let first = profile[keys[0]]?.value ?? 0
    guard case .beyond(let others) = form else { return first }
    return max(0, first - Self.sum(others, profile))
  }

  /// Sets the parameters of a profile.
  ///
  /// Terms must be applied in the order of ``all``: steps come after what they build on.
  public func apply(_ value: Double, to profile: inout Profile, source: String = "fitted") {
    var total = value
    if case .beyond(let others) = form { total += Self.sum(others, profile) }
    for key in keys { profile[key] = Profile.Parameter(value: total, source: source) }
  }

  private static func sum(_ keys: [Profile.Key], _ profile: Profile) -> Double {
    keys.reduce(0) { $0 + (profile[$1]?.value ?? 0) }
  }

  /// The unknown of a fit that starts from a profile.
  ///
  /// What is nothing at nominal starts at its unit, since a term may begin to matter only there.
  func unknown(from profile: Profile) -> FitParameter {
    let nominal = value(in: profile)
    let margin = 0.002 * (bounds.upperBound - bounds.lowerBound)
    let least = isLogarithmic ? 1.05 * bounds.lowerBound : max(bounds.lowerBound + margin, unit)
    let start = nominal > bounds.lowerBound + margin ? nominal : least
    return FitParameter(
      name: name, start: min(max(start, 1.05 * bounds.lowerBound), bounds.upperBound - margin),
      in: bounds, isLogarithmic: isLogarithmic, unit: unit)
  }
}

// MARK: - The terms

extension CalibrationTerm {
  /// All terms, each after those it builds on.
  public static let all: [CalibrationTerm] =
    launches + proxies + steps + rates + nvrar
    + runtime

  /// The term of a name; nil if there is none.
  public static func named(_ name: String) -> CalibrationTerm? { all.first { $0.name == name } }

  private static let microsecond = 1e-6

  private static func duration(
    _ name: String, _ keys: [Profile.Key], _ bounds: ClosedRange<Double>, unit: Double,
    form: Form = .value
  ) -> CalibrationTerm {
    let low = bounds.lowerBound * microsecond
    return CalibrationTerm(
      name: name, keys: keys, form: form, bounds: low...bounds.upperBound * microsecond,
      isLogarithmic: low > 0, unit: unit * microsecond)
  }

  private static func rate(
    _ key: Profile.Key, _ bounds: ClosedRange<Double>
  ) -> CalibrationTerm {
    CalibrationTerm(
      name: key.rawValue, keys: [key], form: .value,
      bounds: bounds.lowerBound * 1e9...bounds.upperBound * 1e9, isLogarithmic: true, unit: 1e9)
  }

  private static func ratio(_ key: Profile.Key, from least: Double) -> CalibrationTerm {
    CalibrationTerm(
      name: key.rawValue, keys: [key], form: .value, bounds: least...1, isLogarithmic: false,
      unit: 0.1)
  }

  /// Start-up of a call.
  private static let launches = [
    duration("nccl.enqueue", [.ncclEnqueue], 0.2...100, unit: 2),
    duration("nccl.ll.base", [.ncclRingLLBase, .ncclTreeLLBase], 0.5...100, unit: 2),
    duration("nccl.ll128.base", [.ncclRingLL128Base, .ncclTreeLL128Base], 0.5...100, unit: 2),
    duration("nccl.simple.base", [.ncclRingSimpleBase, .ncclTreeSimpleBase], 0.5...100, unit: 2),
    duration("nccl.nvls.base", [.ncclNVLSBase], 0.5...200, unit: 2),
    duration("nccl.send-receive.ll.base", [.ncclExchangeLLBase], 0.5...100, unit: 2),
    duration("nccl.send-receive.simple.base", [.ncclExchangeSimpleBase], 0.5...100, unit: 2),
    duration("nccl.send-receive.per-peer", [.ncclExchangePeer], 0...20, unit: 0.5),
    duration("nccl.per-doubling-of-channels", [.ncclChannels], 0...20, unit: 0.5),
    duration(
      "nccl.send-receive.per-doubling-of-channels", [.ncclExchangeChannels], 0...20, unit: 0.5),
  ]

  /// What the proxy of a GPU costs.
  private static let proxies = [
    duration("nccl.proxy.ll.per-message", [.ncclProxyLL], 0.02...40, unit: 0.5),
    duration("nccl.proxy.ll.per-kib", [.ncclProxyLLPerKiB], 0.002...4, unit: 0.05),
    duration("nccl.proxy.ll.fetched", [.ncclProxyLLFetched], 0...20, unit: 0.5),
    duration("nccl.proxy.ll.rendezvous", [.ncclProxyLLRendezvous], 0...60, unit: 2),
    // One term for both: where a ring is slow it is so whatever the protocol.
    duration(
      "nccl.proxy.ring-least", [.ncclProxyRingLLLeast, .ncclProxyRingSimpleLeast], 0...60, unit: 8),
    duration("nccl.proxy.ll128.per-message", [.ncclProxyLL128], 0.02...40, unit: 0.5),
    duration("nccl.proxy.ll128.per-kib", [.ncclProxyLL128PerKiB], 0.0005...4, unit: 0.02),
    duration("nccl.proxy.ll128.most", [.ncclProxyLL128Most], 0.5...100, unit: 2),
    duration("nccl.proxy.simple.per-message", [.ncclProxySimple], 0.02...80, unit: 1),
    duration("nccl.proxy.simple.per-kib", [.ncclProxySimplePerKiB], 0.0005...4, unit: 0.02),
    duration("nccl.proxy.simple.most", [.ncclProxySimpleMost], 0.5...100, unit: 2),
  ]

  /// What a step costs beyond its wire and its message.
  private static let steps = [
    duration(
      "nccl.ll.scale-up-latency", [.ncclRingLLScaleUp, .ncclTreeLLScaleUp], 0...20, unit: 0.5,
      form: .beyond([.ncclScaleUpWire])),
    duration(
      "nccl.ll128.scale-up-latency", [.ncclRingLL128ScaleUp, .ncclTreeLL128ScaleUp], 0...20,
      unit: 0.5, form: .beyond([.ncclScaleUpWire])),
    duration(
      "nccl.simple.scale-up-latency", [.ncclRingSimpleScaleUp, .ncclTreeSimpleScaleUp], 0...40,
      unit: 0.5, form: .beyond([.ncclScaleUpWire])),
    duration(
      "nccl.nvls.scale-up-latency", [.ncclNVLSScaleUp], 0...60, unit: 2,
      form: .beyond([.ncclScaleUpWire])),
    duration(
      "nccl.ll.network-latency", [.ncclRingLLNetwork, .ncclTreeLLNetwork], 0...60, unit: 2,
      form: .beyond([.ncclNetworkWire, .ncclProxyLL])),
    duration(
      "nccl.ll128.network-latency", [.ncclRingLL128Network, .ncclTreeLL128Network], 0...60,
      unit: 2, form: .beyond([.ncclNetworkWire, .ncclProxyLL128])),
    duration(
      "nccl.simple.network-latency", [.ncclRingSimpleNetwork, .ncclTreeSimpleNetwork], 0...80,
      unit: 2, form: .beyond([.ncclNetworkWire, .ncclProxySimple])),
  ]

  /// What lanes and links reach.
  private static let rates = [
    duration("nccl.ll.per-pass", [.ncclLLPass], 0...20, unit: 0.5),
    duration("nccl.ll128.per-pass", [.ncclLL128Pass], 0...40, unit: 0.5),
    rate(.ncclLLLane, 1...400), rate(.ncclLL128Lane, 1...400), rate(.ncclSimpleLane, 1...400),
    ratio(.ncclFurtherPeer, from: 0.01),
    ratio(.ncclNVLSEfficiency, from: 0.05), ratio(.ncclScaleUpEfficiency, from: 0.05),
    ratio(.ncclNetworkEfficiency, from: 0.05),
  ]

  /// NVRAR and the NVSHMEM below it.
  private static let nvrar = [
    duration("launch.eager", [.launchEager], 0.2...100, unit: 1),
    duration("launch.graph", [.launchGraph], 0.1...50, unit: 0.5),
    duration("nvshmem.put.network", [.nvshmemPutNetwork], 0.1...100, unit: 1),
    duration("nvshmem.proxy.per-message", [.nvshmemProxy], 0...20, unit: 0.5),
    duration("nvshmem.put.scale-up", [.nvshmemPutScaleUp], 0.02...50, unit: 0.5),
    rate(.nvshmemLane, 1...2000), rate(.nvrarLane, 0.5...400),
    ratio(.nvshmemNetworkEfficiency, from: 0.05),
  ]

  /// Weft's own runtime.
  private static let runtime = [
    duration("runtime.start", [.runtimeStart], 0.1...50, unit: 1),
    duration("runtime.eager", [.runtimeEager], 0...20, unit: 0.5),
    duration("runtime.operation", [.runtimeOperation], 0...20, unit: 0.3),
    duration("runtime.meet", [.runtimeMeet], 0.05...20, unit: 0.5),
    duration("runtime.ll.step", [.runtimeLLStep], 0.02...20, unit: 0.3),
    duration("runtime.ll128.step", [.runtimeLL128Step], 0.02...20, unit: 0.3),
    duration("runtime.simple.step", [.runtimeSimpleStep], 0.02...20, unit: 0.3),
    duration("runtime.put", [.runtimePut], 0.02...20, unit: 0.3),
    rate(.runtimeLLLane, 1...1000), rate(.runtimeLL128Lane, 1...1000),
    rate(.runtimeSimpleLane, 1...1000), rate(.runtimeCellsLane, 1...1000),
    ratio(.runtimeLLLink, from: 0.05), ratio(.runtimeLL128Link, from: 0.05),
    ratio(.runtimeSimpleLink, from: 0.05),
  ]
}
