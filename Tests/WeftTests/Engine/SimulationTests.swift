import TestSupport
import Testing

@testable import Weft

/// Laws that every simulated time obeys.
@Suite struct SimulationTests {
  static let machines: [(name: String, topology: Topology)] = [
    ("one GPU", Machine.flat()),
    ("switch", Machine.flat(gpus: 4)),
    ("switch, four NICs", Machine.flat(gpus: 4, nics: 4)),
    ("mesh, four NICs", Machine.flat(gpus: 4, nics: 4, kind: .mesh)),
    ("mesh, two GPUs a NIC", Machine.flat(gpus: 4, nics: 2, kind: .mesh)),
  ]

  static let names = [
    "ring", "tree", "recursive-doubling", "halving-doubling", "binomial-tree", "all-pairs",
    "nvrar", "nccl:ring/ll", "nccl:ring/simple", "nccl:tree/ll", "nccl:tree/simple",
  ]

  private func plan(
    _ name: String, bytes: Int, on fabric: Fabric, launch: StepLaunch = .graph
  ) throws -> Plan {
    let call = CollectiveCall(bytes: bytes, type: .bf16, inPlace: true, launch: launch)
    let algorithm = try #require(AlgorithmName(name))
    return try Planner(fabric: fabric, profile: .test).plan(algorithm, for: call)
  }

  @Test(arguments: names, machines.indices)
  func `one node stands for all to the picosecond`(name: String, machine: Int) throws {
    for nodes in [2, 3, 4, 8] {
      let fabric = try Fabric(Self.machines[machine].topology, nodes: nodes)
      for bytes in [2 * 3840, 1 << 17] {
        let plan = try plan(name, bytes: bytes, on: fabric)
        for network in Plan.Network.simulated {
          for isolated in [true, false] {
            let folded = try plan.simulate(on: fabric, network: network, isolated: isolated)
            let full = try plan.simulate(
              on: fabric, network: network, isolated: isolated, foldAllowed: false)
            let what = "\(name), \(nodes) nodes, \(bytes) bytes, \(network), \(isolated)"
            #expect(folded.time == full.time, "\(what)")
            #expect(folded.messages == full.messages, "\(what)")
            #expect(folded.wireBytes == full.wireBytes, "\(what)")
          }
        }
      }
    }
  }

  @Test(arguments: [
    (Collective.allGather, "ring"), (.allGather, "recursive-doubling"), (.allGather, "all-pairs"),
    (.reduceScatter, "ring"), (.reduceScatter, "recursive-halving"), (.allToAll, "all-pairs"),
    (.broadcast, "ring"), (.reduce, "binomial-tree"), (.allReduce, "hierarchical"),
    (.allReduce, "hierarchical-ring"), (.allReduce, "hierarchical-ring-tree"),
    (.allReduce, "all-pairs-put"), (.allGather, "nccl"), (.allToAll, "nccl"),
  ])
  func `one node stands for all in every collective`(collective: Collective, name: String) throws {
    for (machine, topology) in Self.machines {
      for nodes in [2, 4, 6] {
        let fabric = try Fabric(topology, nodes: nodes)
        let call = CollectiveCall(
          collective, bytes: 3 << 16, type: .bf16, inPlace: false, launch: .graph)
        let algorithm = try #require(AlgorithmName(name))
        let plan = try Planner(fabric: fabric, profile: .test).plan(algorithm, for: call)
        for network in Plan.Network.simulated {
          let folded = try plan.simulate(on: fabric, network: network, isolated: true)
          let full = try plan.simulate(
            on: fabric, network: network, isolated: true, foldAllowed: false)
          #expect(folded.time == full.time, "\(machine), \(nodes) nodes, \(network)")
          #expect(folded.messages == full.messages, "\(machine), \(nodes) nodes, \(network)")
        }
      }
    }
  }

  /// Distances that an exclusive or of node numbers does not change let one node stand for all too.
  @Test(arguments: [
    Network.Kind.fatTree(nodesPerLeaf: 4), .rail(nodesPerLeaf: 2),
    .dragonfly(nodesPerSwitch: 2, nodesPerGroup: 8),
  ])
  func `nodes at unequal distances fold where the schedule pairs them alike`(
    kind: Network.Kind
  ) throws {
    var topology = Machine.flat(gpus: 2, nics: 2)
    topology.network.kind = kind
    topology.network.hopLatency = .nanoseconds(700)
    for name in ["recursive-doubling", "halving-doubling", "nvrar"] {
      let fabric = try Fabric(topology, nodes: 32)
      let plan = try plan(name, bytes: 1 << 16, on: fabric)
      for network in Plan.Network.simulated {
        for isolated in [true, false] {
          let folded = try plan.simulate(on: fabric, network: network, isolated: isolated)
          let full = try plan.simulate(
            on: fabric, network: network, isolated: isolated, foldAllowed: false)
          #expect(folded.foldedNodes == 32 && full.foldedNodes == 1, "\(name)")
          #expect(folded.time == full.time, "\(name) \(network) \(isolated)")
        }
      }
    }
    let fabric = try Fabric(topology, nodes: 32)
    #expect(try plan("ring", bytes: 1 << 16, on: fabric).foldObstacle(on: fabric) != nil)
    topology.network.kind = .dragonfly(nodesPerSwitch: 3, nodesPerGroup: 6)
    let odd = try Fabric(topology, nodes: 32)
    #expect(
      try plan("nvrar", bytes: 1 << 16, on: odd).foldObstacle(on: odd)?.contains("far") == true)
  }

  @Test func `a network that is faster than its links is found out`() throws {
    try expectTooFast(Teleport.self)
    try expectTooFast(InstantTeleport.self)
  }

  private func expectTooFast<N: NetworkModel & ~Copyable>(_: N.Type) throws {
    let fabric = try Fabric(Machine.flat(), nodes: 4)
    let schedule = RecursiveDoubling(
      layout: Layout(nodes: 4, ranksPerNode: 1), elements: 1 << 16, inPlace: true)
    #expect {
      try Simulation<RecursiveDoubling, N>(
        schedule, on: fabric, costs: .ideal(elementBytes: 2, kernels: 1), calls: 1,
        foldAllowed: false
      ).run()
    } throws: { error in
      guard case .messageTooFast(_, _, 1 << 17, _, _)? = error as? SimulationError else {
        return false
      }
      return "\(error)".contains("node 0 NIC 0 out")
    }
  }

  @Test func `a formula below what all links together can carry is found out`() throws {
    let fabric = try Fabric(Machine.flat(), nodes: 4)
    var result = try plan("ring", bytes: 1 << 20, on: fabric)
      .simulate(on: fabric, network: .analytic, isolated: true)
    try result.checkBounds(on: fabric)
    result.wireBytes *= 100
    #expect(throws: SimulationError.self) { try result.checkBounds(on: fabric) }
  }

  @Test(arguments: names)
  func `the breakdown sums to the time`(name: String) throws {
    for (_, topology) in Self.machines {
      let fabric = try Fabric(topology, nodes: 4)
      for isolated in [true, false] {
        let result = try plan(name, bytes: 1 << 18, on: fabric)
          .simulate(on: fabric, network: .flow, isolated: isolated)
        #expect(result.breakdown.total == result.time)
      }
    }
  }

  @Test(arguments: names, Plan.Network.simulated)
  func `time grows with the size and shrinks with bandwidth`(name: String, network: Plan.Network)
    throws
  {
    var last = SimDuration.zero
    for shift in [10, 13, 16, 19, 22] {
      let slow = try Fabric(Machine.flat(gpus: 4, nics: 2, network: 12.5), nodes: 4)
      let fast = try Fabric(Machine.flat(gpus: 4, nics: 2, network: 25), nodes: 4)
      // NCCL's choice of channels may change with the size, so it is held to what it forces.
      let slowTime = try plan(name, bytes: 1 << shift, on: slow)
        .simulate(on: slow, network: network, isolated: true).time
      let fastTime = try plan(name, bytes: 1 << shift, on: fast)
        .simulate(on: fast, network: network, isolated: true).time
      #expect(fastTime <= slowTime)
      if !name.hasPrefix("nccl") {
        #expect(slowTime >= last)
        last = slowTime
      }
    }
  }

  @Test(arguments: names)
  func `the period of back-to-back calls has settled`(name: String) throws {
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 4, kind: .mesh), nodes: 4)
    let plan = try plan(name, bytes: 1 << 18, on: fabric)
    let usual = try plan.period(calls: Plan.steadyCalls, on: fabric)
    let longer = try plan.period(calls: 3 * Plan.steadyCalls, on: fabric)
    #expect(abs(usual.seconds / longer.seconds - 1) < 0.001, "\(usual) \(longer)")
  }

  @Test(arguments: names)
  func `eager launches cost more than a graph`(name: String) throws {
    let fabric = try Fabric(Machine.flat(gpus: 4), nodes: 2)
    for isolated in [true, false] {
      let graph = try plan(name, bytes: 1 << 15, on: fabric)
        .simulate(on: fabric, network: .flow, isolated: isolated)
      let eager = try plan(name, bytes: 1 << 15, on: fabric, launch: .eager)
        .simulate(on: fabric, network: .flow, isolated: isolated)
      let isPlain = graph.breakdown.launch == .zero
      // Back to back, a launch can hide behind another rank's proxy.
      #expect(
        isPlain
          ? graph.time == eager.time
          : isolated ? graph.time < eager.time : graph.time <= eager.time)
    }
  }

  @Test func `NVRAR launches six kernels and NCCL one`() throws {
    let fabric = try Fabric(Machine.flat(gpus: 4), nodes: 2)
    let nvrar = try plan("nvrar", bytes: 1 << 15, on: fabric, launch: .eager)
      .simulate(on: fabric, network: .flow, isolated: true)
    // The exchange runs on a stream of its own: two more events to wait for.
    #expect(nvrar.breakdown.launch == (6 + 2) * Profile.test.duration(.launchEager))
  }

  @Test func `NVRAR sends the whole shard twice over in every step`() throws {
    let bytes = 1 << 20
    let fabric = try Fabric(Machine.flat(gpus: 4), nodes: 8)
    let result = try plan("nvrar", bytes: bytes, on: fabric)
      .simulate(on: fabric, network: .flow, isolated: true)
    // Per rank: three in-node puts of a shard each way, three steps of a doubled shard, three
    // ready signals and three confirmations of 8 bytes.
    let shard = bytes / 4
    #expect(result.wireBytes == 32 * (2 * 3 * shard + 3 * 2 * shard + 6 * 8))
  }

  @Test func `a deadlock is told by rank and step and never hangs`() throws {
    let fabric = try Fabric(Machine.flat(), nodes: 3)
    #expect {
      try Simulation<Stuck, EventNetwork>(
        Stuck(), on: fabric, costs: .ideal(elementBytes: 2, kernels: 1), calls: 1,
        foldAllowed: false
      ).run()
    } throws: { error in
      "\(error)".contains("rank 1 lane 0 at step 1 waits for a message from rank 0 lane 0")
    }
  }

  /// Three messages of 3, 1 and 2 MB set out together on one way; so far each has sent when it ends.
  ///
  /// An answer of 9 MB, sent when one of them is there, shows when that was.
  @Test(arguments: [(message: 0, sent: 6), (1, 3), (2, 5)])
  func `flows of one way end in the order of their lengths`(message: Int, sent: Int) throws {
    let fabric = try Fabric(Machine.flat(gpus: 2), nodes: 1)
    let lengths = [3_000_000, 1_000_000, 2_000_000]
    let answer = 9_000_000
    let script = Script(elements: answer) { rank, _, _ in
      guard rank == 1 else {
        return lengths.indices.map { .send(At.input(), lengths[$0], to: Port(peer: 1, tag: $0)) }
          + [.receive(At.output(), answer, from: Port(peer: 1, tag: 3))]
      }
      let others = lengths.indices.filter { $0 != message }
      return [
        .receive(At.output(), lengths[message], from: Port(peer: 0, tag: message)),
        .send(At.input(), answer, to: Port(peer: 0, tag: 3)),
      ] + others.map { .receive(At.output(), lengths[$0], from: Port(peer: 0, tag: $0)) }
    }
    let result = try Simulation<Script, FlowNetwork>(
      script, on: fabric, costs: .ideal(elementBytes: 1, kernels: 1), calls: 1, foldAllowed: false
    ).run()
    let expected = 2 * 1000.0 + Double(sent * 1_000_000 + answer) / 150
    // Ends are rounded up to whole picoseconds.
    #expect(abs(result.time.microseconds * 1000 - expected) < 0.01)
  }
}

/// A network on which messages take a latency, whatever their length.
private struct Teleport: NetworkModel, ~Copyable {
  init(fabric: Fabric, fold: Fold) {}

  var busiest: (link: Int, bytes: Int) { (0, 0) }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Bool {
    let end = now + messages[way: id].route.latency
    messages.arrive(id, Passage(head: end, arrival: end, slowestLink: .zero))
    return true
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32 { -1 }
}

/// The same, with messages that pass at once.
private struct InstantTeleport: NetworkModel, ~Copyable {
  init(fabric: Fabric, fold: Fold) {}

  var busiest: (link: Int, bytes: Int) { (0, 0) }

  mutating func pass(
    _ bytes: Int, over route: Route, crossesNodes: Bool, sourceRate: Int, at now: SimDuration
  ) -> Passage? {
    Passage(head: now + route.latency, arrival: now + route.latency, slowestLink: .zero)
  }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Bool { false }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32 { -1 }
}

/// Every rank waits for its neighbour.
private struct Stuck: Schedule {
  static let name = "stuck"
  let layout = Layout(nodes: 3, ranksPerNode: 1)
  let lanes = 1
  let elements = 1
  let buffers = Buffer.caller(elements: 1, inPlace: true)
  let kernels = [Kernel("stuck")]
  let symmetry = Symmetry.none

  struct Cursor: OperationCursor {
    let rank: Int
    mutating func next() -> Operation? {
      .receive(Location(buffer: 0, offset: 0), 1, from: Port(peer: (rank + 2) % 3))
    }
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor { Cursor(rank: rank) }
}
