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
    // All else would make several calls of one line, of which the fastest says nothing of the rest.
    for axis in study.file.axes where axis.steps != 1 {
      guard let path = axis.paths.first(where: { !Self.keys.contains($0) }) else { continue }
      throw Failure(
        .usage, "--export nccl-tuner: '\(path)' varies, but the file has no column for it",
        fix: "fix it under 'base:', in a study for each of its values")
    }
  }

  /// What the lines of the file tell apart, and what they choose.
  private static let keys: Set<String> = [
    "collective", "size", "nodes", "gpus-per-node", "algorithm", "protocol",
  ]

  /// Collects the best calls of a run.
  ///
  /// - Throws: ``Failure`` if none of them is NCCL's.
  init(_ rows: StudyRows) throws {
    var fastest: [[String]: Call] = [:]
    var hasFeasible = false
    try rows.forEach { row in
      guard row.isFeasible else { return }
      hasFeasible = true
      guard let call = Self.call(row) else { return }
      let place = [call.collective, "\(call.nodes)", "\(call.ranks)", "\(call.bytes)"]
      if let known = fastest[place], known.time <= call.time { return }
      fastest[place] = call
    }
    guard hasFeasible else {
      throw Failure(
        .usage, "--export nccl-tuner: \(try rows.obstacle())",
        fix: "loosen the study's conditions")
    }
    guard !fastest.isEmpty else {
      throw Failure(
        .usage,
        "--export nccl-tuner: no point of '\(rows.study.file.name)' ran an algorithm of NCCL",
        fix: "vary 'algorithm' over nccl:ring/ll, nccl:tree/simple and the like")
    }
    let best = fastest.values.sorted {
      ($0.collective, $0.nodes, $0.ranks, $0.bytes)
        < ($1.collective, $1.nodes, $1.ranks, $1.bytes)
    }
    csv = Self.lines(best, rows.study.file).joined()
  }

  private static func call(_ row: StudyRows.Row) -> Call? {
    guard let algorithm = row.text("algorithm"), algorithm.hasPrefix("nccl:"),
      let name = row.text("collective").flatMap({ collectives[$0] }),
      let protocolName = row.text("protocol"), ["ll", "ll128", "simple"].contains(protocolName),
      case .integer(let channels)? = row.value("channels"),
      case .integer(let nodes)? = row.value("nodes"),
      case .integer(let ranks)? = row.value("ranks"),
      case .integer(let bytes)? = row.value("size_bytes"), let time = row.metric("time_us")
    else { return nil }
    return Call(
      collective: name, nodes: nodes, ranks: ranks, bytes: bytes,
      algorithm: String(algorithm.dropFirst("nccl:".count).replacing("-", with: "_")),
      protocolName: protocolName, channels: channels, time: time)
  }

  /// One line per run of sizes with the same choice.
  ///
  /// From the smallest size simulated to the largest, each stands for all up to halfway, by ratio,
  /// to the next. Beyond them NCCL chooses.
  private static func lines(_ calls: [Call], _ file: StudyFile) -> [String] {
    // The plugin cuts lines at 255 characters and would take the rest for a line of its own.
    let title = file.title.prefix(80).map { $0.isNewline ? " " : String($0) }.joined()
    var lines = [
      "# \(title), as predicted by Weft\n",
      "# collective_type,min_bytes,max_bytes,algorithm,protocol,channels,nNodes,nRanks,"
        + "numPipeOps,regBuff\n",
    ]
    var first: Int?
    for (index, call) in calls.enumerated() {
      let begin = first ?? call.bytes
      first = begin
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
        ? Int((Double(call.bytes) * Double(next?.bytes ?? 0)).squareRoot()) : call.bytes
      lines.append(
        "\(call.collective),\(begin),\(last),\(call.algorithm),\(call.protocolName),"
          + "\(call.channels),\(call.nodes),\(call.ranks),-1,-1\n")
      first = goesOn ? last + 1 : nil
    }
    return lines
  }
}
