import ArgumentParser
import Weft
import WeftFiles

/// `weft predict`: strong scaling of LLM inference.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predict how fast a language model runs on a number of GPUs, and what binds it.",
    discussion: """
      Prefill yields the first token: its time is ttft_ms. tpot_ms is the mean step over the other \
      decode - 1 tokens, with keys and values growing; latency_s = TTFT + (decode - 1) TPOT. The \
      batch is per replica; tokens_per_s counts the output of all replicas. Speedup and efficiency \
      are against the smallest of the GPU counts given that fits, for the same plan and all-reduce.
      """)

  @OptionGroup var machine: TopologyOptions
  @OptionGroup var profile: ProfileOptions
  @OptionGroup var global: GlobalOptions

  @Option(help: "A shipped model, or a Hugging Face config.json of a dense model.")
  var model: String

  @Option(parsing: .unconditional, help: "The numbers of GPUs, as a list: 16,32,64.")
  var gpus: String

  @Option(
    help:
      "The plans to try, as a list of tp, tp8, tp4xpp4, tp4xpp (the rest pipeline), tp4xdp2, auto.")
  var plan = "tp"

  @Option(parsing: .unconditional, help: "The sequences of one replica.")
  var batch = 8

  @Option(parsing: .unconditional, help: "The tokens of each prompt.")
  var prompt = 1024

  @Option(parsing: .unconditional, help: "The tokens to generate for each prompt.")
  var decode = 1024

  @Option(help: "What serves the all-reduces of decode, as a list of nccl, nvrar.")
  var allReduce = "nccl"

  @Option(help: "The inference engine: yalis.")
  var engine = "yalis"

  @Option(
    help: "The type of weights and KV cache, such as bf16 or fp8; the model's own unless said.")
  var dtype: String?

  func run() throws {
    let data = try global.data()
    let file = try machine.load(global)
    if machine.showTopology {
      return try global.emit(TopologyCommand.report(file))
    }
    let modelFile = try data.model(model)
    for note in modelFile.notes { Console.warn(note, global) }
    let request = try request(
      modelFile, file.topology, try profile.load(for: file.topology, global))
    var timer = CachingTimer(
      SimulatedTimer(topology: request.topology, profile: request.profile))
    try Output.checkFolder(of: global.output)
    let predictions = try global.timed("prediction") {
      try request.predictions(timer: &timer)
    }
    try Self.check(predictions)
    try global.emit(Self.report(predictions))
  }

  /// The question that the options ask of a model on a machine.
  ///
  /// - Throws: ``Failure`` and ``WorkloadError`` for a value that is not known or makes no sense.
  func request(
    _ model: ModelFile, _ topology: Topology, _ profile: Profile
  ) throws -> PredictionRequest {
    PredictionRequest(
      model: model.model, topology: topology, profile: profile,
      gpuCounts: try gpuCounts(), plans: try Self.list(plan).map { try PlanPattern($0) },
      libraries: try libraries(),
      workload: try InferenceWorkload(batch: batch, prompt: prompt, decode: decode),
      weights: try weights(), engine: try chosenEngine())
  }

  /// Refuses times that nobody waits for.
  static func check(_ predictions: [Prediction]) throws(Failure) {
    guard predictions.contains(where: { $0.timing?.latency.isTooLong == true }) else { return }
    throw Failure(
      .usage, "a prediction would take weeks of simulated time",
      fix: "check the units of rates and bandwidths, and the workload's size")
  }
}

// MARK: - Options

extension PredictCommand {
  private static func list(_ text: String) -> [String] {
    CommaList.parse(text)
  }

  private func gpuCounts() throws(Failure) -> [Int] {
    var counts: [Int] = []
    for text in Self.list(gpus) {
      guard let count = Int(text) else {
        throw Failure(
          .usage, "--gpus \(gpus): '\(text)' is not a number of GPUs",
          fix: "write a list like --gpus 16,32,64")
      }
      counts.append(count)
    }
    return counts
  }

  private func libraries() throws(Failure) -> [AllReduceLibrary] {
    var libraries: [AllReduceLibrary] = []
    for name in Self.list(allReduce) {
      libraries.append(try Self.choice("--all-reduce", name))
    }
    return libraries
  }

  private func chosenEngine() throws(Failure) -> InferenceEngine {
    try Self.choice("--engine", engine)
  }

  private func weights() throws(Failure) -> DataType? {
    guard let dtype else { return nil }
    if let type = DataType(name: dtype) { return type }
    throw Self.unknown("--dtype", dtype, among: DataType.allCases.map(\.rawValue))
  }

  private static func choice<Choice>(
    _ flag: String, _ name: String
  ) throws(Failure) -> Choice
  where Choice: CaseIterable & RawRepresentable, Choice.RawValue == String {
    if let choice = Choice(rawValue: name) { return choice }
    throw unknown(flag, name, among: Choice.allCases.map(\.rawValue))
  }

  private static func unknown(_ flag: String, _ name: String, among names: [String]) -> Failure {
    Failure(.usage, "\(flag): '\(name)' is not known", fix: Failure.suggestion(name, names))
  }
}

// MARK: - Report

extension PredictCommand {
  /// The predictions as the contract names their values; the table leaves the breakdowns out.
  static func report(_ predictions: [Prediction]) -> Report {
    var columns = [
      "gpus", "nodes", "plan", "all_reduce", "ttft_ms", "tpot_ms", "latency_s", "tokens_per_s",
      "memory_GiB_per_gpu", "speedup", "efficiency", "bottleneck",
    ]
    // Two plans asked for may come down to one, so then the rows say which they answer.
    if Set(predictions.map(\.requested)).count > 1 { columns.insert("requested", at: 2) }
    if predictions.contains(where: { $0.reason != nil }) { columns.append("reason") }
    let title = predictions.first.map {
      "\($0.model) on \($0.topology): batch \($0.workload.batch), prompt \($0.workload.prompt), "
        + "decode \($0.workload.decode), engine \($0.engine.rawValue)"
    }
    return Report(predictions.map(record), title: title, columns: columns)
  }

  static func record(_ prediction: Prediction) -> Record {
    let timing = prediction.timing
    return Record([
      "model": .text(prediction.model),
      "topology": .text(prediction.topology),
      "gpus": .integer(prediction.gpus),
      "nodes": Value(prediction.nodes),
      "requested": .text(prediction.requested),
      "plan": .text(prediction.plan),
      "all_reduce": .text(prediction.allReduce.rawValue),
      "engine": .text(prediction.engine.rawValue),
      "batch": .integer(prediction.workload.batch),
      "prompt": .integer(prediction.workload.prompt),
      "decode": .integer(prediction.workload.decode),
      "ttft_ms": Value(timing?.ttft.milliseconds),
      "tpot_ms": Value(timing?.tpot?.milliseconds),
      "latency_s": Value(timing?.latency.seconds),
      "tokens_per_s": Value(timing?.tokensPerSecond),
      "tokens_per_s_per_gpu": Value(timing.map { $0.tokensPerSecond / Double(prediction.gpus) }),
      "memory_GiB_per_gpu": Value(prediction.memory?.gib),
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
          "prefill": .object(breakdown(timing?.prefill)),
          "decode": .object(breakdown(timing?.decode)),
        ])),
      "bottleneck": Value(timing?.bottleneck.rawValue),
      "tpot_low_ms": Value(timing?.tpotInterval?.lowerBound.milliseconds),
      "tpot_high_ms": Value(timing?.tpotInterval?.upperBound.milliseconds),
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
