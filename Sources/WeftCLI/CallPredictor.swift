import Weft
import WeftCalibration

/// Predicts measured calls by simulation, each different one once.
struct CallPredictor {
  /// A predicted call.
  struct Prediction {
    var algorithm: String
    var protocolName: String
    var channels: Int
    var microseconds: Double
    /// The 95 % interval in microseconds, if the profile was calibrated.
    var interval: ClosedRange<Double>?
    /// Why a calibrated profile gives no interval, in words.
    var obstacle: String?
  }

  let topology: Topology
  let profile: Profile
  let model: CollectiveModel

  /// Operations of one call that are too many to simulate, which would take minutes.
  private static let operationLimit = 20_000_000

  init(topology: Topology, profile: Profile) {
    self.topology = topology
    self.profile = profile
    model = CollectiveModel(topology: topology)
  }

  /// What would run for a call, or why nothing can.
  func plan(_ sample: CollectiveSample) throws -> Result<Plan, MeasuredCall.Unserved> {
    let plan: Plan
    do {
      plan = try model.plan(sample, profile)
    } catch let error as PlanError {
      return .failure(MeasuredCall.Unserved(reason: error.problem))
    }
    let operations = try model.operations(sample, profile, limit: Self.operationLimit)
    guard operations < Self.operationLimit else {
      return .failure(
        MeasuredCall.Unserved(
          reason: "\(plan.algorithm) would take more than \(Self.operationLimit) operations"))
    }
    return .success(plan)
  }

  /// The times of calls that can be planned, under this or another profile of the machine.
  func predictions(
    _ calls: [(sample: CollectiveSample, plan: Plan)], under other: Profile? = nil,
    progress: @Sendable (Int, Int) -> Void
  ) throws -> [Prediction] {
    let predictions = try model.predictions(
      calls.map(\.sample), under: other ?? profile, progress: progress)
    return zip(calls, predictions).map { call, prediction in
      var result = Prediction(
        algorithm: call.plan.algorithm, protocolName: call.plan.protocolName,
        channels: call.plan.channels, microseconds: prediction.seconds * 1e6)
      result.obstacle = prediction.obstacle
      if let low = prediction.low, let high = prediction.high {
        result.interval = low * 1e6...high * 1e6
      }
      return result
    }
  }
}

extension MeasuredCall {
  /// The call as calibration and simulation take it.
  func sample(inPlace: Bool) -> CollectiveSample {
    CollectiveSample(
      algorithm: algorithm, version: version, layout: layout,
      call: CollectiveCall(
        collective, bytes: bytes, type: type, inPlace: inPlace, launch: group.launch),
      parameters: parameters, pricing: pricing)
  }
}
