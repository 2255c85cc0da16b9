import Weft
import WeftFiles

// What `weft simulate --explain` and `--tune` add, and the row of a call.

extension SimulateCommand {
  /// What tuning found, in the form of the file that NVRAR's cache reads: by message size, with the
  /// time in milliseconds, and types by the names that NVRAR's own tuner gives them.
  ///
  /// NVRAR's chunk counts elements, whatever the file calls it. Source: NVRAR's
  /// tuning/tune_allreduce_preallocated.py and nvrar/config.py.
  func tuningTable(_ records: [Record], ranks: Int, _ type: DataType) -> [String] {
    let names: [DataType: String] = [
      .fp32: "float32", .fp16: "half", .bf16: "bfloat16", .int32: "int32",
    ]
    guard tune, let name = names[type] else { return [] }
    // Of several rows of a size, such as of two builds of NVSHMEM, the fastest is kept.
    var best: [Int: (time: Double, blocks: Int, chunk: Int)] = [:]
    for record in records {
      guard case .object(let found) = record["nvrar"],
        case .integer(let blocks) = found["blocks"], case .integer(let chunk) = found["chunk"],
        case .integer(let bytes) = record["size_bytes"], case .number(let time) = record["time_us"],
        time < best[bytes]?.time ?? .infinity
      else { continue }
      best[bytes] = (time, blocks, chunk)
    }
    let entries = best.sorted { $0.key < $1.key }.map { bytes, found in
      "\"\(bytes)\": {\"num_blocks\": \(found.blocks), \"threads_per_block\": 512, "
        + "\"chunk_bytes\": \(found.chunk), "
        + "\"avg_time_ms\": \((found.time * 10).rounded() / 10000), "
        + "\"algorithm\": \"recursive\", \"dtype\": \"\(name)\"}"
    }
    guard !entries.isEmpty else { return [] }
    return ["tuning_\(ranks)gpu_\(name).json: {\(entries.joined(separator: ", "))}"]
  }

  /// The published closed form beside the code's own, where closed forms are asked for.
  func publishedNote(_ record: Record) -> String? {
    guard !explain, case .number(let time) = record["published_us"],
      case .text(let requested) = record["requested"],
      case .integer(let bytes) = record["size_bytes"]
    else { return nil }
    return "\(bytes) \(requested): the published formula gives \((time * 10).rounded() / 10) us "
      + "for links alone"
  }

  /// What each class of parameters is worth, and for NCCL its own table.
  func explanation(
    _ job: CallRequest, _ outcome: CallRequest.Outcome, _ planner: Planner
  ) throws -> Record {
    let plan = outcome.plan
    // The draws of the row itself, so that differences are those of the parameters alone.
    let fabric = outcome.fabric
    let sensitivity = try Sensitivity(
      of: plan, time: outcome.result.time, on: fabric, network: job.network,
      isolated: job.isIsolated)
    var effects = Record()
    for (parameters, change) in sensitivity.changes {
      let what = parameters.rawValue + (parameters.isRate ? " +10%" : " -10%")
      effects[what] = .number((change * 1000).rounded() / 10)
    }
    var explanation = Record(["change_pct": .object(effects)])
    if case .nccl = job.name {
      var table = Record()
      let tuner = planner.tuner(job.call.collective)
      for candidate in tuner.candidates {
        let label = "\(candidate.algorithm.rawValue)/\(candidate.protocolName.rawValue)"
        table[label] = .number(tuner.time(candidate, bytes: job.call.bytes))
      }
      explanation["nccl_tuner_us"] = .object(table)
      try rank(job, outcome, tuner, planner, &explanation)
    }
    if job.network != .analytic && !noFold, let reason = plan.foldObstacle(on: fabric) {
      explanation["every_node_simulated"] = .text(reason)
    }
    if let published = plan.publishedTime(on: planner.fabric) {
      explanation["published_formula_us"] = .number(published.microseconds)
    }
    return explanation
  }

  /// Simulates what NCCL could have run, and says how its choice stands among it.
  func rank(
    _ job: CallRequest, _ outcome: CallRequest.Outcome, _ tuner: NCCLTuner, _ planner: Planner,
    _ explanation: inout Record
  ) throws {
    var times: [(label: String, time: Double)] = []
    for candidate in tuner.candidates(for: job.call.type) {
      let other = try Failure.planned {
        () throws(PlanError) in
        try planner.plan(.nccl(candidate.algorithm, candidate.protocolName), for: job.call)
      }
      guard other.canRun(job.network, on: outcome.fabric) else { continue }
      let result = try other.simulate(
        on: outcome.fabric, network: job.network, isolated: job.isIsolated, foldAllowed: !noFold)
      times.append(
        (
          "\(candidate.algorithm.rawValue)/\(candidate.protocolName.rawValue)",
          result.time.microseconds
        ))
    }
    times.sort { $0.time < $1.time }
    guard let fastest = times.first else { return }
    var table = Record()
    for (label, time) in times { table[label] = .number(time) }
    explanation["simulated_us"] = .object(table)
    explanation["fastest_simulated"] = .text(fastest.label)
    let chosen =
      outcome.plan.algorithm.dropFirst("nccl:".count) + "/" + outcome.plan.protocolName
    if fastest.time > 0, let own = times.first(where: { $0.label == chosen }) {
      explanation["choice_over_fastest"] = .number(own.time / fastest.time)
    }
  }

  /// The explanation of a row in one line.
  static func note(_ record: Record) -> String? {
    guard case .object(let explanation) = record["explanation"],
      case .text(let requested) = record["requested"],
      case .integer(let bytes) = record["size_bytes"]
    else { return nil }
    func list(_ name: String, _ unit: String) -> String? {
      guard case .object(let values) = explanation[name], !values.fields.isEmpty else { return nil }
      return values.fields.map { field in
        guard case .number(let number) = field.value else { return field.name }
        return "\(field.name): \((number * 10).rounded() / 10)\(unit)"
      }.joined(separator: ", ")
    }
    var table = list("nccl_tuner_us", " us").map { "; NCCL's tuner predicts \($0)" } ?? ""
    if let simulated = list("simulated_us", " us") { table += "; simulated \(simulated)" }
    if case .number(let ratio) = explanation["choice_over_fastest"], ratio > 1.005,
      case .text(let fastest) = explanation["fastest_simulated"]
    {
      let factor = (ratio * 100).rounded() / 100
      table += "; NCCL's choice takes \(factor) times as long as \(fastest)"
    }
    var published = ""
    if case .number(let time) = explanation["published_formula_us"] {
      published = "; the published formula gives \((time * 10).rounded() / 10) us for links alone"
    }
    if case .text(let reason) = explanation["every_node_simulated"] {
      published += "; every node was simulated: \(reason)"
    }
    return "\(bytes) \(requested): \(list("change_pct", " %") ?? "")\(table)\(published)"
  }
}
