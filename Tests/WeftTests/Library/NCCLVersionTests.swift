import Testing

@testable import Weft

/// Versions of NCCL, and what its tuner predicted in each.
@Suite struct NCCLVersionTests {
  @Test(arguments: ["2.18", "2.23.4", "2.28.3", "2.30.7"])
  func `versions print as they are written`(text: String) throws {
    #expect(try #require(NCCLVersion(text)).description == text)
    #expect(NCCLVersion(text)?.isSupported == true)
    #expect(NCCLVersion(text + "-1") == NCCLVersion(text))
  }

  @Test(arguments: ["", "2", "2.", "2.x", "2.23.", "2.23.4.1", "2.23-", "v2.23", "-2.23", "+2.2"])
  func `other texts are no versions`(text: String) {
    #expect(NCCLVersion(text) == nil)
  }

  @Test func `versions are ordered, and a series stands for its last`() {
    #expect(NCCLVersion(2, 9) < NCCLVersion(2, 18))
    #expect(NCCLVersion(2, 28, 3) < NCCLVersion(2, 28, 9))
    #expect(NCCLVersion(2, 28, 9) < NCCLVersion(2, 28))
    #expect(NCCLVersion(2, 28) < NCCLVersion(2, 29, 1))
    #expect(!NCCLVersion(2, 17, 1).isSupported && !NCCLVersion(2, 31).isSupported)
    #expect(!NCCLVersion(3, 20).isSupported)
  }

  /// A tuner of the grid's machine of this kind with another version.
  private func tuner(
    _ capability: Int, gpus: Int, nodes: Int, _ version: NCCLVersion, vendor: String = "AMD",
    collective: Collective = .allReduce
  ) throws -> NCCLTuner {
    let configuration = try #require(
      NCCLReferenceTests.configurations.first {
        $0.capability == capability && $0.gpus == gpus && $0.nodes == nodes && $0.vendor == vendor
      })
    let latest = try configuration.tuner()
    var topology = Machine.flat(gpus: gpus, nics: gpus)
    topology.gpu.computeCapability = capability
    topology.node.cpu = vendor == "AMD" ? .amd : .intel
    return NCCLTuner(
      try Fabric(topology, nodes: nodes), graph: latest.graph, version: version,
      collective: collective)
  }

  private func candidate(
    _ tuner: NCCLTuner, _ algorithm: NCCLTuner.Algorithm, _ name: NCCLTuner.ProtocolName
  ) throws -> NCCLTuner.Candidate {
    try #require(
      tuner.candidates.first { $0.algorithm == algorithm && $0.protocolName == name })
  }

  @Test(arguments: [
    (2, 1, "ring/ll", 119.0), (2, 2, "ring/ll", 200.5), (2, 4, "ring/simple", 250.6),
    (2, 16, "ring/simple", 480.0), (8, 1, "ring/ll", 248.7), (16, 1, "tree/ll", 274.3),
  ])
  func `2.21 chooses and predicts as its source does`(
    nodes: Int, mebibytes: Int, choice: String, time: Double
  ) throws {
    for version in [NCCLVersion(2, 21), NCCLVersion(2, 22, 3)] {
      let tuner = try tuner(80, gpus: 4, nodes: nodes, version)
      let best = try #require(tuner.choice(bytes: mebibytes << 20))
      #expect("\(best.algorithm.rawValue)/\(best.protocolName.rawValue)" == choice)
      #expect(abs(tuner.time(best, bytes: mebibytes << 20) - time) < 0.051)
    }
  }

  @Test func `2.18 has cheap Tree/Simple, 2.19 dear, 2.23 its own base`() throws {
    func latency(_ version: NCCLVersion) throws -> Double {
      try candidate(tuner(80, gpus: 4, nodes: 8, version), .tree, .simple).latency
    }
    // 2 (3 hops inside + 3 levels between nodes) and the base.
    #expect(try latency(NCCLVersion(2, 18, 5)) == 2 * (3 * 4 + 3 * 14))
    #expect(try latency(NCCLVersion(2, 19, 4)) == 2 * (3 * 28 + 3 * 28))
    #expect(try latency(NCCLVersion(2, 23, 4)) == 8.4 + 2 * (3 * 4 + 3 * 14))
  }

  @Test func `rings with LL got twice their share in 2.21`() throws {
    func bandwidth(_ version: NCCLVersion) throws -> Double {
      try candidate(tuner(80, gpus: 2, nodes: 2, version), .ring, .ll).bandwidth
    }
    // One channel of 12 GB/s; four ranks.
    #expect(try bandwidth(NCCLVersion(2, 20)) == 12.0 / 4 * 4 / 6)
    #expect(try bandwidth(NCCLVersion(2, 21)) == 12.0 / 2 * 4 / 6)
  }

  @Test func `rings of lone GPUs changed in 2.23`() throws {
    func ring(_ version: NCCLVersion) throws -> NCCLTuner.Candidate {
      try candidate(tuner(90, gpus: 1, nodes: 8, version), .ring, .ll)
    }
    // 14 steps, of which 2.22 counts 16 between nodes; none is left to be inside.
    #expect(abs(try ring(NCCLVersion(2, 22)).latency - (6.6 + 16 * 2.7 - 2 * 2)) < 1e-9)
    #expect(abs(try ring(NCCLVersion(2, 23)).latency - (6.6 + 14 * 5)) < 1e-9)
  }

  @Test func `NVLS was priced by its slower part until 2.28`() throws {
    func nvls(nodes: Int, _ version: NCCLVersion) throws -> NCCLTuner.Candidate {
      try candidate(
        tuner(90, gpus: 8, nodes: nodes, version), nodes == 1 ? .nvls : .nvlsTree, .simple)
    }
    // Eight heads of 40 GB/s inside and 48 between nodes.
    let old = NCCLVersion(2, 27, 7)
    #expect(try nvls(nodes: 1, old).bandwidth == 8 * 40 * 5.0 / 6)
    #expect(try nvls(nodes: 2, old).bandwidth == 8 * 40 * 5.0 / 6)
    #expect(try nvls(nodes: 4, old).bandwidth == 8 * 24 * 5.0 / 6)
    #expect(try nvls(nodes: 4, old).latency == 25 + 4 * 14)
    #expect(try nvls(nodes: 4, NCCLVersion(2, 20)).latency == 23 + 4 * 14)
    #expect(try nvls(nodes: 4, NCCLVersion(2, 28, 3)).latency == 25 + 4 * 14)
    #expect(abs(try nvls(nodes: 4, NCCLVersion(2, 28, 9)).latency - (25 + 4 * 20.9)) < 1e-9)
  }

  @Test func `Blackwell's limits came in 2.25, 2.28 and 2.29`() throws {
    func bandwidth(_ version: NCCLVersion) throws -> Double {
      try candidate(tuner(100, gpus: 8, nodes: 4, version), .tree, .simple).bandwidth
    }
    #expect(try bandwidth(NCCLVersion(2, 24)) == 8 * 36 * 0.85 / 2)
    #expect(abs(try bandwidth(NCCLVersion(2, 27)) - 0.92 * 8 * 48 * 0.85 / 2) < 1e-9)
    #expect(try bandwidth(NCCLVersion(2, 29)) == 8 * 24 * 0.85 / 2)
    // LL128 was not offered before.
    let old = try tuner(100, gpus: 8, nodes: 4, NCCLVersion(2, 24), vendor: "Intel")
    #expect(!old.candidates.contains { $0.protocolName == .ll128 })
    #expect(old.candidates.contains { $0.protocolName == .simple })
  }

  @Test func `NVLSTree is corrected by size on Blackwell with x86, from 2.29 on`() throws {
    let arm = try #require(
      NCCLReferenceTests.configurations.first {
        $0.capability == 100 && $0.nodes == 4 && $0.vendor == "ARM"
      })
    for (cpu, minor, factor) in [
      (Node.CPU.intel, 29, 0.5), (.amd, 30, 0.5), (.intel, 28, 1), (.arm, 30, 1),
    ] {
      var topology = Machine.flat(gpus: 8, nics: 8)
      topology.gpu.computeCapability = 100
      topology.node.cpu = cpu
      let tuner = NCCLTuner(
        try Fabric(topology, nodes: 4), graph: try arm.tuner().graph,
        version: NCCLVersion(2, minor))
      let row = try candidate(tuner, .nvlsTree, .simple)
      func microseconds(_ bytes: Int, _ factor: Double) -> Double {
        row.latency + Double(bytes) / (1000 * row.bandwidth * factor)
      }
      #expect(abs(tuner.time(row, bytes: 1 << 20) - microseconds(1 << 20, factor)) < 1e-9)
      // The last entry is for 512 MiB and more, below 1 GiB.
      #expect(
        abs(tuner.time(row, bytes: 1 << 29) - microseconds(1 << 29, factor < 1 ? 0.9 : 1)) < 1e-9)
      #expect(abs(tuner.time(row, bytes: 1 << 30) - microseconds(1 << 30, 1)) < 1e-9)
    }
  }

  @Test func `every supported version has a table for every collective`() throws {
    for minor in 18...30 {
      for collective in Collective.allCases where collective != .allToAll {
        let tuner = try tuner(
          90, gpus: 8, nodes: 2, NCCLVersion(2, minor), collective: collective)
        #expect(tuner.candidates.allSatisfy { $0.latency > 0 && $0.bandwidth > 0 })
        #expect(tuner.choice(bytes: 1 << 20) != nil)
        #expect(tuner.candidates.contains { $0.algorithm == .ring })
      }
    }
  }
}
