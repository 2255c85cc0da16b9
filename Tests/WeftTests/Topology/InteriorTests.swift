import Testing

@testable import Weft

/// Links between switches: their ways, and what happens when they fill.
@Suite struct InteriorTests {
  static let bytes = 1 << 20
  /// What a message of ``bytes`` takes on a link of 25 GB/s, in microseconds.
  static let alone = Double(bytes) / 25e3

  private func machine(
    _ kind: Network.Kind, _ interior: Network.Interior, gpus: Int = 1, maxNodes: Int = 1 << 16
  ) -> Topology {
    var topology = Machine.flat(gpus: gpus, nics: gpus)
    topology.network.kind = kind
    topology.network.hopLatency = .nanoseconds(500)
    topology.network.maxNodes = maxNodes
    topology.network.interior = interior
    return topology
  }

  private func time(
    _ targets: [Int], on topology: Topology, _ network: Plan.Network
  ) throws -> Double {
    let fabric = try Fabric(topology, nodes: targets.count)
    return try Permutation(targets: targets).simulate(on: fabric, network).time.microseconds
  }

  private func shift(_ nodes: Int, by distance: Int) -> [Int] {
    (0..<nodes).map { ($0 + distance) % nodes }
  }

  static let shapes: [(Network.Kind, Network.Routing, links: ClosedRange<Int>)] = [
    (.fatTree(nodesPerLeaf: 4), .ecmp, 0...4), (.fatTree(nodesPerLeaf: 4), .adaptive, 0...4),
    (.rail(nodesPerLeaf: 4), .ecmp, 0...2),
    (.dragonfly(nodesPerSwitch: 2, nodesPerGroup: 8), .minimal, 0...3),
    (.dragonfly(nodesPerSwitch: 2, nodesPerGroup: 8), .valiant, 0...5),
    (.dragonfly(nodesPerSwitch: 2, nodesPerGroup: 8), .adaptive, 0...5),
    (.torus(Network.Dimensions(x: 4, y: 3, z: 4)), .minimal, 1...5),
  ]

  @Test(arguments: shapes.indices)
  func `every way leads over different links that there are`(index: Int) throws {
    let (kind, routing, allowed) = Self.shapes[index]
    let interior = Network.Interior(routing: routing, leavesPerPod: 4, globalLinks: 2)
    let fabric = try Fabric(machine(kind, interior, gpus: 2, maxNodes: 48), nodes: 48)
    let links = try #require(fabric.interior)
    for source in stride(from: 0, to: fabric.ranks, by: 11) {
      for target in stride(from: 0, to: fabric.ranks, by: 3) where source / 2 != target / 2 {
        let route = fabric.route(from: source, to: target, stripe: 0)
        let way = try #require(
          fabric.interiorPath(from: route.first, to: route.last, message: 7) { _ in 1 })
        let path = (0..<way.path.count).map { Int(way.path.links[$0]) }
        #expect(allowed.contains(path.count) && path.count <= links.longest)
        #expect(Set(path).count == path.count)
        let known = links.base..<links.base + links.count
        #expect(path.allSatisfy { known.contains($0) })
        let latency = SimDuration.nanoseconds(2000 + 500 * Int64(path.count))
        #expect(way.latency == latency)
        #expect(path.allSatisfy { !fabric.name(ofLink: $0).isEmpty })
      }
    }
  }

  @Test(arguments: Plan.Network.simulated)
  func `ways join up from switch to switch`(network: Plan.Network) throws {
    // One message alone sees its latencies and one serialization, however many links it crosses.
    for (kind, target, links) in [
      (Network.Kind.fatTree(nodesPerLeaf: 4), 5, 2), (.fatTree(nodesPerLeaf: 4), 47, 4),
      (.dragonfly(nodesPerSwitch: 2, nodesPerGroup: 8), 3, 1),
      (.torus(Network.Dimensions(x: 4, y: 3, z: 4)), 1 + 4 + 12, 3),
    ] {
      let interior = Network.Interior(
        routing: kind.name == "fat-tree" ? .ecmp : .minimal, leavesPerPod: 4)
      var targets = Array(0..<48)
      targets.swapAt(0, target)
      let time = try time(targets, on: machine(kind, interior, maxNodes: 48), network)
      let expected = 2 + 0.5 * Double(links) + Self.alone
      #expect(abs(time - expected) < 1e-3, "\(kind) \(time)")
    }
  }

  @Test(arguments: Plan.Network.simulated)
  func `an oversubscribed leaf takes as many times as long`(network: Plan.Network) throws {
    for ratio in [1, 2, 4] {
      let topology = machine(
        .fatTree(nodesPerLeaf: 8),
        Network.Interior(routing: .adaptive, oversubscription: Double(ratio)))
      let time = try time(shift(16, by: 8), on: topology, network)
      // Not below the bound, and little above it: messages choose uplinks one after the other.
      let bound = 3 + Double(ratio) * Self.alone
      #expect(time > bound - 1e-3 && time < bound + 1.05 * Self.alone, "\(ratio): \(time)")
    }
  }

  @Test(arguments: Plan.Network.simulated)
  func `oversubscription that leaves no whole number of links counts in full`(
    network: Plan.Network
  ) throws {
    // A leaf of eight NICs: three links at 8/9 of their rate, one at 1/2, at 1/12.
    for (ratio, links) in [(3.0, 3), (16, 1), (96, 1)] {
      let topology = machine(
        .fatTree(nodesPerLeaf: 8), Network.Interior(routing: .adaptive, oversubscription: ratio))
      let time = try time(shift(16, by: 8), on: topology, network)
      let one = ratio * Double(links) / 8 * Self.alone
      // The busiest link takes its share of eight messages in turn.
      let most = 3 + Double((8 + links - 1) / links) * one
      #expect(time > 3 + ratio * Self.alone - 1e-3 && time < most + Self.alone, "\(ratio): \(time)")
    }
  }

  @Test(arguments: Plan.Network.simulated)
  func `both stages of three levels are oversubscribed`(network: Plan.Network) throws {
    // Pods of two leaves of four nodes: beyond all links of the core, the ratio counts twice.
    for ratio in [8.0, 32] {
      let topology = machine(
        .fatTree(nodesPerLeaf: 4),
        Network.Interior(routing: .ecmp, oversubscription: ratio, leavesPerPod: 2))
      let near = try time(shift(8, by: 4), on: topology, network)
      let far = try time(shift(16, by: 8), on: topology, network)
      #expect(near > 3 + ratio * Self.alone - 1e-3 && near < 4 + (ratio + 1) * Self.alone)
      let square = ratio * ratio
      #expect(far > 4 + square * Self.alone - 1e-3 && far < 6 + (square + ratio + 1) * Self.alone)
    }
  }

  @Test(arguments: Plan.Network.simulated)
  func `hashed ways collide where adaptive ones do not`(network: Plan.Network) throws {
    func run(_ routing: Network.Routing, seed: Int = 0) throws -> Double {
      try time(
        shift(64, by: 32),
        on: machine(.fatTree(nodesPerLeaf: 32), Network.Interior(routing: routing, seed: seed)),
        network)
    }
    let ideal = 3 + Self.alone
    let hashed = try (0..<4).map { try run(.ecmp, seed: $0) }
    #expect(hashed.allSatisfy { $0 > 1.9 * ideal && $0 < 8 * ideal })
    #expect(Set(hashed).count > 1 || network == .flow)
    let fastest = hashed.min() ?? 0
    #expect(try run(.adaptive) < fastest)
    #expect(try run(.ecmp) == run(.ecmp))
  }

  @Test(arguments: Plan.Network.simulated)
  func `a detour relieves the one link between two groups`(network: Plan.Network) throws {
    func run(_ routing: Network.Routing) throws -> Double {
      try time(
        shift(128, by: 16),
        on: machine(
          .dragonfly(nodesPerSwitch: 2, nodesPerGroup: 16),
          Network.Interior(routing: routing), maxNodes: 128), network)
    }
    // Sixteen nodes of every group send over one global link.
    let minimal = try run(.minimal)
    #expect(abs(minimal - 16 * Self.alone) < 4)
    let detours = try run(.valiant)
    #expect(detours < 0.75 * minimal)
    #expect(try run(.adaptive) <= detours)
  }

  @Test(arguments: Plan.Network.simulated)
  func `messages share the links of a torus on their way`(network: Plan.Network) throws {
    for distance in 1...3 {
      let topology = machine(
        .torus(Network.Dimensions(x: 8, y: 2, z: 1)), Network.Interior(routing: .minimal),
        maxNodes: 16)
      let targets = (0..<16).map { ($0 + distance) % 8 + $0 / 8 * 8 }
      let time = try time(targets, on: topology, network)
      // So many messages cross every link.
      let bound = 2 + 0.5 * Double(distance) + Double(distance) * Self.alone
      let isRight =
        network == .flow
        ? abs(time - bound) < 1e-3 : time > 2 + Double(distance) * Self.alone && time < 2 * bound
      #expect(isRight, "\(distance): \(time) \(bound)")
    }
  }

  @Test func `other jobs' load leaves the rest of a link`() throws {
    let interior = Network.Interior(routing: .minimal, localLoad: 0.75)
    let topology = machine(
      .torus(Network.Dimensions(x: 4, y: 1, z: 1)), interior, maxNodes: 4)
    let time = try time(shift(4, by: 1), on: topology, .flow)
    let expected = 2.5 + 4 * Self.alone
    #expect(abs(time - expected) < 1e-3)
  }

  @Test func `nodes of one switch see none of it and fold`() throws {
    let topology = machine(.fatTree(nodesPerLeaf: 32), Network.Interior(routing: .ecmp), gpus: 4)
    #expect(try Fabric(topology, nodes: 32).asymmetry == nil)
    #expect(try Fabric(topology, nodes: 33).asymmetry != nil)
    let time = try Plan.microseconds(.ring, bytes: 1 << 20, nodes: 32, on: topology)
    let flat = try Plan.microseconds(
      .ring, bytes: 1 << 20, nodes: 32, on: Machine.flat(gpus: 4, nics: 4))
    #expect(time == flat)
  }

  @Test func `a million GPUs take less than 200 bytes each`() throws {
    // What the event model keeps per link, and no route is kept at all.
    let topology = machine(
      .fatTree(nodesPerLeaf: 32), Network.Interior(routing: .ecmp, leavesPerPod: 32), gpus: 8,
      maxNodes: 1 << 17)
    let fabric = try Fabric(topology, nodes: 1 << 17)
    let perLink = MemoryLayout<SimDuration>.stride + MemoryLayout<Int>.stride
    let booked = (fabric.interior?.count ?? 0) * MemoryLayout<SimDuration>.stride
    #expect(fabric.ranks == 1 << 20)
    #expect((fabric.links * perLink + booked) / fabric.ranks < 200)
  }
}

/// Every rank sends a message to another.
struct Permutation: Schedule {
  static let name = "permutation"
  let targets: [Int]
  let sources: [Int]
  let layout: Layout
  let elements = InteriorTests.bytes
  let lanes = 1
  let buffers = Buffer.caller(elements: InteriorTests.bytes, inPlace: true)
  let kernels = [Kernel("permutation")]
  let symmetry = Symmetry.none

  init(targets: [Int]) {
    self.targets = targets
    layout = Layout(nodes: targets.count, ranksPerNode: 1)
    var sources = targets
    for (source, target) in targets.enumerated() { sources[target] = source }
    self.sources = sources
  }

  func simulate(on fabric: Fabric, _ network: Plan.Network) throws -> SimulationResult {
    let costs = Costs.ideal(elementBytes: 1, kernels: 1)
    guard network == .flow else {
      return try Simulation<Permutation, EventNetwork>(
        self, on: fabric, costs: costs, calls: 1, foldAllowed: false
      ).run()
    }
    return try Simulation<Permutation, FlowNetwork>(
      self, on: fabric, costs: costs, calls: 1, foldAllowed: false
    ).run()
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(rank: rank, target: targets[rank], source: sources[rank])
  }

  struct Cursor: OperationCursor {
    let rank: Int
    let target: Int
    let source: Int
    var position = 0

    mutating func next() -> Operation? {
      defer { position += 1 }
      let place = Location(buffer: 0, offset: 0)
      guard target != rank, position < 2 else { return nil }
      return position == 0
        ? .send(place, InteriorTests.bytes, to: Port(peer: target))
        : .receive(place, InteriorTests.bytes, from: Port(peer: source))
    }
  }
}
