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
}
