import Testing

@testable import Weft

struct SimulatedTimerTests {
  /// Nodes of four GPUs, two to a leaf switch.
  private var topology: Topology {
    var topology = a100Nodes()
    topology.network.kind = .rail(nodesPerLeaf: 2)
    topology.network.hopLatency = .microseconds(0.25)
    return topology
  }

  private func time(
    _ call: CollectiveCall, on fabric: Fabric
  ) throws -> SimDuration {
    let plan = try #require(NCCLPlanner(fabric: fabric, profile: roundProfile()).plan(for: call))
    return try plan.simulate(on: fabric, network: .flow, isolated: false).time
  }

  @Test(arguments: [64 << 10, 4 << 20])
  func `an all-to-all at the farthest distance takes as long as it does`(bytes: Int) throws {
    let fabric = try Fabric(topology, nodes: 8)
    #expect(Fold.obstacle(to: .translation, on: fabric) == "nodes are not equally far apart")
    #expect(Fold.obstacle(to: .translation, on: fabric.withEqualDistances) == nil)
    let whole = try time(
      CollectiveCall(.allToAll, bytes: bytes, type: .int8, inPlace: false, launch: .graph),
      on: fabric)
    let folded = try SimulatedTimer(topology: topology, profile: roundProfile()).exchange(
      .allToAll, bytes: bytes, layout: Layout(nodes: 8, ranksPerNode: 4), launch: .graph)
    #expect(folded.time >= whole && folded.time.seconds < 1.02 * whole.seconds)
  }

  @Test func `a decode step's all-reduce keeps its distances`() throws {
    let fabric = try Fabric(topology, nodes: 8)
    let call = CollectiveCall(bytes: 128 << 10, type: .bf16, inPlace: true, launch: .graph)
    let own = try SimulatedTimer(topology: topology, profile: roundProfile()).allReduce(
      bytes: call.bytes, type: .bf16, layout: Layout(nodes: 8, ranksPerNode: 4), library: .nccl,
      launch: .graph)
    #expect(try own.time == time(call, on: fabric))
  }
}
