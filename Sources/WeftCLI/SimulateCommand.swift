import ArgumentParser
import Weft
import WeftCalibration
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
    let profile = try self.profile.load(for: fabric.topology, global)
    let planner = Planner(fabric: fabric, profile: profile, ncclVersion: version)
    warnOfSubstitutes(names.map(\.value), sizes, type, planner.tuner(collective))
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
    let progress = Progress(global)
    let records = try global.timed("the simulation") {
      let records = try jobs.enumerated().map { index, job in
        try record(job, pricing, planner) {
          progress.update("simulated", index * trials + $0, of: jobs.count * trials)
        }
      }
      let samples = jobs.map { sample($0, pricing, planner, version) }
      return try Interval.added(to: records, samples, profile, fabric.topology)
    }
    progress.finish()
    try global.emit(
      Report(
        records, title: title(fabric, type),
        columns: [
          "size_bytes", "requested", "algorithm", "protocol", "channels", "network", "time_us",
        ] + (profile.calibration == nil ? [] : ["low_us", "high_us"]) + [
          "algbw_GBps", "busbw_GBps", "bottleneck",
        ], notes: records.compactMap(Self.note) + tuningTable(records, ranks: fabric.ranks, type),
        seed: seed))
  }

  private func title(_ fabric: Fabric, _ type: DataType) -> String {
    "\(collective) on \(fabric.topology.name): \(fabric.nodes) nodes x \(fabric.gpusPerNode) GPUs, "
      + "\(type.rawValue), \(launch.rawValue), \(inPlace ? "in" : "out of") place"
      + (isolated ? ", one isolated call" : "")
  }

  /// One row to come.
  struct Job {
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

  /// The call as a calibration knows it; nil for what none was fitted to, and where trials give
  /// the interval.
  private func sample(
    _ job: Job, _ pricing: Planner.Pricing, _ planner: Planner, _ version: NCCLVersion
  ) -> CollectiveSample? {
    switch job.name {
    case .nccl, .nvrar:
      guard pricing == .library && !job.isolated && !tune && trials == 1 else { return nil }
      let fabric = planner.fabric
      return CollectiveSample(
        algorithm: job.name, version: version,
        layout: Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode), call: job.call)
    case .plain, .imported: return nil
    }
  }

  /// A library knows which ranks share a node; only plain schedules take ranks as they come.
  static func ordered(_ fabric: Fabric, for name: AlgorithmName) -> Fabric {
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
}
