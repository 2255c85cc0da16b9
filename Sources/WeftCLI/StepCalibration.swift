import ArgumentParser
import Weft
import WeftFiles

/// The options that say what ran in measured steps and serving runs.
struct StepOptions: ParsableArguments {
  @Option(help: "The model of measured steps or serving runs: shipped, or a config.json.")
  var model: String?

  @Option(help: "Their inference engine: yalis, vllm, sglang, trtllm, torch-graph, or a file.")
  var engine: String?

  @Option(help: "The type of their weights, such as bf16 or fp8; the model's own unless said.")
  var dtype: String?
}

/// `weft calibrate` for files of decode steps or serving runs: what an engine adds to kernels and
/// collectives.
struct StepCalibration {
  var request: PredictionRequest
  var nominal: Profile
  var identity: CalibratedProfile.Identity

  /// The question that the options ask, before any measurement.
  ///
  /// - Throws: ``Failure`` for an option that is missing or not known; ``InputError`` for a file.
  init(
    _ options: StepOptions, topology: Topology, nominal: Profile, own: Profile?,
    name: String?, date: String?, _ global: GlobalOptions
  ) throws {
    guard let model = options.model, let engine = options.engine else {
      throw Failure(
        .usage, "steps and serving runs are of a model and an engine",
        fix: "give --model and --engine, such as --model llama-3.1-8b --engine torch-graph")
    }
    let data = try global.data()
    let file = try data.model(model)
    for note in file.notes { Console.warn(note, global) }
    let engineFile = try data.engine(engine)
    self.nominal = nominal.adding(engineFile, beneath: own)
    request = PredictionRequest(
      model: file.model, topology: topology, profile: self.nominal, gpuCounts: [1],
      plans: [try PlanPattern("tp")], libraries: [.nccl],
      workload: try InferenceWorkload(batch: 1, prompt: 1, decode: 2),
      weights: try PredictCommand.type("--dtype", options.dtype), engine: engineFile.engine)
    identity = CalibratedProfile.Identity(
      name: name ?? "\(topology.gpu.name)-\(engineFile.engine.name)-steps-calibrated",
      title: "steps of \(file.model.name) on \(topology.gpu.title), calibrated",
      gpu: topology.gpu.name)
    identity.environment = engineFile.engine.name
    identity.date = date
  }

  /// The system that conditions on rows choose, which is all that they can choose steps by.
  ///
  /// - Throws: ``Failure`` for another condition.
  static func system(_ conditions: [String]) throws(Failure) -> String? {
    for condition in conditions where !condition.hasPrefix("system=") {
      throw Failure(
        .usage, "--where \(condition) chooses no steps", fix: "choose them by --where system=…")
    }
    return conditions.last.map { String($0.dropFirst("system=".count)) }
  }

  /// Fits the files' rows of one system, and half of them alone to predict the other half.
  func run(
    _ paths: [String], system: String?
  ) throws -> (report: Report, profile: CalibratedProfile) {
    var measurements: [StepMeasurement] = []
    var unused: [String] = []
    var systems = Set<String>()
    var data: [(file: String, rows: Int)] = []
    for path in paths {
      let file = try StepFile(path: path, system: system)
      measurements += file.measurements
      unused += file.unused
      systems.formUnion(file.systems)
      data.append((file: path, rows: file.measurements.count))
    }
    guard systems.count < 2 else {
      throw Failure(
        .badContent,
        "the rows are of \(systems.count) systems: "
          + systems.sorted().joined(separator: ", "),
        fix: "choose one with --where system=…")
    }
    var timer = CachingTimer(SimulatedTimer(topology: request.topology, profile: nominal))
    let terms = try EngineTerms(fitting: measurements, of: request, timer: &timer)
    var unseen: [Double] = []
    for half in 0...1 where measurements.count > 3 {
      let seen = measurements.indices.filter { $0 % 2 != half }.map { measurements[$0] }
      let others = measurements.indices.filter { $0 % 2 == half }.map { measurements[$0] }
      var asked = request
      asked.profile = try EngineTerms(fitting: seen, of: request, timer: &timer)
        .applied(to: nominal, source: "fitted")
      unseen += try EngineTerms.errors(of: others, asked, timer: &timer)
    }
    let errors = [
      ("nominal", terms.errors.map(\.before)), ("fitted", terms.errors.map(\.after)),
      ("unseen half", unseen),
    ]
    let profile = terms.applied(to: nominal, source: "fitted")
    return (
      report(terms, errors, unused, rows: measurements.count),
      CalibratedProfile(
        identity: identity, profile: profile,
        keys: terms.values.map { (key: $0.key, term: 0) }, calibration: nil, data: data)
    )
  }

  private func report(
    _ terms: EngineTerms, _ errors: [(name: String, percent: [Double])], _ unused: [String],
    rows: Int
  ) -> Report {
    let records = terms.values.map { value in
      Record([
        "parameter": .text(value.key.rawValue), "value": .number(value.seconds * 1e6),
        "standard_error": .number(value.standardError * 1e6), "unit": .text("us"),
        "nominal": Value((nominal[value.key]?.value).map { $0 * 1e6 }),
      ])
    }
    var notes = errors.compactMap { name, percent in
      Accuracy.figures(percent.map { $0 / 100 }).map {
        "steps, \(name): \(percent.count) rows, median error \(Validation.short($0.median)) %, "
          + "95th percentile \(Validation.short($0.p95)) %"
      }
    }
    notes += terms.values.filter { $0.seconds == 0 }.map {
      "held at zero: \($0.key.rawValue): the steps say nothing about it beyond the other terms"
    }
    if let first = unused.first { notes.append("not used: \(unused.count) rows, first \(first)") }
    return Report(
      records,
      title: "steps of \(request.model.name) on \(request.topology.gpu.title): \(rows) rows",
      notes: notes)
  }
}
