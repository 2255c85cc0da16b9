import Weft
import WeftFiles

/// One collective call to time, as `weft simulate` and the points of studies ask for it.
struct CallRequest {
  /// The algorithm as it was asked for.
  var requested: String
  var name: AlgorithmName
  var call: CollectiveCall
  var network: Plan.Network
  var pricing: Planner.Pricing
  /// One cold call from a common start.
  var isIsolated: Bool
  /// Whether one node may stand for all.
  var isFolded: Bool
  /// Whether NVRAR's blocks and chunk are searched.
  var isTuned: Bool

  /// What came of a call.
  struct Outcome {
    var record: Record
    var plan: Plan
    var result: SimulationResult
    /// The machine as the call saw it, with the random draws behind the result.
    var fabric: Fabric
  }

  /// Operations of one request that are too many to simulate.
  static let operationLimit = 2_000_000_000

  private func candidates(on fabric: Fabric) -> [NVRARPlanner.Parameters] {
    guard isTuned, case .nvrar = name else { return [.standard] }
    return NVRARPlanner.Parameters.grid(for: call, gpusPerNode: fabric.gpusPerNode)
  }

  private func plan(
    _ planner: Planner, _ parameters: NVRARPlanner.Parameters = .standard
  ) throws(Failure) -> Plan {
    let ranks = planner.fabric.ranks
    guard call.wholeElements(ranks: ranks) > 0 else {
      throw Failure(
        .usage,
        "\(what(ranks)): that is no element of \(call.type.rawValue)"
          + (call.collective.hasParts ? " for every rank" : ""),
        fix: "give at least \(call.type.bytes * (call.collective.hasParts ? ranks : 1)) bytes")
    }
    return try Failure.planned { () throws(PlanError) in
      try planner.plan(name, for: call, pricing: pricing, parameters: parameters)
    }
  }

  /// The machine as the call sees it: a library knows which ranks share a node, and only plain
  /// schedules take ranks as they come.
  func ordered(_ fabric: Fabric) -> Fabric {
    name.isLibrary ? fabric.withRanksInBlocks : fabric
  }

  /// Times the call, and repeats it with other random draws where there are several trials.
  ///
  /// The record is of the median trial, with the 5th and 95th percentiles of all.
  ///
  /// - Throws: ``Failure`` if the call cannot be planned or its time makes no sense.
  func answer(
    _ planner: Planner, trials: Int = 1, progress: (Int) -> Void = { _ in }
  ) throws -> Outcome {
    let fabric = ordered(planner.fabric)
    var best: (plan: Plan, result: SimulationResult, parameters: NVRARPlanner.Parameters)?
    for parameters in candidates(on: fabric) {
      let plan = try plan(planner, parameters)
      let result = try timed(plan, on: fabric, planner)
      if result.time < best?.result.time ?? SimDuration(picoseconds: .max) {
        best = (plan, result, parameters)
      }
    }
    guard let (plan, result, parameters) = best, !result.time.isTooLong else {
      throw Failure(
        .usage, "\(requested) of \(call.bytes) bytes would take weeks of simulated time",
        fix: "check the units of bandwidths and sizes")
    }
    let runs = try repeated(plan, result, on: fabric, trials, progress)
    let (median, trial) = runs[(runs.count - 1) / 2]
    var record = Record(requested, plan, median, call, network, on: fabric)
    if trials > 1 {
      record["trials"] = .integer(trials)
      record["p05_us"] = .number(Self.percentile(5, of: runs.map(\.result)))
      record["p95_us"] = .number(Self.percentile(95, of: runs.map(\.result)))
    }
    if case .nvrar(let inNode) = name {
      let phases = inNode ?? planner.nvrarInNode(for: call)
      record["nvrar"] = .object(
        Record([
          "blocks": .integer(parameters.blocks), "chunk": .integer(parameters.chunk),
          "in_node": .text(phases.rawValue),
        ]))
    }
    if network == .analytic, let published = plan.publishedTime(on: planner.fabric) {
      record["published_us"] = .number(published.microseconds)
    }
    return Outcome(
      record: record, plan: plan, result: median, fabric: try fabric.redrawn(trial: trial))
  }

  /// All trials' results in order of time, with their numbers; trial 0 is that of the seed itself.
  private func repeated(
    _ plan: Plan, _ first: SimulationResult, on fabric: Fabric, _ trials: Int,
    _ progress: (Int) -> Void
  ) throws -> [(result: SimulationResult, trial: Int)] {
    var runs = [(result: first, trial: 0)]
    for trial in 1..<max(1, trials) where fabric.isRandom && network != .analytic {
      progress(trial)
      let result = try plan.simulate(
        on: try fabric.redrawn(trial: trial), network: network, isolated: isIsolated,
        foldAllowed: isFolded)
      runs.append((result, trial))
    }
    return runs.sorted { ($0.result.time, $0.trial) < ($1.result.time, $1.trial) }
  }

  /// The 5th or 95th percentile of times in microseconds: the run at it, or the next one outward.
  private static func percentile(_ percent: Double, of runs: [SimulationResult]) -> Double {
    let place = Double(runs.count - 1) * percent / 100
    return runs[Int(place.rounded(percent < 50 ? .down : .up))].time.microseconds
  }

  /// Whether the call runs and costs the same under two planners of one machine.
  ///
  /// - Throws: ``Failure`` if it cannot be planned.
  func isAlike(_ planner: Planner, _ other: Planner) throws(Failure) -> Bool {
    try plan(planner).isAlike(try plan(other))
  }

  /// The operations that the call takes to simulate; none for a closed form.
  ///
  /// - Throws: ``Failure`` if the call cannot be planned, has no closed form where one is asked for,
  ///   or does not fit into memory.
  func operations(on planner: Planner) throws(Failure) -> Int {
    let fabric = ordered(planner.fabric)
    let plan = try plan(planner)
    guard network != .analytic else {
      if let unknown = Plan.unknownToFormulas(fabric) {
        throw Failure(
          .usage, "--network analytic: a closed form knows nothing of \(unknown)",
          fix: "leave analytic out of --network and use event or flow, or leave out those options")
      }
      guard plan.canRun(.analytic, on: fabric) else { throw noClosedForm(plan, planner) }
      return 0
    }
    let size = plan.size(on: fabric, foldAllowed: isFolded, limit: Self.operationLimit)
    guard size.lanes <= 8_000_000 else {
      throw Failure(
        .usage, "\(what(fabric.ranks)) has \(size.lanes) lanes to simulate, more than 8000000",
        fix: try wayOut(on: planner))
    }
    let calls = plan.calls(isolated: isIsolated, operations: size.operations)
    return size.operations * calls * candidates(on: fabric).count
  }

  /// About how long the simulation of so many operations takes, in seconds.
  ///
  /// - Throws: ``Failure`` if the call cannot be planned.
  func estimatedSeconds(_ operations: Int, on planner: Planner) throws(Failure) -> Double {
    guard operations > 0 else { return 0 }
    return try plan(planner).estimatedSeconds(
      operations: operations, on: ordered(planner.fabric), network: network, foldAllowed: isFolded)
  }

  private func timed(
    _ plan: Plan, on fabric: Fabric, _ planner: Planner
  ) throws -> SimulationResult {
    do {
      return try plan.simulate(
        on: fabric, network: network, isolated: isIsolated, foldAllowed: isFolded)
    } catch {
      if case .noClosedForm = error { throw noClosedForm(plan, planner) }
      throw error
    }
  }

  private func noClosedForm(_ plan: Plan, _ planner: Planner) -> Failure {
    let others = AlgorithmName.known.filter { text in
      guard let name = AlgorithmName(text), planner.canPrice(name),
        let other = try? planner.plan(name, for: call)
      else { return false }
      return other.canRun(.analytic, on: planner.fabric)
    }
    let what = plan.algorithm == requested ? requested : "\(plan.algorithm), as \(requested) runs,"
    return Failure(
      .usage,
      "\(what) has no closed form for \(call.collective.rawValue) on \(planner.fabric.ranks) ranks",
      fix: "leave analytic out of --network"
        + (others.isEmpty ? "" : "; these have one: \(others.joined(separator: ", "))"))
  }

  /// Why every node is simulated where one might stand for all; nil if one does.
  ///
  /// - Throws: ``Failure`` if the call cannot be planned.
  func foldObstacle(on planner: Planner) throws(Failure) -> String? {
    guard isFolded && network != .analytic else { return nil }
    return try plan(planner).foldObstacle(on: ordered(planner.fabric))
  }

  /// Refuses what would run for hours.
  ///
  /// - Throws: ``Failure`` that names this call.
  func check(operations: Int, on planner: Planner) throws(Failure) {
    guard operations < Self.operationLimit else {
      throw Failure(
        .usage,
        "\(what(planner.fabric.ranks)) comes to more than \(Self.operationLimit) operations",
        fix: try wayOut(on: planner))
    }
  }

  /// What helps where a simulation is too long.
  private func wayOut(on planner: Planner) throws(Failure) -> String {
    var fix = "use fewer nodes or sizes"
    let fabric = ordered(planner.fabric)
    if let obstacle = try foldObstacle(on: planner) {
      fix += "; every node is simulated, as \(obstacle)"
      let elements = call.bytes / call.type.bytes
      if elements % fabric.ranks != 0 {
        fix +=
          " (a size whose \(elements) elements divide by \(fabric.ranks) ranks may be told from one "
          + "node)"
      }
    }
    if Plan.unknownToFormulas(fabric) == nil, try plan(planner).canRun(.analytic, on: fabric) {
      fix += "; --network analytic has a closed form"
    }
    return fix
  }

  private func what(_ ranks: Int) -> String {
    "\(requested) of \(call.bytes) bytes on \(ranks) ranks"
  }
}

extension Plan {
  /// Whether another plan of the same call runs and costs the same.
  func isAlike(_ other: Plan) -> Bool {
    algorithm == other.algorithm && protocolName == other.protocolName
      && channels == other.channels && costs == other.costs
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
