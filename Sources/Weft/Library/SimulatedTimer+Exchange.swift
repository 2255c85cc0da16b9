extension SimulatedTimer {
  /// The simulated steady-state time of an all-gather or all-to-all; see ``CollectiveTimer``.
  ///
  /// Everyone sends everyone a part, with what NCCL's Simple protocol costs for sends and receives:
  /// NCCL's own all-to-all is such a group of calls, whose peers are dealt over the channels. The
  /// schedule has one lane, so it does the work of the channels at their joint rate.
  /// - Throws: ``Fabric/SizeError`` if the topology has no such group, ``SimulationError``.
  public func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    let fabric = try Fabric(topology, nodes: layout.nodes, gpusPerNode: layout.ranksPerNode)
    // Parts are whole elements, so a tiny size still sends something to everyone.
    let bytes = max(bytes, layout.ranks)
    let call = CollectiveCall(
      collective, bytes: bytes, type: .int8, inPlace: false, launch: launch)
    let planner = NCCLPlanner(fabric: fabric, profile: profile)
    let schedule = DirectExchange(
      collective, layout: layout, elements: call.elements, inPlace: call.inPlace)
    let channels = min(layout.ranks - 1, planner.graph.channels)
    var costs = planner.costs(for: call, .ring, .simple)
    let share = 1 / Double(channels)
    costs.receive.scaleUp = costs.receive.scaleUp.scaled(by: share)
    costs.receive.network = costs.receive.network.scaled(by: share)
    for index in costs.kernels.indices {
      costs.kernels[index].laneBandwidth =
        costs.kernels[index].laneBandwidth?.scaled(by: Double(channels))
    }
    let plan = Plan(
      algorithm: "nccl:send", protocolName: NCCLTuner.ProtocolName.simple.rawValue,
      channels: channels, costs: costs, schedule: .directExchange(schedule))
    return try time(plan, on: fabric)
  }
}
