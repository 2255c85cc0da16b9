/// What is asked of a collective library: one call on a communicator.
public struct CollectiveCall: Hashable, Sendable {
  /// What is to be computed.
  public var collective: Collective
  /// The size in bytes, as nccl-tests counts it.
  public var bytes: Int
  /// The type of the elements.
  public var type: DataType
  /// Whether input and output are one buffer.
  public var inPlace: Bool
  /// How kernels are started.
  public var launch: StepLaunch

  /// Creates a call.
  public init(
    _ collective: Collective = .allReduce, bytes: Int, type: DataType, inPlace: Bool,
    launch: StepLaunch
  ) {
    self.collective = collective
    self.bytes = bytes
    self.type = type
    self.inPlace = inPlace
    self.launch = launch
  }

  /// The number of elements; a remainder smaller than an element is left out, as nccl-tests does.
  public var elements: Int { bytes / type.bytes }

  /// The elements that so many ranks can share as the collective asks, at most ``elements``.
  public func wholeElements(ranks: Int) -> Int {
    collective.wholeElements(elements, ranks: ranks)
  }
}

/// A schedule with what it costs to run: all that the engine needs to time a call.
public struct Plan: Sendable {
  /// What runs, for example `nccl:tree`.
  public let algorithm: String
  /// The protocol, for example `ll`.
  public let protocolName: String
  /// The number of channels or blocks.
  public let channels: Int
  /// What the schedule's operations cost.
  public let costs: Costs
  let schedule: AnySchedule

  /// How links are shared.
  public enum Network: String, CaseIterable, Sendable {
    /// First-in-first-out servers of whole messages.
    case event
    /// Max-min fair flows.
    case flow
    /// Closed forms, where messages meet only if the schedule makes them.
    case analytic

    /// The models that follow every message.
    public static let simulated: [Network] = [.event, .flow]
  }

  /// Whether the model can time the plan; closed forms do not exist for every schedule.
  public func canRun(_ network: Network, on fabric: Fabric) -> Bool {
    network != .analytic
      || schedule.closedForm(on: AnalyticMachine(fabric: fabric, costs: costs)) != nil
  }

  /// What of a machine closed forms know nothing of, with the options that say so; nil if there is
  /// none.
  public static func unknownToFormulas(_ fabric: Fabric) -> String? {
    if fabric.conditions.hasFaults {
      return "hardware that is broken or slow (--failed-nic, --slow-nic, --slow-gpu)"
    }
    if fabric.conditions.isRandom { return "random delays (--launch-jitter, --network-jitter)" }
    return fabric.placement == .block
      ? nil : "where nodes and ranks lie (--placement, --hostfile)"
  }

  /// Times the plan on a fabric.
  ///
  /// - Parameters:
  ///   - fabric: The machine; it has as many ranks as the plan.
  ///   - network: How links are shared.
  ///   - isolated: One cold call from a common start, instead of the period of back-to-back calls.
  ///   - foldAllowed: Whether one node may stand for all where they are alike.
  /// - Returns: The time, and where it went.
  /// - Throws: ``SimulationError`` if the schedule deadlocks, a link exceeds its rate, or there is no
  ///   closed form (``canRun(_:on:)``).
  public func simulate(
    on fabric: Fabric, network: Network, isolated: Bool, foldAllowed: Bool = true
  ) throws(SimulationError) -> SimulationResult {
    guard network != .analytic else { return try formula(on: fabric, isolated: isolated) }
    guard !isolated else {
      return try simulate(on: fabric, network: network, calls: 1, foldAllowed: foldAllowed)
    }
    let size = size(on: fabric, foldAllowed: foldAllowed, limit: Self.longCall)
    return try simulate(
      on: fabric, network: network,
      calls: calls(isolated: isolated, operations: size.operations),
      period: schedule.letsRanksRunAhead
        ? .mean : fabric.hasConditions || schedule.fallsOutOfStep ? .rest : .last,
      foldAllowed: foldAllowed)
  }

  /// The back-to-back calls that are simulated for the time of one of so many operations.
  public func calls(isolated: Bool, operations: Int) -> Int {
    if isolated { return 1 }
    if operations >= Self.longCall { return 2 }
    guard schedule.letsRanksRunAhead else { return Self.steadyCalls }
    return min(Self.meanCalls, Self.steadyCalls * Self.longCall / max(1, operations))
  }

  func simulate(
    on fabric: Fabric, network: Network, calls: Int, period: Period = .last, foldAllowed: Bool
  ) throws(SimulationError) -> SimulationResult {
    var result = try schedule.open(
      Timing(
        plan: self, fabric: reached(fabric), network: network, calls: calls, period: period,
        foldAllowed: foldAllowed))
    result.least = result.busiest.map { fabric.bandwidth(ofLink: $0.link).time(toMove: $0.bytes) }
    return result
  }

  /// The closed form's time, with what the host takes to enqueue a call: before a lone one, or as
  /// long as a period is at least.
  private func formula(
    on fabric: Fabric, isolated: Bool
  ) throws(SimulationError) -> SimulationResult {
    let reached = reached(fabric)
    let machine = AnalyticMachine(fabric: reached, costs: costs)
    guard var form = schedule.closedForm(on: machine) else { throw .noClosedForm(algorithm) }
    form.breakdown.launch +=
      isolated ? costs.enqueue : max(.zero, costs.enqueue - form.breakdown.total)
    let result = SimulationResult(form)
    try result.checkBounds(on: reached)
    return result
  }

  private func reached(_ fabric: Fabric) -> Fabric {
    fabric.with(topology: fabric.topology.derated(by: costs.linkEfficiency))
  }

  /// What NVRAR's published formula gives for the links alone; nil for anything else.
  public func publishedTime(on fabric: Fabric) -> SimDuration? {
    guard case .nvrar(let schedule) = schedule else { return nil }
    return schedule.publishedTime(on: fabric, elementBytes: costs.elementBytes)
  }

  /// The same schedule under other costs.
  func priced(as protocolName: String, _ costs: Costs) -> Plan {
    Plan(
      algorithm: algorithm, protocolName: protocolName, channels: channels, costs: costs,
      schedule: schedule)
  }

  /// Why every node has to be simulated instead of one that stands for all; nil if one can.
  public func foldObstacle(on fabric: Fabric) -> String? {
    guard fabric.nodes > 1 else { return nil }
    return schedule.open(Obstacle(fabric: fabric))
  }

  private struct Obstacle: AnySchedule.Visitor {
    let fabric: Fabric

    func visit(_ schedule: some Schedule) -> String? {
      Fold.obstacle(to: schedule.symmetry, on: fabric)
    }
  }

  /// Operations to simulate for one call, estimated from rank 0, and lanes to hold; counting stops
  /// at the limit.
  public func size(
    on fabric: Fabric, foldAllowed: Bool, limit: Int
  ) -> (operations: Int, lanes: Int) {
    schedule.open(Sizing(fabric: fabric, foldAllowed: foldAllowed, limit: limit))
  }

  private struct Sizing: AnySchedule.Visitor {
    let fabric: Fabric
    let foldAllowed: Bool
    let limit: Int

    func visit(_ schedule: some Schedule) -> (operations: Int, lanes: Int) {
      let members = Fold(schedule.symmetry, on: fabric, allowed: foldAllowed).members
      var operations = 0
      for lane in 0..<schedule.lanes {
        if let count = schedule.operationCount(lane: lane) {
          operations += count
          guard operations < limit / members else { return (limit, members * schedule.lanes) }
          continue
        }
        var cursor = schedule.cursor(rank: 0, lane: lane, call: 0)
        while cursor.next() != nil && operations * members < limit {
          operations += 1
          // Counting further would itself take long, for a rank that no simulation gets through.
          if operations > 10_000_000 { return (limit, members * schedule.lanes) }
        }
      }
      return (operations * members, members * schedule.lanes)
    }
  }

  /// Calls after which the period of back-to-back calls no longer changes; a test holds it to that.
  static let steadyCalls = 4

  /// The calls whose mean is the time where ranks run ahead: as many as nccl-tests iterates.
  static let meanCalls = 20

  /// Operations from which a call is so long that what is left of its start after two calls does
  /// not matter, and more calls would cost too much time.
  static let longCall = 1_000_000

  private struct Timing: AnySchedule.Visitor {
    let plan: Plan
    let fabric: Fabric
    let network: Network
    let calls: Int
    let period: Period
    let foldAllowed: Bool

    func visit(_ schedule: some Schedule) throws(SimulationError) -> SimulationResult {
      switch network {
      case .event: try run(schedule, EventNetwork.self)
      case .flow: try run(schedule, FlowNetwork.self)
      case .analytic: throw .noClosedForm(plan.algorithm)
      }
    }

    private func run<S: Schedule, N: NetworkModel & ~Copyable>(
      _ schedule: S, _: N.Type
    ) throws(SimulationError) -> SimulationResult {
      try Simulation<S, N>(
        schedule, on: fabric, costs: plan.costs, calls: calls, period: period,
        foldAllowed: foldAllowed
      ).run()
    }
  }
}

extension Topology {
  /// The same machine with links as fast as messages reach.
  fileprivate func derated(by efficiency: Costs.ByMedium<Double>) -> Topology {
    var result = self
    result.node.scaleUp.bandwidth = node.scaleUp.bandwidth.scaled(by: efficiency.scaleUp)
    result.network.bandwidth = network.bandwidth.scaled(by: efficiency.network)
    result.network.interior.bandwidth = network.interior.bandwidth?.scaled(by: efficiency.network)
    result.node.nicPath.bandwidth = node.nicPath.bandwidth.scaled(by: efficiency.network)
    return result
  }
}
