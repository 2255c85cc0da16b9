extension SimulatedTimer {
  /// The simulated steady-state time of NCCL's all-gather or all-to-all; see ``CollectiveTimer``.
  ///
  /// - Throws: ``Fabric/SizeError`` if the topology has no such group, ``SimulationError``.
  public func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    let fabric = try Fabric(topology, nodes: layout.nodes, gpusPerNode: layout.ranksPerNode)
    // Parts are whole elements, so a tiny size still sends something to everyone.
    let call = CollectiveCall(
      collective, bytes: max(bytes, layout.ranks), type: .int8, inPlace: false, launch: launch)
    guard let plan = NCCLPlanner(fabric: fabric, profile: profile).plan(for: call) else {
      preconditionFailure("NCCL has every collective out of place.")
    }
    return try time(plan, on: fabric)
  }
}
