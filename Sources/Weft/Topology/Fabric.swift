/// A topology with a number of nodes: its directed links, and the routes over them.
///
/// Links are numbered, never stored: those of node n are `n * linksPerNode ..<
/// (n + 1) * linksPerNode`, so a fabric of a million GPUs takes no memory and a link of any node
/// maps to its image in node 0 by a remainder. Inside a switch-based node every GPU has one link
/// out and one in; in a mesh every ordered pair has a link. Every NIC has one link out and one in.
///
/// Switches between the NICs add latency by their number on the way, and no contention: an ideal
/// interior. Contention happens at NICs and inside nodes.
public struct Fabric: Sendable {
  /// The machine's description.
  public let topology: Topology
  /// The number of nodes in use.
  public let nodes: Int
  /// The number of GPUs in use in each node.
  public let gpusPerNode: Int
  /// The links of one node.
  public let linksPerNode: Int

  private let scaleUpLinks: Int
  private let pairBandwidth: Bandwidth
  private let nicBandwidth: Bandwidth

  /// Why a topology cannot be built at a size.
  public enum SizeError: Error, Equatable {
    /// The topology has no such number of nodes.
    case nodes(asked: Int, available: Int)
    /// A node has no such number of GPUs.
    case gpusPerNode(asked: Int, available: Int)
    /// The machine has more links than can be numbered.
    case links(asked: Int, available: Int)
  }

  /// Builds `nodes` nodes with `gpusPerNode` of each node's GPUs in use.
  ///
  /// - Throws: ``SizeError`` if a count is below one or above what the topology has.
  public init(_ topology: Topology, nodes: Int, gpusPerNode: Int? = nil) throws(SizeError) {
    let used = gpusPerNode ?? topology.node.gpus
    guard (1...topology.network.maxNodes).contains(nodes) else {
      throw .nodes(asked: nodes, available: topology.network.maxNodes)
    }
    guard used >= 1 && used <= topology.node.gpus else {
      throw .gpusPerNode(asked: used, available: topology.node.gpus)
    }
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
    let (links, overflow) = linksPerNode.multipliedReportingOverflow(by: nodes)
    guard !overflow && links <= Int(Int32.max) else {
      throw .links(asked: overflow ? .max : links, available: Int(Int32.max))
    }
    nicBandwidth = min(topology.network.bandwidth, topology.node.nicPath.bandwidth)
  }

  /// The same size of a topology that differs in rates and latencies alone.
  func with(topology: Topology) -> Fabric {
    guard let fabric = try? Fabric(topology, nodes: nodes, gpusPerNode: gpusPerNode) else {
      preconditionFailure("Rates and latencies do not change what sizes there are.")
    }
    return fabric
  }

  /// The number of ranks: one per GPU in use.
  public var ranks: Int { nodes * gpusPerNode }

  /// The number of links of all nodes.
  public var links: Int { nodes * linksPerNode }

  /// The rate of a NIC.
  var networkRate: Bandwidth { nicBandwidth }

  /// The rate of a link inside a node: of a GPU's port, or of a pair in a mesh.
  var scaleUpRate: Bandwidth { pairBandwidth }

  /// Whether all pairs of different nodes are equally far apart.
  var hasEqualLatencies: Bool { isUniform }

  /// Whether the route between two nodes is the same for every pair of different nodes.
  ///
  /// Then the fabric looks the same from every node, and a schedule that does too can be folded.
  public var isUniform: Bool {
    switch topology.network.kind {
    case .switch: true
    case .fatTree(let size), .rail(let size): nodes <= size || topology.network.hopLatency == .zero
    case .dragonfly(let size, _): nodes <= size || topology.network.hopLatency == .zero
    }
  }
}

// MARK: - Links

extension Fabric {
  /// What a link is made of, for naming bottlenecks.
  public enum LinkClass: Sendable {
    case scaleUp, network
  }

  /// The class of a link.
  public func linkClass(_ link: Int) -> LinkClass {
    link % linksPerNode < scaleUpLinks ? .scaleUp : .network
  }

  /// The rate of a link.
  ///
  /// A NIC's link is no faster than the path between it and its GPU.
  public func bandwidth(ofLink link: Int) -> Bandwidth {
    linkClass(link) == .scaleUp ? pairBandwidth : nicBandwidth
  }

  /// A name for a person, for example `node 3 NIC 1 out`.
  public func name(ofLink link: Int) -> String {
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

/// The links a message crosses: one in a mesh, else two, and the latency between the ends.
public struct Route: Sendable {
  /// The first link; its queue is entered at once.
  public var first: Int32
  /// The last link, reached `latency` after the first; -1 if there is none.
  public var last: Int32
  /// The time from the head entering the first link to its reaching the last, or the peer.
  public var latency: SimDuration
}

extension Fabric {
  /// The route from one rank's GPU to another's, over the NICs that lane `stripe` uses.
  ///
  /// - Precondition: the ranks differ and are ranks of this fabric.
  public func route(from source: Int, to target: Int, stripe: Int) -> Route {
    let (sourceNode, sourceGPU) = source.quotientAndRemainder(dividingBy: gpusPerNode)
    let (targetNode, targetGPU) = target.quotientAndRemainder(dividingBy: gpusPerNode)
    let sourceBase = sourceNode * linksPerNode
    if sourceNode == targetNode {
      let latency = topology.node.scaleUp.latency
      switch topology.node.scaleUp.kind {
      case .switch:
        return Route(
          first: Int32(sourceBase + 2 * sourceGPU), last: Int32(sourceBase + 2 * targetGPU + 1),
          latency: latency)
      case .mesh:
        return Route(
          first: Int32(sourceBase + sourceGPU * topology.node.gpus + targetGPU), last: -1,
          latency: latency)
      }
    }
    let out = scaleUpLinks + 2 * nic(ofGPU: sourceGPU, stripe: stripe)
    let into = scaleUpLinks + 2 * nic(ofGPU: targetGPU, stripe: stripe) + 1
    let further = topology.network.switches(fromNode: sourceNode, toNode: targetNode) - 1
    return Route(
      first: Int32(sourceBase + out), last: Int32(targetNode * linksPerNode + into),
      latency: topology.network.latency + further * topology.network.hopLatency)
  }

  /// The NIC that a GPU's lane sends and receives through.
  public func nic(ofGPU gpu: Int, stripe: Int) -> Int {
    let node = topology.node
    guard node.nics > node.gpus else { return gpu * node.nics / node.gpus }
    let own = node.nics / node.gpus
    return gpu * own + stripe % own
  }
}
