import ArgumentParser
import Weft
import WeftCalibration
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

  @Option(help: "A shipped topology (see 'weft topology list') or a topology file.")
  var topology: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Change a value of the topology by its dotted path; repeatable.", valueName: "path=value"))
  var overrides: [String] = []

  @Flag(help: "Print every number of the topology with its source, and stop.")
  var showTopology = false

  @OptionGroup var profile: ProfileOptions
  @OptionGroup var global: GlobalOptions

  @Option(help: "A shipped model, or a Hugging Face config.json.")
  var model: String?

  @Option(parsing: .unconditional, help: "The numbers of GPUs, as a list: 16,32,64.")
  var gpus: String?

  @Option(
    help: ArgumentHelp(
      "The plans to try, as a list of tp, tp8, tp4xpp4, tp4xpp (the rest pipeline), tp4xdp2, "
        + "tp8xep8 (experts), tp4c2 (a grid), auto (the best of all); tp unless said."))
  var plan: String?

  @Option(
    parsing: .unconditional, help: "The sequences of one replica, as a list: 1,8,64; 8 unless said."
  )
  var batch: String?

  @Option(parsing: .unconditional, help: "The tokens of each prompt; 1024 unless said.")
  var prompt: Int?

  @Option(
    parsing: .unconditional, help: "The tokens to generate for each prompt; 1024 unless said.")
  var decode: Int?

  @Option(
    help: "What serves the all-reduces of decode, as a list of nccl, nvrar; nccl unless said.")
  var allReduce: String?

  @Option(
    name: .customLong("engine"),
    help: "The inference engine: yalis (unless said), vllm, sglang, trtllm, torch-graph, or a file."
  )
  var engineName: String?

  /// The engine, by its name or the path of a file.
  var engine: String { engineName ?? "yalis" }

  @Option(help: "The type of the weights, such as bf16 or fp8; the model's own unless said.")
  var dtype: String?

  @Option(help: "The type of the KV cache; that of activations (16 bits) unless said.")
  var kvDtype: String?

  @Option(
    help: ArgumentHelp(
      "Predict again with a change, such as 'network.latency=-50%', 'all-reduce=nvrar', "
        + "'launch=eager' or 'dtype=fp8'; repeatable.", valueName: "path=change"))
  var whatIf: [String] = []

  @Option(
    help: """
      Decode steps or serving runs of your own (CSV) that correct what the host and launches cost; \
      weft calibrate keeps such a correction as a profile.
      """)
  var measured: String?

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp(
      "With --measured: use rows alone whose column has this text in it, as weft calibrate does; "
        + "repeatable.", valueName: "column=value"))
  var conditions: [String] = []

  @Flag(help: "Add definitions, sensitivities, crossovers of plans, and which all-reduce to use.")
  var explain = false

  @Option(help: "A shipped study such as nvrar-paper, or a file, in place of all the above.")
  var study: String?

  func run() throws {
    let data = try global.data()
    if let study {
      try refuseBesideStudy()
      return try StudyRun(file: try data.study(study), data: data).report(global)
    }
    guard measured != nil || conditions.isEmpty else {
      throw Failure(
        .usage, "--where chooses rows of --measured, which is not given", fix: "leave it out")
    }
    let file = try data.topology(
      try required(topology, "--topology"), overrides: try TopologyOptions.parse(overrides))
    if showTopology { return try global.emit(TopologyCommand.report(file)) }
    let modelFile = try data.model(try required(model, "--model"))
    for note in modelFile.notes { Console.warn(note, global) }
    let engineFile = try data.engine(engine)
    let costs = try profile.loaded(for: file.topology, global)
    var request = try request(
      modelFile, file.topology, costs.profile.adding(engineFile, beneath: costs.own), engineFile)
    let batches = try self.batches()
    let changes = try whatIf.map { try WhatIf($0) }
    try Output.checkFolder(of: global.output)
    try Output.check(
      global.output,
      replacesNoneOf: [measured, topology, model].compactMap { $0 } + [engine] + profile.profiles)
    if global.format == .csv && (explain || !changes.isEmpty) {
      Console.warn(
        "CSV has no place for what --explain and --what-if say: use table or json", global)
    }
    let progress = Progress(global, mentionedAfter: .seconds(5))
    var notes = Self.transferNotes(request.profile)
    if let measured { notes.append(try correct(&request, with: measured)) }
    if request.profile.stepCalibration == nil, let own = costs.own, own.isCalibrated {
      Console.warn(
        "no interval for TPOT: the profile was calibrated on "
          + (own.calibration == nil ? "kernels or too few steps" : "collectives")
          + ", and nothing is known of the errors of whole steps; weft calibrate on decode steps "
          + "gives one", global)
    }
    defer { progress.finish() }
    let answer = try global.timed("prediction") {
      try predictions(of: try batches.map { try request.asked(batch: $0) }, progress)
    }
    for note in Interval.notes(answer.rows.compactMap(\.intervalObstacle)) {
      Console.warn(note, global)
    }
    try warnOfUnused(answer.rows, on: file.topology)
    if let warning = costs.idleWarning, let own = costs.own, !own.isAnswered(by: answer.rows) {
      Console.warn(warning, global)
    }
    var report = Report(
      rows: answer.rows, hasFront: request.plans.contains(where: \.isAuto) || batches.count > 1)
    report.add(answer.searches)
    report.notes += notes
    for change in changes {
      try report.add(change, to: answer.rows, of: answer.requests, progress)
    }
    if explain {
      try report.explain(answer.rows, of: answer.requests, engine: engineFile.engine, progress)
    }
    progress.finish()
    try global.emit(report)
  }

  /// Says which values of the topology no row answers to.
  private func warnOfUnused(_ rows: [Prediction], on topology: Topology) throws {
    guard let nodes = rows.compactMap(\.nodes).max(),
      let fabric = try? Fabric(topology, nodes: nodes)
    else { return }
    let unused = try UnusedInputs(
      fabric, overrides: overrides, moreNodes: "give --gpus of several nodes")
    unused.notes.forEach { Console.warn($0, global) }
  }

  /// One sweep per question, of one list; the questions with the plans that `auto` came to.
  private func predictions(
    of requests: [PredictionRequest], _ progress: Progress
  ) throws -> (rows: [Prediction], requests: [PredictionRequest], searches: [PlanSearchSummary]) {
    guard let first = requests.first else { return ([], [], []) }
    var timer = WatchedTimer.cached(first.topology, first.profile, progress)
    let narrowed = try requests.map { try $0.narrowed(timer: &timer) }
    let rows = try narrowed.map(\.request).flatMap { asked in
      try asked.bounded(try asked.predictions(timer: &timer), timer: &timer)
    }
    try Self.check(rows)
    return (rows, narrowed.map(\.request), narrowed.flatMap(\.searches))
  }

  /// The question that the options ask of a model on a machine, for the first of their batches.
  ///
  /// - Throws: ``Failure`` and ``WorkloadError`` for a value that is not known or makes no sense.
  func request(
    _ model: ModelFile, _ topology: Topology, _ profile: Profile, _ engine: EngineFile
  ) throws -> PredictionRequest {
    PredictionRequest(
      model: model.model, topology: topology, profile: profile,
      gpuCounts: try gpuCounts(), plans: try Self.list(plan ?? "tp").map { try PlanPattern($0) },
      libraries: try libraries(),
      workload: try InferenceWorkload(
        batch: try batches().first ?? 1, prompt: prompt ?? 1024, decode: decode ?? 1024),
      weights: try Self.type("--dtype", dtype), keyValues: try Self.type("--kv-dtype", kvDtype),
      engine: engine.engine)
  }

  /// Refuses times that nobody waits for.
  static func check(_ predictions: [Prediction]) throws(Failure) {
    guard predictions.contains(where: { $0.timing?.latency.isTooLong == true }) else { return }
    throw Failure(
      .usage, "a prediction would take weeks of simulated time",
      fix: "check the units of rates and bandwidths, and the workload's size")
  }
}

extension PredictionRequest {
  /// The question for another batch.
  func asked(batch: Int) throws(WorkloadError) -> PredictionRequest {
    var asked = self
    asked.workload = try InferenceWorkload(
      batch: batch, prompt: workload.prompt, decode: workload.decode)
    return asked
  }
}

extension Profile {
  /// The engine's parameters over these, and the user's own over both.
  func adding(_ engine: EngineFile, beneath own: Profile?) -> Profile {
    var loaded = self
    for key in Profile.Key.allCases where own?[key] == nil {
      if let parameter = engine.profile[key] { loaded[key] = parameter }
    }
    return loaded
  }

  /// Whether a prediction answers to any of these parameters.
  fileprivate func isAnswered(by rows: [Prediction]) -> Bool {
    let ledgers = rows.compactMap(\.timing).flatMap { [$0.prefill, $0.decode].compactMap { $0 } }
    let communicates = ledgers.contains { ledger in
      [CostCategory.allReduce, .allToAll, .pointToPoint].contains { ledger[$0] > .zero }
    }
    let usesNVRAR = rows.contains { $0.allReduce == .nvrar && $0.fits }
    return Key.allCases.contains { key in
      guard self[key] != nil else { return false }
      switch key.rawValue.prefix(while: { $0 != "." }) {
      case "runtime": return false
      case "nvrar", "nvshmem": return usesNVRAR
      case "nccl": return communicates
      default: return true
      }
    }
  }
}

// MARK: - Options

extension PredictCommand {
  private func required(_ value: String?, _ flag: String) throws(Failure) -> String {
    guard let value else {
      throw Failure(
        .usage, "\(flag) is missing", fix: "give \(flag), or --study nvrar-paper; see --help")
    }
    return value
  }

  /// A study says itself what it predicts, so that nothing else would be used.
  private func refuseBesideStudy() throws(Failure) {
    let given = [
      ("--topology", topology != nil), ("--set", !overrides.isEmpty),
      ("--show-topology", showTopology), ("--profile", profile.profile != nil),
      ("--model", model != nil), ("--gpus", gpus != nil), ("--plan", plan != nil),
      ("--batch", batch != nil), ("--prompt", prompt != nil), ("--decode", decode != nil),
      ("--all-reduce", allReduce != nil), ("--engine", engineName != nil),
      ("--dtype", dtype != nil), ("--kv-dtype", kvDtype != nil), ("--what-if", !whatIf.isEmpty),
      ("--measured", measured != nil), ("--where", !conditions.isEmpty), ("--explain", explain),
    ].filter(\.1).map(\.0)
    guard !given.isEmpty else { return }
    throw Failure(
      .usage, "\(given.joined(separator: ", ")) would be unused: a study says it all itself",
      fix: "leave it out, or change a copy of the study and give its path")
  }

  private static func list(_ text: String) -> [String] {
    CommaList.parse(text)
  }

  private func gpuCounts() throws(Failure) -> [Int] {
    try Self.counts(try required(gpus, "--gpus"), "--gpus", of: "a number of GPUs")
  }

  private func batches() throws(Failure) -> [Int] {
    try Self.counts(batch ?? "8", "--batch", of: "a number of sequences")
  }

  private static func counts(
    _ text: String, _ flag: String, of what: String
  ) throws(Failure) -> [Int] {
    var counts: [Int] = []
    for item in list(text) {
      guard let count = Int(item) else {
        throw Failure(
          .usage, "\(flag) \(text): '\(item)' is not \(what)",
          fix: "write a list like \(flag) 16,32,64")
      }
      counts.append(count)
    }
    return counts
  }

  private func libraries() throws(Failure) -> [AllReduceLibrary] {
    var libraries: [AllReduceLibrary] = []
    for name in Self.list(allReduce ?? "nccl") {
      guard let library = AllReduceLibrary(rawValue: name) else {
        throw Self.unknown("--all-reduce", name, among: AllReduceLibrary.allCases.map(\.rawValue))
      }
      libraries.append(library)
    }
    return libraries
  }

  /// The type of a name; nil for none.
  static func type(_ flag: String, _ name: String?) throws(Failure) -> DataType? {
    guard let name else { return nil }
    if let type = DataType(name: name) { return type }
    throw unknown(flag, name, among: DataType.allCases.map(\.rawValue))
  }

  private static func unknown(_ flag: String, _ name: String, among names: [String]) -> Failure {
    Failure(.usage, "\(flag): '\(name)' is not known", fix: Failure.suggestion(name, names))
  }

  /// What the kernels' parameters were taken over from, each once.
  private static func transferNotes(_ profile: Profile) -> [String] {
    let keys = MatrixProduct.keys + DecodeAttention.keys + PrefillAttention.keys
    var seen = Set<String>()
    return keys.compactMap { profile[$0]?.source }
      .filter { $0.hasPrefix("transferred") }
      .compactMap { $0.split(separator: ":").first.map(String.init) }
      .filter { seen.insert($0).inserted }
      .map { "kernels' parameters are " + $0 }
  }

  /// Corrects the engine's terms with the user's steps, and says so in a line.
  private func correct(
    _ request: inout PredictionRequest, with path: String
  ) throws -> String {
    let file = try StepFile(path: path)
    var rows = try RowFilter(conditions, columns: file.columns).choose(from: file.rows)
    let others = MeasurementOptions.leaveOut(&rows, unlike: request.weights.rawValue)
    for note in Validation.notes(of: file.unusable + others)
      + MeasurementOptions.warnings(rows, request)
    {
      Console.warn(note, global)
    }
    var comparison = StepComparison(request: request, rows: rows, unusable: [])
    try comparison.requireOneSystem(pooled: nil)
    let fitted = try comparison.fit(Array(rows.indices))
    for note in Validation.notes(of: comparison.unusable) + fitted.warnings {
      Console.warn(note, global)
    }
    let fit = fitted.fit
    request.profile = fitted.profile
    let values = zip(EngineTerms.keys, fit.values).map {
      "\($0.rawValue) \(SimDuration.seconds($1))"
    }
    let before = Accuracy.figures(fit.rows.map { $0.before / $0.time - 1 })
    let after = Accuracy.figures(zip(fit.rows, fit.fitted).map { $1 / $0.time - 1 })
    return
      "\(path): \(fit.rows.count - fit.outliers.count) steps give \(values.joined(separator: ", ")); median error "
      + "\(Percent.text(before?.median ?? 0)) before, \(Percent.text(after?.median ?? 0)) after"
  }
}
