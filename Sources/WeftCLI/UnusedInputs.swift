import Weft
import WeftFiles

/// What of a machine's description and of a job's options no time answers to.
///
/// Every note names the options or values, why they change nothing, and what would make them count.
struct UnusedInputs {
  let fabric: Fabric
  /// The paths that `--set` changes.
  let changed: [String]
  /// How a job gets more nodes.
  let moreNodes: String

  /// What is said; empty if everything counts.
  private(set) var notes: [String] = []

  /// Looks at the values of the topology.
  init(_ fabric: Fabric, overrides: [String], moreNodes: String) throws {
    self.fabric = fabric
    changed = try TopologyOptions.parse(overrides).map(\.path)
    self.moreNodes = moreNodes
    addAssumedShape()
    fabric.nodes == 1 ? addBetweenNodes() : addBetweenSwitches()
    add(changed.filter { $0 == "gpu.l2" }, "no model asks for it")
    if fabric.gpusPerNode == 1 {
      add(
        changed.filter { $0.hasPrefix("node.scale_up.") },
        "no message stays inside a node of one GPU",
        fix: "use more GPUs of a node")
    }
  }

  /// What of a GPU a collective does not answer to.
  ///
  /// - Parameter linksAlone: Whether links alone are priced.
  mutating func addGPU(linksAlone: Bool) {
    let others = changed.filter { $0.hasPrefix("gpu.") && $0 != "gpu.l2" }
    if linksAlone {
      add(
        changed.filter { $0 == "gpu" || $0 == "network.interconnect" } + others,
        "links alone are priced", fix: "see what it does to nccl or nvrar")
    } else {
      add(
        others.filter { $0 != "gpu.memory_bandwidth" }, "a collective computes nothing but sums",
        fix: "see what it does to weft predict")
    }
  }

  private mutating func add(_ inputs: [String], _ reason: String, fix: String? = nil) {
    guard !inputs.isEmpty else { return }
    notes.append(
      "\(inputs.joined(separator: ", ")) \(inputs.count == 1 ? "changes" : "change") nothing: "
        + reason + (fix.map { "; \($0)" } ?? ""))
  }

  private func given(_ keys: [String]) -> [String] { keys.filter(changed.contains) }
}

// MARK: - The topology

extension UnusedInputs {
  /// Sizes that a machine takes on with another shape, if they are not given.
  private mutating func addAssumedShape() {
    guard changed.contains("network.kind") else { return }
    let sizes: [(key: String, value: String)] =
      switch fabric.topology.network.kind {
      case .switch: []
      case .fatTree(let nodes), .rail(let nodes): [("nodes_per_leaf", "\(nodes)")]
      case .dragonfly(let perSwitch, let perGroup):
        [("nodes_per_switch", "\(perSwitch)"), ("nodes_per_group", "\(perGroup)")]
      case .torus(let size): [("dimensions", "\(size.x)x\(size.y)x\(size.z)")]
      }
    let assumed = sizes.filter { !changed.contains("network.\($0.key)") }
    guard !assumed.isEmpty else { return }
    notes.append(
      "with the shape that --set network.kind gives, "
        + assumed.map { "network.\($0.key)=\($0.value)" }.joined(separator: ", ")
        + " is assumed where the machine's file has none; set it to what you mean")
  }

  /// On one node nothing of what lies beyond it.
  private mutating func addBetweenNodes() {
    let inputs = changed.filter {
      $0.hasPrefix("network.") && $0 != "network.max_nodes" || $0.hasPrefix("node.nic")
    }
    add(inputs, "no message leaves a single node", fix: moreNodes)
  }

  /// Links between switches: where they never fill, where one switch joins all nodes, and what a
  /// shape does not have.
  private mutating func addBetweenSwitches() {
    let network = fabric.topology.network
    let distances = ["hop_latency", "nodes_per_group", "leaves_per_pod"].map { "network." + $0 }
    let interior = ["routing", "seed"].map { "network." + $0 } + Self.capacities
    guard let routings = network.routings else {
      return add(
        given(["network.hop_latency"]), "one switch joins all nodes of this network",
        fix: "set network.kind to fat-tree, rail, dragonfly or torus")
    }
    guard fabric.switchesAcross > 1 else {
      let inputs = network.interior.routing == .ideal ? distances : interior + distances
      add(
        given(inputs), "one switch joins the job's \(fabric.nodes) nodes",
        fix: "\(moreNodes), or fewer of them to a switch")
      return addUnderIdeal(network, routings)
    }
    addUnderIdeal(network, routings)
    guard network.interior.routing != .ideal else { return }
    if !fabric.drawsWays {
      var fix: String?
      if case .dragonfly = network.kind { fix = "set network.routing to valiant or adaptive" }
      add(given(["network.seed"]), "no two ways are as short, so that none is drawn", fix: fix)
    }
    if !hasGlobalLinks {
      let loaded = network.interior.globalLoad > 0 ? ["network.background.global"] : []
      add(
        loaded + given(["network.global_links"]),
        "no message of this job crosses a link above the first level",
        fix: "set network.background.local, or \(moreNodes)")
    }
  }

  /// The values that say how much a link between switches carries.
  private static let capacities = [
    "oversubscription", "link_bandwidth", "background.local", "background.global", "local_links",
    "global_links",
  ].map { "network." + $0 }

  /// Those of them that are not what a file leaves out, or that a flag sets, and the seed of ways.
  private mutating func addUnderIdeal(_ network: Network, _ routings: String) {
    guard network.interior.routing == .ideal else { return }
    let interior = network.interior
    let isUsual = [
      interior.oversubscription == 1, interior.bandwidth == nil, interior.localLoad == 0,
      interior.globalLoad == 0,
    ]
    let inputs = Self.capacities.enumerated().filter { index, key in
      index < isUsual.count ? !isUsual[index] : changed.contains(key)
    }.map(\.element)
    add(
      inputs + given(["network.seed"]),
      "under network.routing=ideal links between switches never fill",
      fix: "add --set network.routing=\(routings)")
  }

  /// Whether a job's messages cross links above the first level of switches.
  private var hasGlobalLinks: Bool {
    switch fabric.topology.network.kind {
    case .switch, .rail, .torus: false
    case .fatTree: fabric.switchesAcross > 3
    case .dragonfly: fabric.switchesAcross > 2
    }
  }
}

extension Network {
  /// The routings under which links between switches fill; nil if there are no such links.
  fileprivate var routings: String? {
    switch kind {
    case .switch: nil
    case .fatTree, .rail: "ecmp or adaptive"
    case .dragonfly: "minimal, valiant or adaptive"
    case .torus: "minimal"
    }
  }
}

// MARK: - Options of a job

extension UnusedInputs {
  /// Looks at where the job lies and what is broken, slow or random.
  ///
  /// - Parameters:
  ///   - options: The options as given.
  ///   - onlyLibraries: Whether all that runs are libraries, which order ranks by node.
  mutating func add(_ options: ConditionOptions, onlyLibraries: Bool) {
    let isPlaced = options.placement != .block
    let places = [("--placement", isPlaced), ("--hostfile", options.hostfile != nil)]
      .filter(\.1).map(\.0)
    if fabric.nodes == 1 {
      let inputs =
        [
          ("--network-jitter", options.networkJitter != nil),
          ("--failed-nic", !options.failedNIC.isEmpty), ("--slow-nic", !options.slowNIC.isEmpty),
        ].filter(\.1).map(\.0) + places
      return add(inputs, "no message leaves a single node", fix: moreNodes)
    }
    addIdleNICs()
    if options.placement == .cyclic && (onlyLibraries || fabric.gpusPerNode == 1) {
      add(
        ["--placement cyclic"],
        onlyLibraries
          ? "NCCL and NVRAR order ranks by node whatever their numbers"
          : "a node has one rank",
        fix: onlyLibraries ? "see what it does to a plain schedule, such as --algorithm ring" : nil)
    } else if options.placement == .random && fabric.nodes == fabric.topology.network.maxNodes {
      add(
        ["--placement random"], "the job fills the machine, and nodes are in order of their numbers"
      )
    } else if fabric.hasOneDistance {
      add(
        places.filter { _ in options.placement != .cyclic },
        "all nodes of this network are equally far apart", fix: "set network.hop_latency")
    }
  }

  /// NICs that are broken or slow, and serve none of the job's GPUs.
  private mutating func addIdleNICs() {
    let used = fabric.servingNICs
    let conditions = fabric.conditions
    let idle =
      conditions.failedNICs.filter { !used.contains($0.nic) }.map { ("--failed-nic", $0) }
      + conditions.slowNICs.map(\.nic).filter { nic in
        // It may have to stand in for a broken one.
        !used.contains(nic.nic) && !conditions.failedNICs.contains { $0.node == nic.node }
      }.map { ("--slow-nic", $0) }
    add(
      idle.map { "\($0) \($1.node).\($1.nic)" },
      "none of the \(fabric.gpusPerNode) GPUs in use of a node sends through it",
      fix: "a node's GPUs use NIC \(used.sorted().map(String.init).joined(separator: ", "))")
  }

  /// What closed forms leave out, if one is asked for.
  mutating func addClosedForms(of names: [AlgorithmName]) {
    let folding = names.compactMap { name -> String? in
      guard case .plain(let plain) = name else { return nil }
      return plain == .recursiveDoubling || plain == .halvingDoubling ? plain.rawValue : nil
    }
    if !folding.isEmpty && fabric.ranks.nonzeroBitCount > 1 {
      notes.append(
        "the closed form of \(folding.joined(separator: ", ")) has a step before and after for ranks "
          + "beyond a power of two, in which nothing meets: up to 25 % too fast for long messages "
          + "on \(fabric.ranks) ranks, and a step too slow for short ones; use --network event")
    }
    guard fabric.hasFillingLinks else { return }
    let interior = fabric.topology.network.interior
    let values =
      [
        ("oversubscription", interior.oversubscription != 1),
        ("link_bandwidth", interior.bandwidth != nil),
        ("background.local", interior.localLoad > 0),
        ("background.global", interior.globalLoad > 0),
      ].filter(\.1).map { "network." + $0.0 }
    notes.append(
      "--network analytic leaves out "
        + (["network.routing=\(interior.routing.rawValue)"] + values).joined(separator: ", ")
        + ": in a closed form links between switches never fill; use --network event or flow")
  }
}

extension Fabric {
  /// The NICs of a node that serve its GPUs in use.
  var servingNICs: Set<Int> {
    let own = max(1, topology.node.nics / topology.node.gpus)
    return Set((0..<gpusPerNode).flatMap { gpu in (0..<own).map { nic(ofGPU: gpu, stripe: $0) } })
  }

  /// Whether it makes no difference on which of the machine's nodes a job lies.
  fileprivate var hasOneDistance: Bool {
    if case .switch = topology.network.kind { return true }
    return topology.network.hopLatency == .zero && topology.network.interior.routing == .ideal
  }
}
