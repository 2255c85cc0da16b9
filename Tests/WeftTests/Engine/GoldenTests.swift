import Testing

@testable import Weft

/// Times that independent simulators or arithmetic agree on; 1 MiB, one isolated call.
@Suite struct GoldenTests {
  @Test(arguments: [Plan.Network.event, .flow], [true, false])
  func `a ring of 64 takes 126 steps of latency and a chunk`(network: Plan.Network, fold: Bool)
    throws
  {
    let time = try Plan.microseconds(
      .ring, bytes: 1 << 20, nodes: 64, on: Machine.flat(), network: network, foldAllowed: fold)
    #expect(abs(time - 334.575360) < 1e-6)
  }

  @Test(arguments: [(64, 263.65824), (4096, 527.31648)], [Plan.Network.event, .flow])
  func `recursive doubling takes a whole message per step`(
    golden: (nodes: Int, time: Double), network: Plan.Network
  ) throws {
    let time = try Plan.microseconds(
      .recursiveDoubling, bytes: 1 << 20, nodes: golden.nodes, on: Machine.flat(),
      network: network)
    #expect(abs(time - golden.time) < 1e-6)
  }

  @Test(
    arguments: [
      (16, Plan.Network.flow, 695.06965), (256, .flow, 1374.15829), (16, .event, 689.070),
      (256, .event, 1360.158),
    ], [true, false])
  func `four ranks share a NIC fairly as flows and in turn as messages`(
    golden: (nodes: Int, network: Plan.Network, time: Double), fold: Bool
  ) throws {
    let time = try Plan.microseconds(
      .recursiveDoubling, bytes: 1 << 20, nodes: golden.nodes, on: Machine.flat(gpus: 4),
      network: golden.network, foldAllowed: fold)
    #expect(abs(time / golden.time - 1) < 1e-5, "\(time)")
  }
}
