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

  @Test func `a call bound by posting messages answers to that`() throws {
    let slow = Costs.Proxy(perMessage: .microseconds(20), perKiB: .zero, most: .seconds(1))
    let between = try changes(nodes: 4, proxy: slow)
    #expect(try #require(between[.posting]) < -0.08)
    #expect(try #require(between[.networkLatency]) > -0.02)
    let within = try changes(nodes: 1, proxy: slow)
    #expect(within[.posting] == 0)
  }
}
