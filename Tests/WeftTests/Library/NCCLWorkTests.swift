import Testing

@testable import Weft

/// How NCCL deals calls to thread blocks.
@Suite struct NCCLWorkTests {
  /// Two nodes of four A100 with eight channels: threads, channels, KiB per channel.
  static let plans:
    [(
      NCCLTuner.Algorithm, NCCLTuner.ProtocolName, kib: Int, threads: Int, channels: Int, each: Int
    )] =
      [
        (.tree, .ll, 64, 640, 8, 8), (.ring, .ll, 64, 512, 2, 32), (.ring, .ll, 256, 512, 8, 32),
        (.tree, .simple, 1024, 640, 8, 128), (.ring, .ll128, 1024, 640, 8, 128),
        (.ring, .simple, 16384, 544, 8, 2048), (.ring, .ll128, 16384, 640, 8, 2048),
        (.ring, .simple, 262_144, 544, 8, 32768),
      ]

  @Test(arguments: plans.indices)
  func `the worked example's plans are NCCL's`(index: Int) {
    let plan = Self.plans[index]
    let work = NCCLWork(plan.0, plan.1, bytes: plan.kib << 10, ranks: 8, channels: 8)
    #expect(work.threads == plan.threads)
    #expect(work.channels == plan.channels)
    #expect(work.bytesPerChannel == plan.each << 10)
  }

  @Test(arguments: [
    (NCCLVersion(2, 21, 5), 1), (NCCLVersion(2, 22, 3), 1), (NCCLVersion(2, 23, 4), 2),
    (NCCLVersion(2, 24, 3), 1), (.latest, 1),
  ])
  func `a cell is twice as large for LL in 2.23`(version: NCCLVersion, factor: Int) {
    for (kib, channels) in [(4, 1), (8, 2), (16, 4), (32, 8), (64, 8)] {
      let work = NCCLWork(
        .tree, .ll, bytes: kib << 10, ranks: 8, channels: 8, version: version)
      #expect(work.channels == (kib == 64 ? 8 : max(1, channels / factor)))
    }
  }

  @Test(arguments: Collective.allCases.filter { $0 != .allToAll })
  func `the channels' bytes are all bytes`(collective: Collective) {
    for ranks in [2, 5, 8, 72] {
      for bytes in [1, 7, 4096, 65_537, 1_000_003, 48 << 20] {
        for protocolName in NCCLTuner.ProtocolName.allCases {
          let work = NCCLWork(
            .ring, protocolName, bytes: bytes, collective: collective, ranks: ranks, channels: 12)
          let parts = (0..<work.channels).map { work.bytes(ofChannel: $0) }
          #expect(parts.reduce(0, +) == work.bytes)
          #expect(parts.allSatisfy { $0 > 0 } && work.channels <= 12)
          let isShared = collective == .allGather || collective == .reduceScatter
          #expect(work.bytes == (isShared ? (bytes + ranks - 1) / ranks : bytes))
        }
      }
    }
  }

  @Test func `NVLS takes its own channels, and slow rings fewer threads`() throws {
    var configuration = try #require(
      NCCLReferenceTests.configurations.first { $0.nvls != nil && $0.nodes == 1 })
    var tuner = try configuration.tuner()
    let nvls = try #require(tuner.candidates.first { $0.algorithm == .nvls })
    #expect(tuner.work(nvls, bytes: 1 << 26).maxChannels == 16)
    #expect(tuner.work(nvls, bytes: 1 << 26).threads == 640)
    configuration.ring.intra = 1.5
    tuner = try configuration.tuner()
    let ring = try #require(
      tuner.candidates.first { $0.algorithm == .ring && $0.protocolName == .simple })
    #expect(tuner.work(ring, bytes: 1 << 28).threads == 256 + 32)
  }
}
