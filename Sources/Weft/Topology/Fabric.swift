/// A topology with a number of nodes: its directed links, and the routes over them.
///
/// Links are numbered, never stored: those of node n are `n * linksPerNode ..<
/// (n + 1) * linksPerNode`, so a fabric of a million GPUs takes no memory and a link of any node
/// maps to its image in node 0 by a remainder. Inside a switch-based node every GPU has one link
/// out and one in; in a mesh every ordered pair has a link. Every NIC has one link out and one in.
///
/// Switches between the NICs add latency by their number on the way. Links between them fill, too,
/// unless the network's routing is ideal or one switch joins all nodes; those have numbers after the
/// nodes' own (``InteriorLinks``).
public struct Fabric: Sendable {
  /// The machine's description.
  public let topology: Topology
  /// The number of nodes in use.
  public let nodes: Int
  /// The number of GPUs in use in each node.
  public let gpusPerNode: Int
  /// The links of one node.
  public let linksPerNode: Int

  /// Where nodes and ranks lie.
  public let placement: Placement
  /// What is broken or slow.
  public let conditions: Conditions
  /// Whether anything is broken, slow or random.
  let hasConditions: Bool
  /// The links between switches, where they can fill.
  let interior: InteriorLinks?

  /// Divides ranks by the GPUs of a node, and links by those of one.
  let ranksPerNode: Divider
  private let perNode: Divider
  private let scaleUpLinks: Int
  /// The first NIC of every GPU of a node, and how many are its own.
  private let firstNIC: [Int32]
  private let ownNICs: Int
  /// Whether all NICs are sound and equally fast.
  let hasEqualNICs: Bool
  private let hasFailedNICs: Bool
  /// Whether all pairs of different nodes are equally far apart.
  let hasEqualLatencies: Bool
  private let pairBandwidth: Bandwidth
  private let nicBandwidth: Bandwidth
  /// Whether a route follows from two ranks' nodes and GPUs alone, by ranks in blocks, sound NICs and
  /// equal distances.
  let isRegular: Bool
  /// The place in the machine of every node; nil if they are the first ones, in order.
  private let places: [Int32]?
  /// The node and GPU of every rank, as the rank that would be there in blocks; nil if it is that.
  private let slots: [Int32]?

  /// Why a topology cannot be built at a size.
  public enum SizeError: Error, Equatable {
    /// The topology has no such number of nodes.
    case nodes(asked: Int, available: Int)
    /// A node has no such number of GPUs.
    case gpusPerNode(asked: Int, available: Int)
    /// The machine has more links than can be numbered.
    case links(asked: Int, available: Int)
    /// A node is placed where the machine ends.
    case place(asked: Int, available: Int)
    /// The list of places does not fit the number of nodes or ranks.
    case list(entries: Int, nodes: Int, ranks: Int)
    /// A list of one place per node, or per rank, names a place too often or too rarely.
    case repeated(place: Int, times: Int, allowed: Int)
    /// A fault names a node, NIC or rank that is not there, or leaves a node without a NIC.
    case fault(String, fix: String)
  }

  /// Builds `nodes` nodes with `gpusPerNode` of each node's GPUs in use.
  ///
  /// - Throws: ``SizeError`` if a count is below one or above what the topology has, or the placement
  ///   or a fault names what is not there.
  public init(
    _ topology: Topology, nodes: Int, gpusPerNode: Int? = nil, placement: Placement = .block,
    conditions: Conditions = .none
  ) throws(SizeError) {
    let used = gpusPerNode ?? topology.node.gpus
    guard (1...topology.network.maxNodes).contains(nodes) else {
      throw .nodes(asked: nodes, available: topology.network.maxNodes)
    }
    guard used >= 1 && used <= topology.node.gpus else {
      throw .gpusPerNode(asked: used, available: topology.node.gpus)
    }
    try conditions.check(nodes: nodes, nics: topology.node.nics, ranks: nodes * used)
    self.topology = topology
    self.nodes = nodes
    self.gpusPerNode = used
    let gpus = topology.node.gpus
    switch topology.node.scaleUp.kind {
    case .switch:
      scaleUpLinks = 2 * gpus
      pairBandwidth = topology.node.scaleUp.bandwidth
    case .mesh:
      scaleUpLinks = gpus * gpus
      pairBandwidth = Bandwidth(
        bytesPerSecond: topology.node.scaleUp.bandwidth.bytesPerSecond / max(1, gpus - 1))
    }
    linksPerNode = scaleUpLinks + 2 * topology.node.nics
    let nics = topology.node.nics
    ownNICs = max(1, nics / gpus)
    let own = ownNICs
    firstNIC = (0..<gpus).map { Int32(nics > gpus ? $0 * own : $0 * nics / gpus) }
    ranksPerNode = Divider(used)
    perNode = Divider(linksPerNode)
    let (links, overflow) = linksPerNode.multipliedReportingOverflow(by: nodes)
    guard !overflow && links <= Int(Int32.max) else {
      throw .links(asked: overflow ? .max : links, available: Int(Int32.max))
    }
    nicBandwidth = min(topology.network.bandwidth, topology.node.nicPath.bandwidth)
    self.placement = placement
    // Of a single node no message meets a NIC or the network.
    let conditions = nodes > 1 ? conditions : conditions.insideNodes
    self.conditions = conditions
    hasConditions = conditions.hasFaults || conditions.isRandom
    hasFailedNICs = !conditions.failedNICs.isEmpty
    hasEqualNICs = conditions.failedNICs.isEmpty && conditions.slowNICs.isEmpty
    (places, slots) = try placement.resolve(
      nodes: nodes, gpusPerNode: used, available: topology.network.maxNodes)
    let last = places?.max().map(Int.init) ?? nodes - 1
    let first = places?.min().map(Int.init) ?? 0
    let perSwitch = topology.network.nodesPerSwitch
    let inside =
      first / perSwitch == last / perSwitch
      ? nil
      : InteriorLinks(
        topology.network, nics: topology.node.nics, extent: last + 1, base: links)
    interior = inside
    hasEqualLatencies =
      topology.network.hopLatency == .zero || first / perSwitch == last / perSwitch
    isRegular = slots == nil && !hasFailedNICs && hasEqualLatencies
    guard links + (inside?.count ?? 0) <= Int(Int32.max) else {
      throw .links(asked: links + (inside?.count ?? 0), available: Int(Int32.max))
    }
  }

  /// The same size of a topology that differs in rates and latencies alone.
  func with(topology: Topology) -> Fabric {
    guard
      let fabric = try? Fabric(
        topology, nodes: nodes, gpusPerNode: gpusPerNode, placement: placement,
        conditions: conditions)
    else {
      preconditionFailure("Rates and latencies do not change what sizes there are.")
    }
    return fabric
  }

  /// The same nodes with random choices drawn anew: places, ways through the network, delays.
  ///
  /// - Throws: ``SizeError`` never in practice, since the sizes stay.
  public func redrawn(trial: Int) throws(SizeError) -> Fabric {
    guard trial > 0 else { return self }
    var topology = topology
    topology.network.interior.seed += trial
    var conditions = conditions
    conditions.seed = InteriorLinks.mix(conditions.seed &+ UInt64(trial))
    var placement = placement
    if case .random(let seed) = placement {
      placement = .random(seed: InteriorLinks.mix(seed &+ UInt64(trial)))
    }
    return try Fabric(
      topology, nodes: nodes, gpusPerNode: gpusPerNode, placement: placement,
      conditions: conditions)
  }

  /// The switches between the first and the last place in use: 1 if one joins all nodes.
  public var switchesAcross: Int {
    guard nodes > 1 else { return 1 }
    return topology.network.switches(
      fromNode: places?.min().map(Int.init) ?? 0,
      toNode: places?.max().map(Int.init) ?? nodes - 1)
  }

  /// Whether links between switches can fill.
  public var hasFillingLinks: Bool { interior != nil }

  /// Whether a run draws anything at random.
  public var isRandom: Bool {
    if case .random = placement { return true }
    return conditions.isRandom || drawsWays
  }

  /// Whether a seed draws some way between switches of several that are as good.
  public var drawsWays: Bool { interior?.drawsWays ?? false }

  /// The same nodes with ranks in blocks, as a library orders them that knows the nodes.
  public var withRanksInBlocks: Fabric {
    guard slots != nil, let places else { return withBlocks }
    guard
      let fabric = try? Fabric(
        topology, nodes: nodes, gpusPerNode: gpusPerNode,
        placement: .listed(places.map(Int.init)), conditions: conditions)
    else { return self }
    return fabric
  }

  private var withBlocks: Fabric {
    guard slots != nil,
      let fabric = try? Fabric(
        topology, nodes: nodes, gpusPerNode: gpusPerNode, conditions: conditions)
    else { return self }
    return fabric
  }

  /// The number of ranks: one per GPU in use.
  public var ranks: Int { nodes * gpusPerNode }

  /// The number of links of all nodes, and of those between switches that can fill.
  public var links: Int { nodeLinks + (interior?.count ?? 0) }

  /// The number of links of all nodes.
  private var nodeLinks: Int { nodes * linksPerNode }

  /// The node that a rank runs on.
  func node(of rank: Int) -> Int { ranksPerNode.quotient(slot(of: rank)) }

  /// Whether ranks lie on nodes in blocks.
  var hasRanksInBlocks: Bool { slots == nil }

  private func slot(of rank: Int) -> Int { slots.map { Int($0[rank]) } ?? rank }

  /// The place of a node in the machine.
  func place(of node: Int) -> Int { places.map { Int($0[node]) } ?? node }

  /// The rate of a NIC.
  var networkRate: Bandwidth { nicBandwidth }

  /// The rate of a link inside a node: of a GPU's port, or of a pair in a mesh.
  var scaleUpRate: Bandwidth { pairBandwidth }

  /// Why the fabric does not look the same from every node, distances aside, so that no node can
  /// stand for others; nil if it does.
  public var asymmetry: String? {
    if !hasRanksInBlocks { return "ranks do not lie on nodes in blocks" }
    if conditions.hasFaults { return "some of the machine is broken or slow" }
    if conditions.isRandom { return "times are random" }
    return interior != nil ? "nodes share links between switches" : nil
  }

  /// Whether the distance of two nodes stays the same when both numbers are combined with a third by
  /// exclusive or: so it is where switches and groups hold powers of two.
  var hasExclusiveOrDistances: Bool {
    func isPower(_ size: Int) -> Bool { size.nonzeroBitCount == 1 }
    guard places == nil else { return false }
    switch topology.network.kind {
    case .switch: return true
    case .fatTree(let size), .rail(let size):
      return isPower(size) && isPower(topology.network.interior.leavesPerPod ?? 1)
    case .dragonfly(let perSwitch, let perGroup): return isPower(perSwitch) && isPower(perGroup)
    case .torus: return false
    }
  }
}

// MARK: - Links

extension Fabric {
  /// What a link is made of, for naming bottlenecks.
  public enum LinkClass: Sendable {
    case scaleUp, network, interior
  }

  /// The class of a link.
  public func linkClass(_ link: Int) -> LinkClass {
    guard link < nodeLinks else { return .interior }
    return perNode.remainder(link) < scaleUpLinks ? .scaleUp : .network
  }

  /// The rate of a link.
  ///
  /// A NIC's link is no faster than the path between it and its GPU.
  public func bandwidth(ofLink link: Int) -> Bandwidth {
    if let interior, link >= interior.base { return interior.bandwidth(of: link) }
    let (node, local) = perNode.split(link)
    guard local >= scaleUpLinks else { return pairBandwidth }
    guard !conditions.slowNICs.isEmpty else { return nicBandwidth }
    return nicBandwidth.scaled(
      by: 1 / conditions.slowdown(of: Conditions.NIC(node: node, nic: (local - scaleUpLinks) / 2)))
  }

  /// A name for a person, for example `node 3 NIC 1 out`.
  public func name(ofLink link: Int) -> String {
    if let interior, link >= interior.base { return interior.name(of: link) }
    let (node, local) = link.quotientAndRemainder(dividingBy: linksPerNode)
    let gpus = topology.node.gpus
    if local >= scaleUpLinks {
      let port = local - scaleUpLinks
      return "node \(node) NIC \(port / 2) \(port % 2 == 0 ? "out" : "in")"
    }
    switch topology.node.scaleUp.kind {
    case .switch: return "node \(node) GPU \(local / 2) NVLink \(local % 2 == 0 ? "out" : "in")"
    case .mesh: return "node \(node) NVLink from GPU \(local / gpus) to GPU \(local % gpus)"
    }
  }
}

// MARK: - Routes

/// The links at the ends of a message's way: one in a mesh, else two, and the latency between.
///
/// Links between switches are chosen when the message sets out (``Fabric/interiorPath``).
public struct Route: Sendable {
  /// The first link; its queue is entered at once.
  public var first: Int32
  /// The last link; -1 if there is none.
  public var last: Int32
  /// The time from the head entering the first link to its reaching the last, or the peer, if nothing
  /// is in its way.
  public var latency: SimDuration

  /// The way between lanes of one rank, over no link.
  static let none = Route(first: -1, last: -1, latency: .zero)
}

extension Route {
  /// The part of a route through a switch that a message crosses by itself.
  func crossed(via: Operation.Via) -> Route {
    switch via {
    case .links: self
    case .reduction: Route(first: first, last: -1, latency: latency)
    case .multicast: Route(first: last < 0 ? first : last, last: -1, latency: latency)
    }
  }
}

extension Fabric {
  /// The route from one rank's GPU to another's, over the NICs that lane `stripe` uses.
  ///
  /// - Precondition: the ranks differ and are ranks of this fabric.
  public func route(from source: Int, to target: Int, stripe: Int) -> Route {
    var (from, to) = (source, target)
    if let slots { (from, to) = (Int(slots[source]), Int(slots[target])) }
    let (sourceNode, sourceGPU) = ranksPerNode.split(from)
    let (targetNode, targetGPU) = ranksPerNode.split(to)
    let sourceBase = sourceNode * linksPerNode
    if sourceNode == targetNode {
      return inNode(base: sourceBase, from: sourceGPU, to: targetGPU)
    }
    var (leaving, entering) = (
      nic(ofGPU: sourceGPU, stripe: stripe), nic(ofGPU: targetGPU, stripe: stripe)
    )
    if hasFailedNICs {
      leaving = workingNIC(leaving, node: sourceNode, gpu: sourceGPU, stripe: stripe)
      entering = workingNIC(entering, node: targetNode, gpu: targetGPU, stripe: stripe)
    }
    let out = scaleUpLinks + 2 * leaving
    let into = scaleUpLinks + 2 * entering + 1
    let further =
      hasEqualLatencies
      ? 0
      : topology.network.switches(
        fromNode: place(of: sourceNode), toNode: place(of: targetNode)) - 1
    return Route(
      first: Int32(sourceBase + out), last: Int32(targetNode * linksPerNode + into),
      latency: topology.network.latency + further * topology.network.hopLatency)
  }

  /// A route, and whether it leads to another node, on a regular fabric.
  ///
  /// The engine works it out in place: a call would copy the fabric, even one that is not reached.
  @inline(__always)
  func regularWay(
    from source: Int, to target: Int, stripe: Int
  ) -> (route: Route, crossesNodes: Bool) {
    let (sourceNode, sourceGPU) = ranksPerNode.split(source)
    let (targetNode, targetGPU) = ranksPerNode.split(target)
    let sourceBase = sourceNode &* linksPerNode
    guard sourceNode == targetNode else {
      let out = sourceBase &+ scaleUpLinks &+ 2 &* nic(ofGPU: sourceGPU, stripe: stripe)
      let into =
        targetNode &* linksPerNode &+ scaleUpLinks &+ 2 &* nic(ofGPU: targetGPU, stripe: stripe)
        &+ 1
      return (
        Route(
          first: Int32(truncatingIfNeeded: out), last: Int32(truncatingIfNeeded: into),
          latency: topology.network.latency), true
      )
    }
    return (inNode(base: sourceBase, from: sourceGPU, to: targetGPU), false)
  }

  /// The route between two GPUs of the node whose links begin at a number.
  @inline(__always)
  private func inNode(base: Int, from source: Int, to target: Int) -> Route {
    let isSwitched = topology.node.scaleUp.kind == .switch
    let first = isSwitched ? 2 &* source : source &* topology.node.gpus &+ target
    return Route(
      first: Int32(truncatingIfNeeded: base &+ first),
      last: isSwitched ? Int32(truncatingIfNeeded: base &+ 2 &* target &+ 1) : -1,
      latency: topology.node.scaleUp.latency)
  }

  /// The same links of node 0, which stands for all.
  @inline(__always)
  func folded(_ route: Route) -> Route {
    Route(
      first: Int32(perNode.remainder(Int(route.first))),
      last: route.last < 0 ? -1 : Int32(perNode.remainder(Int(route.last))),
      latency: route.latency)
  }

  /// The NIC that a GPU's lane sends and receives through.
  @inline(__always)
  public func nic(ofGPU gpu: Int, stripe: Int) -> Int {
    if topology.node.nics == topology.node.gpus { return gpu }
    return Int(firstNIC[gpu]) + (ownNICs > 1 ? stripe % ownNICs : 0)
  }

  /// The NIC that a GPU's lane uses when some have failed: its own, or else one of those left in turn.
  private func workingNIC(_ own: Int, node: Int, gpu: Int, stripe: Int) -> Int {
    guard conditions.hasFailed(Conditions.NIC(node: node, nic: own)) else { return own }
    let nics = 0..<topology.node.nics
    let isLeft = { !conditions.hasFailed(Conditions.NIC(node: node, nic: $0)) }
    var further = (gpu + stripe) % nics.count(where: isLeft)
    for nic in nics where isLeft(nic) {
      if further == 0 { return nic }
      further -= 1
    }
    return own
  }

  /// The links between switches that a message crosses from its first to its last link, and the
  /// latency that they make; nil if they cannot fill.
  func interiorPath(
    from first: Int32, to last: Int32, message: Int, delay: (Int) -> Int64
  ) -> (path: InteriorLinks.Path, latency: SimDuration)? {
    guard let interior, last >= 0, linkClass(Int(last)) == .network else { return nil }
    let path = interior.path(
      from: end(of: Int(first)), to: end(of: Int(last)), message: message, delay: delay)
    return (path, topology.network.latency + path.count * topology.network.hopLatency)
  }

  private func end(of link: Int) -> InteriorLinks.End {
    let (node, local) = link.quotientAndRemainder(dividingBy: linksPerNode)
    return InteriorLinks.End(place: place(of: node), nic: (local - scaleUpLinks) / 2)
  }
}
