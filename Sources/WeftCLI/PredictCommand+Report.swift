import Foundation
import Weft

/// Percentages for a person.
enum Percent {
  /// One decimal, with the unit.
  static func text(_ percent: Double) -> String { String(format: "%.1f %%", percent) }

  /// The same with its sign, for changes.
  static func signed(_ percent: Double) -> String { String(format: "%+.1f %%", percent) }
}

extension Report {
  /// The predictions as the contract names their values; the table leaves the breakdowns out.
  ///
  /// Where plans or batches compete, rows that no other beats in both TPOT and tokens per second
  /// and GPU are marked.
  init(rows: [Prediction], hasFront: Bool) {
    var columns = [
      "gpus", "nodes", "plan", "all_reduce", "ttft_ms", "tpot_ms", "latency_s", "tokens_per_s",
      "memory_GiB_per_gpu", "largest_batch", "speedup", "efficiency", "bottleneck",
    ]
    if rows.contains(where: { $0.timing?.tpotInterval != nil }) {
      let place = columns.firstIndex(of: "tpot_ms").map { $0 + 1 } ?? columns.endIndex
      columns.insert(contentsOf: ["tpot_low_ms", "tpot_high_ms"], at: place)
    }
    // Two plans asked for may come down to one, so then the rows say which they answer.
    if Set(rows.map(\.requested)).count > 1 { columns.insert("requested", at: 2) }
    if Set(rows.map(\.workload.batch)).count > 1 { columns.insert("batch", at: 0) }
    if rows.contains(where: { $0.timing.map(\.running) ?? .max < $0.workload.batch }) {
      columns.append("running")
    }
    if rows.contains(where: { $0.reason != nil }) { columns.append("reason") }
    let title = rows.first.map {
      let batches = Set(rows.map(\.workload.batch)).sorted().map { "\($0)" }
      return "\($0.model) on \($0.topology): batch \(batches.joined(separator: ",")), "
        + "prompt \($0.workload.prompt), decode \($0.workload.decode), engine \($0.engine.name)"
    }
    self.init(rows.map(Record.init), title: title, columns: columns)
    guard hasFront else { return }
    let front = PredictionAnswers.paretoFront(of: rows)
    for index in records.indices { records[index]["pareto"] = .bool(front.contains(index)) }
    self.columns?.append("pareto")
    extra["front"] = .list(
      front.map { index in
        let row = rows[index]
        return .object(
          Record([
            "gpus": .integer(row.gpus), "plan": .text(row.plan),
            "all_reduce": .text(row.allReduce.rawValue), "batch": .integer(row.workload.batch),
          ]))
      })
    let names = front.map { index in
      let row = rows[index]
      return "\(row.plan) on \(row.gpus) GPUs, \(row.allReduce.rawValue), batch "
        + "\(row.workload.batch)"
    }
    if !names.isEmpty {
      let time = rows.contains { $0.timing?.tpot != nil } ? "TPOT" : "TTFT"
      notes.append(
        "not beaten in both \(time) and tokens/s per GPU, fastest first: "
          + names.joined(separator: "; "))
    }
  }
}

extension Record {
  /// The row of a prediction, as the contract has it.
  init(_ prediction: Prediction) {
    let timing = prediction.timing
    self.init([
      "model": .text(prediction.model),
      "topology": .text(prediction.topology),
      "gpus": .integer(prediction.gpus),
      "nodes": Value(prediction.nodes),
      "requested": .text(prediction.requested),
      "plan": .text(prediction.plan),
      "all_reduce": .text(prediction.allReduce.rawValue),
      "engine": .text(prediction.engine.name),
      "batch": .integer(prediction.workload.batch),
      "prompt": .integer(prediction.workload.prompt),
      "decode": .integer(prediction.workload.decode),
      "ttft_ms": Value(timing?.ttft.milliseconds),
      "tpot_ms": Value(timing?.tpot?.milliseconds),
      "latency_s": Value(timing?.latency.seconds),
      "tokens_per_s": Value(timing?.tokensPerSecond),
      "tokens_per_s_per_gpu": Value(timing.map { $0.tokensPerSecond / Double(prediction.gpus) }),
      "memory_GiB_per_gpu": Value(prediction.memory?.gib),
      "memory_GiB": .object(Self.parts(of: prediction.memory)),
      "largest_batch": Value(prediction.largestBatch),
      "running": Value(timing?.running),
      "fits": .bool(prediction.fits),
      "reason": Value(prediction.reason),
      "speedup": Value(prediction.speedup),
      "efficiency": Value(prediction.efficiency),
      "micro_batches": .object(
        Record([
          "prefill": Value(timing?.prefillMicroBatches),
          "decode": Value(timing?.decodeMicroBatches),
        ])),
      "breakdown_ms": .object(
        Record([
          "prefill": .object(Self.breakdown(timing?.prefill)),
          "decode": .object(Self.breakdown(timing?.decode)),
        ])),
      "bottleneck": Value(timing?.bottleneck.rawValue),
      "tpot_low_ms": Value(timing?.tpotInterval?.lowerBound.milliseconds),
      "tpot_high_ms": Value(timing?.tpotInterval?.upperBound.milliseconds),
    ])
    if let obstacle = prediction.intervalObstacle { self["no_interval"] = .text(obstacle) }
  }

  /// What fills the fullest GPU; every value is null where the plan is illegal.
  private static func parts(of memory: MemoryUse?) -> Record {
    func gib(_ bytes: Double?) -> Value { Value(bytes.map { $0 / 1_073_741_824 }) }
    return Record([
      "weights": gib(memory?.weights), "keys_values": gib(memory?.keyValues),
      "activations": gib(memory?.activations), "reserved": gib(memory?.reserved),
    ])
  }

  /// A phase by category; every value is null where there is no such phase.
  private static func breakdown(_ ledger: CostLedger?) -> Record {
    var record = Record()
    for category in CostCategory.allCases {
      record[category.name] = Value(ledger?[category].milliseconds)
    }
    return record
  }
}

// MARK: - Answers

extension [PredictionRequest] {
  /// The predictions of questions about one machine, in turn.
  fileprivate func predictions(_ progress: Progress) throws -> [Prediction] {
    guard let first else { return [] }
    var timer = WatchedTimer.cached(first.topology, first.profile, progress)
    return try flatMap { try $0.predictions(timer: &timer) }
  }
}

extension Report {
  /// Adds what `auto` searched, and how much of it needed no more than a bound.
  mutating func add(_ searches: [PlanSearchSummary]) {
    guard !searches.isEmpty else { return }
    extra["searches"] = .list(
      searches.map {
        .object(
          Record([
            "gpus": .integer($0.gpus), "all_reduce": .text($0.allReduce.rawValue),
            "batch": .integer($0.batch), "legal": .integer($0.legal), "fit": .integer($0.fitting),
            "ruled_out": .integer($0.ruledOut), "priced": .integer($0.priced),
          ]))
      })
    for search in searches {
      notes.append(
        "auto on \(search.gpus) GPUs, \(search.allReduce.rawValue), batch \(search.batch): "
          + "\(search.legal) legal plans, \(search.fitting) fit, \(search.ruledOut) of them ruled "
          + "out by bounds, \(search.priced) priced in full")
    }
  }

  /// Predicts again with a change and adds a line per row, and what the JSON holds of them.
  mutating func add(
    _ change: WhatIf, to rows: [Prediction], of requests: [PredictionRequest],
    _ progress: Progress
  ) throws {
    let changed = requests.map(change.applied)
    let answers = try changed.predictions(progress)
    let isOfAllLibraries = changed.allSatisfy { $0.libraries.count == 1 }
    let isEager = changed.allSatisfy { $0.engine.decodeLaunch == .eager }
    var entries: [Value] = []
    if case .list(let known) = extra["what_if"] { entries = known }
    for row in rows where row.fits {
      // A change of the library answers every row of the same plan.
      let answer = answers.first {
        $0.gpus == row.gpus && $0.plan == row.plan && $0.workload == row.workload
          && ($0.allReduce == row.allReduce || isOfAllLibraries)
      }
      let (before, after) = (row.timing, answer?.timing)
      entries.append(
        .object(
          Record([
            "what_if": .text(change.text), "gpus": .integer(row.gpus), "plan": .text(row.plan),
            "all_reduce": .text(row.allReduce.rawValue), "batch": .integer(row.workload.batch),
            "ttft_ms": Value(after?.ttft.milliseconds), "tpot_ms": Value(after?.tpot?.milliseconds),
            "latency_s": Value(after?.latency.seconds),
            "latency_change_pct": Value(Self.change(before?.latency, after?.latency)),
            "tpot_change_pct": Value(Self.change(before?.tpot, after?.tpot)),
          ])))
      let text = Self.change(before?.latency, after?.latency).map { percent in
        let tpot = Self.change(before?.tpot, after?.tpot).map { ", TPOT \(Percent.signed($0))" }
        let idle = percent.magnitude < 0.05 && isEager
        let reason =
          row.nodes == 1 && change.isOfNetwork
          ? ": nothing leaves the node"
          : idle ? ": the host starts kernels faster than the GPU runs them" : ""
        return "latency \(Percent.signed(percent))\(tpot ?? "")\(reason)"
      }
      notes.append(
        "what if \(change.text): \(Self.name(row)): \(text ?? answer?.reason ?? "no such plan")")
    }
    extra["what_if"] = .list(entries)
  }

  /// Adds what binds each row and what would help, how rows compare, and what the words mean.
  mutating func explain(
    _ rows: [Prediction], of requests: [PredictionRequest], engine: InferenceEngine,
    _ progress: Progress
  ) throws {
    try addSensitivities(rows, of: requests, progress)
    let turns = PredictionAnswers.crossovers(of: rows)
    extra["crossovers"] = .list(
      turns.map {
        .object(
          Record([
            "first": .text($0.first), "second": .text($0.second), "before": .integer($0.before),
            "after": .integer($0.after), "all_reduce": .text($0.allReduce.rawValue),
            "batch": .integer($0.batch),
          ]))
      })
    for turn in turns {
      notes.append(
        "\(turn.first) is faster up to \(turn.before) GPUs, \(turn.second) from \(turn.after) on "
          + "(\(turn.allReduce.rawValue), batch \(turn.batch))")
    }
    let choices = PredictionAnswers.allReduceChoices(of: rows)
    extra["all_reduce_choices"] = .list(
      choices.map {
        .object(
          Record([
            "gpus": .integer($0.gpus), "plan": .text($0.plan), "batch": .integer($0.batch),
            "best": .text($0.best.rawValue), "times_better": .number($0.gain),
          ]))
      })
    for choice in choices {
      notes.append(
        "\(choice.plan) on \(choice.gpus) GPUs at batch \(choice.batch): use "
          + "\(choice.best.rawValue), TPOT is \(String(format: "%.2f", choice.gain)) times shorter")
    }
    notes += engine.notes.map { "\(engine.name): \($0)" }
    notes += Self.definitions
    extra["definitions"] = .list(Self.definitions.map { .text($0) })
  }

  private mutating func addSensitivities(
    _ rows: [Prediction], of requests: [PredictionRequest], _ progress: Progress
  ) throws {
    let changes = try WhatIf.sensitivities()
    let answers = try changes.map { try requests.map($0.applied).predictions(progress) }
    var entries: [Value] = []
    for row in rows where row.fits {
      var effects: [(text: String, change: Double)] = []
      for (change, rows) in zip(changes, answers) {
        let answer = rows.first {
          $0.gpus == row.gpus && $0.plan == row.plan && $0.workload == row.workload
            && $0.allReduce == row.allReduce && $0.requested == row.requested
        }
        if let effect = Self.change(row.timing?.latency, answer?.timing?.latency) {
          effects.append((change.text, effect))
        }
      }
      var record = Record([
        "gpus": .integer(row.gpus), "plan": .text(row.plan),
        "all_reduce": .text(row.allReduce.rawValue), "batch": .integer(row.workload.batch),
      ])
      for effect in effects { record[effect.text] = .number(effect.change) }
      entries.append(.object(record))
      let text = effects.enumerated().sorted {
        ($0.element.change, $0.offset) < ($1.element.change, $1.offset)
      }.map { "\($0.element.text) gives \(Percent.signed($0.element.change))" }
      notes.append(
        "\(Self.name(row)): bound by \(row.timing?.bottleneck.rawValue ?? "nothing"), "
          + "\(Self.shares(row)); \(text.joined(separator: ", "))")
      if let memory = row.memory { notes.append("\(Self.name(row)): \(Self.text(of: memory))") }
      if let timing = row.timing, row.plan.contains("pp") {
        notes.append(
          "\(Self.name(row)): \(timing.prefillMicroBatches) micro-batches in prefill, "
            + "\(timing.decodeMicroBatches) in decode, the fastest numbers")
      }
    }
    extra["sensitivity_pct"] = .list(entries)
  }

  private static func text(of memory: MemoryUse) -> String {
    func gib(_ bytes: Double) -> String { String(format: "%.1f GiB", bytes / 1_073_741_824) }
    return "memory of the fullest GPU: weights \(gib(memory.weights)), keys and values "
      + "\(gib(memory.keyValues)), activations \(gib(memory.activations)), libraries "
      + gib(memory.reserved)
  }

  /// The parts of a decode step, largest first.
  private static func shares(_ row: Prediction) -> String {
    guard let ledger = row.timing?.decode ?? row.timing?.prefill else { return "no step" }
    let total = max(ledger.total.seconds, .leastNormalMagnitude)
    let parts = CostCategory.allCases.map { ($0, 100 * ledger[$0].seconds / total) }
      .filter { $0.1 >= 0.5 }.sorted { ($1.1, $0.0.rawValue) < ($0.1, $1.0.rawValue) }
    return parts.map { "\($0.0.name) \(Int($0.1.rounded())) %" }.joined(separator: ", ")
  }

  private static func name(_ row: Prediction) -> String {
    "\(row.plan), \(row.allReduce.rawValue), batch \(row.workload.batch)"
  }

  private static func change(_ before: SimDuration?, _ after: SimDuration?) -> Double? {
    guard let before, let after, before > .zero else { return nil }
    return 100 * (after.seconds / before.seconds - 1)
  }

  /// What the columns and the names of bottlenecks mean.
  private static let definitions = [
    "ttft_ms: the time of prefill, which yields the first token; queueing is not in it",
    "tpot_ms: the mean step over the other decode - 1 tokens, keys and values growing; with "
      + "continuous batching it holds other requests' prompts",
    "latency_s: TTFT + (decode - 1) TPOT; tokens_per_s: output tokens of all replicas over it",
    "batch: sequences of one replica; running: those that fit in memory at once; largest_batch: the "
      + "most of them that fit",
    "speedup, efficiency: against the smallest GPU count given that fits, same plan and all-reduce",
    "bottleneck: what binds the largest part of the latency: compute and memory are the GPU's "
      + "arithmetic and its HBM, launch the start of kernels, latency fixed times of kernels and "
      + "steps of collectives, scale-up-bandwidth and network-bandwidth links in and between "
      + "nodes, message-rate posting messages to NICs, reduction adding and copying, host what "
      + "the processor adds to a step, bubble waiting in a pipeline",
  ]
}
