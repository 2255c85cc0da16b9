import Testing

@testable import Weft

/// What Weft's own runtime on GPUs costs.
@Suite struct RuntimePlannerTests {
  private func plan(
    _ algorithm: String, bytes: Int = 1 << 10, launch: StepLaunch = .graph, wire: RuntimeForm.Wire?,
    _ values: [Profile.Key: Double] = [:]
  ) throws -> (plan: Plan, time: SimDuration) {
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 4), nodes: 1)
    let call = CollectiveCall(bytes: bytes, type: .bf16, inPlace: false, launch: launch)
    let plan = try Planner(fabric: fabric, profile: roundProfile(values)).plan(
      #require(AlgorithmName(algorithm)), for: call,
      pricing: .runtime(RuntimeForm(wire: wire, isFused: true)))
    return (plan, try plan.simulate(on: fabric, network: .flow, isolated: false).time)
  }

  @Test func `a rank of a ring turns to seven operations`() throws {
    // Turning takes so long that no message has to be waited for.
    let once = try plan("ring", wire: .ll, [.runtimeOperation: 1e-3]).time
    let twice = try plan("ring", wire: .ll, [.runtimeOperation: 2e-3]).time
    #expect(twice - once == 7 * .microseconds(1000))
  }

  @Test func `the host's launch adds to the start of a call`() throws {
    let late: [Profile.Key: Double] = [.runtimeEager: 5e-6, .launchEager: 1e-9]
    let graph = try plan("ring", wire: .ll, late).time
    let eager = try plan("ring", launch: .eager, wire: .ll, late).time
    #expect(eager - graph == .microseconds(5))
  }

  @Test func `puts are moved as whole messages are, whatever the wire`() throws {
    let lines = try plan("two-shot", wire: .ll)
    #expect(lines.plan.protocolName == "simple")
    #expect(try lines.time == plan("two-shot", wire: .simple).time)
    #expect(try plan("ring", wire: .ll).plan.protocolName == "ll")
  }

  @Test func `each wire has an efficiency of its own`() throws {
    let slow: [Profile.Key: Double] = [.runtimeLLLink: 0.05, .runtimeLLLane: 1e13]
    let fast: [Profile.Key: Double] = [.runtimeLLLink: 1, .runtimeLLLane: 1e13]
    #expect(
      try plan("ring", bytes: 64 << 20, wire: .ll, slow).time
        > 10 * plan("ring", bytes: 64 << 20, wire: .ll, fast).time)
    #expect(
      try plan("ring", bytes: 1 << 20, wire: .simple, slow).time
        == plan("ring", bytes: 1 << 20, wire: .simple, fast).time)
  }
}
