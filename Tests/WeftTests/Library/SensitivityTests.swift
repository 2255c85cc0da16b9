import Testing

@testable import Weft

/// What each class of parameters is worth to a call's time.
@Suite struct SensitivityTests {
  private func changes(
    nodes: Int, proxy: Costs.Proxy
  ) throws -> [Sensitivity.Class: Double] {
    let fabric = try Fabric(Machine.flat(gpus: 4, nics: 4), nodes: nodes)
    let call = CollectiveCall(.allToAll, bytes: 4096, type: .bf16, inPlace: true, launch: .graph)
    let plan = try PlainAlgorithm.allPairs.plan(
      for: call, layout: Layout(nodes: nodes, ranksPerNode: 4))
    var costs = plan.costs
    costs.proxy = proxy
    let posted = plan.priced(as: plan.protocolName, costs)
    let time = try posted.simulate(on: fabric, network: .event, isolated: true).time
    let sensitivity = try Sensitivity(
      of: posted, time: time, on: fabric, network: .event, isolated: true)
    return Dictionary(
      uniqueKeysWithValues: sensitivity.changes.map { ($0.parameters, $0.change) })
  }

  /// With draws in the order of events, a rate that shifts events would draw other delays: up to 10 %
  /// worse, for parameters that cost nothing.
  @Test(arguments: Plan.Network.simulated, [Network.Routing.ideal, .valiant])
  func `random draws stay when a parameter changes`(
    network: Plan.Network, routing: Network.Routing
  ) throws {
    var topology = Machine.flat(gpus: 4, nics: 4)
    topology.network.kind = .dragonfly(nodesPerSwitch: 2, nodesPerGroup: 4)
    topology.network.interior.routing = routing
    let fabric = try Fabric(
      topology, nodes: 16, conditions: Conditions(networkJitter: .microseconds(20), seed: 1))
    let call = CollectiveCall(bytes: 1 << 18, type: .bf16, inPlace: true, launch: .graph)
    let plan = try PlainAlgorithm.ring.plan(
      for: call, layout: Layout(nodes: 16, ranksPerNode: 4))
    let time = try plan.simulate(on: fabric, network: network, isolated: true).time
    let sensitivity = try Sensitivity(
      of: plan, time: time, on: fabric, network: network, isolated: true)
    for (parameters, change) in sensitivity.changes {
      switch parameters {
      case .networkLatency, .networkBandwidth, .scaleUpLatency, .scaleUpBandwidth:
        // A message that another one overtakes at a link may make a faster link the slower one.
        #expect(change < 0.02 && change > -0.1, "\(parameters) \(change)")
      case .launch, .steps, .lanes, .posting: #expect(change == 0, "\(parameters)")
      }
    }
  }

  @Test func `a call bound by posting messages answers to that`() throws {
    let slow = Costs.Proxy(perMessage: .microseconds(20), perKiB: .zero, most: .seconds(1))
    let between = try changes(nodes: 4, proxy: slow)
    #expect(try #require(between[.posting]) < -0.08)
    #expect(try #require(between[.networkLatency]) > -0.02)
    let within = try changes(nodes: 1, proxy: slow)
    #expect(within[.posting] == 0)
  }
}
