import Weft
import WeftFiles

/// What a measured row asks Weft to predict, and what tells it from other rows of its group.
struct MeasuredCall: Hashable {
  /// What a row leaves blank and the user says of all such rows.
  struct Defaults {
    /// The library.
    var library: String?
    /// How kernels were started.
    var launch: StepLaunch
  }

  /// Why a row asks for nothing that can be predicted.
  struct Unserved: Error {
    var reason: String

    init(reason: String) {
      self.reason = reason
    }

    /// A name that Weft does not know, with those that it does.
    init(_ kind: String, _ text: String, _ known: [String]) {
      reason = "Weft has no \(kind) '\(text)'; " + Failure.suggestion(text, known)
    }
  }

  /// What its error is pooled with.
  var group: Accuracy.Group
  /// The machine and its environment, as far as the row says; rows that differ are no repeats.
  var setup: [String?]
  /// The version of NCCL whose tuner chooses; the latest where the row does not say.
  var version: NCCLVersion
  /// What is to be computed.
  var collective: Collective
  /// What runs.
  var algorithm: AlgorithmName
  /// The ranks and their nodes.
  var layout: Layout
  /// The type of the elements.
  var type: DataType
  /// The size as nccl-tests counts it.
  var bytes: Int
  /// NVRAR's launch parameters.
  var parameters: NVRARPlanner.Parameters
  /// What it costs: as its library does, or as Weft's own runtime.
  var pricing: Planner.Pricing

  /// Reads a row for a topology.
  ///
  /// A blank type is float, as in nccl-tests. Blank nodes are one if the ranks fit into a node.
  init(_ row: Measurement, on topology: Topology, _ defaults: Defaults) throws(Unserved) {
    let library = try Self.library(row, defaults)
    layout = try Self.layout(row, topology)
    guard let type = DataType(name: row.dataType ?? "float") else {
      let known = DataType.allCases.map(\.rawValue) + ["float", "half", "bfloat16"]
      throw Unserved("type", row.dataType ?? "", known)
    }
    guard row.bytes >= type.bytes else {
      throw Unserved(reason: "\(row.bytes) bytes hold no element of \(type.rawValue)")
    }
    guard row.bytes <= topology.gpu.memory.bytes else {
      throw Unserved(reason: "the buffer does not fit into a \(topology.gpu.title)")
    }
    version = library == "nccl" ? try Self.version(row) : .latest
    collective = try Self.collective(row)
    group = Accuracy.Group(
      system: row.system, library: library, version: row.version,
      collective: collective.rawValue, nodes: layout.nodes, ranks: layout.ranks,
      launch: try Self.launch(row, defaults))
    setup = [
      row.gpu, row.interconnect, row.environment, row.algorithm, row.protocolName,
      row.cells["threads"], row.cells["channels"], row.cells["kernels"],
    ]
    algorithm = try Self.algorithm(row, library)
    pricing = library == "weft" ? .runtime(try Self.form(row, algorithm)) : .library
    self.type = type
    bytes = row.bytes
    parameters = .standard
    if library == "nvrar" {
      parameters.blocks = row.blocks ?? parameters.blocks
      parameters.chunk = row.chunk ?? parameters.chunk
    }
  }

  /// How Weft's runtime executed the row's schedule.
  private static func form(
    _ row: Measurement, _ algorithm: AlgorithmName
  ) throws(Unserved) -> RuntimeForm {
    var form = RuntimeForm(isFused: row.cells["kernels"] == "fused")
    if let text = row.protocolName, case .plain = algorithm {
      guard let wire = RuntimeForm.Wire(rawValue: text) else {
        throw Unserved(reason: "Weft's runtime has no wire '\(text)'")
      }
      form.wire = wire
      if let channels = row.cells["channels"].flatMap(Int.init), channels > 1 {
        form.channels = channels
      }
    }
    return form
  }

  private static func library(
    _ row: Measurement, _ defaults: Defaults
  ) throws(Unserved) -> String {
    guard let library = (row.library ?? defaults.library)?.lowercased() else {
      throw Unserved(reason: "the row names no library; --library can")
    }
    guard ["nccl", "nvrar", "weft"].contains(library) else {
      throw Unserved("model of the library", library, ["nccl", "nvrar", "weft"])
    }
    return library
  }

  private static func version(_ row: Measurement) throws(Unserved) -> NCCLVersion {
    guard let text = row.version else { return .latest }
    let (first, last) = NCCLVersion.supportedSeries
    guard let version = NCCLVersion(text) else {
      throw Unserved(
        reason: "'\(text)' is no version of NCCL; write it like 2.27.3, of \(first) to \(last)")
    }
    guard version.isSupported else {
      throw Unserved(reason: "Weft has the tuners of NCCL \(first) to \(last), not of '\(text)'")
    }
    return version
  }

  private static func collective(_ row: Measurement) throws(Unserved) -> Collective {
    guard let text = row.collective else {
      throw Unserved(reason: "the row names no collective")
    }
    guard let collective = Collective(rawValue: text.lowercased()) else {
      throw Unserved("collective", text, Collective.allCases.map(\.rawValue))
    }
    return collective
  }

  private static func launch(
    _ row: Measurement, _ defaults: Defaults
  ) throws(Unserved) -> StepLaunch {
    guard let text = row.launch else { return defaults.launch }
    guard let launch = StepLaunch(rawValue: text.lowercased()) else {
      throw Unserved(reason: "the launch '\(text)' is neither graph nor eager")
    }
    return launch
  }

  private static func algorithm(
    _ row: Measurement, _ library: String
  ) throws(Unserved) -> AlgorithmName {
    if library == "nvrar" { return .nvrar(nil) }
    if library == "weft" {
      // NCCL's schedules differ by the protocol that they are made for.
      let text = row.algorithm ?? ""
      let name = text.hasPrefix("nccl:") ? text + (row.protocolName.map { "/\($0)" } ?? "") : text
      guard let name = AlgorithmName(name) else {
        throw Unserved(reason: "Weft has no schedule '\(name)'")
      }
      return name
    }
    func known<Name: RawRepresentable<String> & CaseIterable>(
      _ text: String?, _: Name.Type
    ) throws(Unserved) -> Name? {
      guard let text else { return nil }
      // Weft's own samples name NCCL's algorithms as its command line does.
      let own = text.lowercased()
      let name = own.hasPrefix("nccl:") ? String(own.dropFirst("nccl:".count)) : own
      guard let name = Name(rawValue: name) else {
        throw Unserved("NCCL with", text, Name.allCases.map(\.rawValue))
      }
      return name
    }
    return .nccl(
      try known(row.algorithm, NCCLTuner.Algorithm.self),
      try known(row.protocolName, NCCLTuner.ProtocolName.self))
  }

  private static func layout(
    _ row: Measurement, _ topology: Topology
  ) throws(Unserved) -> Layout {
    var nodes = row.nodes
    if nodes == nil, let ranks = row.ranks, let perNode = row.gpusPerNode {
      nodes = ranks <= perNode ? 1 : ranks % perNode == 0 ? ranks / perNode : nil
    }
    guard let nodes, nodes > 0 else {
      throw Unserved(reason: "the row does not say how many nodes it is of")
    }
    guard nodes <= topology.network.maxNodes else {
      throw Unserved(
        reason: "\(nodes) nodes: '\(topology.name)' has 1 to \(topology.network.maxNodes)")
    }
    if let ranks = row.ranks, ranks % nodes != 0 {
      throw Unserved(reason: "\(ranks) ranks are not as many on each of \(nodes) nodes")
    }
    guard let perNode = row.ranks.map({ $0 / nodes }) ?? row.gpusPerNode else {
      throw Unserved(reason: "the row does not say how many ranks it is of")
    }
    // A node may have more GPUs than are in use, not fewer.
    if let gpus = row.gpusPerNode, perNode > gpus {
      throw Unserved(
        reason: "\(perNode) ranks on each of \(nodes) nodes, and gpus_per_node is \(gpus)")
    }
    guard perNode <= topology.node.gpus else {
      throw Unserved(
        reason: "\(perNode) ranks per node: a node of '\(topology.name)' has 1 to "
          + "\(topology.node.gpus) GPUs")
    }
    guard nodes * perNode > 1 else { throw Unserved(reason: "a lone rank sends nothing") }
    return Layout(nodes: nodes, ranksPerNode: perNode)
  }
}
