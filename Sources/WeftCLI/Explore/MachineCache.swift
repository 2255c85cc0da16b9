import Weft
import WeftFiles
import WeftStudy

/// The machines of a study: each description is read once, each variant built once.
struct MachineCache {
  /// One machine, with what planning on it has made.
  final class Machine {
    let topology: Topology
    let profile: Profile
    /// The hash of all that the machine is.
    let key: ResultKey
    private var planners: [PlannerKey: Planner] = [:]
    /// The user's parameters, which an engine's do not replace.
    private let own: Profile?
    /// What collectives take, by engine, since engines have parameters of their own.
    private var timers: [String: CachingTimer<SimulatedTimer>] = [:]

    private struct PlannerKey: Hashable {
      var nodes: Int
      var gpusPerNode: Int?
      var version: NCCLVersion
    }

    init(topology: Topology, profile: Profile, own: Profile?, key: ResultKey) {
      self.topology = topology
      self.profile = profile
      self.own = own
      self.key = key
    }

    /// The planner of a number of nodes.
    ///
    /// - Throws: ``Failure`` if the machine has no such size.
    func planner(_ nodes: Int, _ gpusPerNode: Int?, _ version: NCCLVersion) throws -> Planner {
      let key = PlannerKey(nodes: nodes, gpusPerNode: gpusPerNode, version: version)
      if let planner = planners[key] { return planner }
      let fabric: Fabric
      do {
        fabric = try Fabric(topology, nodes: nodes, gpusPerNode: gpusPerNode)
      } catch {
        throw Failure(error, topology: topology)
      }
      let planner = Planner(fabric: fabric, profile: profile, ncclVersion: version)
      if planners.count >= 1 << 12 { planners = [:] }
      planners[key] = planner
      return planner
    }

    /// The prediction that a command asks for; of several plans the one of least latency.
    ///
    /// - Throws: ``Failure`` and ``WorkloadError`` if there is none.
    func prediction(
      _ command: PredictCommand, _ model: ModelFile, _ engine: EngineFile
    ) throws -> Record {
      let request = try command.request(
        model, topology, profile.adding(engine, beneath: own), engine)
      var timer =
        timers[command.engine]
        ?? CachingTimer(SimulatedTimer(topology: topology, profile: request.profile))
      defer { timers[command.engine] = timer }
      let predictions = try request.bounded(
        try request.predictions(timer: &timer), timer: &timer)
      try PredictCommand.check(predictions)
      let best = predictions.min { left, right in
        guard let other = right.timing else { return left.timing != nil }
        return left.timing.map { $0.latency < other.latency } ?? false
      }
      guard let best else { throw Failure(.internalError, "a prediction has no rows") }
      var record = Record(best)
      // Against other GPU counts, which are other points.
      record["speedup"] = nil
      record["efficiency"] = nil
      return record
    }
  }

  private struct Base {
    var file: TopologyFile
    var hash: ResultKey
  }

  private struct Costs {
    var profile: Profile
    var own: Profile?
    var hash: ResultKey
  }

  private let study: Study
  private let topologySlot: Int?
  private var bases: [String: Base] = [:]
  private var costs: [String: Costs] = [:]
  private var machines: [[String?]: Machine] = [:]
  private var last: (texts: [String?], machine: Machine)?
  /// What was read, for the provenance of results.
  private(set) var documents: [ResultStore.Document] = []

  init(_ study: Study) {
    self.study = study
    topologySlot = study.slots.firstIndex { $0.path == "topology" }
  }

  /// The machine of a point.
  ///
  /// - Throws: ``InputError`` for a description or a value that is wrong, ``Failure`` if none is
  ///   named.
  mutating func machine(
    _ texts: [String?], _ slots: [Int], profile: String?
  ) throws -> Machine {
    let own = [topologySlot.flatMap { texts[$0] }, profile] + slots.map { texts[$0] }
    if let last, last.texts == own { return last.machine }
    if let machine = machines[own] {
      last = (own, machine)
      return machine
    }
    // A study that samples machines has no two alike, so old ones are not worth their memory.
    if machines.count >= 512 { machines = [:] }
    let machine = try build(own[0], profile, slots.map { (study.slots[$0].path, texts[$0]) })
    machines[own] = machine
    last = (own, machine)
    return machine
  }

  /// Whether the machine of a point has values at some paths.
  mutating func hasValues(at paths: [String], _ texts: [String?], _ slots: [Int]) -> Bool {
    let shape = slots.compactMap { slot in
      texts[slot].map { Override(path: study.slots[slot].path, value: $0) }
    }.filter { Study.shapes.contains($0.path) }
    guard let name = topologySlot.flatMap({ texts[$0] }), let base = try? base(name, shape) else {
      return false
    }
    let known = Set(base.file.entries.map(\.path))
    return paths.allSatisfy(known.contains)
  }

  private mutating func build(
    _ name: String?, _ profile: String?, _ values: [(path: String, text: String?)]
  ) throws -> Machine {
    guard let name else {
      throw Failure(
        .badContent, "the study names no topology", fix: "add 'topology: NAME' under 'base:'")
    }
    // What decides which other values there are is read with the description.
    let shape = values.filter { Study.shapes.contains($0.path) }
    let base = try base(
      name, shape.compactMap { path, text in text.map { Override(path: path, value: $0) } })
    var key = base.hash
    var overrides: [Override] = []
    for (path, text) in values where !Study.shapes.contains(path) {
      guard let text else { continue }
      overrides.append(Override(path: path, value: text))
      key.add(path)
      key.add(text)
    }
    let topology =
      overrides.isEmpty ? base.file.topology : try base.file.topology(overriding: overrides)
    let costs = try costs(of: topology, profile)
    key.add(costs.hash)
    return Machine(topology: topology, profile: costs.profile, own: costs.own, key: key)
  }

  private mutating func base(_ name: String, _ overrides: [Override]) throws -> Base {
    let id = ([name] + overrides.map(\.flag)).joined(separator: "\n")
    if let base = bases[id] { return base }
    let file = try study.data.topology(name, overrides: overrides)
    let document = ResultStore.Document(
      kind: "topology", name: file.topology.name,
      text: file.entries.map { "\($0.path) = \($0.value)\n" }.joined())
    documents.append(document)
    let base = Base(file: file, hash: document.hash)
    bases[id] = base
    return base
  }

  /// The costs on a machine; nominal ones depend on its GPU and its kind of network alone.
  private mutating func costs(of topology: Topology, _ path: String?) throws -> Costs {
    let id = [topology.gpu.name, topology.network.interconnect.rawValue, path ?? ""]
      .joined(separator: "\n")
    if let known = costs[id] { return known }
    var profile = try study.data.nominalProfile(for: topology)
    let own = try path.map { try ProfileFile(path: $0).profile }
    if let own { profile = profile.replacing(with: own) }
    let document = ResultStore.Document(
      kind: "profile", name: profile.names.joined(separator: " + "),
      text: Profile.Key.allCases.compactMap { key in
        profile[key].map { "\(key.rawValue) = \($0.value)\n" }
      }.joined())
    documents.append(document)
    let new = Costs(profile: profile, own: own, hash: document.hash)
    costs[id] = new
    return new
  }
}
