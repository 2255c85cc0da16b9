import Testing

@testable import Weft

/// The tuner's model for collectives other than all-reduce, by hand from its formulas.
@Suite struct NCCLCollectiveTests {
  /// Two channels of 24 GB/s on each of `nodes` machines of `gpus` A100 or Hopper GPUs.
  private func tuner(
    _ collective: Collective, nodes: Int, gpus: Int, same: Bool = false,
    version: NCCLVersion = .latest, capability: Int = 80
  ) throws -> NCCLTuner {
    let path: NCCLPath = gpus > 1 ? .nvlink : .local
    let pattern = NCCLGraph.Pattern(intra: 24, inter: 24, intraPath: path, interPath: .pcieSwitch)
    let graph = NCCLGraph(
      searchChannels: 2, channels: 4, ring: pattern, tree: pattern, treeShape: .plain,
      nicPairing: .same, hasSameChannels: same, nvls: nil)
    var topology = Machine.flat(gpus: gpus, nics: gpus)
    topology.gpu.computeCapability = capability
    return NCCLTuner(
      try Fabric(topology, nodes: nodes), graph: graph, version: version, collective: collective)
  }

  private func row(
    _ tuner: NCCLTuner, _ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName
  ) throws -> NCCLTuner.Candidate {
    try #require(
      tuner.candidates.first { $0.algorithm == algorithm && $0.protocolName == name })
  }

  @Test(arguments: [Collective.allGather, .reduceScatter])
  func `a ring gathers and scatters in R - 1 steps`(collective: Collective) throws {
    let tuner = try tuner(collective, nodes: 2, gpus: 4)
    #expect(Set(tuner.candidates.map(\.algorithm)) == [.ring])
    // 7 steps: 6 inside, no shorter than AMD's 2 us of posting, 1 between nodes.
    #expect(abs(try row(tuner, .ring, .ll).latency - (6.6 + 6 * 2 + 2.7)) < 1e-9)
    #expect(abs(try row(tuner, .ring, .simple).latency - (8.4 + 6 * 6 + 14)) < 1e-9)
    #expect(abs(try row(tuner, .ring, .simple).bandwidth - 48 * 8 / 7.0) < 1e-9)
    #expect(abs(try row(tuner, .ring, .ll).bandwidth - 22.5 * 8 / 7.0) < 1e-9)
  }

  @Test(arguments: [Collective.broadcast, .reduce])
  func `a ring broadcasts and reduces over R ranks, or as one step on equal channels`(
    collective: Collective
  ) throws {
    let differing = try tuner(collective, nodes: 2, gpus: 4)
    #expect(abs(try row(differing, .ring, .ll).latency - (6.6 + 8 * 2.7)) < 1e-9)
    #expect(abs(try row(differing, .ring, .simple).latency - (8.4 + 8 * 14)) < 1e-9)
    #expect(try row(differing, .ring, .simple).bandwidth == 48)
    let equal = try tuner(collective, nodes: 1, gpus: 8, same: true)
    #expect(abs(try row(equal, .ring, .ll).latency - (6.6 + 0.6)) < 1e-9)
    #expect(abs(try row(equal, .ring, .simple).latency - (8.4 + 3.4)) < 1e-9)
    let mesh = try tuner(collective, nodes: 1, gpus: 8)
    // Simple takes the tree's step here.
    #expect(abs(try row(mesh, .ring, .simple).latency - (8.4 + 8 * 4)) < 1e-9)
  }

  @Test func `PAT gathers among lone GPUs, from 2.23 on`() throws {
    let tuner = try tuner(.allGather, nodes: 8, gpus: 1, capability: 90)
    let pat = try row(tuner, .pat, .simple)
    #expect(abs(pat.latency - (8 + 3 * 14 / 3.5 + 8 * 2.8)) < 1e-9)
    #expect(pat.bandwidth == 0.75 * 48)
    #expect(tuner.candidates(for: .int8).contains(pat))
    let first = try self.tuner(
      .allGather, nodes: 8, gpus: 1, version: NCCLVersion(2, 23), capability: 90)
    #expect(try row(first, .pat, .simple).bandwidth == 0.85 * 48)
    for other in [
      try self.tuner(.allGather, nodes: 8, gpus: 1, version: NCCLVersion(2, 22)),
      try self.tuner(.allGather, nodes: 8, gpus: 2),
      try self.tuner(.allReduce, nodes: 8, gpus: 1),
    ] {
      #expect(!other.candidates.contains { $0.algorithm == .pat })
    }
  }

  @Test func `an all-to-all has no tuner`() throws {
    let tuner = try tuner(.allToAll, nodes: 2, gpus: 4)
    #expect(tuner.candidates.isEmpty && tuner.choice(bytes: 1 << 20) == nil)
  }

  @Test func `only an all-reduce's ring has a plateau`() throws {
    let gather = try tuner(.allGather, nodes: 2, gpus: 4)
    let simple = try row(gather, .ring, .simple)
    let expected = simple.latency + Double(1 << 20) / 1000 / simple.bandwidth
    #expect(abs(gather.time(simple, bytes: 1 << 20) - expected) < 1e-9)
  }

  @Test func `rings of more than eight ranks are shunned for sums of FP8`() throws {
    for (gpus, isShunned) in [(4, false), (8, true)] {
      let tuner = try tuner(.allReduce, nodes: 2, gpus: gpus)
      let ring = try row(tuner, .ring, .ll)
      let factor = tuner.time(ring, bytes: 4096, type: .fp8) / tuner.time(ring, bytes: 4096)
      #expect(abs(factor - (isShunned ? 1024 : 1)) < 1e-9)
    }
  }
}
