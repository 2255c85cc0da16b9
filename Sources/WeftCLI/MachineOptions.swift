import ArgumentParser
import Weft
import WeftFiles

/// The options that name a topology and change it.
struct TopologyOptions: ParsableArguments {
  @Option(help: "A shipped topology (see 'weft topology list') or a topology file.")
  var topology: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Change a value of the topology by its dotted path; repeatable.", valueName: "path=value"))
  var overrides: [String] = []

  @Flag(help: "Print every number of the topology with its source, and stop.")
  var showTopology = false

  /// Loads the topology with its changes.
  func load(_ global: GlobalOptions) throws(InputError) -> TopologyFile {
    try global.data().topology(topology, overrides: try Self.parse(overrides))
  }

  /// Parses the arguments of `--set`.
  static func parse(_ arguments: [String]) throws(InputError) -> [Override] {
    let overrides = try arguments.map { argument throws(InputError) in
      try Override(parsing: argument)
    }
    var seen = Set<String>()
    if let twice = overrides.first(where: { !seen.insert($0.path).inserted }) {
      throw InputError(
        .usage, problem: "--set names \(twice.path) twice", fix: "give one value for it")
    }
    return overrides
  }
}

/// The options that name a machine of a size: a topology, nodes, and GPUs of each.
struct MachineOptions: ParsableArguments {
  @OptionGroup var options: TopologyOptions

  @Option(parsing: .unconditional, help: "The number of nodes.")
  var nodes = 1

  @Option(
    parsing: .unconditional, help: "How many GPUs of each node to use; all of them unless said.")
  var gpusPerNode: Int?

  @OptionGroup var conditions: ConditionOptions

  /// A loaded machine.
  struct Machine {
    var file: TopologyFile
    var fabric: Fabric
  }

  /// Loads the topology and builds its fabric.
  ///
  /// - Throws: ``InputError`` for the topology, ``Failure`` for a size that it does not have.
  func load(_ global: GlobalOptions, seed: UInt64 = 0) throws -> Machine {
    let file = try options.load(global)
    let placement = try conditions.placement(seed: seed)
    let found = try conditions.conditions(seed: seed)
    do {
      let fabric = try Fabric(
        file.topology.drawing(seed), nodes: nodes, gpusPerNode: gpusPerNode,
        placement: placement, conditions: found)
      return Machine(file: file, fabric: fabric)
    } catch {
      throw Failure(error, topology: file.topology)
    }
  }
}

extension Failure {
  /// The failure that a size beyond a topology is.
  init(_ error: Fabric.SizeError, topology: Topology) {
    switch error {
    case .nodes(let asked, let available):
      self.init(
        .usage, "--nodes \(asked): '\(topology.name)' has 1 to \(available) nodes",
        fix: topology.network == .none
          ? "give --nodes 1; this topology has no network"
          : "give a number in that range"
            + (asked > available
              ? ", or change the machine with \(topology.network.resizing)" : ""))
    case .gpusPerNode(let asked, let available):
      self.init(
        .usage,
        "--gpus-per-node \(asked): a node of '\(topology.name)' has 1 to \(available) GPUs",
        fix: "give a number in that range"
          + (asked > available ? ", or change the machine with --set node.gpus=N" : ""))
    case .links(let asked, let available):
      self.init(
        .usage, "the machine would have \(asked) links; Weft numbers \(available)",
        fix: "ask for fewer nodes")
    case .place(let asked, let available):
      self.init(
        .usage,
        "--hostfile: there is no node \(asked): '\(topology.name)' has \(available), from 0",
        fix: "name other nodes, or change the machine with \(topology.network.resizing)")
    case .list(let entries, let nodes, let ranks):
      self.init(
        .usage, "--hostfile: \(entries) lines do not place \(nodes) nodes or \(ranks) ranks",
        fix: "write a line for each of \(nodes) different nodes, or one for each rank")
    case .repeated(let place, let times, let allowed):
      self.init(
        .usage,
        "--hostfile: node \(place) stands on \(times) lines, not on \(allowed)"
          + (allowed == 1 ? "" : " as its \(allowed) GPUs in use ask for"),
        fix: "write a line for each of different nodes, or one for each rank")
    case .fault(let problem, let fix):
      self.init(.usage, problem, fix: fix)
    }
  }
}

extension Network {
  /// The flag that gives the machine more nodes; a torus has as many as its dimensions say.
  fileprivate var resizing: String {
    switch kind {
    case .torus(let size):
      maxNodes < size.nodes
        ? "--set network.max_nodes=N, up to \(size.nodes)" : "--set network.dimensions=XxYxZ"
    case .switch, .fatTree, .rail, .dragonfly: "--set network.max_nodes=N"
    }
  }
}
