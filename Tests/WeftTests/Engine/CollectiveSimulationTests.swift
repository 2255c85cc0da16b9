import Testing

@testable import Weft

/// Times of collectives and compositions, against formulas and against each other.
@Suite struct CollectiveSimulationTests {
  static let cases: [(PlainAlgorithm, Collective)] = [
    (.ring, .allGather), (.ring, .reduceScatter), (.ring, .broadcast), (.ring, .reduce),
    (.binomialTree, .broadcast), (.binomialTree, .reduce),
    (.allPairs, .allGather), (.allPairs, .reduceScatter), (.allPairs, .allToAll),
    (.recursiveDoubling, .allGather), (.recursiveHalving, .reduceScatter),
    (.hierarchical, .allReduce), (.hierarchicalRing, .allReduce),
    (.hierarchicalRingTree, .allReduce), (.allPairsPut, .allReduce),
  ]

  private func simulate(
    _ algorithm: PlainAlgorithm, _ collective: Collective, bytes: Int, on fabric: Fabric,
    network: Plan.Network = .event, isolated: Bool = true, foldAllowed: Bool = true
  ) throws -> SimulationResult {
    let call = CollectiveCall(
      collective, bytes: bytes, type: .bf16, inPlace: false, launch: .graph)
    let layout = Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode)
    return try algorithm.plan(for: call, layout: layout).simulate(
      on: fabric, network: network, isolated: isolated, foldAllowed: foldAllowed)
  }

  @Test(arguments: cases.indices)
  func `one node stands for all to the picosecond`(index: Int) throws {
    let (algorithm, collective) = Self.cases[index]
    for (_, topology) in SimulationTests.machines {
      for nodes in [2, 3, 4] {
        let fabric = try Fabric(topology, nodes: nodes)
        for network in Plan.Network.simulated {
          for isolated in [true, false] {
            func run(_ foldAllowed: Bool) throws -> SimulationResult {
              try simulate(
                algorithm, collective, bytes: 2 * 3840, on: fabric, network: network,
                isolated: isolated, foldAllowed: foldAllowed)
            }
            let (folded, full) = (try run(true), try run(false))
            #expect(folded.time == full.time, "\(algorithm), \(nodes) nodes, \(network)")
            #expect(folded.wireBytes == full.wireBytes && folded.messages == full.messages)
            #expect(folded.breakdown.total == folded.time)
          }
        }
      }
    }
  }

  /// A root sends the next calls while the others receive this one, so calls may end together.
  @Test(arguments: [PlainAlgorithm.ring, .binomialTree], [Collective.broadcast, .reduce])
  func `calls of a root that runs ahead take no less than their bytes`(
    algorithm: PlainAlgorithm, collective: Collective
  ) throws {
    let fabric = try Fabric(Machine.flat(), nodes: 4)
    for network in Plan.Network.simulated {
      let result = try simulate(
        algorithm, collective, bytes: 1 << 20, on: fabric, network: network, isolated: false)
      #expect(result.time.microseconds > microseconds(1 << 20) - 1e-3, "\(network)")
      #expect(result.breakdown.total == result.time)
    }
  }

  @Test func `a period in which a link carries more than its rate is found out`() throws {
    let fabric = try Fabric(Machine.flat(), nodes: 4)
    let schedule = RootedChain(
      .broadcast, layout: Layout(nodes: 4, ranksPerNode: 1), elements: 1 << 19, inPlace: true)
    func run(_ period: Period) throws -> SimulationResult {
      try Simulation<RootedChain, Sluice>(
        schedule, on: fabric, costs: .ideal(elementBytes: 2, kernels: 1), calls: 4,
        period: period, foldAllowed: false
      ).run()
    }
    #expect {
      try run(.last)
    } throws: { error in
      guard case .linkAboveRate(_, 1 << 20, _, _)? = error as? SimulationError else { return false }
      return "\(error)".contains("1048576 bytes of a call")
    }
    _ = try run(.mean)
  }

  @Test func `an equal share of a breakdown keeps its sum, rounded up`() {
    var breakdown = TimeBreakdown()
    breakdown.launch = SimDuration(picoseconds: 7)
    breakdown.latency = SimDuration(picoseconds: 19)
    let share = breakdown.divided(by: 4)
    #expect(share.launch.picoseconds == 1 && share.latency.picoseconds == 6)
    #expect(share.total.picoseconds == 7)
  }

  /// One GPU per node, 2 us and 25 GB/s: a message of so many bytes, and its serialization alone.
  private func microseconds(_ bytes: Int) -> Double { Double(bytes) / 25e3 }

  @Test func `times follow from latency and bandwidth`() throws {
    let bytes = 1 << 20
    let fabric = try Fabric(Machine.flat(), nodes: 4)
    func time(_ algorithm: PlainAlgorithm, _ collective: Collective) throws -> Double {
      try simulate(algorithm, collective, bytes: bytes, on: fabric).time.microseconds
    }
    func expect(_ time: Double, _ expected: Double) { #expect(abs(time - expected) < 1e-3) }
    let part = microseconds(bytes / 4)
    // A tree of four: two whole messages one after the other.
    expect(try time(.binomialTree, .broadcast), 2 * (2 + microseconds(bytes)))
    expect(try time(.binomialTree, .reduce), 2 * (2 + microseconds(bytes)))
    // A chain: three hops for the first chunk, and 31 more chunks behind it.
    let chunk = microseconds(bytes / 32)
    expect(try time(.ring, .broadcast), 3 * (2 + chunk) + 31 * chunk)
    expect(try time(.ring, .reduce), 3 * (2 + chunk) + 31 * chunk)
    // Three parts leave and arrive one after the other.
    for collective in [Collective.allGather, .reduceScatter, .allToAll] {
      expect(try time(.allPairs, collective), 2 + 3 * part)
    }
    for collective in [Collective.allGather, .reduceScatter] {
      expect(try time(.ring, collective), 3 * (2 + part))
    }
    expect(try time(.recursiveDoubling, .allGather), 2 * 2 + 3 * part)
    expect(try time(.recursiveHalving, .reduceScatter), 2 * 2 + 3 * part)
  }

  @Test func `one shot has one latency and two shots have less to send`() throws {
    let node = try Fabric(Machine.flat(gpus: 8), nodes: 1)
    func time(_ algorithm: PlainAlgorithm, _ bytes: Int) throws -> SimDuration {
      try simulate(algorithm, .allReduce, bytes: bytes, on: node).time
    }
    #expect(try time(.oneShot, 16) < time(.twoShot, 16))
    #expect(try time(.oneShot, 1 << 24) > time(.twoShot, 1 << 24))
    #expect(try time(.allPairsPut, 16) < time(.twoShot, 16))
  }

  @Test func `a hierarchy spares the network`() throws {
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 1), nodes: 4)
    let bytes = 1 << 24
    let hierarchical = try simulate(.hierarchical, .allReduce, bytes: bytes, on: fabric)
    let direct = try simulate(.allPairs, .allReduce, bytes: bytes, on: fabric)
    #expect(hierarchical.time < direct.time)
  }
}

/// A network whose messages, however fast, arrive at full milliseconds only, so that calls end together.
private struct Sluice: NetworkModel, ~Copyable {
  private let fabric: Fabric
  private var loads: LinkLoads

  init(fabric: Fabric, fold: Fold) {
    self.fabric = fabric
    loads = LinkLoads(links: fabric.links)
  }

  var busiest: (link: Int, bytes: Int) { loads.busiest(on: fabric) }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Bool {
    let (route, bytes) = (messages[way: id].route, messages[way: id].bytes)
    for link in [route.first, route.last] where link >= 0 { loads.add(bytes, to: Int(link)) }
    let end = SimDuration.microseconds((now.microseconds / 1000).rounded(.down) * 1000 + 1000)
    messages.arrive(id, Passage(head: end, arrival: end, slowestLink: .zero))
    return true
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32 { -1 }
}
