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
    let machine = try self.machine.load(global, seed: seed)
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
    warn(sizes: sizes, type: type, collective, on: fabric)
    let planner = Planner(
      fabric: fabric, profile: try profile.load(for: fabric.topology, global),
      ncclVersion: version)
    if collective == planner.tuner.collective {
      warnOfSubstitutes(names.map(\.value), sizes, type, planner.tuner)
    }
    var jobs: [Job] = []
    for name in names {
      for bytes in sizes {
        let call = CollectiveCall(
          collective, bytes: bytes, type: type, inPlace: inPlace, launch: launch)
        for network in networks ?? [Self.defaultNetwork(name.value)] {
          jobs.append(
            Job(
              requested: name.text, name: name.value, call: call, network: network,
              isolated: isolated || Self.isIdeal(name.value, pricing)))
        }
      }
    }
    try checkSizes(of: jobs, pricing, planner)
    var progress = Progress("simulated", of: jobs.count * trials, global)
    let records = try global.timed("the simulation") {
      try jobs.enumerated().map { index, job in
        try record(job, pricing, planner) { progress.update(index * trials + $0) }
      }
    }
    progress.finish()
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

  /// One row to come.
  private struct Job {
    var requested: String
    var name: AlgorithmName
    var call: CollectiveCall
    var network: Plan.Network
    var isolated: Bool
  }

  private func record(
    _ job: Job, _ pricing: Planner.Pricing, _ planner: Planner, progress: (Int) -> Void
  ) throws -> Record {
    let fabric = Self.ordered(planner.fabric, for: job.name)
    let name = job.name
    var best: (plan: Plan, result: SimulationResult, parameters: NVRARPlanner.Parameters)?
    let candidates = tune && name == .nvrar ? NVRARPlanner.Parameters.grid : [.standard]
    for parameters in candidates {
      let plan = try Failure.planned {
        () throws(PlanError) in
        try planner.plan(name, for: job.call, pricing: pricing, parameters: parameters)
      }
      let result = try plan.simulate(
        on: fabric, network: job.network, isolated: job.isolated, foldAllowed: !noFold)
      if result.time < best?.result.time ?? SimDuration(picoseconds: .max) {
        best = (plan, result, parameters)
      }
    }
    guard let (plan, result, parameters) = best, !result.time.isTooLong else {
      throw Failure(
        .usage, "\(job.requested) of \(job.call.bytes) bytes would take weeks of simulated time",
        fix: "check the units of bandwidths and sizes")
    }
    let runs = try repeated(plan, result, job, on: fabric, progress: progress)
    let median = runs[(runs.count - 1) / 2]
    var record = Record(job.requested, plan, median, job.call, job.network, on: fabric)
    if trials > 1 {
      record["trials"] = .integer(trials)
      record["low_us"] = .number(Self.percentile(5, of: runs))
      record["high_us"] = .number(Self.percentile(95, of: runs))
    }
    if name == .nvrar {
      record["nvrar"] = .object(
        Record(["blocks": .integer(parameters.blocks), "chunk": .integer(parameters.chunk)]))
    }
    if explain {
      record["explanation"] = .object(
        try explanation(job, name, plan, median, planner, on: fabric))
    }
    return record
  }

  /// A library knows which ranks share a node; only plain schedules take ranks as they come.
  private static func ordered(_ fabric: Fabric, for name: AlgorithmName) -> Fabric {
    switch name {
    case .nccl, .nvrar: fabric.withRanksInBlocks
    case .plain, .imported: fabric
    }
  }

  /// All trials' results in order of time; the first is that of the seed itself.
  private func repeated(
    _ plan: Plan, _ first: SimulationResult, _ job: Job, on fabric: Fabric,
    progress: (Int) -> Void
  ) throws -> [SimulationResult] {
    var runs = [first]
    for trial in 1..<max(1, trials) where fabric.isRandom && job.network != .analytic {
      progress(trial)
      runs.append(
        try plan.simulate(
          on: try fabric.redrawn(trial: trial), network: job.network, isolated: job.isolated,
          foldAllowed: !noFold))
    }
    return runs.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map(\.element)
  }

  /// A percentile of times in microseconds, between neighbours in proportion.
  private static func percentile(_ percent: Double, of runs: [SimulationResult]) -> Double {
    let place = Double(runs.count - 1) * percent / 100
    let below = Int(place)
    let above = min(below + 1, runs.count - 1)
    let low = runs[below].time.microseconds
    return low + (runs[above].time.microseconds - low) * (place - Double(below))
  }

  /// What each class of parameters is worth, and for NCCL its own table.
  private func explanation(
    _ job: Job, _ name: AlgorithmName, _ plan: Plan, _ result: SimulationResult,
    _ planner: Planner, on fabric: Fabric
  ) throws -> Record {
    let sensitivity = try Sensitivity(
      of: plan, time: result.time, on: fabric, network: job.network,
      isolated: job.isolated)
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
    if job.network != .analytic && !noFold, let reason = plan.foldObstacle(on: fabric) {
      explanation["every_node_simulated"] = .text(reason)
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
    if case .text(let reason) = explanation["every_node_simulated"] {
      published += "; every node was simulated: \(reason)"
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
    try program.refuseIfWrong(path)
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

  private func warn(
    sizes: [Int], type: DataType, _ collective: Collective, on fabric: Fabric
  ) {
    let ranks = fabric.ranks
    if trials > 1 && !fabric.isRandom {
      Console.warn("nothing here is random, so all \(trials) trials are alike", global)
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
  private func checkSizes(
    of jobs: [Job], _ pricing: Planner.Pricing, _ planner: Planner
  ) throws {
    let limit = 2_000_000_000
    var operations = 0
    var obstacle: String?
    for job in jobs {
      let fabric = Self.ordered(planner.fabric, for: job.name)
      let plan = try Failure.planned {
        () throws(PlanError) in try planner.plan(job.name, for: job.call, pricing: pricing)
      }
      guard job.network != .analytic else {
        guard plan.canRun(.analytic, on: planner.fabric) else {
          throw Failure(
            .usage,
            "\(job.requested) has no closed form for \(collective) on \(planner.fabric.ranks) ranks",
            fix: "leave analytic out of --network")
        }
        continue
      }
      let size = plan.size(on: fabric, foldAllowed: !noFold, limit: limit)
      if !noFold { obstacle = obstacle ?? plan.foldObstacle(on: fabric) }
      let runs = tune && job.name == .nvrar ? NVRARPlanner.Parameters.grid.count : 1
      operations += size.operations * (job.isolated ? 1 : 2) * runs * trials
      let what = "\(job.requested) of \(job.call.bytes) bytes on \(planner.fabric.ranks) ranks"
      guard size.lanes <= 8_000_000 else {
        throw Failure(
          .usage, "\(what) has \(size.lanes) lanes to simulate, more than 8000000",
          fix: "use fewer nodes, or an algorithm whose nodes are all alike")
      }
      guard operations < limit else {
        throw Failure(
          .usage, "\(what) comes to more than \(limit) operations",
          fix: "use fewer nodes or sizes, or sizes that all ranks share evenly, so that one node "
            + "may stand for all")
      }
    }
    // About a million operations are simulated in a second.
    if operations > 10_000_000 {
      let reason = obstacle.map { ": every node is simulated, since \($0)" } ?? ""
      Console.warn("this will take about \(operations / 1_000_000) s\(reason)", global)
    }
  }
}

extension Record {
  /// The row of one simulated call, as the contract has it.
  init(
    _ requested: String, _ plan: Plan, _ result: SimulationResult, _ call: CollectiveCall,
    _ network: Plan.Network, on fabric: Fabric
  ) {
    let seconds = result.time.seconds
    let algorithmBandwidth = seconds > 0 ? Double(call.bytes) / seconds / 1e9 : nil
    let breakdown = result.breakdown
    self.init([
      "collective": .text(call.collective.rawValue), "requested": .text(requested),
      "algorithm": .text(plan.algorithm), "protocol": .text(plan.protocolName),
      "channels": .integer(plan.channels), "network": .text(network.rawValue),
      "launch": .text(call.launch.rawValue), "datatype": .text(call.type.rawValue),
      "nodes": .integer(fabric.nodes), "ranks": .integer(fabric.ranks),
      "size_bytes": .integer(call.bytes), "time_us": .number(result.time.microseconds),
      "low_us": .null, "high_us": .null, "algbw_GBps": Value(algorithmBandwidth),
      "busbw_GBps": Value(
        algorithmBandwidth.map { $0 * call.collective.busFactor(ranks: fabric.ranks) }),
      "messages": .integer(result.messages), "wire_bytes": .integer(result.wireBytes),
      "events": .integer(result.events),
      "breakdown_us": .object(
        Record([
          "launch": .number(breakdown.launch.microseconds),
          "latency": .number(breakdown.latency.microseconds),
          "serialization": .number(
            (breakdown.scaleUpSerialization + breakdown.networkSerialization).microseconds),
          "queueing": .number(
            (breakdown.scaleUpQueueing + breakdown.networkQueueing).microseconds),
          "reduction": .number(breakdown.reduction.microseconds),
          "synchronization": .number(
            (breakdown.synchronization + breakdown.posting).microseconds),
        ])), "bottleneck": .text(result.bottleneck.rawValue),
    ])
  }
}
