import Weft
import WeftFiles

// What `weft simulate` makes of its flags, and what it refuses or warns of.

extension SimulateCommand {
  /// An algorithm by its name, or from an MSCCL file: what ends in `.xml`, or has a slash that is
  /// not that of `nccl:tree/simple`.
  ///
  /// - Throws: ``Failure``, with what there is of `known`, if it is neither.
  static func parseAlgorithm(
    _ text: String, among known: [String] = AlgorithmName.known
  ) throws(Failure) -> (text: String, value: AlgorithmName) {
    if text.hasSuffix(".plan") { throw refusal(ofPlan: text) }
    if text.hasSuffix(".xml") || text.contains("/") && !text.hasPrefix("nccl:") {
      do {
        return (text, .imported(try MSCCLFile.read(path: text)))
      } catch {
        throw Failure(error)
      }
    }
    guard let name = AlgorithmName(text) else {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      if parts.count == 2, AlgorithmName(String(parts[0])) != nil {
        throw Failure(
          .usage, "unknown algorithm '\(text)': NCCL has no protocol '\(parts[1])'",
          fix: "use one of "
            + NCCLTuner.ProtocolName.allCases.map { "\(parts[0])/\($0.rawValue)" }
            .joined(separator: ", "))
      }
      throw Failure(
        .usage, "unknown algorithm '\(text)'", fix: Failure.suggestion(text, known))
    }
    return (text, name)
  }

  /// Why a plan of the runtime is no algorithm, with what is in it.
  private static func refusal(ofPlan path: String) -> Failure {
    let summary: PlanFile.Summary
    do {
      summary = try PlanFile.summary(path: path)
    } catch {
      return Failure(error)
    }
    let isKnown = AlgorithmName(summary.algorithm) != nil
    return Failure(
      .usage,
      "\(path): this is a plan for the runtime, of the \(isKnown ? "" : "unknown ")algorithm "
        + "'\(summary.algorithm)' on \(summary.ranks) ranks, and no schedule to read",
      fix: isKnown
        ? "name the algorithm itself, '\(summary.algorithm)'"
        : "name the MSCCL file that it was made from, or "
          + Failure.suggestion(summary.algorithm, AlgorithmName.known))
  }

  /// A schedule from a file is only worth timing if it does what it says.
  func checkFile(_ name: AlgorithmName, _ path: String, _ sizes: [Int]) throws {
    guard case .imported(let program) = name else { return }
    try program.refuseIfWrong(path)
    let meant = program.minBytes..<max(program.minBytes, program.maxBytes ?? .max)
    if let size = sizes.first(where: { !meant.contains($0) }) {
      Console.warn(
        "\(path) is meant for \(meant.lowerBound) to \(meant.upperBound) bytes, so MSCCL would not "
          + "use it for \(size)", global)
    }
  }

  func parseNetworks() throws(Failure) -> [Plan.Network]? {
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

  func parsePricing() throws(Failure) -> Planner.Pricing {
    guard let protocolName else { return .library }
    if protocolName == "ideal" { return .ideal }
    guard let name = NCCLTuner.ProtocolName(rawValue: protocolName) else {
      let known = ["ideal"] + NCCLTuner.ProtocolName.allCases.map(\.rawValue)
      throw Failure(
        .usage, "unknown protocol '\(protocolName)'", fix: Failure.suggestion(protocolName, known))
    }
    return .nccl(name)
  }

  func checkVersion() throws(Failure) -> NCCLVersion {
    let text = ncclVersion ?? "2.30"
    guard let version = NCCLVersion(text), version.isSupported else {
      let (first, last) = NCCLVersion.supportedSeries
      throw Failure(
        .usage, "--nccl-version \(text): Weft has the tuners of NCCL \(first) to \(last)",
        fix: "give one of these, such as \(last) or 2.23.4, or leave --nccl-version out")
    }
    guard trials >= 1 else {
      throw Failure(.usage, "--trials \(trials) runs nothing", fix: "give 1 or more")
    }
    guard trials <= Self.mostTrials else {
      throw Failure(
        .usage, "--trials \(trials) would take hours", fix: "give up to \(Self.mostTrials)")
    }
    return version
  }

  /// More repeats say no more about percentiles, and take hours.
  private static let mostTrials = 1_000_000

  static func defaultNetwork(_ name: AlgorithmName) -> Plan.Network {
    switch name {
    case .plain, .imported: .event
    case .nccl, .nvrar: .flow
    }
  }

  /// The profile; none where links alone price every algorithm and no other one is looked at, as
  /// reading all nominal ones takes longer than most such runs do, and as a GPU without a profile has
  /// links too.
  func loadProfile(
    _ names: [AlgorithmName], _ networks: [Plan.Network]?, _ pricing: Planner.Pricing,
    for topology: Topology
  ) throws -> ProfileOptions.Loaded {
    let isUnused = names.allSatisfy { !$0.isLibrary && Self.isIdeal($0, pricing) }
    guard isUnused && profile.profile == nil else {
      return try profile.loaded(for: topology, global)
    }
    let empty = Profile(names: [])
    let none = ProfileOptions.Loaded(profile: empty, nominal: empty)
    guard networks?.contains(.analytic) == true else { return none }
    // Where there is no closed form, a message names algorithms that have one, libraries' too.
    return (try? profile.loaded(for: topology, global)) ?? none
  }

  static func isIdeal(_ name: AlgorithmName, _ pricing: Planner.Pricing) -> Bool {
    switch name {
    case .plain, .imported: pricing == .library || pricing == .ideal
    case .nccl, .nvrar: pricing == .ideal
    }
  }

  /// Says what of the sizes and of trials makes no sense.
  ///
  /// - Returns: The sizes but for those of a range that are too small for all ranks to share; all if
  ///   they are all too small.
  func checked(
    sizes asked: [Int], type: DataType, _ collective: Collective, on fabric: Fabric
  ) -> [Int] {
    let ranks = fabric.ranks
    let sizes = asked.filter {
      collective.wholeElements($0 / type.bytes, ranks: ranks) > 0
    }
    guard !sizes.isEmpty else { return asked }
    if sizes.count < asked.count {
      Console.warn(
        "sizes below \(sizes[0]) bytes are left out: they are no element of \(type.rawValue)"
          + (collective.hasParts ? " for each of \(ranks) ranks" : ""), global)
    }
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
    return sizes
  }

  /// Says which options and values of the topology no row answers to.
  func warnOfUnused(
    _ names: [AlgorithmName], _ networks: [Plan.Network]?, _ pricing: Planner.Pricing,
    on fabric: Fabric
  ) throws {
    var unused = try UnusedInputs(
      fabric, overrides: machine.options.overrides, moreNodes: "give more --nodes")
    unused.add(machine.conditions, onlyLibraries: names.allSatisfy(\.isLibrary))
    unused.addGPU(linksAlone: names.allSatisfy { Self.isIdeal($0, pricing) })
    if networks?.contains(.analytic) == true { unused.addClosedForms(of: names) }
    unused.notes.forEach { Console.warn($0, global) }
    for (flag, isGiven, reason) in unusedFlags(names, networks, pricing, on: fabric) where isGiven {
      Console.warn("\(flag) changes nothing \(reason)", global)
    }
  }

  private func unusedFlags(
    _ names: [AlgorithmName], _ networks: [Plan.Network]?, _ pricing: Planner.Pricing,
    on fabric: Fabric
  ) -> [(flag: String, isGiven: Bool, reason: String)] {
    let usesNVRAR = names.contains { if case .nvrar = $0 { true } else { false } }
    let usesNCCL =
      names.contains { name in
        switch name {
        case .nccl: true
        case .nvrar(let inNode): inNode == .nccl
        case .plain, .imported: false
        }
      }
    var flags: [(String, Bool, String)] = [
      ("--tune", tune && !usesNVRAR, "without nvrar"),
      ("--seed", seed != nil && !fabric.isRandom, "where nothing is random"),
      ("--nccl-version", ncclVersion != nil && !usesNCCL, "without NCCL"),
    ]
    if networks?.allSatisfy({ $0 == .analytic }) == true {
      let reason = "under --network analytic: a closed form is of one lone call, of all nodes"
      flags += [
        ("--isolated", isolated && launch == .graph, reason), ("--no-fold", noFold, reason),
      ]
    }
    guard names.allSatisfy({ Self.isIdeal($0, pricing) }) else { return flags }
    let reason = "where links alone are priced"
    return flags + [
      ("--launch", launch == .eager, reason), ("--profile", profile.profile != nil, reason),
      ("--slow-gpu", !machine.conditions.slowGPU.isEmpty, reason),
      ("--isolated", isolated, "\(reason), which is of one call anyway"),
    ]
  }

  /// Says where no call answers to what the profile holds, and it gives none an interval.
  func warnOfProfile(
    _ jobs: [CallRequest], _ records: [Record], _ planner: Planner, _ version: NCCLVersion,
    _ costs: ProfileOptions.Loaded
  ) throws {
    guard let warning = costs.idleWarning,
      !jobs.allSatisfy({ Self.isIdeal($0.name, $0.pricing) }),
      records.allSatisfy({ $0["low_us"] == .null })
    else { return }
    let nominal = Planner(
      fabric: planner.fabric, profile: costs.nominal, ncclVersion: version)
    guard try jobs.allSatisfy({ try $0.isAlike(planner, nominal) }) else { return }
    Console.warn(warning, global)
  }

  /// Says where intervals rest on calls that were started in another way.
  func warnOfOtherLaunch(_ records: [Record], _ profile: Profile) {
    guard let measured = profile.calibration?.scope.launches, !measured.isEmpty,
      !measured.contains(launch.rawValue), records.contains(where: { $0["low_us"]?.number != nil })
    else { return }
    Console.warn(
      "the profile was calibrated on calls started by \(measured.joined(separator: ", ")): its "
        + "intervals know nothing of what --launch \(launch.rawValue) costs", global)
  }

  /// Says where all rows are of NCCL and none of them waits for the host that launches its kernels.
  func warnOfLaunch(_ jobs: [CallRequest], _ outcomes: [CallRequest.Outcome]) {
    let waits = zip(jobs, outcomes).contains { job, outcome in
      guard case .nccl = job.name, !job.isIsolated else { return true }
      return outcome.result.time <= outcome.plan.costs.enqueue
    }
    guard launch == .eager, !waits, let host = outcomes.first?.plan.costs.enqueue else { return }
    Console.warn(
      "--launch eager changes nothing: NCCL's host enqueues a call in \(host) (nccl.enqueue), less "
        + "than any of these takes, and the next meanwhile; see a lone call with --isolated", global
    )
  }

  /// Refuses what would run for hours or not fit into memory, and says what will take long.
  func checkSizes(of jobs: [CallRequest], _ planner: Planner) throws {
    var operations = 0
    var seconds = 0.0
    var isFlow = false
    var obstacle: String?
    for job in jobs {
      let once = try job.operations(on: planner)
      try job.check(operations: operations + once, on: planner)
      operations += once * trials
      seconds += try job.estimatedSeconds(once, on: planner) * Double(trials)
      isFlow = isFlow || job.network == .flow
      guard operations < CallRequest.operationLimit else {
        throw Failure(
          .usage, "--trials \(trials) come to more than \(CallRequest.operationLimit) operations",
          fix: "give fewer of them, fewer sizes or fewer nodes")
      }
      obstacle = try obstacle ?? job.foldObstacle(on: planner)
    }
    global.note("\(operations) operations to simulate, in about \((seconds * 10).rounded() / 10) s")
    if seconds > 10 {
      let reason = obstacle.map { ": every node is simulated, since \($0)" } ?? ""
      let faster =
        isFlow ? "; --network event follows whole messages and takes a fraction of that" : ""
      Console.warn("this will take about \(Int(seconds)) s\(reason)\(faster)", global)
    }
  }

  /// Says where `--tune` may not use the launch parameters that go without it, and so may end up
  /// slower.
  func warnOfGrid(_ jobs: [CallRequest], on fabric: Fabric) {
    guard tune else { return }
    let gpus = fabric.gpusPerNode
    let uneven = Set(
      jobs.compactMap { job -> Int? in
        guard case .nvrar = job.name else { return nil }
        let fits = NVRARPlanner.Parameters.standard.dealsAll(of: job.call, gpusPerNode: gpus)
        return fits ? nil : job.call.bytes
      })
    guard !uneven.isEmpty else { return }
    Console.warn(
      "\(uneven.sorted().map(String.init).joined(separator: ", ")) bytes: NVRAR's kernel would leave "
        + "cells undone with \(NVRARPlanner.Parameters.standard.blocks) blocks, so --tune keeps to "
        + "numbers of blocks that divide them, if one does; without --tune they are priced as if it "
        + "did not matter", global)
  }
}
