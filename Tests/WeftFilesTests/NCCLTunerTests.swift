import Testing
import Weft
import WeftFiles

/// NCCL's predictions on shipped machines, against values of NCCL 2.30.7's own code.
@Suite struct NCCLTunerTests {
  /// Latency in microseconds and bandwidth in GB/s, for tree and ring with LL, LL128, Simple, then
  /// NVLS on one node or NVLSTree on several.
  static let tables: [(String, Int, [(Double, Double)?])] = [
    ("perlmutter", 2, [(20.4, 11.25), nil, (60.4, 47.2), (36.0, 12.857), nil, (108.4, 54.857)]),
    (
      "dgx-a100", 2,
      [(25.2, 11.25), (48.5, 80), (92.4, 94.4), (68, 12), (78, 85.333), (204.4, 102.4)]
    ),
    (
      "dgx-a100", 4,
      [
        (35.2, 9.5), (65.5, 66.75), (120.4, 71.2), (134.8, 9.806), (150, 82.581),
        (428.4, 99.097),
      ]
    ),
    (
      "dgx-a100", 1,
      [
        (15.2, 29.053), (31.5, 85.867), (64.4, 110.4), (15, 50.114), (40.6, 126.171),
        (56, 137.143),
      ]
    ),
    (
      "dgx-h100", 2,
      [
        (25.2, 16.575), (48.5, 124.78), (92.4, 140.76), (40, 20.8), (75.2, 156.587),
        (131.6, 204.8), (66.8, 246.187),
      ]
    ),
    (
      "dgx-h100", 4,
      [
        (35.2, 8.670), (65.5, 98.6), (120.4, 122.4), (78.8, 10.529), (144.4, 151.535),
        (282.8, 198.194), (108.6, 187.871),
      ]
    ),
    (
      "dgx-h100", 1,
      [
        (15.2, 43.579), (31.5, 128.8), (64.4, 165.6), (15, 80.571), (40.6, 189.257),
        (56, 205.714), (25, 272),
      ]
    ),
    (
      "vista", 8,
      [
        (36.8, 4.939), (65, 17.595), (92.4, 18.768), (76.6, 11.657), (133, 25.234),
        (204.4, 27.429),
      ]
    ),
    (
      "vista", 2,
      [(16.8, 9.261), (31, 31.195), (36.4, 35.19), (16.6, 24), (31, 44.16), (36.4, 48)]
    ),
    (
      "alps", 4,
      [
        (30.4, 8.670), (55.5, 35.19), (88.4, 37.536), (46.8, 10.88), (83.6, 47.104),
        (174, 51.2),
      ]
    ),
    (
      "perlmutter", 1,
      [
        (10.4, 29.053), (21.5, 85.867), (32.4, 110.4), (10.2, 58.467), (25.4, 147.2),
        (28.8, 160),
      ]
    ),
  ]

  private func tuner(_ name: String, nodes: Int) throws -> NCCLTuner {
    let topology = try DataDirectory.find(option: nil).topology(name).topology
    let fabric = try Fabric(topology, nodes: nodes)
    return NCCLTuner(fabric, graph: NCCLGraph(fabric))
  }

  @Test(arguments: tables.indices)
  func `latencies and bandwidths are NCCL's`(index: Int) throws {
    let (name, nodes, expected) = Self.tables[index]
    let candidates = try tuner(name, nodes: nodes).candidates
    #expect(candidates.count == expected.compactMap { $0 }.count)
    for (candidate, (latency, bandwidth)) in zip(candidates, expected.compactMap { $0 }) {
      let what = "\(name) x \(nodes) \(candidate.algorithm)/\(candidate.protocolName)"
      #expect(abs(candidate.latency - latency) < 0.0501, "\(what): \(candidate.latency)")
      #expect(abs(candidate.bandwidth / bandwidth - 1) < 1e-3, "\(what): \(candidate.bandwidth)")
    }
  }

  @Test(arguments: [
    (2, "TL TL RL RL TS TS TS RS RS"), (4, "TL TL RL TS TS TS TS RS RS"),
    (8, "TL TL TL TS TS TS TS TS RS"), (16, "TL TL TL TS TS TS TS TS RS"),
  ])
  func `Perlmutter's choices by size are NCCL's`(nodes: Int, letters: String) throws {
    let tuner = try tuner("perlmutter", nodes: nodes)
    let sizes = [64, 128, 256, 512, 1024, 2048, 4096, 16384, 262_144].map { $0 << 10 }
    for (size, expected) in zip(sizes, letters.split(separator: " ")) {
      let choice = try #require(tuner.choice(bytes: size))
      let letters =
        (choice.algorithm == .tree ? "T" : "R") + (choice.protocolName == .ll ? "L" : "S")
      #expect(letters == expected, "\(size) bytes")
    }
  }

  @Test(arguments: [
    (64 << 10, 58.9), (128 << 10, 77.4), (1 << 20, 164.3), (2 << 20, 216.1), (16 << 20, 797.9),
    (256 << 20, 10073),
  ])
  func `Vista's predicted times on eight nodes are NCCL's`(bytes: Int, time: Double) throws {
    let tuner = try tuner("vista", nodes: 8)
    let choice = try #require(tuner.choice(bytes: bytes))
    #expect(abs(tuner.time(choice, bytes: bytes) / time - 1) < 1e-3)
  }

  @Test func `NVLS is picked and run, and takes no numbers of eight bits`() throws {
    let tuner = try tuner("dgx-h100", nodes: 1)
    let choice = try #require(tuner.choice(bytes: 64 << 20))
    #expect(choice.algorithm == .nvls)
    #expect(tuner.candidates(for: .int8).allSatisfy { [.tree, .ring].contains($0.algorithm) })
    #expect(tuner.choice(bytes: 64 << 20, type: .int8)?.algorithm == .ring)
  }

  @Test func `the path over C2C has a class, and with it LL128, from 2.27 on`() throws {
    let topology = try DataDirectory.find(option: nil).topology("alps").topology
    let fabric = try Fabric(topology, nodes: 4)
    for (minor, path) in [(23, NCCLPath.hostBridge), (26, .hostBridge), (27, .viaNVLinkPeer)] {
      let version = NCCLVersion(2, minor)
      let graph = NCCLGraph(fabric, version: version)
      #expect(graph.ring.interPath == path)
      let candidates = NCCLTuner(fabric, graph: graph, version: version).candidates
      #expect(candidates.contains { $0.protocolName == .ll128 } == (minor >= 27))
    }
  }
}
