import Weft

/// Predicts measured calls by simulation, each different one once.
struct CallPredictor {
  /// A predicted call.
  struct Prediction {
    var algorithm: String
    var protocolName: String
    var channels: Int
    var microseconds: Double
  }

  private struct Key: Hashable {
    var algorithm: AlgorithmName
    var version: NCCLVersion
    var layout: Layout
    var call: CollectiveCall
    var parameters: NVRARPlanner.Parameters
  }

  private struct PlannerKey: Hashable {
    var version: NCCLVersion
    var layout: Layout
  }

  let topology: Topology
  let profile: Profile
  private var planners: [PlannerKey: Planner] = [:]
  private var known: [Key: Result<Prediction, MeasuredCall.Unserved>] = [:]

  /// Operations of one call that are too many to simulate, which would take minutes.
  private static let operationLimit = 20_000_000

  init(topology: Topology, profile: Profile) {
    self.topology = topology
    self.profile = profile
  }

  /// The time of a call, or why there is none.
  ///
  /// - Throws: ``SimulationError``, which is a mistake of Weft.
  mutating func predict(
    _ call: MeasuredCall, inPlace: Bool
  ) throws -> Result<Prediction, MeasuredCall.Unserved> {
    let key = Key(
      algorithm: call.algorithm, version: call.version, layout: call.layout,
      call: CollectiveCall(
        call.collective, bytes: call.bytes, type: call.type, inPlace: inPlace,
        launch: call.group.launch),
      parameters: call.parameters)
    if let result = known[key] { return result }
    let result = try simulate(key)
    known[key] = result
    return result
  }

  private mutating func simulate(
    _ key: Key
  ) throws -> Result<Prediction, MeasuredCall.Unserved> {
    let planner = try planner(PlannerKey(version: key.version, layout: key.layout))
    let plan: Plan
    do {
      plan = try planner.plan(key.algorithm, for: key.call, parameters: key.parameters)
    } catch {
      return .failure(MeasuredCall.Unserved(reason: error.problem))
    }
    let size = plan.size(on: planner.fabric, foldAllowed: true, limit: Self.operationLimit)
    guard size.operations < Self.operationLimit else {
      return .failure(
        MeasuredCall.Unserved(
          reason: "\(plan.algorithm) would take more than \(Self.operationLimit) operations"))
    }
    let result = try plan.simulate(on: planner.fabric, network: .flow, isolated: false)
    return .success(
      Prediction(
        algorithm: plan.algorithm, protocolName: plan.protocolName, channels: plan.channels,
        microseconds: result.time.microseconds))
  }

  private mutating func planner(_ key: PlannerKey) throws -> Planner {
    if let planner = planners[key] { return planner }
    let fabric = try Fabric(
      topology, nodes: key.layout.nodes, gpusPerNode: key.layout.ranksPerNode)
    let planner = Planner(fabric: fabric, profile: profile, ncclVersion: key.version)
    planners[key] = planner
    return planner
  }
}
