import Testing

@testable import Weft

/// Placement, faults and random times.
@Suite struct ConditionTests {
  private func time(
    _ name: String = "ring", bytes: Int = 1 << 20,
    topology: Topology = Machine.flat(gpus: 4, nics: 4),
    nodes: Int = 4, placement: Placement = .block, _ conditions: Conditions = .none,
    network: Plan.Network = .flow
  ) throws -> SimDuration {
    let fabric = try Fabric(
      topology, nodes: nodes, placement: placement, conditions: conditions)
    let call = CollectiveCall(bytes: bytes, type: .bf16, inPlace: true, launch: .graph)
    let plan = try Planner(fabric: fabric, profile: .test).plan(
      try #require(AlgorithmName(name)), for: call)
    return try plan.simulate(on: fabric, network: network, isolated: true).time
  }

  @Test func `dealt ranks cross the network at every step of a ring`() throws {
    let cyclic = try time(placement: .cyclic)
    #expect(try time() < cyclic)
    // In the order of a cyclic hostfile, the same.
    let list = (0..<16).map { $0 % 4 }
    #expect(try time(placement: .listed(list)) == time(placement: .cyclic))
    #expect(try time(placement: .listed([0, 1, 2, 3])) == time())
  }

  @Test func `nodes far apart are farther than neighbours`() throws {
    var topology = Machine.flat()
    topology.network.kind = .dragonfly(nodesPerSwitch: 4, nodesPerGroup: 16)
    topology.network.hopLatency = .nanoseconds(400)
    topology.network.maxNodes = 1024
    let near = try time(topology: topology)
    let far = try time(topology: topology, placement: .random(seed: 1))
    #expect(far > near)
    #expect(try time(topology: topology, placement: .random(seed: 1)) == far)
    #expect(try time(topology: topology, placement: .listed([0, 100, 200, 300])) > near)
  }

  @Test func `random places are different, sorted, and of the machine`() throws {
    for seed in 0..<20 {
      let (places, _) = try Placement.random(seed: UInt64(seed))
        .resolve(nodes: 60, gpusPerNode: 1, available: 64)
      let list = try #require(places)
      #expect(Set(list).count == 60 && list == list.sorted())
      #expect(list.allSatisfy { (0..<64).contains($0) })
    }
  }

  @Test(arguments: Plan.Network.simulated)
  func `a broken NIC's traffic goes over the others`(network: Plan.Network) throws {
    let sound = try time("all-pairs", network: network)
    let failed = try time(
      "all-pairs", Conditions(failedNICs: [Conditions.NIC(node: 1, nic: 2)]), network: network)
    #expect(failed > sound)
    let slow = try time(
      "all-pairs",
      Conditions(slowNICs: [.init(nic: Conditions.NIC(node: 1, nic: 2), factor: 4)]),
      network: network)
    #expect(slow > sound)
  }

  @Test func `a slow NIC paces the whole ring`() throws {
    let topology = Machine.flat()
    let conditions = Conditions(
      slowNICs: [.init(nic: Conditions.NIC(node: 2, nic: 0), factor: 3)])
    let sound = try time(bytes: 1 << 26, topology: topology, network: .event)
    let slow = try time(bytes: 1 << 26, topology: topology, conditions, network: .event)
    #expect(abs(slow.seconds / sound.seconds - 3) < 0.01)
  }

  @Test func `a slow GPU holds everybody up`() throws {
    let sound = try time("nccl:ring/simple")
    let slow = try time(
      "nccl:ring/simple", Conditions(slowGPUs: [.init(rank: 5, factor: 2)]))
    #expect(slow > sound && slow < 2 * sound)
  }

  @Test func `random delays repeat with the seed and have the mean asked for`() throws {
    let jitter = Conditions(networkJitter: .nanoseconds(3000), seed: 4)
    let (first, second) = (try time("ring", jitter), try time("ring", jitter))
    #expect(first == second)
    #expect(try time() < first)
    var other = jitter
    other.seed = 5
    #expect(try time("ring", other) != first)
    let draws = (0..<20_000).map { jitter.networkDelay(lane: $0 % 7, message: $0 / 7).seconds }
    let mean = draws.reduce(0.0, +) / 20_000
    #expect(abs(mean - 3e-6) < 1e-7)
    let launches = Conditions(launchJitter: .nanoseconds(3000), seed: 4)
    #expect(try time("nvrar", launches) > time("nvrar"))
  }

  /// Every step of a ring waits for the one before it and for its link: what takes longer ends later.
  @Test func `delays leave a connection's messages in order`() throws {
    func time(_ bytes: Int, seed: UInt64) throws -> Double {
      let jitter = Conditions(networkJitter: .microseconds(2), seed: seed)
      return try self.time(bytes: bytes, topology: Machine.flat(), jitter, network: .event).seconds
    }
    for seed in 0..<200 as Range<UInt64> {
      let (small, large) = (try time(1 << 20, seed: seed), try time(17 << 16, seed: seed))
      #expect(large > small, "seed \(seed): \(small) s, and with 6 % more bytes \(large) s")
    }
  }

  @Test func `of one node no NIC and no network matters`() throws {
    let faults = Conditions(
      failedNICs: [.init(node: 0, nic: 0)], slowGPUs: [.init(rank: 0, factor: 2)],
      networkJitter: .microseconds(2))
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 4), nodes: 1, conditions: faults)
    #expect(fabric.conditions == Conditions(slowGPUs: faults.slowGPUs))
    #expect(throws: Fabric.SizeError.self) {
      try Fabric(
        Machine.flat(gpus: 4, nics: 4), nodes: 1,
        conditions: Conditions(failedNICs: [.init(node: 0, nic: 9)]))
    }
  }

  @Test func `trials draw anew and the first is the seed's own`() throws {
    let fabric = try Fabric(
      Machine.flat(), nodes: 4, placement: .random(seed: 1),
      conditions: Conditions(networkJitter: .nanoseconds(10), seed: 2))
    #expect(fabric.isRandom)
    #expect(try fabric.redrawn(trial: 0).conditions == fabric.conditions)
    #expect(try fabric.redrawn(trial: 1).conditions.seed != fabric.conditions.seed)
    #expect(try fabric.redrawn(trial: 1).placement != fabric.placement)
  }

  @Test func `what breaks the symmetry is noticed and named`() throws {
    let call = CollectiveCall(bytes: 1 << 16, type: .bf16, inPlace: true, launch: .graph)
    func obstacle(_ placement: Placement, _ conditions: Conditions) throws -> String? {
      let fabric = try Fabric(
        Machine.flat(gpus: 4), nodes: 4, placement: placement, conditions: conditions)
      return try Planner(fabric: fabric, profile: .test)
        .plan(.plain(.ring), for: call).foldObstacle(on: fabric)
    }
    #expect(try obstacle(.block, .none) == nil)
    #expect(try obstacle(.random(seed: 1), .none) == nil)
    #expect(try obstacle(.cyclic, .none)?.contains("blocks") == true)
    #expect(
      try obstacle(.block, Conditions(slowGPUs: [.init(rank: 0, factor: 2)])) != nil)
    #expect(try obstacle(.block, Conditions(launchJitter: .nanoseconds(1))) != nil)
  }

  @Test func `faults that name nothing are refused`() {
    let topology = Machine.flat(gpus: 4, nics: 2)
    let all = (0..<2).map { Conditions.NIC(node: 0, nic: $0) }
    for conditions in [
      Conditions(failedNICs: [.init(node: 9, nic: 0)]), Conditions(failedNICs: all),
      Conditions(slowNICs: [.init(nic: .init(node: 0, nic: 2), factor: 2)]),
      Conditions(slowGPUs: [.init(rank: 8, factor: 2)]),
    ] {
      #expect(throws: Fabric.SizeError.self) {
        try Fabric(topology, nodes: 2, conditions: conditions)
      }
    }
    for list in [[0], [0, 0], [0, 1, 2], [0, 1 << 22], [0, 0, 0, 1, 1, 1, 1, 1]] {
      #expect(throws: Fabric.SizeError.self) {
        try Fabric(topology, nodes: 2, placement: .listed(list))
      }
    }
  }
}
