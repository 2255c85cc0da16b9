import Testing

@testable import Weft

/// Formulas against simulations where theory says that they agree.
@Suite struct ClosedFormTests {
  private func times(
    _ name: String, bytes: Int, on fabric: Fabric, _ network: Plan.Network,
    collective: Collective = .allReduce
  ) throws -> (closed: SimulationResult, simulated: SimulationResult) {
    let call = CollectiveCall(
      collective, bytes: bytes, type: .bf16, inPlace: true, launch: .graph)
    let plan = try Planner(fabric: fabric, profile: .test).plan(
      try #require(AlgorithmName(name)), for: call)
    return (
      try plan.simulate(on: fabric, network: .analytic, isolated: true),
      try plan.simulate(on: fabric, network: network, isolated: true)
    )
  }

  /// A machine on which no two messages meet but those that a schedule makes meet.
  @Test(
    arguments: [
      "ring", "recursive-doubling", "halving-doubling", "binomial-tree", "all-pairs",
    ], [1, 2, 4])
  func `formulas of plain schedules agree with FIFO links to a nanosecond`(
    name: String, gpus: Int
  ) throws {
    for nodes in [1, 2, 4, 16] where name != "all-pairs" || gpus == 1 {
      for kind in Node.ScaleUp.Kind.allCases {
        let fabric = try Fabric(
          Machine.flat(gpus: gpus, nics: gpus, kind: kind), nodes: nodes)
        for bytes in [1 << 14, 1 << 20] {
          let (closed, simulated) = try times(name, bytes: bytes, on: fabric, .event)
          let gap = abs(closed.time.picoseconds - simulated.time.picoseconds)
          #expect(gap <= 1000, "\(nodes) x \(gpus) \(kind) \(bytes): \(closed) \(simulated)")
          #expect(closed.messages == simulated.messages)
          #expect(closed.wireBytes == simulated.wireBytes)
          #expect(closed.breakdown.total == closed.time)
        }
      }
    }
  }

  @Test(arguments: [
    (Collective.allGather, "recursive-doubling"), (.allGather, "all-pairs"),
    (.reduceScatter, "recursive-halving"), (.reduceScatter, "all-pairs"), (.allToAll, "all-pairs"),
    (.broadcast, "binomial-tree"), (.reduce, "binomial-tree"), (.broadcast, "ring"),
    (.reduce, "ring"),
  ])
  func `formulas of other collectives agree with FIFO links to a nanosecond`(
    collective: Collective, name: String
  ) throws {
    let fabric = try Fabric(Machine.flat(), nodes: 16)
    let (closed, simulated) = try times(
      name, bytes: 1 << 20, on: fabric, .event, collective: collective)
    #expect(
      abs(closed.time.picoseconds - simulated.time.picoseconds) <= 1000, "\(closed) \(simulated)")
    #expect(closed.messages == simulated.messages)
    #expect(closed.wireBytes == simulated.wireBytes)
  }

  @Test(arguments: ["recursive-doubling", "halving-doubling", "all-pairs"], [1, 2, 4])
  func `GPUs that share a NIC share it as fair flows do`(name: String, nics: Int) throws {
    for nodes in [2, 8] {
      let fabric = try Fabric(Machine.flat(gpus: 4, nics: nics), nodes: nodes)
      let (closed, simulated) = try times(name, bytes: 1 << 20, on: fabric, .flow)
      let gap = abs(closed.time.picoseconds - simulated.time.picoseconds)
      #expect(gap <= 1000, "\(nodes) nodes: \(closed) \(simulated)")
    }
  }

  /// A root posts all its chunks at once; were they to share its link, all would end together and the
  /// pipeline would be none.
  @Test(arguments: [Collective.broadcast, .reduce])
  func `what a lane posts to another one goes in order in a pipeline of flows`(
    collective: Collective
  ) throws {
    for nodes in [2, 4, 16] {
      let fabric = try Fabric(Machine.flat(), nodes: nodes)
      let (closed, simulated) = try times(
        "ring", bytes: 1 << 24, on: fabric, .flow, collective: collective)
      let gap = abs(closed.time.picoseconds - simulated.time.picoseconds)
      #expect(gap <= 100_000, "\(nodes) nodes: \(closed.time) \(simulated.time)")
    }
  }

  /// A NIC of two nodes sends every chunk of a channel once: up in one tree, down in the other.
  @Test(arguments: Plan.Network.simulated)
  func `a double tree of two nodes takes what its bytes take`(network: Plan.Network) throws {
    let fabric = try Fabric(Machine.flat(), nodes: 2)
    let (closed, simulated) = try times("tree", bytes: 1 << 26, on: fabric, network)
    #expect(abs(closed.time.seconds / simulated.time.seconds - 1) < 0.01, "\(closed) \(simulated)")
  }

  @Test func `a ring slowed by its links between nodes stays on them`() throws {
    // In-node hops are nearly free, so the NICs are never idle and the data waits for them.
    let fabric = try Fabric(
      Machine.flat(gpus: 4, nics: 4, network: 2, latency: .nanoseconds(100)), nodes: 4)
    let (closed, simulated) = try times("ring", bytes: 1 << 24, on: fabric, .event)
    #expect(abs(closed.time.seconds / simulated.time.seconds - 1) < 1e-6)
  }

  @Test(arguments: [2, 3, 4, 7, 8, 32])
  func `a small message takes the depth of the double tree`(nodes: Int) throws {
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 4), nodes: nodes)
    let (closed, simulated) = try times("tree", bytes: 64, on: fabric, .event)
    #expect(abs(closed.time.seconds / simulated.time.seconds - 1) < 0.001)
    #expect(closed.messages == simulated.messages)
  }

  @Test(arguments: [(1, 2), (1, 16), (4, 2), (4, 8)], [1 << 14, 1 << 18, 1 << 22])
  func `NVRAR runs as its formula says`(size: (gpus: Int, nodes: Int), bytes: Int) throws {
    let fabric = try Fabric(
      Machine.flat(gpus: size.gpus, nics: size.gpus, kind: .mesh), nodes: size.nodes)
    let (closed, simulated) = try times("nvrar", bytes: bytes, on: fabric, .flow)
    #expect(
      abs(closed.time.seconds / simulated.time.seconds - 1) < 0.02, "\(closed) \(simulated)")
    #expect(closed.messages == simulated.messages)
    #expect(closed.wireBytes == simulated.wireBytes)
  }

  @Test(
    arguments: [
      "nccl:ring/ll", "nccl:ring/simple", "nccl:tree/ll", "nccl:tree/simple",
    ])
  func `NCCL's formulas follow the simulation`(name: String) throws {
    for (gpus, nodes) in [(1, 4), (4, 2), (4, 8)] {
      let fabric = try Fabric(Machine.flat(gpus: gpus, nics: gpus), nodes: nodes)
      for bytes in [1 << 12, 1 << 18, 1 << 24] {
        let (closed, simulated) = try times(name, bytes: bytes, on: fabric, .flow)
        // Channels meet at proxies and NICs in an order that no formula follows.
        let ratio = closed.time.seconds / simulated.time.seconds
        #expect(abs(ratio - 1) < 0.17, "\(nodes) x \(gpus), \(bytes): \(ratio)")
      }
    }
  }

  @Test func `links inside a node do not matter to nodes of one GPU`() throws {
    var topology = Machine.flat()
    topology.node.scaleUp.bandwidth = Bandwidth(bytesPerSecond: 1)
    let fabric = try Fabric(topology, nodes: 4)
    for name in ["nccl:ring/simple", "nccl:tree/simple", "recursive-doubling"] {
      let (closed, simulated) = try times(name, bytes: 1 << 26, on: fabric, .flow)
      #expect(
        abs(closed.time.seconds / simulated.time.seconds - 1) < 0.17, "\(closed) \(simulated)")
    }
  }

  /// A level of the tree whose nodes hang on other switches costs what they are farther apart.
  @Test func `a tree over several switches pays for their distance`() throws {
    var topology = Machine.flat(gpus: 4, nics: 4)
    topology.network.kind = .rail(nodesPerLeaf: 8)
    for hop: Int64 in [0, 1000, 5000] {
      topology.network.hopLatency = .nanoseconds(hop)
      let fabric = try Fabric(topology, nodes: 32)
      let (closed, simulated) = try times("tree", bytes: 64, on: fabric, .event)
      let ratio = closed.time.seconds / simulated.time.seconds
      #expect(ratio > 0.99 && ratio < 1.2, "\(hop) ns: \(closed.time) \(simulated.time)")
    }
  }

  @Test func `a call launched by the host waits for it in a formula as in a simulation`() throws {
    let fabric = try Fabric(Machine.flat(gpus: 2), nodes: 1)
    let call = CollectiveCall(bytes: 64, type: .bf16, inPlace: true, launch: .eager)
    for enqueue in [0.1, 1000] {
      var plan = try Planner(fabric: fabric, profile: .test).plan(.nccl(.ring, .simple), for: call)
      var costs = plan.costs
      costs.enqueue = .microseconds(enqueue)
      plan = plan.priced(as: plan.protocolName, costs)
      for isolated in [false, true] {
        let times = try [Plan.Network.analytic, .flow].map {
          try plan.simulate(on: fabric, network: $0, isolated: isolated).time.seconds
        }
        #expect(abs(times[0] / times[1] - 1) < 0.001, "\(times)")
      }
    }
  }

  @Test func `what has no closed form says so`() throws {
    let fabric = try Fabric(Machine.flat(gpus: 4), nodes: 2)
    let call = CollectiveCall(bytes: 1 << 20, type: .bf16, inPlace: true, launch: .graph)
    let plan = try PlainAlgorithm.hierarchical.plan(
      for: call, layout: Layout(nodes: 2, ranksPerNode: 4))
    #expect(!plan.canRun(.analytic, on: fabric) && plan.canRun(.flow, on: fabric))
    #expect(throws: SimulationError.self) {
      try plan.simulate(on: fabric, network: .analytic, isolated: true)
    }
  }
}
