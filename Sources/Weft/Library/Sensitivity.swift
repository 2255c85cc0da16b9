/// How a call's time answers to each class of parameters, by simulating again.
public struct Sensitivity: Sendable {
  /// A class of parameters.
  public enum Class: String, CaseIterable, Sendable {
    case networkLatency = "network.latency"
    case networkBandwidth = "network.bandwidth"
    case scaleUpLatency = "node.scale_up.latency"
    case scaleUpBandwidth = "node.scale_up.bandwidth"
    case launch = "launch"
    case steps = "protocol steps"
    case lanes = "channel bandwidth"
    case posting = "message posting"

    /// Whether the class is a rate, which gets better by growing.
    public var isRate: Bool {
      switch self {
      case .networkBandwidth, .scaleUpBandwidth, .lanes: true
      case .networkLatency, .scaleUpLatency, .launch, .steps, .posting: false
      }
    }
  }

  /// The change of the time, as a fraction, when the class gets 10 % better.
  public let changes: [(parameters: Class, change: Double)]

  /// Simulates a plan once per class, with latencies and costs 10 % lower, rates 10 % higher.
  ///
  /// The plan stays what it is: a library's choice is not made again.
  /// - Throws: ``SimulationError`` as the plan's own simulation does.
  public init(
    of plan: Plan, time: SimDuration, on fabric: Fabric, network: Plan.Network, isolated: Bool
  ) throws(SimulationError) {
    var changes: [(Class, Double)] = []
    for parameters in Class.allCases {
      let changed = fabric.with(topology: fabric.topology.improving(parameters))
      let result = try plan.priced(as: plan.protocolName, plan.costs.improving(parameters))
        .simulate(on: changed, network: network, isolated: isolated)
      // What takes no time cannot take less.
      let change = time > .zero ? result.time.seconds / time.seconds - 1 : 0
      changes.append((parameters, change))
    }
    self.changes = changes
  }
}

extension Topology {
  fileprivate func improving(_ parameters: Sensitivity.Class) -> Topology {
    var changed = self
    switch parameters {
    case .networkLatency:
      changed.network.latency = network.latency.scaled(by: 0.9)
      changed.network.hopLatency = network.hopLatency.scaled(by: 0.9)
    case .networkBandwidth:
      changed.network.bandwidth = network.bandwidth.scaled(by: 1.1)
      changed.network.interior.bandwidth = network.interior.bandwidth?.scaled(by: 1.1)
      changed.node.nicPath.bandwidth = node.nicPath.bandwidth.scaled(by: 1.1)
    case .scaleUpLatency: changed.node.scaleUp.latency = node.scaleUp.latency.scaled(by: 0.9)
    case .scaleUpBandwidth:
      changed.node.scaleUp.bandwidth = node.scaleUp.bandwidth.scaled(by: 1.1)
    case .launch, .steps, .lanes, .posting: break
    }
    return changed
  }
}

extension Costs {
  fileprivate func improving(_ parameters: Sensitivity.Class) -> Costs {
    var changed = self
    switch parameters {
    case .launch:
      changed.enqueue = enqueue.scaled(by: 0.9)
      for index in kernels.indices {
        changed.kernels[index].launch = kernels[index].launch.scaled(by: 0.9)
      }
    case .steps:
      changed.receive.scaleUp = receive.scaleUp.scaled(by: 0.9)
      changed.receive.network = receive.network.scaled(by: 0.9)
      changed.put.scaleUp = put.scaleUp.scaled(by: 0.9)
      changed.put.network = put.network.scaled(by: 0.9)
    case .lanes:
      for index in kernels.indices {
        changed.kernels[index].laneBandwidth = kernels[index].laneBandwidth?.scaled(by: 1.1)
        changed.kernels[index].plainBandwidth = kernels[index].plainBandwidth?.scaled(by: 1.1)
      }
    case .posting:
      changed.proxy = proxy?.scaled(by: 0.9)
    case .networkLatency, .networkBandwidth, .scaleUpLatency, .scaleUpBandwidth: break
    }
    return changed
  }
}

extension Costs.Proxy {
  fileprivate func scaled(by factor: Double) -> Costs.Proxy {
    var scaled = Costs.Proxy(
      perMessage: perMessage.scaled(by: factor), perKiB: perKiB.scaled(by: factor),
      most: most.scaled(by: factor), least: least.scaled(by: factor))
    scaled.paths = paths.map { Path(bytes: $0.bytes, extra: $0.extra.scaled(by: factor)) }
    return scaled
  }
}
