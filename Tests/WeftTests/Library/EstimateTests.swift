import Testing

@testable import Weft

/// How long a simulation is said to take.
@Suite struct EstimateTests {
  /// The estimates of an operation in microseconds.
  private func estimates(
    _ name: String, _ collective: Collective, nodes: Int = 32, foldAllowed: Bool = false,
    routing: Network.Routing = .ideal, posting: Double = 0.1
  ) throws -> (event: Double, flow: Double) {
    var topology = Machine.flat(gpus: 4, nics: 4)
    topology.network.kind = .rail(nodesPerLeaf: 8)
    topology.network.interior.routing = routing
    let fabric = try Fabric(topology, nodes: nodes)
    let call = CollectiveCall(
      collective, bytes: 1 << 26, type: .bf16, inPlace: false, launch: .graph)
    var plan = try Planner(fabric: fabric, profile: .test).plan(
      try #require(AlgorithmName(name)), for: call)
    var costs = plan.costs
    if costs.proxy != nil {
      costs.proxy = Costs.Proxy(
        perMessage: .microseconds(posting), perKiB: .zero, most: .seconds(1))
    }
    plan = plan.priced(as: plan.protocolName, costs)
    let seconds = [Plan.Network.event, .flow].map {
      plan.estimatedSeconds(
        operations: 1_000_000, on: fabric, network: $0, foldAllowed: foldAllowed)
    }
    return (seconds[0], seconds[1])
  }

  @Test func `flows that pile up on NICs take as long as there are ranks`() throws {
    let piled = try estimates("nccl", .allToAll)
    #expect(piled.event < 2 && piled.flow > 20)
    #expect(try estimates("nccl", .allToAll, nodes: 64).flow > 1.5 * piled.flow)
    // A slow proxy keeps them apart, and folded there are few links.
    #expect(try estimates("nccl", .allToAll, posting: 1000).flow < 3)
    #expect(try estimates("nccl", .allToAll, foldAllowed: true).flow < 6)
  }

  @Test func `who has few partners shares links with few`() throws {
    for name in ["ring", "recursive-doubling", "nccl:ring/simple", "nccl:tree/ll", "nvrar"] {
      let estimate = try estimates(name, .allReduce)
      #expect(estimate.event < estimate.flow && estimate.flow < 5 * estimate.event, "\(name)")
    }
    #expect(try estimates("ring", .allReduce, routing: .ecmp).flow > 10)
  }

  @Test func `a formula takes no time`() throws {
    let fabric = try Fabric(Machine.flat(), nodes: 4)
    let call = CollectiveCall(bytes: 1 << 20, type: .bf16, inPlace: true, launch: .graph)
    let plan = try PlainAlgorithm.ring.plan(
      for: call, layout: Layout(nodes: 4, ranksPerNode: 1))
    #expect(
      plan.estimatedSeconds(operations: 0, on: fabric, network: .analytic, foldAllowed: true) == 0)
  }
}
