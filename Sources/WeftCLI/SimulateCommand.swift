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
    help: """
      Algorithms, by commas: nccl, nccl:tree/simple, nvrar, ring, tree, others, FILE.xml. NVRAR's \
      phases in the node are NVSHMEM's own, or as it is built: nvrar:nccl, nvrar:one-shot, \
      nvrar:nvls.
      """)
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

  @Option(help: "The version of NCCL, 2.18 to 2.30; 2.30 unless said.")
  var ncclVersion: String?

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

  @Option(
    parsing: .unconditional, help: "The seed of random draws; 0 unless said.",
    transform: { text throws(ValidationError) in
      guard let seed = UInt64(text) else {
        throw ValidationError("'\(text)' is no seed; give a whole number, 0 or more.")
      }
      return seed
    })
  var seed: UInt64?

  func run() throws {
    let collective = try Collective(parsing: self.collective)
    let machine = try self.machine.load(global, seed: seed ?? 0)
    if self.machine.options.showTopology {
      return try global.emit(TopologyCommand.report(machine.file))
    }
    let fabric = machine.fabric
    let type = try self.sizes.type()
    let asked = try self.sizes.sizes(on: fabric.topology.gpu)
    try Output.checkFolder(of: global.output)
    try Output.check(
      global.output,
      replacesNoneOf: [self.machine.options.topology] + profile.profiles
        + [self.machine.conditions.hostfile].compactMap { $0 } + CommaList.parse(algorithm))
    let names = try CommaList.parse(algorithm)
      .map { text throws(Failure) in try Self.parseAlgorithm(text) }
    let networks = try parseNetworks()
    let pricing = try parsePricing()
    let version = try checkVersion()
    try names.forEach { try checkFile($0.value, $0.text, asked) }
    let sizes = checked(sizes: asked, type: type, collective, on: fabric)
    try warnOfUnused(names.map(\.value), networks, pricing, on: fabric)
    let costs = try loadProfile(names.map(\.value), networks, pricing, for: fabric.topology)
    let profile = costs.profile
    let planner = Planner(fabric: fabric, profile: profile, ncclVersion: version)
    let jobs = names.flatMap { name in
      sizes.flatMap { bytes in
        requests(name, collective, bytes, type, networks, pricing)
      }
    }
    warnOfGrid(jobs, on: fabric)
    try checkSizes(of: jobs, planner)
    let progress = Progress(global)
    let (records, unsure) = try global.timed("the simulation") {
      let outcomes = try jobs.enumerated().map { index, job in
        try outcome(job, planner) {
          progress.update("simulated", index * trials + $0, of: jobs.count * trials)
        }
      }
      warnOfLaunch(jobs, outcomes)
      try warnOfIdleFaults(jobs, outcomes, planner, profile, version)
      let records = outcomes.map(\.record)
      let samples = jobs.map { sample($0, planner, version) }
      return try Interval.added(to: records, samples, profile, fabric.topology)
    }
    progress.finish()
    warnOfOtherLaunch(records, profile)
    try warnOfProfile(jobs, records, planner, version, costs)
    try global.emit(
      Report(
        records, title: title(fabric, type),
        columns: [
          "size_bytes", "requested", "algorithm", "protocol", "channels", "network", "time_us",
        ] + (profile.calibration == nil ? [] : ["low_us", "high_us"])
          + (trials > 1 ? ["p05_us", "p95_us"] : []) + [
            "algbw_GBps", "busbw_GBps", "bottleneck",
          ],
        notes: unsure + records.compactMap(Self.note) + records.compactMap(publishedNote)
          + tuningTable(records, ranks: fabric.ranks, type), seed: seed ?? 0))
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

  private func outcome(
    _ job: CallRequest, _ planner: Planner, progress: (Int) -> Void
  ) throws -> CallRequest.Outcome {
    var outcome = try job.answer(planner, trials: trials, progress: progress)
    if explain {
      outcome.record["explanation"] = .object(try explanation(job, outcome, planner))
    }
    return outcome
  }

  /// The call as a calibration knows it; nil for what none was fitted to.
  private func sample(
    _ job: CallRequest, _ planner: Planner, _ version: NCCLVersion
  ) -> CollectiveSample? {
    switch job.name {
    case .nccl, .nvrar:
      let fabric = planner.fabric
      guard job.pricing == .library && !job.isIsolated && !tune && job.network == .flow,
        !fabric.conditions.hasFaults
      else { return nil }
      return CollectiveSample(
        algorithm: job.name, version: version,
        layout: Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode), call: job.call)
    case .plain, .imported: return nil
    }
  }
}
