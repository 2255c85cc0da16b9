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
  }

  /// Operations of one request that are too many to simulate.
  static let operationLimit = 2_000_000_000

  private var candidates: [NVRARPlanner.Parameters] {
    isTuned && name == .nvrar ? NVRARPlanner.Parameters.grid : [.standard]
  }

  private func plan(
    _ planner: Planner, _ parameters: NVRARPlanner.Parameters = .standard
  ) throws(Failure) -> Plan {
    try Failure.planned { () throws(PlanError) in
      try planner.plan(name, for: call, pricing: pricing, parameters: parameters)
    }
  }

  /// Times the call.
  ///
  /// - Throws: ``Failure`` if the call cannot be planned or its time makes no sense.
  func answer(_ planner: Planner) throws -> Outcome {
    var best: (plan: Plan, result: SimulationResult, parameters: NVRARPlanner.Parameters)?
    for parameters in candidates {
      let plan = try plan(planner, parameters)
      let result = try plan.simulate(
        on: planner.fabric, network: network, isolated: isIsolated, foldAllowed: isFolded)
      if result.time < best?.result.time ?? SimDuration(picoseconds: .max) {
        best = (plan, result, parameters)
      }
    }
    guard let (plan, result, parameters) = best, !result.time.isTooLong else {
      throw Failure(
        .usage, "\(requested) of \(call.bytes) bytes would take weeks of simulated time",
        fix: "check the units of bandwidths and sizes")
    }
    var record = Record(requested, plan, result, call, network, on: planner.fabric)
    if name == .nvrar {
      record["nvrar"] = .object(
        Record(["blocks": .integer(parameters.blocks), "chunk": .integer(parameters.chunk)]))
    }
    return Outcome(record: record, plan: plan, result: result)
  }

  /// The operations that the call takes to simulate; none for a closed form.
  ///
  /// - Throws: ``Failure`` if the call cannot be planned, has no closed form where one is asked for,
  ///   or does not fit into memory.
  func operations(on planner: Planner) throws(Failure) -> Int {
    let fabric = planner.fabric
    let plan = try plan(planner)
    guard network != .analytic else {
      guard plan.canRun(.analytic, on: fabric) else {
        throw Failure(
          .usage,
          "\(requested) has no closed form for \(call.collective.rawValue) on \(fabric.ranks) ranks",
          fix: "leave analytic out of --network")
      }
      return 0
    }
    let size = plan.size(on: fabric, foldAllowed: isFolded, limit: Self.operationLimit)
    guard size.lanes <= 8_000_000 else {
      throw Failure(
        .usage, "\(what(fabric.ranks)) has \(size.lanes) lanes to simulate, more than 8000000",
        fix: "use fewer nodes, or an algorithm whose nodes are all alike")
    }
    return size.operations * (isIsolated ? 1 : 2) * candidates.count
  }

  /// Refuses what would run for hours.
  ///
  /// - Throws: ``Failure`` that names this call.
  func check(operations: Int, ranks: Int) throws(Failure) {
    guard operations < Self.operationLimit else {
      throw Failure(
        .usage, "\(what(ranks)) comes to more than \(Self.operationLimit) operations",
        fix: "use fewer nodes or sizes, or sizes that all ranks share evenly, so that one node "
          + "may stand for all")
    }
  }

  private func what(_ ranks: Int) -> String {
    "\(requested) of \(call.bytes) bytes on \(ranks) ranks"
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
