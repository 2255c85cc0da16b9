import Testing

@testable import Weft

/// What NVRAR's planner makes of a call, and of the ways NVSHMEM may be built.
@Suite struct NVRARPlannerTests {
  private func planner(_ topology: Topology, nodes: Int) throws -> NVRARPlanner {
    NVRARPlanner(fabric: try Fabric(topology, nodes: nodes), profile: .test)
  }

  private func call(
    _ bytes: Int, type: DataType = .bf16, launch: StepLaunch = .graph
  ) -> CollectiveCall {
    CollectiveCall(bytes: bytes, type: type, inPlace: true, launch: launch)
  }

  /// Nodes of eight GPUs that have an NVSwitch with sums and copies.
  private var hopper: Topology {
    var topology = Machine.flat(gpus: 8, nics: 8)
    topology.gpu.computeCapability = 90
    return topology
  }

  /// The wire bytes of the puts of one block in the exchange.
  private struct Cells: AnySchedule.Visitor {
    func visit(_ schedule: some Schedule) -> [Int] {
      var cursor = schedule.cursor(rank: 1, lane: 1, call: 0)
      var bytes: [Int] = []
      while let operation = cursor.next() {
        // Two bytes of an element and the two of its share of the flag.
        if operation.kind == .put { bytes.append(4 * operation.count) }
      }
      return bytes
    }
  }

  @Test func `a decode step's message is a chunk per block and step`() throws {
    // 128 KiB on 8 nodes of 4: 3 steps of 64 KiB of cells, dealt to 8 blocks.
    let planner = try planner(Machine.flat(gpus: 4, nics: 4, kind: .mesh), nodes: 8)
    let plan = try #require(
      planner.plan(for: call(128 << 10), parameters: .init(blocks: 8, chunk: 16384)))
    #expect(plan.schedule.open(Cells()) == [8192, 8192, 8192])
    // 16384 over 4 GPUs are 4096 elements: 8 KiB of data, 16 KiB on the wire.
    let long = try #require(
      planner.plan(for: call(4 << 20), parameters: .init(blocks: 8, chunk: 16384)))
    let puts = long.schedule.open(Cells())
    #expect(puts.count == 3 * 16 && puts.allSatisfy { $0 == 16 << 10 })
    // A chunk has 32 cells at least.
    let fine = try #require(
      planner.plan(for: call(4 << 20), parameters: .init(blocks: 8, chunk: 1)))
    #expect(fine.schedule.open(Cells()).first == 256)
  }

  private struct Proof: AnySchedule.Visitor {
    let slots: Int
    func visit(_ schedule: some Schedule) -> VerificationReport {
      Verifier.verify(schedule, options: .init(slots: slots))
    }
  }

  @Test(arguments: NVRARPlanner.InNode.allCases, [StepLaunch.graph, .eager])
  func `every build is proved, and one node stands for all`(
    inNode: NVRARPlanner.InNode, launch: StepLaunch
  ) throws {
    for nodes in [1, 2, 3, 4] {
      let planner = try planner(hopper, nodes: nodes)
      let fabric = try Fabric(hopper, nodes: nodes)
      for bytes in [64, 9 << 10, 3 << 20] {
        let plan = try #require(planner.plan(for: call(bytes, launch: launch), inNode: inNode))
        #expect(plan.algorithm == "nvrar:\(inNode.rawValue)")
        let report = plan.schedule.open(Proof(slots: min(plan.costs.slots, 8)))
        #expect(report.isProved, "\(nodes) nodes, \(bytes): \(report.findings.prefix(2))")
        let folded = try plan.simulate(on: fabric, network: .flow, isolated: true)
        let full = try plan.simulate(
          on: fabric, network: .flow, isolated: true, foldAllowed: false)
        #expect(folded.time == full.time && folded.time > .zero)
        #expect(folded.breakdown.total == folded.time)
      }
    }
  }

  @Test func `NVSHMEM uses multicast where the switch, the type and the part allow it`() throws {
    let several = try planner(hopper, nodes: 2)
    #expect(several.ownKernels(for: call(1 << 16)) == .nvls)
    #expect(several.plan(for: call(1 << 16))?.algorithm == "nvrar")
    #expect(several.ownKernels(for: call(1 << 16, type: .int8)) == .oneShot)
    // A part of one element of two bytes is no whole word.
    #expect(several.ownKernels(for: call(16)) == .oneShot)
    #expect(several.plan(for: call(16), inNode: .nvls) == nil)
    var old = hopper
    old.gpu.computeCapability = 80
    var mesh = hopper
    mesh.node.scaleUp.kind = .mesh
    for machine in [old, mesh] {
      let planner = try planner(machine, nodes: 2)
      #expect(planner.ownKernels(for: call(1 << 16)) == .oneShot)
      #expect(planner.plan(for: call(1 << 16), inNode: .nvls) == nil)
    }
  }

  @Test func `multicast moves a part once, and sixteen blocks share large ones`() throws {
    let planner = try planner(hopper, nodes: 1)
    let fabric = try Fabric(hopper, nodes: 1)
    func time(_ bytes: Int, _ inNode: NVRARPlanner.InNode) throws -> Double {
      try #require(planner.plan(for: call(bytes), inNode: inNode))
        .simulate(on: fabric, network: .flow, isolated: true).time.microseconds
    }
    #expect(try time(512 << 10, .nvls) < time(512 << 10, .oneShot))
    // Twice the bytes on many times the blocks.
    #expect(try time(1 << 20, .nvls) < time(1020 << 10, .nvls))
  }

  @Test func `with NCCL the phases in the node cost what NCCL's do`() throws {
    let machine = Machine.flat(gpus: 4, nics: 4, kind: .mesh)
    let planner = try planner(machine, nodes: 2)
    let nccl = NCCLPlanner(fabric: try Fabric(machine, nodes: 1), profile: .test)
    let own = try #require(planner.plan(for: call(1 << 20)))
    let plan = try #require(planner.plan(for: call(1 << 20), inNode: .nccl))
    let rings = try #require(nccl.groupRings(for: call(1 << 20)))
    #expect(plan.costs.kernels.first == rings.costs.kernels[0])
    #expect(plan.costs.kernels.last == rings.costs.kernels[0])
    #expect(Array(plan.costs.kernels[1...4]) == Array(own.costs.kernels[1...4]))
    #expect(plan.costs.framing == rings.costs.framing && plan.costs.slots == 8)
    #expect(plan.costs.receive.scaleUp == rings.costs.receive.scaleUp)
    #expect(plan.costs.receive.network == own.costs.receive.network)
    // Alone, both phases together are NCCL's reduce-scatter and all-gather.
    let fabric = try Fabric(machine, nodes: 1)
    let lone = try #require(
      NVRARPlanner(fabric: fabric, profile: .test).plan(for: call(1 << 20), inNode: .nccl))
    var parts = SimDuration.zero
    for collective in [Collective.reduceScatter, .allGather] {
      let half = CollectiveCall(
        collective, bytes: 1 << 20, type: .bf16, inPlace: true, launch: .graph)
      parts += try #require(nccl.plan(for: half))
        .simulate(on: fabric, network: .flow, isolated: true).time
    }
    let both = try lone.simulate(on: fabric, network: .flow, isolated: true).time
    #expect(abs(both.seconds / parts.seconds - 1) < 0.02, "\(both) \(parts)")
    #expect(!lone.canRun(.analytic, on: fabric))
  }

  @Test func `a host that launches NCCL's kernels takes longer for them`() throws {
    let machine = Machine.flat(gpus: 4, nics: 4)
    let planner = try planner(machine, nodes: 2)
    func launch(_ launch: StepLaunch) throws -> SimDuration {
      let plan = try #require(planner.plan(for: call(1 << 16, launch: launch), inNode: .nccl))
      return try #require(plan.costs.kernels.first).launch
    }
    // The base of 2 us, with what channels add to it, holds a launch of 2 us within a graph;
    // enqueuing takes 2 us.
    let nccl = NCCLPlanner(fabric: try Fabric(machine, nodes: 1), profile: .test)
    let rings = try #require(nccl.groupRings(for: call(1 << 16)))
    let base = rings.costs.kernels[0].launch
    #expect(base >= .microseconds(2))
    #expect(try launch(.graph) == base)
    #expect(try launch(.eager) == base)
  }

  @Test func `tuning tries only blocks that leave no cell behind`() {
    typealias Parameters = NVRARPlanner.Parameters
    #expect(Parameters.grid(for: call(1 << 20), gpusPerNode: 4).count == 20)
    // 3 x 2^10 bytes over 4 GPUs: 192 cells, of which 32 blocks take 6 each.
    #expect(Parameters.grid(for: call(3 << 10), gpusPerNode: 4).count == 20)
    // 24 cells: 4 and 8 blocks; 3 cells: none.
    let few = Parameters.grid(for: call(384), gpusPerNode: 4)
    #expect(Set(few.map(\.blocks)) == [4, 8])
    #expect(Parameters.grid(for: call(48), gpusPerNode: 4) == [.standard])
  }
}
