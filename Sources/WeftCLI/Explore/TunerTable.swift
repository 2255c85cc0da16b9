import WeftFiles
import WeftStudy

/// The best algorithm and protocol of NCCL by size and scale, as NCCL's example tuner plugin reads
/// it.
///
/// The plugin takes the first line whose collective, bytes, nodes and ranks match, both ends of the
/// bytes included. Channels are always written: for a line that leaves them open the plugin asks
/// for one channel. Source: NCCL, ext-tuner/example/plugin.c.
struct TunerTable {
  /// One call that was timed.
  private struct Call {
    var collective: String
    var nodes: Int
    var ranks: Int
    var bytes: Int
    var algorithm: String
    var protocolName: String
    var channels: Int
    var time: Double
  }

  /// The file.
  let csv: String

  private static let collectives = [
    "all-reduce": "allreduce", "all-gather": "allgather", "reduce-scatter": "reducescatter",
    "broadcast": "broadcast", "reduce": "reduce",
  ]

  /// Refuses studies without calls of NCCL.
  static func check(_ study: Study) throws(Failure) {
    guard study.file.command == .simulate else {
      throw Failure(
        .usage, "--export nccl-tuner: '\(study.file.name)' simulates no collectives",
        fix: "export a study of 'command: simulate'")
    }
  }

  /// Collects the best calls of a run.
  ///
  /// - Throws: ``Failure`` if none of them is NCCL's.
  init(_ rows: StudyRows) throws {
    var best: [Call] = []
    try rows.forEach { row in
      guard row.isFeasible, let call = Self.call(row.result) else { return }
      let same = best.firstIndex {
        ($0.collective, $0.nodes, $0.ranks, $0.bytes)
          == (call.collective, call.nodes, call.ranks, call.bytes)
      }
      guard let same else { return best.append(call) }
      if call.time < best[same].time { best[same] = call }
    }
    guard !best.isEmpty else {
      throw Failure(
        .usage,
        "--export nccl-tuner: no point of '\(rows.study.file.name)' ran an algorithm of NCCL",
        fix: "vary 'algorithm' over nccl:ring/ll, nccl:tree/simple and the like")
    }
    best.sort {
      ($0.collective, $0.nodes, $0.ranks, $0.bytes)
        < ($1.collective, $1.nodes, $1.ranks, $1.bytes)
    }
    csv = Self.lines(best, rows.study.file).joined()
  }

  private static func call(_ result: Record) -> Call? {
    guard case .text(let collective)? = result["collective"],
      let name = collectives[collective], case .text(let algorithm)? = result["algorithm"],
      algorithm.hasPrefix("nccl:"), case .text(let protocolName)? = result["protocol"],
      ["ll", "ll128", "simple"].contains(protocolName),
      case .integer(let channels)? = result["channels"],
      case .integer(let nodes)? = result["nodes"], case .integer(let ranks)? = result["ranks"],
      case .integer(let bytes)? = result["size_bytes"], let time = result["time_us"]?.number
    else { return nil }
    return Call(
      collective: name, nodes: nodes, ranks: ranks, bytes: bytes,
      algorithm: String(algorithm.dropFirst("nccl:".count).replacing("-", with: "_")),
      protocolName: protocolName, channels: channels, time: time)
  }

  /// One line per run of sizes with the same choice; each size stands for all up to halfway, by
  /// ratio, to the next.
  private static func lines(_ calls: [Call], _ file: StudyFile) -> [String] {
    var lines = [
      "# \(file.title), as predicted by Weft\n",
      "# collective_type,min_bytes,max_bytes,algorithm,protocol,channels,nNodes,nRanks,"
        + "numPipeOps,regBuff\n",
    ]
    var first = 0
    for (index, call) in calls.enumerated() {
      let next = index + 1 < calls.count ? calls[index + 1] : nil
      let goesOn =
        next.map {
          ($0.collective, $0.nodes, $0.ranks) == (call.collective, call.nodes, call.ranks)
        } ?? false
      if goesOn, let next,
        (next.algorithm, next.protocolName, next.channels)
          == (call.algorithm, call.protocolName, call.channels)
      {
        continue
      }
      let last =
        goesOn
        ? Int((Double(call.bytes) * Double(next?.bytes ?? 0)).squareRoot()) : Self.largest
      lines.append(
        "\(call.collective),\(first),\(last),\(call.algorithm),\(call.protocolName),"
          + "\(call.channels),\(call.nodes),\(call.ranks),-1,-1\n")
      first = goesOn ? last + 1 : 0
    }
    return lines
  }

  /// The end of the last range: more bytes than any buffer has.
  private static let largest = 1 << 50
}
