import Foundation
import Weft
import WeftCalibration
import WeftFiles

/// One call that is run: its plan, what is predicted, and what was measured.
struct MeasuredPlan {
  /// What the runtime measured.
  struct Measured {
    var launch: String
    var microseconds: Double
    var low: Double
    var high: Double
    var wrong: Int
    var checked: Int
    var iterations: Int
    var repeats: Int
  }

  let requested: String
  let call: CollectiveCall
  /// The plan's file.
  let path: String
  let algorithm: String
  let protocolName: String
  let channels: Int
  let slots: Int
  private let name: AlgorithmName
  private(set) var predicted: Double
  private(set) var measured: Measured?
  /// Whether the size took part in the fit; nil if nothing was fitted.
  private(set) var isFitted: Bool?

  /// Plans a call, predicts it, and writes the plan into a folder.
  init(
    _ requested: String, _ name: AlgorithmName, _ call: CollectiveCall, _ planner: Planner,
    _ folder: RunFolder
  ) throws {
    let plan = try Failure.planned { () throws(PlanError) in try planner.plan(name, for: call) }
    let written = try Failure.planned { () throws(PlanError) in
      try plan.runtimePlan(for: call)
    }
    self.requested = requested
    self.name = name
    self.call = call
    algorithm = plan.algorithm
    protocolName = plan.protocolName
    channels = plan.channels
    slots = written.slots
    let label = plan.algorithm.map { $0.isLetter || $0.isNumber ? $0 : "-" }
    path = folder.path("\(String(label))-\(call.bytes)-\(UUID().uuidString.prefix(8)).plan")
    try Output.write(PlanFile.data(written), to: path)
    predicted = try plan.simulate(on: planner.fabric, network: .flow, isolated: false)
      .time.microseconds
  }

  /// Takes the row of this plan.
  mutating func take(_ results: RunResults) throws(Failure) {
    guard let row = results.rows[path] else {
      throw Failure(
        .internalError, "the runtime measured nothing for \(algorithm) of \(call.bytes) bytes",
        fix: "this is a mistake of the runtime; please report it")
    }
    measured = row
  }

  /// How far the prediction is off, of the measured time.
  var errorPercent: Double? {
    measured.map { 100 * (predicted / $0.microseconds - 1) }
  }

  func record(_ layout: Layout) -> Record {
    let time = measured?.microseconds
    let bandwidth = time.map { Double(call.bytes) / $0 / 1e3 }
    return Record([
      "collective": .text(call.collective.rawValue), "requested": .text(requested),
      "algorithm": .text(algorithm), "protocol": .text(protocolName),
      "channels": .integer(channels), "slots": .integer(slots),
      "launch": Value(measured?.launch), "datatype": .text(call.type.rawValue),
      "nodes": .integer(layout.nodes), "ranks": .integer(layout.ranks),
      "size_bytes": .integer(call.bytes), "measured_us": Value(time),
      "p05_us": Value(measured?.low), "p95_us": Value(measured?.high),
      "predicted_us": .number(predicted), "error_pct": Value(errorPercent),
      "fitted": isFitted.map { .bool($0) } ?? .null, "algbw_GBps": Value(bandwidth),
      "busbw_GBps": Value(
        bandwidth.map { $0 * call.collective.busFactor(ranks: layout.ranks) }),
      "wrong": Value(measured?.wrong), "checked": Value(measured?.checked),
      "iterations": Value(measured?.iterations), "repeats": Value(measured?.repeats),
    ])
  }
}

// MARK: - Calibration

extension MeasuredPlan {
  /// Fits a few costs to every other size of each algorithm and predicts all sizes with them.
  ///
  /// The amounts come from the simulation: the longest chain of messages (a microsecond each and no
  /// bytes), the bytes along the busiest path, and, because ranks of one host share its cores, the
  /// messages and bytes of all ranks. The costs are those of the machine: all algorithms share them.
  static func calibrate(
    _ calls: inout [MeasuredPlan], _ planner: Planner, _ global: GlobalOptions
  ) throws {
    var places: [String: Int] = [:]
    var samples: [NonNegativeFit.Sample] = []
    var amounts: [[Double]] = []
    for index in calls.indices {
      let place = places[calls[index].requested, default: 0]
      places[calls[index].requested] = place + 1
      calls[index].isFitted = place % 2 == 0
      amounts.append(try calls[index].amounts(planner))
      if place % 2 == 0, let time = calls[index].measured?.microseconds {
        samples.append(NonNegativeFit.Sample(amounts: amounts[index], time: time))
      }
    }
    do {
      let fit = try NonNegativeFit(samples)
      for index in calls.indices { calls[index].predicted = fit.time(amounts[index]) }
    } catch {
      Console.warn("nothing could be fitted: \(error)", global)
      for index in calls.indices { calls[index].isFitted = nil }
    }
  }

  /// What a call is made of: itself, steps, bytes on its path, messages and bytes of all ranks.
  private func amounts(_ planner: Planner) throws -> [Double] {
    let steps = try simulated(planner, latency: 1, bytesPerSecond: 1_000_000_000_000_000)
    let bytes = try simulated(planner, latency: 0, bytesPerSecond: 1_000_000_000)
    return [
      1, steps.time.microseconds, bytes.time.microseconds, Double(steps.messages),
      Double(steps.wireBytes),
    ]
  }

  private func simulated(
    _ planner: Planner, latency: Double, bytesPerSecond: Int
  ) throws -> SimulationResult {
    let plan = try Failure.planned { () throws(PlanError) in
      try planner.plan(name, for: call, pricing: .ideal)
    }
    var topology = planner.fabric.topology
    let rate = Bandwidth(bytesPerSecond: bytesPerSecond)
    topology.node.scaleUp.latency = .microseconds(latency)
    topology.network.latency = .microseconds(latency)
    topology.network.hopLatency = .zero
    topology.node.scaleUp.bandwidth = rate
    topology.network.bandwidth = rate
    topology.node.nicPath.bandwidth = rate
    let fabric = try Fabric(
      topology, nodes: planner.fabric.nodes, gpusPerNode: planner.fabric.gpusPerNode)
    return try plan.simulate(on: fabric, network: .flow, isolated: false)
  }
}
