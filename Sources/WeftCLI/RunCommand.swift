import ArgumentParser
import Foundation
import Weft
import WeftFiles

/// `weft run`: the same schedules on real hardware, measured beside what is predicted.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run schedules on real hardware, check their results, and measure them.",
    discussion: """
      Every schedule is proved, written down as a plan and executed by the runtime, which knows no \
      algorithm. Times are the steady period of back-to-back calls: the median, and the 5th and \
      95th percentile of batches, each the maximum over ranks. Every result is compared with a \
      sum in double precision. Predictions are those of --topology, or with --calibrate of costs \
      fitted to every other size.
      """)

  @Argument(
    help: "all-reduce, all-gather, reduce-scatter, broadcast, reduce or all-to-all.")
  var collective: String

  @OptionGroup var job: RunOptions
  @OptionGroup var sizes: SizeOptions
  @OptionGroup var profile: ProfileOptions
  @OptionGroup var global: GlobalOptions

  @Option(
    parsing: .unconditional,
    help: "Algorithms, by commas: ring, tree, nvrar, nccl:ring, others, FILE.xml.")
  var algorithm = "ring"

  @Option(help: "The topology that predictions are for.")
  var topology = "flat"

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Change a value of the topology by its dotted path; repeatable.", valueName: "path=value"))
  var overrides: [String] = []

  @Option(
    parsing: .unconditional,
    help: "Channels of ring and tree: thread blocks that share the data. One unless said.")
  var channels: Int?

  @Option(
    name: .customLong("wire"),
    help: "How messages travel on GPUs: simple, ll or ll128; by their length unless said.",
    transform: { text throws(ValidationError) in
      guard let wire = RuntimeForm.Wire(rawValue: text) else {
        throw ValidationError("'\(text)' is not simple, ll or ll128.")
      }
      return wire
    })
  var wire: RuntimeForm.Wire?

  @Option(
    help: """
      What to time beside, by commas: nccl (its own choice), nccl:ring/ll and the like (forced), \
      by-hand (the ring as a kernel written for it).
      """)
  var baseline: String?

  @Flag(help: "Use one buffer for input and output.")
  var inPlace = false

  @Flag(help: "Fit costs to every other size, and predict with them.")
  var calibrate = false

  @Option(help: "Write the samples to this file, a measurement CSV.")
  var samples = "weft-samples.csv"

  func run() throws {
    let collective = try Collective(parsing: self.collective)
    let layout = try job.layout()
    let names = try CommaList.parse(algorithm)
      .map { text throws(Failure) in try SimulateCommand.parseAlgorithm(text) }
    if let scheduler = job.exportJob {
      return try Output.write(try scheduler.script(job, layout), to: global.output)
    }
    let planner = try planner(layout)
    let type = try sizes.type()
    try Output.checkFolder(of: global.output)
    try Output.checkFolder(of: samples)
    let launcher = try RunLauncher(job, layout)
    for name in names {
      if case .imported(let program) = name.value { try program.refuseIfWrong(name.text) }
    }
    let folder = try RunFolder(isShared: launcher.leavesThisHost)
    let requests = try requests(names, collective, type, planner.fabric.topology.gpu)
    var calls: [MeasuredPlan] = []
    for request in requests { calls += try MeasuredPlan.all(request, job, planner, folder) }
    calls += try baselines(beside: calls, planner)
    var plans: [String] = []
    for call in calls where !plans.contains(call.path) { plans.append(call.path) }
    let status = try launcher.run(plans: plans, in: folder)
    let rows = try RunResults(path: folder.results)
    for index in calls.indices { try calls[index].take(rows) }
    if calibrate { try MeasuredPlan.calibrate(&calls, planner, global) }
    let records = calls.map { $0.record(layout) }
    let file = RunSamples(job, layout, planner.fabric.topology, inPlace: inPlace, calls: calls)
    try Output.write(file.csv, to: samples)
    try global.emit(
      Report(
        records, title: title(layout, type),
        columns: [
          "size_bytes", "requested", "algorithm", "protocol", "channels",
        ] + (job.backend == .mpi ? [] : ["launch", "kernels"]) + [
          "measured_us", "p05_us", "p95_us", "algbw_GBps", "busbw_GBps", "predicted_us",
          "error_pct", "wrong",
        ], notes: notes(calls)))
    if status == Failure.Status.check.rawValue { throw ExitCode(status) }
  }

  /// What is to be run, size by size.
  private func requests(
    _ names: [(text: String, value: AlgorithmName)], _ collective: Collective, _ type: DataType,
    _ gpu: GPU
  ) throws(Failure) -> [RunRequest] {
    if let channels, !(1...1000).contains(channels) {
      throw Failure(.usage, "--channels \(channels) is not 1 to 1000", fix: "give that many")
    }
    if job.backend == .mpi, wire != nil || baseline != nil {
      throw Failure(
        .usage, "--wire and --baseline are for GPUs",
        fix: "leave them out, or give --backend nvshmem")
    }
    var requests: [RunRequest] = []
    for name in names {
      for bytes in try sizes.sizes(on: gpu) {
        requests.append(
          RunRequest(
            requested: name.text, name: name.value, collective: collective, bytes: bytes,
            type: type, inPlace: inPlace, wire: wire, channels: channels))
      }
    }
    return requests
  }

  /// The baselines of the calls: NCCL beside the first plan of each size, a kernel by hand beside
  /// every ring.
  private func baselines(
    beside calls: [MeasuredPlan], _ planner: Planner
  ) throws -> [MeasuredPlan] {
    guard let baseline else { return [] }
    var result: [MeasuredPlan] = []
    for name in CommaList.parse(baseline) {
      var seen: Set<[String]> = []
      for call in calls where call.form?.isFused != true || call.hasOneKernel {
        let isRing = call.requested == "ring" && call.form?.wire != .ll128
        guard name != "by-hand" || isRing else { continue }
        let key = ["\(call.call.bytes)", call.call.launch.rawValue]
        guard name == "by-hand" || seen.insert(key).inserted else { continue }
        result.append(try call.baseline(name, planner))
      }
    }
    return result
  }

  private func title(_ layout: Layout, _ type: DataType) -> String {
    "\(collective) through \(job.backend.rawValue): \(layout.nodes) x \(layout.ranksPerNode) ranks, "
      + "\(type.rawValue), \(inPlace ? "in" : "out of") place"
  }

  private func notes(_ calls: [MeasuredPlan]) -> [String] {
    var notes = ["samples: \(samples)"]
    for (what, isOf) in [
      ("predictions", { _ in !calibrate }), ("fitted sizes", { $0.isFitted == true }),
      ("held-out sizes", { $0.isFitted == false }),
    ] as [(String, (MeasuredPlan) -> Bool)] {
      let errors = calls.filter(isOf).compactMap(\.errorPercent).map(abs).sorted()
      guard !errors.isEmpty else { continue }
      let median = (errors[(errors.count - 1) / 2] + errors[errors.count / 2]) / 2
      notes.append(
        "\(what): median error \(String(format: "%.1f", median)) %, largest "
          + "\(String(format: "%.1f", errors[errors.count - 1])) %, of \(errors.count)")
    }
    return notes
  }

  /// The planner of the machine that predictions are for.
  private func planner(_ layout: Layout) throws -> Planner {
    var overrides = try TopologyOptions.parse(self.overrides)
    if topology == "flat", !overrides.contains(where: { $0.path == "node.gpus" }) {
      // The flat machine has as many GPUs in a node as are asked for.
      overrides.append(try Override(parsing: "node.gpus=\(layout.ranksPerNode)"))
    }
    let file = try global.data().topology(topology, overrides: overrides)
    do {
      let fabric = try Fabric(
        file.topology, nodes: layout.nodes, gpusPerNode: layout.ranksPerNode)
      return Planner(fabric: fabric, profile: try profile.load(for: file.topology, global))
    } catch let error as Fabric.SizeError {
      throw Failure(error, topology: file.topology)
    }
  }
}

/// The options that say where and how a run happens.
struct RunOptions: ParsableArguments {
  /// What executes plans.
  enum Backend: String, CaseIterable, ExpressibleByArgument {
    /// Processes of an MPI job, on CPUs.
    case mpi
    /// One process per GPU.
    case nvshmem
    /// All ranks on one GPU.
    case cuda
  }

  @Option(help: "What runs plans: mpi (processes), nvshmem (a GPU each), cuda (ranks on one GPU).")
  var backend = Backend.mpi

  @Option(parsing: .unconditional, help: "The number of ranks.")
  var ranks = 2

  @Option(parsing: .unconditional, help: "The number of ranks on a node; all of them unless said.")
  var gpusPerNode: Int?

  @Option(
    help: "How kernels are started, by commas: graph, eager; mpi knows no difference.",
    transform: RunOptions.choices)
  var launch = [StepLaunch.graph]

  /// How the kernels of a call are started on GPUs.
  enum Kernels: String, CaseIterable {
    /// As the schedule has them, one after the other.
    case own
    /// As one whose blocks meet in between.
    case fused
  }

  @Option(
    help: "Calls of several kernels, by commas: own (one after the other), fused (as one).",
    transform: RunOptions.choices)
  var kernels = [Kernels.own]

  /// One or more of the cases of a type, by commas.
  private static func choices<Choice: RawRepresentable<String> & CaseIterable>(
    _ text: String
  ) throws -> [Choice] {
    // Nothing between commas is no choice, and an empty text none at all.
    try text.split(separator: ",", omittingEmptySubsequences: false).map { item in
      guard let choice = Choice(rawValue: String(item)) else {
        let known = Choice.allCases.map(\.rawValue).joined(separator: " nor ")
        throw ValidationError("'\(item)' is neither \(known).")
      }
      return choice
    }
  }

  @Option(help: "What the samples call the machine; the host's name unless said.")
  var system: String?

  @Option(help: "The runtime's executable, or the folder that holds it; else WEFT_RUNTIME.")
  var runtime: String?

  @Option(help: "What starts the processes: mpirun, srun or another command.")
  var launcher: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: "More arguments for the launcher, by blanks; repeatable.")
  var launcherArguments: [String] = []

  @Option(help: "A file that names the hosts, for the launcher.")
  var hostfile: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: "More arguments for the runtime, by blanks: --repeats 20 --timeout 30; repeatable.")
  var runtimeArguments: [String] = []

  @Option(help: "Print a job script in place of running: slurm.")
  var exportJob: JobScript?

  /// How the ranks lie on nodes.
  func layout() throws(Failure) -> Layout {
    guard (1...65536).contains(ranks) else {
      throw Failure(.usage, "--ranks \(ranks) is not 1 to 65536", fix: "give that many")
    }
    let perNode = gpusPerNode ?? ranks
    guard perNode >= 1, ranks % perNode == 0 else {
      throw Failure(
        .usage, "--gpus-per-node \(perNode) does not divide \(ranks) ranks into whole nodes",
        fix: "give a divisor of \(ranks)")
    }
    return Layout(nodes: ranks / perNode, ranksPerNode: perNode)
  }
}
