import Foundation
import Weft
import WeftCalibration
import WeftFiles

/// What is asked to be run: a schedule of a size, on any number of ways to launch it.
struct RunRequest {
  var requested: String
  var name: AlgorithmName
  var collective: Collective
  var bytes: Int
  var type: DataType
  var inPlace: Bool
  var wire: RuntimeForm.Wire?
  var channels: Int?

  /// The call, started in one way.
  func call(_ launch: StepLaunch) -> CollectiveCall {
    CollectiveCall(collective, bytes: bytes, type: type, inPlace: inPlace, launch: launch)
  }
}

/// One call that is run in one way: its plan, what is predicted, and what was measured.
struct MeasuredPlan {
  /// What the runtime measured.
  struct Measured {
    var microseconds: Double
    var low: Double
    var high: Double
    var wrong: Int
    var checked: Int
    var iterations: Int
    var repeats: Int
    /// The version of the library that ran, if it is not Weft's runtime.
    var version: String?
  }

  private(set) var requested: String
  let call: CollectiveCall
  /// The plan's file as the runtime is given it.
  private(set) var path: String
  private(set) var algorithm: String
  private(set) var protocolName: String
  private(set) var channels: Int
  let slots: Int
  let hasOneKernel: Bool
  /// How the runtime executes it; nil on CPUs.
  private(set) var form: RuntimeForm?
  /// The library of a baseline.
  private(set) var library: String?
  private let name: AlgorithmName
  private(set) var predicted: Double?
  private(set) var measured: Measured?
  /// Whether the size took part in the fit; nil if nothing was fitted.
  private(set) var isFitted: Bool?

  /// Plans a request, writes the plan into a folder, and predicts each way to run it.
  static func all(
    _ request: RunRequest, _ job: RunOptions, _ planner: Planner, _ folder: RunFolder
  ) throws -> [MeasuredPlan] {
    var form =
      job.backend == .mpi
      ? nil
      : RuntimeForm(
        wire: request.wire, channels: request.channels)
    let first = try planned(request, request.call(job.launch[0]), form, planner)
    let written = try Failure.planned { () throws(PlanError) in
      try first.runtimePlan(for: request.call(job.launch[0]))
    }
    form?.wire = RuntimeForm.Wire(rawValue: first.protocolName)
    let label = first.algorithm.map { $0.isLetter || $0.isNumber ? $0 : "-" }
    let path = folder.path("\(String(label))-\(request.bytes)-\(UUID().uuidString.prefix(8)).plan")
    try Output.write(PlanFile.data(written), to: path)
    let hasOneKernel = written.kernels.count == 1
    let kernels: [RunOptions.Kernels] =
      job.backend == .mpi || hasOneKernel ? [.own] : job.kernels
    var result: [MeasuredPlan] = []
    for launch in job.backend == .mpi ? [job.launch[0]] : job.launch {
      for kernels in kernels {
        var own = form
        own?.isFused = kernels == .fused
        let call = request.call(launch)
        let plan = try planned(request, call, own, planner)
        result.append(
          MeasuredPlan(
            requested: request.requested, call: call, path: path, algorithm: plan.algorithm,
            protocolName: plan.protocolName, channels: plan.channels, slots: written.slots,
            hasOneKernel: hasOneKernel, form: own, name: request.name,
            predicted: try plan.simulate(on: planner.fabric, network: .flow, isolated: false)
              .time.microseconds))
      }
    }
    return result
  }

  private static func planned(
    _ request: RunRequest, _ call: CollectiveCall, _ form: RuntimeForm?, _ planner: Planner
  ) throws(Failure) -> Plan {
    try Failure.planned { () throws(PlanError) in
      guard let form else {
        if let channels = request.channels, case .plain(let plain) = request.name {
          return try plain.plan(for: call, layout: planner.layout, channels: channels)
        }
        return try planner.plan(request.name, for: call)
      }
      return try planner.plan(request.name, for: call, pricing: .runtime(form))
    }
  }

  private init(
    requested: String, call: CollectiveCall, path: String, algorithm: String,
    protocolName: String, channels: Int, slots: Int, hasOneKernel: Bool, form: RuntimeForm?,
    name: AlgorithmName, predicted: Double
  ) {
    self.requested = requested
    self.call = call
    self.path = path
    self.algorithm = algorithm
    self.protocolName = protocolName
    self.channels = channels
    self.slots = slots
    self.hasOneKernel = hasOneKernel
    self.form = form
    self.name = name
    self.predicted = predicted
  }

  /// A baseline that does what this call does: NCCL with Weft's prediction of it, or a kernel by hand.
  func baseline(_ text: String, _ planner: Planner) throws(Failure) -> MeasuredPlan {
    var result = self
    result.requested = text
    result.path = "\(text)@\(path)"
    result.form = nil
    if text == "by-hand" {
      result.library = text
      result.predicted = nil
      return result
    }
    guard case .nccl? = AlgorithmName(text) else {
      throw Failure(
        .usage, "unknown baseline '\(text)'", fix: "use nccl, nccl:ring/ll and the like, or by-hand"
      )
    }
    let (name, call) = (try SimulateCommand.parseAlgorithm(text).value, call)
    let plan = try Failure.planned { () throws(PlanError) in try planner.plan(name, for: call) }
    result.library = "nccl"
    result.algorithm = plan.algorithm
    result.protocolName = plan.protocolName
    result.channels = plan.channels
    do {
      result.predicted = try plan.simulate(on: planner.fabric, network: .flow, isolated: false)
        .time.microseconds
    } catch {
      throw Failure(.internalError, "\(error)", fix: "this is a mistake of Weft; please report it")
    }
    return result
  }

  /// The form of the call's kernels in words; nil where there is no other.
  var kernels: String? {
    guard let form, !hasOneKernel else { return nil }
    return (form.isFused ? RunOptions.Kernels.fused : .own).rawValue
  }

  /// Takes the row of this plan.
  mutating func take(_ results: RunResults) throws(Failure) {
    let launch = form == nil && library == nil ? "eager" : call.launch.rawValue
    let key = RunResults.Key(
      plan: path, launch: kernels == "own" ? launch + "-split" : launch)
    guard let row = results.rows[key] else {
      throw Failure(
        .internalError, "the runtime measured nothing for \(algorithm) of \(call.bytes) bytes",
        fix: "this is a mistake of the runtime; please report it")
    }
    measured = row
  }

  /// How far the prediction is off, of the measured time.
  var errorPercent: Double? {
    guard let measured, let predicted else { return nil }
    return 100 * (predicted / measured.microseconds - 1)
  }

  func record(_ layout: Layout) -> Record {
    let time = measured?.microseconds
    let bandwidth = time.map { Double(call.bytes) / $0 / 1e3 }
    return Record([
      "collective": .text(call.collective.rawValue), "requested": .text(requested),
      "algorithm": .text(algorithm), "protocol": .text(protocolName),
      "channels": .integer(channels), "slots": .integer(slots),
      "launch": .text(call.launch.rawValue), "kernels": Value(kernels),
      "library": Value(library), "datatype": .text(call.type.rawValue),
      "nodes": .integer(layout.nodes), "ranks": .integer(layout.ranks),
      "size_bytes": .integer(call.bytes), "measured_us": Value(time),
      "p05_us": Value(measured?.low), "p95_us": Value(measured?.high),
      "predicted_us": Value(predicted), "error_pct": Value(errorPercent),
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
