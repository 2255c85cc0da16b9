import Testing

@testable import Weft

/// What NCCL's planner makes of every collective.
@Suite struct NCCLPlannerTests {
  private func planner(_ topology: Topology, nodes: Int) throws -> NCCLPlanner {
    NCCLPlanner(fabric: try Fabric(topology, nodes: nodes), profile: .test)
  }

  private func call(
    _ collective: Collective, _ bytes: Int, launch: StepLaunch = .graph
  ) -> CollectiveCall {
    CollectiveCall(collective, bytes: bytes, type: .bf16, inPlace: false, launch: launch)
  }

  @Test(arguments: Collective.allCases)
  func `every collective is planned, proved and timed`(collective: Collective) throws {
    for (kind, nodes) in [(Node.ScaleUp.Kind.mesh, 1), (.switch, 1), (.mesh, 2), (.switch, 3)] {
      let planner = try planner(Machine.flat(gpus: 4, nics: 4, kind: kind), nodes: nodes)
      for protocolName in [NCCLTuner.ProtocolName.ll, .simple] {
        for bytes in [48, 9 << 10, 3 << 18] {
          let plan = try #require(
            planner.plan(for: call(collective, bytes), protocolName: protocolName))
          #expect(plan.protocolName == protocolName.rawValue)
          let report = plan.schedule.open(Proof(slots: plan.costs.slots))
          #expect(report.isProved, "\(collective), \(bytes): \(report.findings.prefix(2))")
          let folded = try plan.simulate(on: planner.fabric, network: .flow, isolated: true)
          let full = try plan.simulate(
            on: planner.fabric, network: .flow, isolated: true, foldAllowed: false)
          #expect(folded.time == full.time && folded.time > .zero)
          #expect(folded.breakdown.total == folded.time)
        }
      }
    }
  }

  @Test(arguments: [Collective.allReduce, .allGather, .reduceScatter, .broadcast, .reduce])
  func `one rank copies, and what leaves nothing to send launches nothing`(
    collective: Collective
  ) throws {
    let alone = try planner(Machine.flat(), nodes: 1)
    var call = call(collective, 1 << 30)
    let copy = try #require(alone.plan(for: call))
    let result = try copy.simulate(on: alone.fabric, network: .flow, isolated: false)
    // A launch, and a byte read and written for each at 0.8 of 1555 GB/s.
    #expect(copy.algorithm == "nccl:copy")
    #expect(abs(result.time.microseconds - (2 + Double(2 << 30) / (0.8 * 1555e3))) < 1e-3)
    call.inPlace = true
    let none = try #require(alone.plan(for: call))
    #expect(none.algorithm == "nccl:none")
    #expect(try none.simulate(on: alone.fabric, network: .flow, isolated: false).time == .zero)
    let four = try planner(Machine.flat(gpus: 2), nodes: 2)
    let empty = try #require(four.plan(for: self.call(collective, 1)))
    let nothing = try empty.simulate(on: four.fabric, network: .flow, isolated: false)
    #expect(nothing.time == .zero && nothing.messages == 0)
  }

  private struct Proof: AnySchedule.Visitor {
    let slots: Int
    func visit(_ schedule: some Schedule) -> VerificationReport {
      Verifier.verify(schedule, options: .init(slots: slots))
    }
  }

  @Test func `rings and chains move what they must and no more`() throws {
    let planner = try planner(Machine.flat(gpus: 4, nics: 4), nodes: 2)
    let bytes = 8 << 20
    for (collective, passes) in [
      (Collective.allReduce, 14), (.allGather, 7), (.reduceScatter, 7), (.allToAll, 7),
    ] {
      let plan = try #require(
        planner.plan(
          for: call(collective, bytes),
          algorithm: collective == .allReduce ? .ring : nil, protocolName: .simple))
      let result = try plan.simulate(on: planner.fabric, network: .flow, isolated: true)
      // Each of 8 ranks sends so many eighths.
      #expect(result.wireBytes == passes * bytes)
    }
    for collective in [Collective.broadcast, .reduce] {
      let plan = try #require(
        planner.plan(for: call(collective, bytes), protocolName: .simple))
      let result = try plan.simulate(on: planner.fabric, network: .flow, isolated: true)
      #expect(result.wireBytes == 7 * bytes)
    }
  }

  @Test func `rings on a mesh use all of its links`() throws {
    let planner = try planner(Machine.flat(gpus: 4, nics: 4, kind: .mesh), nodes: 1)
    let bytes = 256 << 20
    let plan = try #require(
      planner.plan(for: call(.allReduce, bytes), algorithm: .ring, protocolName: .simple))
    let result = try plan.simulate(on: planner.fabric, network: .flow, isolated: true)
    // 2(R - 1)/R of the data over 150 GB/s, of which the test profile reaches 80 %.
    let least = 1.5 * Double(bytes) / 120e9
    #expect(result.time.seconds > least && result.time.seconds < 1.15 * least)
  }

  @Test func `an all-to-all gives a peer of the node several channels, others one`() throws {
    let alone = try planner(Machine.flat(gpus: 4, nics: 4), nodes: 1)
    let large = try #require(alone.plan(for: call(.allToAll, 64 << 20)))
    #expect(large.protocolName == "simple" && large.channels > 4)
    let small = try #require(alone.plan(for: call(.allToAll, 4096)))
    #expect(small.protocolName == "ll" && small.channels == 4)
    let several = try planner(Machine.flat(gpus: 4, nics: 4), nodes: 2)
    #expect(try #require(several.plan(for: call(.allToAll, 64 << 20))).channels == 8)
    #expect(alone.plan(for: call(.allToAll, 4096), algorithm: .ring) == nil)
    #expect(alone.plan(for: call(.allToAll, 4096), protocolName: .ll128) == nil)
  }

  @Test(arguments: [
    (Node.ScaleUp.Kind.switch, 16), (.mesh, 4),
  ])
  func `what a peer may have decides how long an all-to-all goes with LL`(
    kind: Node.ScaleUp.Kind, channels: Int
  ) throws {
    // Six NVLinks: two channels for each, of all of them or of a third.
    let machine = Machine.flat(gpus: 4, nics: 4, kind: kind)
    let graph = NCCLGraph(try Fabric(machine, nodes: 1))
    let all = 1 << (Int.bitWidth - (graph.channels - 1).leadingZeroBitCount)
    let threshold = 16 * min(channels, all) << 10
    for (version, last) in [(NCCLVersion.latest, threshold), (NCCLVersion(2, 21, 5), 16 << 10)] {
      let planner = NCCLPlanner(
        fabric: try Fabric(machine, nodes: 1), profile: .test, version: version)
      for (perPeer, name) in [(1024, "ll"), (last, "ll"), (2 * threshold, "simple")] {
        let plan = try #require(planner.plan(for: call(.allToAll, 4 * perPeer)))
        #expect(plan.protocolName == name, "\(version): \(perPeer)")
      }
    }
  }

  @Test func `doublings of channels, further passes and the transport's paths cost what they say`()
    throws
  {
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 4), nodes: 2)
    func time(_ bytes: Int, _ values: [Profile.Key: Double]) throws -> SimDuration {
      var profile = Profile.test
      for (key, value) in values { profile[key] = .init(value: value, source: "test") }
      let plan = try #require(
        NCCLPlanner(fabric: fabric, profile: profile).plan(
          for: call(.allReduce, bytes), algorithm: .tree, protocolName: .ll))
      return try plan.simulate(on: fabric, network: .flow, isolated: true).time
    }
    let microsecond = SimDuration.microseconds(1)
    let plain: [Profile.Key: Double] = [
      .ncclChannels: 0, .ncclLLPass: 0, .ncclProxyLLFetched: 0, .ncclProxyLLRendezvous: 0,
      .ncclProxyFetchedFrom: 193, .ncclProxyRendezvousFrom: 65_536,
    ]
    func added(_ bytes: Int, _ key: Profile.Key) throws -> SimDuration {
      try time(bytes, plain.merging([key: 1e-6]) { $1 }) - time(bytes, plain)
    }
    // 64 KiB take eight channels, three doublings of one.
    #expect(try added(64 << 10, .ncclChannels) == 3 * microsecond)
    #expect(try added(64, .ncclChannels) == .zero)
    // Up and down between two nodes are two messages after each other.
    #expect(try added(64, .ncclProxyLLFetched) == .zero)
    #expect(try added(1024, .ncclProxyLLFetched) == 2 * microsecond)
    #expect(try added(1024, .ncclProxyLLRendezvous) == .zero)
    #expect(try added(1024, .ncclLLPass) == .zero)
    #expect(try added(256 << 10, .ncclProxyLLRendezvous) >= 2 * microsecond)
    #expect(try added(64 << 10, .ncclLLPass) >= microsecond)
  }

  @Test func `back to back, eager calls are no faster than the host enqueues them`() throws {
    let planner = try planner(Machine.flat(gpus: 4, nics: 4), nodes: 1)
    func times(_ bytes: Int, enqueue: SimDuration) throws -> (
      graph: SimDuration, eager: SimDuration
    ) {
      let plan = try #require(planner.plan(for: call(.allReduce, bytes, launch: .eager)))
      var costs = plan.costs
      costs.enqueue = enqueue
      let graph = try #require(planner.plan(for: call(.allReduce, bytes)))
      return (
        try graph.period(calls: 4, on: planner.fabric),
        try plan.priced(as: plan.protocolName, costs).period(calls: 4, on: planner.fabric)
      )
    }
    let bound = SimDuration.microseconds(100)
    let small = try times(256, enqueue: bound)
    #expect(small.graph < bound && small.eager == bound)
    let large = try times(64 << 20, enqueue: bound)
    #expect(large.graph > bound && large.eager == large.graph)
  }

  @Test func `lines are passed on by the pass of a thread block`() throws {
    let planner = try planner(Machine.flat(gpus: 4, nics: 4), nodes: 1)
    func grain(
      _ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName, _ threads: Int
    ) -> Int? {
      planner.costs(for: call(.allReduce, 1), algorithm, name, threads: threads).streamGrain
    }
    // 512 lines of 16 bytes; 20 warps of 2 KiB; 448 of a tree's 640 threads.
    #expect(grain(.ring, .ll, 512) == 8192)
    #expect(grain(.ring, .ll128, 640) == 20 * 2048)
    #expect(grain(.tree, .ll, 640) == 448 * 16)
    #expect(grain(.ring, .simple, 544) == nil)
  }

  /// Nodes of eight GPUs that have an NVSwitch with sums and copies.
  private var hopper: Topology {
    var topology = Machine.flat(gpus: 8, nics: 8)
    topology.gpu.computeCapability = 90
    return topology
  }

  @Test func `NVLS is proved, and its links carry the data once each way`() throws {
    for (nodes, algorithm) in [(1, NCCLTuner.Algorithm.nvls), (2, .nvlsTree), (3, .nvlsTree)] {
      let planner = try planner(hopper, nodes: nodes)
      for bytes in [2, 200 << 10] {
        let plan = try #require(planner.plan(for: call(.allReduce, bytes), algorithm: algorithm))
        let report = plan.schedule.open(Proof(slots: plan.costs.slots))
        #expect(report.isProved, "\(nodes) nodes, \(bytes): \(report.findings.prefix(2))")
      }
    }
    let planner = try planner(hopper, nodes: 1)
    let bytes = 16 << 20
    let plan = try #require(planner.plan(for: call(.allReduce, bytes), algorithm: .nvls))
    var costs = Costs.ideal(elementBytes: 2, kernels: 1)
    costs.slots = plan.costs.slots
    let result = try plan.priced(as: "ideal", costs)
      .simulate(on: planner.fabric, network: .flow, isolated: true)
    // A GPU's link carries 7/8 of the data and its own piece as a head; of a ring, 14/8.
    let once = Double(bytes) / 150e9
    #expect(result.time.seconds > once && result.time.seconds < 14.0 / 8 * once)
  }

  @Test func `NVLS needs a switch, several GPUs and a type that it adds`() throws {
    var mesh = hopper
    mesh.node.scaleUp.kind = .mesh
    #expect(try planner(mesh, nodes: 1).plan(for: call(.allReduce, 1024), algorithm: .nvls) == nil)
    let planner = try planner(hopper, nodes: 1)
    let bytes = CollectiveCall(bytes: 1 << 26, type: .int8, inPlace: false, launch: .graph)
    #expect(planner.plan(for: bytes, algorithm: .nvls) == nil)
    #expect(planner.plan(for: bytes)?.algorithm == "nccl:ring")
  }

  @Test func `pieces of NVLS shrink with the size`() throws {
    let alone = try planner(hopper, nodes: 1)
    // 128 pieces at a time: 128 KiB from 64 rounds on, then 64, 32 and 16 KiB.
    #expect(alone.switchChunkBytes(bytes: 1 << 30, pieces: 128) == 128 << 10)
    #expect(alone.switchChunkBytes(bytes: 1 << 29, pieces: 128) == 64 << 10)
    #expect(alone.switchChunkBytes(bytes: 1 << 24, pieces: 128) == 32 << 10)
    #expect(alone.switchChunkBytes(bytes: 1 << 20, pieces: 128) == 16 << 10)
    let four = try planner(hopper, nodes: 4)
    #expect(four.switchChunkBytes(bytes: 1 << 30, pieces: 128) == 64 << 10)
    #expect(four.switchChunkBytes(bytes: 1 << 20, pieces: 128) == 32 << 10)
  }

  @Test(arguments: [Collective.allGather, .reduceScatter], [2, 5, 8, 32])
  func `PAT passes on all it has, as often as ranks double`(
    collective: Collective, nodes: Int
  ) throws {
    var topology = Machine.flat()
    topology.gpu.computeCapability = 90
    let planner = try planner(topology, nodes: nodes)
    for bytes in [nodes * 2, 1 << 20, 64 << 20] {
      let plan = try #require(planner.plan(for: call(collective, bytes), algorithm: .pat))
      #expect(plan.algorithm == "nccl:pat" && plan.protocolName == "simple")
      let report = plan.schedule.open(Proof(slots: plan.costs.slots))
      #expect(report.isProved, "\(collective), \(bytes): \(report.findings.prefix(2))")
      let folded = try plan.simulate(on: planner.fabric, network: .flow, isolated: true)
      let full = try plan.simulate(
        on: planner.fabric, network: .flow, isolated: true, foldAllowed: false)
      #expect(folded.time == full.time && folded.breakdown.total == folded.time)
      let whole = collective.wholeElements(bytes / 2, ranks: nodes) * 2
      #expect(folded.wireBytes == (nodes - 1) * whole)
    }
    let rounds = Int.bitWidth - (nodes - 1).leadingZeroBitCount
    let plan = try #require(planner.plan(for: call(collective, 2 * nodes), algorithm: .pat))
    let small = try plan.simulate(on: planner.fabric, network: .flow, isolated: true)
    // A power of two has a message per round; runs that go round the end are two.
    let most = nodes * rounds * (nodes.nonzeroBitCount == 1 ? 1 : 2)
    #expect(small.messages >= nodes * rounds && small.messages <= most)
    // The test profile has 2 us for the start-up, for every rank, and for a message's proxy.
    #expect(plan.costs.kernels[0].launch == .microseconds(Double(2 + 2 * nodes)))
    #expect(small.time > .microseconds(Double(2 + 2 * nodes)))
  }
}
