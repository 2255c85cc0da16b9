/// Answers a workload's questions about communication by simulation on a topology.
public struct SimulatedTimer: CollectiveTimer {
  let topology: Topology
  let profile: Profile
  let network: Plan.Network

  /// Creates a timer for groups of GPUs of a topology.
  public init(topology: Topology, profile: Profile, network: Plan.Network = .flow) {
    self.topology = topology
    self.profile = profile
    self.network = network
  }

  /// The simulated steady-state time of an all-reduce; see ``CollectiveTimer``.
  ///
  /// - Throws: ``Fabric/SizeError`` if the topology has no such group, ``SimulationError``.
  public func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    let fabric = try Fabric(topology, nodes: layout.nodes, gpusPerNode: layout.ranksPerNode)
    let call = CollectiveCall(bytes: bytes, type: type, inPlace: true, launch: launch)
    let plan =
      switch library {
      case .nccl: NCCLPlanner(fabric: fabric, profile: profile).plan(for: call)
      case .nvrar: NVRARPlanner(fabric: fabric, profile: profile).plan(for: call)
      }
    guard let plan else { preconditionFailure("Both libraries can run any all-reduce.") }
    return try time(plan, on: fabric)
  }

  /// The simulated time of a send and its receive with NCCL's Simple protocol; see
  /// ``CollectiveTimer``.
  ///
  /// - Throws: ``Fabric/SizeError`` if the topology has no such pair, ``SimulationError``.
  public func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    let layout =
      crossesNodes
      ? Layout(nodes: 2, ranksPerNode: pairs) : Layout(nodes: 1, ranksPerNode: 2 * pairs)
    let fabric = try Fabric(topology, nodes: layout.nodes, gpusPerNode: layout.ranksPerNode)
    let call = CollectiveCall(bytes: bytes, type: .int8, inPlace: true, launch: launch)
    let planner = NCCLPlanner(fabric: fabric, profile: profile)
    let channels = NCCLWork(
      .ring, .simple, bytes: bytes, ranks: fabric.ranks, channels: planner.graph.channels
    ).channels
    let schedule = PairedSend(layout: layout, elements: call.elements, lanes: channels)
    let plan = Plan(
      algorithm: "nccl:send", protocolName: NCCLTuner.ProtocolName.simple.rawValue,
      channels: channels, costs: planner.costs(for: call, .ring, .simple, threads: 512),
      schedule: .pairedSend(schedule))
    // A stage sends once per micro-batch, so a lone call is what the next stage waits for.
    return try time(plan, on: fabric, isolated: true)
  }

  func time(
    _ plan: Plan, on fabric: Fabric, isolated: Bool = false
  ) throws(SimulationError) -> CollectiveTime {
    let result = try plan.simulate(
      on: stand(for: fabric, plan), network: network, isolated: isolated)
    return CollectiveTime(
      time: result.time, breakdown: result.breakdown, bottleneck: result.bottleneck)
  }

  /// The fabric, or for a long call the same one with all nodes as far apart as the farthest two, on
  /// which one node may stand for all.
  ///
  /// An all-to-all meets the farthest node from every other one, and in a call of so many operations
  /// the switches on the way are next to nothing; links between switches that can fill leave no such
  /// way out.
  private func stand(for fabric: Fabric, _ plan: Plan) -> Fabric {
    guard fabric.interior == nil, !fabric.hasEqualLatencies else { return fabric }
    let even = fabric.withEqualDistances
    guard plan.foldObstacle(on: even) == nil else { return fabric }
    if case .groupedExchange = plan.schedule { return even }
    let size = plan.size(on: fabric, foldAllowed: false, limit: Self.longCall)
    return size.operations >= Self.longCall ? even : fabric
  }

  /// The operations of a long call; the trees of decode steps have far fewer.
  private static let longCall = 250_000
}

extension Fabric {
  /// The same nodes, all as far apart as the farthest from the first is.
  var withEqualDistances: Fabric {
    var topology = topology
    let switches = (1..<max(2, nodes)).map {
      topology.network.switches(fromNode: place(of: 0), toNode: place(of: min($0, nodes - 1)))
    }
    topology.network.latency += ((switches.max() ?? 1) - 1) * topology.network.hopLatency
    topology.network.kind = .switch
    return with(topology: topology)
  }
}
