import Dispatch
import Synchronization
public import Weft

/// A call whose time is asked for: of a library, on a number of nodes.
public struct CollectiveSample: Hashable, Sendable {
  /// What runs.
  public var algorithm: AlgorithmName
  /// The version of NCCL whose tuner chooses.
  public var version: NCCLVersion
  /// The ranks and their nodes.
  public var layout: Layout
  /// What is to be computed.
  public var call: CollectiveCall
  /// NVRAR's launch parameters.
  public var parameters: NVRARPlanner.Parameters
  /// What it costs: as its library does, or as Weft's own runtime.
  public var pricing: Planner.Pricing

  /// Creates a sample.
  public init(
    algorithm: AlgorithmName, version: NCCLVersion, layout: Layout, call: CollectiveCall,
    parameters: NVRARPlanner.Parameters = .standard, pricing: Planner.Pricing = .library
  ) {
    self.pricing = pricing
    self.algorithm = algorithm
    self.version = version
    self.layout = layout
    self.call = call
    self.parameters = parameters
  }
}

extension CollectiveSample {
  /// What its simulation takes, roughly and up to a factor.
  fileprivate var burden: Int { call.bytes * layout.ranks }
}

/// Times of calls under any profile, by simulation: on all cores, and no two alike twice.
///
/// A profile acts on a call through the costs of its plan alone, so a time is remembered by call and
/// costs: parameters of a protocol that a call does not use do not simulate it again.
public final class CollectiveModel {
  private struct PlannerKey: Hashable {
    var version: NCCLVersion
    var layout: Layout
  }

  private struct Job: Hashable {
    var sample: CollectiveSample
    var costs: Costs
  }

  private struct Work {
    var job: Job
    var plan: Plan
    var fabric: Fabric
  }

  /// A simulated time, and what its busiest link takes at the least, in seconds.
  struct Timed {
    var seconds: Double
    var least: Double
  }

  private let topology: Topology
  private var fabrics: [Layout: Fabric] = [:]
  private var known: [Job: Timed] = [:]
  private var weights: [CollectiveSample: Int] = [:]
  /// The simulations that were run.
  public private(set) var simulations = 0

  /// Creates a model of a machine.
  public init(topology: Topology) {
    self.topology = topology
  }

  /// Plans samples under a profile.
  ///
  /// - Throws: ``PlanError`` if one cannot be planned; ``Fabric/SizeError``.
  private func plans(_ samples: [CollectiveSample], _ profile: Profile) throws -> [Work] {
    var planners: [PlannerKey: Planner] = [:]
    return try samples.map { sample in
      let key = PlannerKey(version: sample.version, layout: sample.layout)
      let planner = try planners[key] ?? planner(key, profile)
      planners[key] = planner
      let plan = try planner.plan(
        sample.algorithm, for: sample.call, pricing: sample.pricing,
        parameters: sample.parameters)
      return Work(
        job: Job(sample: sample, costs: plan.costs), plan: plan, fabric: planner.fabric)
    }
  }

  private func planner(_ key: PlannerKey, _ profile: Profile) throws -> Planner {
    let fabric =
      try fabrics[key.layout]
      ?? Fabric(topology, nodes: key.layout.nodes, gpusPerNode: key.layout.ranksPerNode)
    fabrics[key.layout] = fabric
    return Planner(fabric: fabric, profile: profile, ncclVersion: key.version)
  }

  /// The plan of a sample under a profile.
  ///
  /// - Throws: ``PlanError`` if it cannot be planned; ``Fabric/SizeError``.
  public func plan(_ sample: CollectiveSample, _ profile: Profile) throws -> Plan {
    try plans([sample], profile)[0].plan
  }

  /// What a sample runs on, as a calibration keeps it.
  func scope(of sample: CollectiveSample) -> Calibration.Scope {
    let usesTuner =
      switch (sample.algorithm, sample.pricing) {
      case (.nccl, .library), (.nvrar(.nccl), .library): true
      default: false
      }
    return Calibration.Scope(
      of: sample.call, layout: sample.layout, version: usesTuner ? sample.version : nil,
      on: topology)
  }

  /// The operations that a simulation of a sample's call takes, up to a limit.
  ///
  /// - Throws: ``PlanError`` if it cannot be planned; ``Fabric/SizeError``.
  public func operations(_ sample: CollectiveSample, _ profile: Profile, limit: Int) throws -> Int {
    if let weight = weights[sample] { return weight }
    let work = try plans([sample], profile)[0]
    let weight = work.plan.size(on: work.fabric, foldAllowed: true, limit: limit).operations
    weights[sample] = weight
    return weight
  }

  /// The simulated times in seconds of samples under each of some profiles: `[profile][sample]`.
  ///
  /// - Parameters:
  ///   - samples: The calls.
  ///   - profiles: What software costs.
  ///   - progress: Called from any thread with the number of simulations done and to do.
  /// - Returns: Seconds, a list per profile.
  /// - Throws: ``PlanError`` if a call cannot be planned, ``SimulationError``.
  public func seconds(
    _ samples: [CollectiveSample], under profiles: [Profile],
    progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws -> [[Double]] {
    try timed(samples, under: profiles, progress: progress).map { $0.map(\.seconds) }
  }

  /// The same with what no time can be below.
  func timed(
    _ samples: [CollectiveSample], under profiles: [Profile],
    progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws -> [[Timed]] {
    let work = try profiles.map { try plans(samples, $0) }
    var seen = Set<Job>()
    // Long ones first, so that no core is left alone with one at the end.
    let missing = work.joined().filter { known[$0.job] == nil && seen.insert($0.job).inserted }
      .sorted { $0.job.sample.burden > $1.job.sample.burden }
    for (job, timed) in zip(missing.map(\.job), try Self.simulate(missing, progress)) {
      known[job] = timed
    }
    simulations += missing.count
    return work.map { works in works.compactMap { known[$0.job] } }
  }

  /// Simulates on all cores; results do not depend on which core was first.
  private static func simulate(
    _ work: [Work], _ progress: @Sendable (Int, Int) -> Void
  ) throws -> [Timed] {
    let results = Mutex<[(index: Int, result: Result<Timed, SimulationError>)]>([])
    withoutActuallyEscaping(progress) { progress in
      DispatchQueue.concurrentPerform(iterations: work.count) { index in
        let result = Self.time(work[index])
        let done = results.withLock {
          $0.append((index, result))
          return $0.count
        }
        progress(done, work.count)
      }
    }
    // The first failure in order of the work, whichever thread met one first.
    return try results.withLock { $0 }.sorted { $0.index < $1.index }.map { try $0.result.get() }
  }

  private static func time(_ work: Work) -> Result<Timed, SimulationError> {
    do {
      let result = try work.plan.simulate(on: work.fabric, network: .flow, isolated: false)
      return .success(
        Timed(seconds: result.time.seconds, least: result.least?.seconds ?? 0))
    } catch {
      return .failure(error)
    }
  }
}
