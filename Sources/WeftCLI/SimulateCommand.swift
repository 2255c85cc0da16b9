import ArgumentParser
import Weft
import WeftFiles

/// `weft simulate`: the time of a collective over sizes and algorithms.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Time a collective over sizes and algorithms.",
    discussion: """
      The time is the steady-state period of back-to-back calls, the maximum over ranks, which is \
      what nccl-tests measures. Plain schedules are priced by their links alone, as one isolated \
      call, unless --protocol says otherwise.
      """)

  @Argument(
    help: "all-reduce, all-gather, reduce-scatter, broadcast, reduce or all-to-all.")
  var collective: String

  @OptionGroup var machine: MachineOptions
  @OptionGroup var sizes: SizeOptions
  @OptionGroup var profile: ProfileOptions
  @OptionGroup var global: GlobalOptions

  @Option(
    parsing: .unconditional,
    help: "Algorithms, by commas: nccl, nccl:tree/simple, nvrar, ring, tree, others, FILE.xml.")
  var algorithm = "nccl"

  @Option(
    name: .customLong("protocol"),
    parsing: .unconditional,
    help: "Price by links alone (ideal), or a plain schedule with NCCL's ll, ll128 or simple.")
  var protocolName: String?

  @Option(
    help: "How kernels are started: graph or eager.",
    transform: { text throws(ValidationError) in
      guard let launch = StepLaunch(rawValue: text) else {
        throw ValidationError("'\(text)' is neither graph nor eager.")
      }
      return launch
    })
  var launch = StepLaunch.graph

  @Option(
    help:
      "How links are shared, by commas: event, flow, analytic; by default as fits the algorithm."
  )
  var network: String?

  @Option(help: "The version of NCCL, 2.18 to 2.30.")
  var ncclVersion = "2.30"

  @Flag(help: "Use one buffer for input and output.")
  var inPlace = false

  @Flag(help: "Time one cold call from a common start.")
  var isolated = false

  @Flag(help: "Simulate every node, even where one could stand for all.")
  var noFold = false

  @Flag(help: "Search NVRAR's blocks and chunk for every size.")
  var tune = false

  @Flag(help: "Show NCCL's table of times and what each class of parameters is worth.")
  var explain = false

  @Option(parsing: .unconditional, help: "How often to repeat with other random draws.")
  var trials = 1

  @Option(help: "The seed of random draws.")
  var seed: UInt64 = 0

  func run() throws {
    let collective = try Collective(parsing: self.collective)
    let machine = try self.machine.load(global)
    if self.machine.options.showTopology {
      return try global.emit(TopologyCommand.report(machine.file))
    }
    let fabric = machine.fabric
    let type = try self.sizes.type()
    let sizes = try self.sizes.sizes(on: fabric.topology.gpu)
    try Output.checkFolder(of: global.output)
    let names = try CommaList.parse(algorithm)
      .map { text throws(Failure) in try Self.parseAlgorithm(text) }
    let networks = try parseNetworks()
    let pricing = try parsePricing()
    let version = try checkVersion()
    try names.forEach { try checkFile($0.value, $0.text, sizes) }
    warn(sizes: sizes, type: type, collective, ranks: fabric.ranks)
    let planner = Planner(
      fabric: fabric, profile: try profile.load(for: fabric.topology, global),
      ncclVersion: version)
    if collective == planner.tuner.collective {
      warnOfSubstitutes(names.map(\.value), sizes, type, planner.tuner)
    }
    let jobs = names.flatMap { name in
      sizes.flatMap { bytes in
        requests(name, collective, bytes, type, networks, pricing)
      }
    }
    try checkSizes(of: jobs, planner)
    let records = try global.timed("the simulation") {
      try jobs.map { try record($0, planner) }
    }
    try global.emit(
      Report(
        records, title: title(fabric, type),
        columns: [
          "size_bytes", "requested", "algorithm", "protocol", "channels", "network", "time_us",
          "algbw_GBps", "busbw_GBps", "bottleneck",
        ], notes: records.compactMap(Self.note), seed: seed))
  }

  private func title(_ fabric: Fabric, _ type: DataType) -> String {
    "\(collective) on \(fabric.topology.name): \(fabric.nodes) nodes x \(fabric.gpusPerNode) GPUs, "
      + "\(type.rawValue), \(launch.rawValue), \(inPlace ? "in" : "out of") place"
      + (isolated ? ", one isolated call" : "")
  }

  /// The rows to come of one algorithm and size.
  private func requests(
    _ name: (text: String, value: AlgorithmName), _ collective: Collective, _ bytes: Int,
    _ type: DataType, _ networks: [Plan.Network]?, _ pricing: Planner.Pricing
  ) -> [CallRequest] {
    let call = CollectiveCall(
      collective, bytes: bytes, type: type, inPlace: inPlace, launch: launch)
    return (networks ?? [Self.defaultNetwork(name.value)]).map { network in
      CallRequest(
        requested: name.text, name: name.value, call: call, network: network, pricing: pricing,
        isIsolated: isolated || Self.isIdeal(name.value, pricing), isFolded: !noFold,
        isTuned: tune)
    }
  }

  /// The one call that the options ask for, of `bytes` whatever the sizes say.
  ///
  /// - Throws: ``Failure`` if a value is not known, or the options ask for several calls.
  func request(bytes: Int) throws -> (request: CallRequest, version: NCCLVersion) {
    let name = try Self.parseAlgorithm(algorithm)
    try checkFile(name.value, name.text, [bytes])
    let requests = requests(
      name, try Collective(parsing: collective), bytes, try sizes.type(), try parseNetworks(),
      try parsePricing())
    guard let request = requests.first, requests.count == 1 else {
      throw Failure(.usage, "--network \(network ?? "") names several", fix: "give one")
    }
    return (request, try checkVersion())
  }

  private func record(_ job: CallRequest, _ planner: Planner) throws -> Record {
    let outcome = try job.answer(planner)
    var record = outcome.record
    if explain {
      record["explanation"] = .object(
        try explanation(job, job.name, outcome.plan, outcome.result, planner))
    }
    return record
  }

  /// What each class of parameters is worth, and for NCCL its own table.
  private func explanation(
    _ job: CallRequest, _ name: AlgorithmName, _ plan: Plan, _ result: SimulationResult,
    _ planner: Planner
  ) throws -> Record {
    let sensitivity = try Sensitivity(
      of: plan, time: result.time, on: planner.fabric, network: job.network,
      isolated: job.isIsolated)
    var effects = Record()
    for (parameters, change) in sensitivity.changes {
      let what = parameters.rawValue + (parameters.isRate ? " +10%" : " -10%")
      effects[what] = .number((change * 1000).rounded() / 10)
    }
    var explanation = Record(["change_pct": .object(effects)])
    if case .nccl = name {
      var table = Record()
      let tuner = planner.tuner
      for candidate in tuner.candidates {
        let label = "\(candidate.algorithm.rawValue)/\(candidate.protocolName.rawValue)"
        table[label] = .number(tuner.time(candidate, bytes: job.call.bytes))
      }
      explanation["nccl_tuner_us"] = .object(table)
    }
    if let published = plan.publishedTime(on: planner.fabric) {
      explanation["published_formula_us"] = .number(published.microseconds)
    }
    return explanation
  }

  /// The explanation of a row in one line.
  private static func note(_ record: Record) -> String? {
    guard case .object(let explanation) = record["explanation"],
      case .text(let requested) = record["requested"],
      case .integer(let bytes) = record["size_bytes"]
    else { return nil }
    func list(_ name: String, _ unit: String) -> String? {
      guard case .object(let values) = explanation[name] else { return nil }
      return values.fields.map { field in
        guard case .number(let number) = field.value else { return field.name }
        return "\(field.name): \((number * 10).rounded() / 10)\(unit)"
      }.joined(separator: ", ")
    }
    let table = list("nccl_tuner_us", " us").map { "; NCCL's tuner predicts \($0)" } ?? ""
    var published = ""
    if case .number(let time) = explanation["published_formula_us"] {
      published = "; the published formula gives \((time * 10).rounded() / 10) us for links alone"
    }
    return "\(bytes) \(requested): \(list("change_pct", " %") ?? "")\(table)\(published)"
  }

  // MARK: - Arguments

  /// An algorithm by its name, or from an MSCCL file.
  static func parseAlgorithm(_ text: String) throws(Failure) -> (text: String, value: AlgorithmName)
  {
    if text.hasSuffix(".xml") {
      do {
        return (text, .imported(try MSCCLFile.read(path: text)))
      } catch {
        throw Failure(error)
      }
    }
    guard let name = AlgorithmName(text) else {
      throw Failure(
        .usage, "unknown algorithm '\(text)'", fix: Failure.suggestion(text, AlgorithmName.known))
    }
    return (text, name)
  }

  /// A schedule from a file is only worth timing if it does what it says.
  private func checkFile(_ name: AlgorithmName, _ path: String, _ sizes: [Int]) throws {
    guard case .imported(let program) = name else { return }
    let report = try Failure.planned { () throws(PlanError) in try program.proof() }
    if let finding = report.findings.first {
      throw Failure(
        .badContent, "\(path): the schedule is wrong: \(finding)", fix: "weft verify shows more")
    }
    let meant = program.minBytes..<max(program.minBytes, program.maxBytes ?? .max)
    if let size = sizes.first(where: { !meant.contains($0) }) {
      Console.warn(
        "\(path) is meant for \(meant.lowerBound) to \(meant.upperBound) bytes, so MSCCL would not "
          + "use it for \(size)", global)
    }
  }

  private func parseNetworks() throws(Failure) -> [Plan.Network]? {
    guard let network else { return nil }
    var networks: [Plan.Network] = []
    for text in CommaList.parse(network) {
      guard let model = Plan.Network(rawValue: text) else {
        let known = Plan.Network.allCases.map(\.rawValue)
        throw Failure(
          .usage, "unknown network model '\(text)'", fix: Failure.suggestion(text, known))
      }
      networks.append(model)
    }
    return networks
  }

  private func parsePricing() throws(Failure) -> Planner.Pricing {
    guard let protocolName else { return .library }
    if protocolName == "ideal" { return .ideal }
    guard let name = NCCLTuner.ProtocolName(rawValue: protocolName) else {
      let known = ["ideal"] + NCCLTuner.ProtocolName.allCases.map(\.rawValue)
      throw Failure(
        .usage, "unknown protocol '\(protocolName)'", fix: Failure.suggestion(protocolName, known))
    }
    return .nccl(name)
  }

  private func checkVersion() throws(Failure) -> NCCLVersion {
    guard let version = NCCLVersion(ncclVersion), version.isSupported else {
      let (first, last) = NCCLVersion.supportedSeries
      throw Failure(
        .usage, "--nccl-version \(ncclVersion): Weft has the tuners of NCCL \(first) to \(last)",
        fix: "give one of these, such as \(last) or 2.23.4, or leave --nccl-version out")
    }
    guard trials >= 1 else {
      throw Failure(.usage, "--trials \(trials) runs nothing", fix: "give 1 or more")
    }
    return version
  }

  private static func defaultNetwork(_ name: AlgorithmName) -> Plan.Network {
    switch name {
    case .plain, .imported: .event
    case .nccl, .nvrar: .flow
    }
  }

  private static func isIdeal(_ name: AlgorithmName, _ pricing: Planner.Pricing) -> Bool {
    switch name {
    case .plain, .imported: pricing == .library || pricing == .ideal
    case .nccl, .nvrar: pricing == .ideal
    }
  }

  private func warn(sizes: [Int], type: DataType, _ collective: Collective, ranks: Int) {
    if trials > 1 {
      Console.warn("nothing in this model is random, so all \(trials) trials are alike", global)
    }
    if let size = sizes.first(where: { $0 % type.bytes != 0 }) {
      Console.warn(
        "\(size) bytes are \(size / type.bytes) elements of \(type.rawValue) and a rest, which "
          + "is left out as nccl-tests does", global)
    }
    if let size = sizes.first(where: { size in
      let elements = size / type.bytes
      return elements != collective.wholeElements(elements, ranks: ranks)
    }) {
      Console.warn(
        "\(size) bytes are no equal parts for \(ranks) ranks; the rest is left out as nccl-tests "
          + "does", global)
    }
    if self.sizes.hasUnusedRange {
      Console.warn("-b, -e and -f change nothing beside --size", global)
    }
    if launch == .eager && protocolName == "ideal" {
      Console.warn("--launch changes nothing where links alone are priced", global)
    }
    let usesNVRAR = CommaList.parse(algorithm).contains("nvrar")
    if tune && !usesNVRAR { Console.warn("--tune changes nothing without nvrar", global) }
  }

  /// Says where NCCL would pick an algorithm that has no schedule yet.
  private func warnOfSubstitutes(
    _ names: [AlgorithmName], _ sizes: [Int], _ type: DataType, _ tuner: NCCLTuner
  ) {
    let picks = sizes.compactMap { bytes -> (bytes: Int, name: String)? in
      guard let choice = tuner.choice(bytes: bytes, type: type), !choice.algorithm.isRunnable
      else { return nil }
      return (bytes, choice.algorithm.rawValue)
    }
    guard names.contains(.nccl(nil, nil)), let first = picks.first else { return }
    let others = picks.count > 1 ? " and for \(picks.count - 1) more of these sizes" : ""
    Console.warn(
      "NCCL picks \(first.name) for \(first.bytes) bytes\(others), which Weft cannot run yet: the "
        + "next in NCCL's table runs instead", global)
  }

  /// Refuses what would run for hours or not fit into memory, and says what will take long.
  private func checkSizes(of jobs: [CallRequest], _ planner: Planner) throws {
    var operations = 0
    for job in jobs {
      operations += try job.operations(on: planner)
      try job.check(operations: operations, ranks: planner.fabric.ranks)
    }
    // About a million operations are simulated in a second.
    if operations > 10_000_000 {
      Console.warn("this will take about \(operations / 1_000_000) s", global)
    }
  }
}
