import Testing

@testable import Weft

/// The tuner and the dealing of work against an independent implementation, number by number.
@Suite(.enabled(if: NCCLReference.folder != nil, "shared/tools/nccl_tuning_model.py is not here"))
struct NCCLReferenceTests {
  typealias Configuration = NCCLReference.Configuration

  /// Machines of every generation and vendor, on 1 to 64 nodes.
  static let configurations: [Configuration] = {
    func pattern(
      _ intra: Double, _ inter: Double, _ intraPath: String, _ interPath: String
    ) -> Configuration.Pattern {
      Configuration.Pattern(
        intra: intra, inter: inter, intraPath: intraPath, interPath: interPath)
    }
    var result: [Configuration] = []
    for nodes in [1, 2, 3, 4, 7, 8, 16, 33, 64] {
      func add(
        _ gpus: Int, _ found: Int, _ channels: Int, _ ring: Configuration.Pattern,
        _ tree: Configuration.Pattern, plain: Bool, nvls: Configuration.Pattern? = nil, _ cc: Int,
        _ vendor: String
      ) {
        guard nodes * gpus > 1 else { return }
        result.append(
          Configuration(
            nodes: nodes, gpus: gpus, searchChannels: found, channels: channels, ring: ring,
            tree: tree, isPlain: plain, nvls: nvls, capability: cc, vendor: vendor))
      }
      for vendor in ["AMD", "Intel", "ARM"] {
        add(
          4, 4, 8, pattern(24, 24, "NVL", "PHB"), pattern(48, 24, "NVL", "SYS"), plain: false, 80,
          vendor)
        add(
          8, 8, 16, pattern(24, 24, "NVL", "PIX"), pattern(30, 24, "NVL", "PIX"), plain: false, 80,
          vendor)
        add(
          8, 8, 16, pattern(48, 48, "NVL", "PIX"), pattern(48, 48, "NVL", "PIX"), plain: true,
          nvls: pattern(40, 48, "NVL", "PIX"), 90, vendor)
        add(
          1, 2, 4, pattern(24, 24, "LOC", "P2C"), pattern(48, 24, "LOC", "P2C"), plain: true, 90,
          vendor)
        add(
          4, 4, 8, pattern(24, 24, "NVL", "PXN"), pattern(48, 24, "NVL", "P2C"), plain: true, 90,
          vendor)
        add(
          8, 8, 16, pattern(48, 48, "NVL", "PXN"), pattern(96, 48, "NVL", "PIX"), plain: true,
          // The script leaves out that NVLSTree is corrected by size on Blackwell with x86.
          nvls: vendor == "ARM" || nodes == 1 ? pattern(48, 48, "NVL", "PIX") : nil, 100, vendor)
        add(
          8, 4, 8, pattern(12, 12, "NVL", "PIX"), pattern(24, 12, "NVL", "PXN"), plain: false, 70,
          vendor)
        add(
          2, 1, 2, pattern(12, 12, "PHB", "PHB"), pattern(24, 12, "PHB", "SYS"), plain: false, 80,
          vendor)
      }
    }
    return result
  }()

  private struct Question: Encodable {
    var configurations: [Configuration]
    var sizes: [Int]
  }

  private static func isClose(_ one: Double, _ other: Double) -> Bool {
    abs(one - other) <= 1e-9 * max(abs(one), abs(other))
  }

  @Test func `latencies, bandwidths, times and choices are the script's`() throws {
    let sizes = (3...30).flatMap { [1 << $0, (1 << $0) + (1 << $0) / 3] }
    let predictions = try NCCLReference.run(
      NCCLReference.predictions,
      Question(configurations: Self.configurations, sizes: sizes),
      as: [NCCLReference.Prediction].self)
    try #require(predictions.count == Self.configurations.count)
    var compared = 0
    for (configuration, prediction) in zip(Self.configurations, predictions) {
      let tuner = try configuration.tuner()
      let rows = prediction.rows.sorted { $0.name < $1.name }
      let candidates = tuner.candidates.sorted { $0.referenceName < $1.referenceName }
      try #require(candidates.map(\.referenceName) == rows.map(\.name), "\(configuration)")
      for (candidate, row) in zip(candidates, rows) {
        #expect(Self.isClose(candidate.latency, row.latency), "\(row.name) \(configuration)")
        #expect(Self.isClose(candidate.bandwidth, row.bandwidth), "\(row.name) \(configuration)")
        let times = sizes.map { tuner.time(candidate, bytes: $0) }
        let wrong = zip(times, row.times).filter { !Self.isClose($0, $1) }.count
        #expect(wrong == 0, "\(row.name) \(configuration)")
        compared += times.count
      }
      let choices = sizes.compactMap { tuner.choice(bytes: $0)?.referenceName }
      #expect(choices == prediction.choices, "\(configuration)")
    }
    #expect(compared > 50_000)
  }

  private struct Call: Encodable {
    var algorithm: String
    var `protocol`: String
    var bytes: Int
    var ranks: Int
    var channels: Int
  }

  @Test func `channels, threads, cells and bytes of a channel are the script's`() throws {
    var calls: [(Call, NCCLWork)] = []
    for (algorithm, name) in [(NCCLTuner.Algorithm.ring, "Ring"), (.tree, "Tree")] {
      for protocolName in NCCLTuner.ProtocolName.allCases {
        let label = protocolName == .simple ? "Simple" : protocolName.rawValue.uppercased()
        for ranks in [2, 3, 8, 16, 64, 512] {
          for channels in [2, 4, 8, 16, 24, 32] {
            for bytes in (0...30).flatMap({ [1 << $0, 3 << $0, (1 << $0) + 1] }) {
              let call = Call(
                algorithm: name, protocol: label, bytes: bytes, ranks: ranks, channels: channels)
              calls.append(
                (
                  call,
                  NCCLWork(
                    algorithm, protocolName, bytes: bytes, ranks: ranks, channels: channels)
                ))
            }
          }
        }
      }
    }
    let works = try NCCLReference.run(
      NCCLReference.works, calls.map(\.0), as: [NCCLReference.Work].self)
    try #require(works.count == calls.count)
    for ((call, work), expected) in zip(calls, works) {
      let matches =
        work.maxChannels == expected.nMaxChannels && work.threads == expected.threads
        && work.cellBytes == expected.cellBytes && work.channels == expected.channelsUsed
        && work.bytesPerChannel == expected.bytesPerChannel
      #expect(matches, "\(call): \(work), not \(expected)")
    }
  }
}
