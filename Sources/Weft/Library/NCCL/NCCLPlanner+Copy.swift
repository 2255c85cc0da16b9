extension NCCLPlanner {
  /// What NCCL does where nothing is to be sent: one rank alone copies its input to its output, and
  /// a call that leaves no rank an element launches nothing.
  ///
  /// A copy on the stream runs at what kernels reach of the GPU's memory, which it reads and writes;
  /// in place there is none. Source: NCCL 2.30.7, src/enqueue.cc (ncclLaunchOneRank, and calls with
  /// a count of 0).
  func local(_ call: CollectiveCall, elements: Int) -> Plan {
    var costs = Costs.ideal(elementBytes: call.type.bytes, kernels: 1)
    let copies = elements > 0 && !call.inPlace
    if copies {
      costs.kernels[0] = Costs.KernelCosts(
        launch: profile.duration(call.launch == .graph ? .launchGraph : .launchEager),
        laneBandwidth: fabric.topology.gpu.memoryBandwidth.scaled(
          by: profile.ratio(.memoryEfficiency)))
    }
    let isRooted = call.collective == .broadcast || call.collective == .reduce
    let schedule: AnySchedule
    if copies && !isRooted {
      schedule = .ring(Ring(call.collective, layout: layout, elements: elements, inPlace: false))
    } else {
      // A chain of no elements has no operations, on however many ranks.
      schedule = .rootedChain(
        RootedChain(
          isRooted ? call.collective : .broadcast, layout: layout, elements: copies ? elements : 0,
          chunkElements: max(1, elements), inPlace: call.inPlace))
    }
    return Plan(
      algorithm: copies ? "nccl:copy" : "nccl:none", protocolName: "none", channels: copies ? 1 : 0,
      costs: costs, schedule: schedule)
  }
}
