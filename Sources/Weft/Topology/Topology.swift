/// A machine as its data sheets describe it: a node type and the network that joins such nodes.
///
/// It holds hardware only; what software costs stands in a ``Profile``. A ``Fabric`` gives a
/// topology a number of nodes, and with it links and routes.
public struct Topology: Hashable, Sendable {
  /// The short name, also the file's name without `.yaml`.
  public var name: String
  /// One line for a person.
  public var title: String
  /// The GPU of every node.
  public var gpu: GPU
  /// The node: a scale-up domain with its GPUs and NICs.
  public var node: Node
  /// The network between nodes.
  public var network: Network

  /// Creates a topology from its parts.
  public init(name: String, title: String, gpu: GPU, node: Node, network: Network) {
    self.name = name
    self.title = title
    self.gpu = gpu
    self.node = node
    self.network = network
  }
}

/// A scale-up domain: GPUs joined by NVLink, and the NICs they reach.
public struct Node: Hashable, Sendable {
  /// The number of GPUs.
  public var gpus: Int
  /// The number of network ports.
  ///
  /// GPU i uses port floor(i x nics / gpus), or stripes over its own ports where there are more
  /// ports than GPUs.
  public var nics: Int
  /// How the GPUs are joined.
  public var scaleUp: ScaleUp
  /// What lies between a GPU and its NIC.
  public var nicPath: NICPath
  /// Who made the host processor; NCCL's tuning depends on it.
  public var cpu: CPU

  /// The links between the GPUs of a node.
  public struct ScaleUp: Hashable, Sendable {
    /// The shape of the links.
    public enum Kind: String, CaseIterable, Sendable {
      /// Direct links; each pair has 1/(gpus - 1) of a GPU's bandwidth.
      case mesh
      /// One switch; a GPU may use its whole bandwidth towards any other.
      case `switch`
    }
    /// The shape of the links.
    public var kind: Kind
    /// A GPU's total rate per direction.
    public var bandwidth: Bandwidth
    /// The time from a store on one GPU to its arrival at another.
    public var latency: SimDuration

    /// The links of a node with one GPU; nothing ever crosses them.
    public static let none = ScaleUp(
      kind: .switch, bandwidth: Bandwidth(bytesPerSecond: 1), latency: .zero)

    /// Creates the links of a node.
    public init(kind: Kind, bandwidth: Bandwidth, latency: SimDuration) {
      self.kind = kind
      self.bandwidth = bandwidth
      self.latency = latency
    }
  }

  /// The path between a GPU and its NIC.
  public struct NICPath: Hashable, Sendable {
    /// What the path crosses.
    public enum Kind: String, CaseIterable, Sendable {
      /// A PCIe switch that GPU and NIC share.
      case pcieSwitch = "pcie-switch"
      /// The processor's own PCIe root ports.
      case hostBridge = "host-bridge"
      /// NVLink-C2C to the processor, then its PCIe.
      case c2c
    }
    /// What the path crosses.
    public var kind: Kind
    /// The rate of its slowest link per direction.
    public var bandwidth: Bandwidth
    /// The number of GPUs on one PCIe switch, together with their NICs.
    public var gpusPerSwitch: Int

    /// A path that never limits its NIC.
    public static let unlimited = NICPath(
      kind: .pcieSwitch, bandwidth: Bandwidth(bytesPerSecond: .max))

    /// Creates a path.
    public init(kind: Kind, bandwidth: Bandwidth, gpusPerSwitch: Int = 1) {
      self.kind = kind
      self.bandwidth = bandwidth
      self.gpusPerSwitch = gpusPerSwitch
    }
  }

  /// The maker of the host processor, in NCCL's classes.
  public enum CPU: String, CaseIterable, Sendable {
    case amd, intel, arm
  }

  /// Creates a node.
  public init(gpus: Int, nics: Int, scaleUp: ScaleUp, nicPath: NICPath, cpu: CPU) {
    self.gpus = gpus
    self.nics = nics
    self.scaleUp = scaleUp
    self.nicPath = nicPath
    self.cpu = cpu
  }
}

/// The network between nodes.
public struct Network: Hashable, Sendable {
  /// The shape of a network, with the numbers that only this shape has.
  public enum Kind: Hashable, Sendable {
    /// One ideal switch joins all NICs.
    case `switch`
    /// Leaf switches of `nodesPerLeaf` nodes under a spine.
    case fatTree(nodesPerLeaf: Int)
    /// A leaf switch per NIC index, shared by `nodesPerLeaf` nodes; leaves meet in a spine.
    case rail(nodesPerLeaf: Int)
    /// Groups of `nodesPerGroup` nodes, switches of `nodesPerSwitch` nodes, all pairs of switches
    /// in a group and all pairs of groups joined.
    case dragonfly(nodesPerSwitch: Int, nodesPerGroup: Int)
    /// A grid that closes in on itself in up to three dimensions, each node with a switch of its own.
    case torus(Dimensions)

    /// The name of the shape in files.
    public var name: String {
      switch self {
      case .switch: "switch"
      case .fatTree: "fat-tree"
      case .rail: "rail"
      case .dragonfly: "dragonfly"
      case .torus: "torus"
      }
    }
  }

  /// The lengths of a torus in x, y and z.
  public struct Dimensions: Hashable, Sendable {
    /// The length in x, the dimension in which consecutive nodes are neighbours.
    public var x: Int
    /// The length in y.
    public var y: Int
    /// The length in z.
    public var z: Int

    /// Creates lengths.
    public init(x: Int, y: Int, z: Int) {
      self.x = x
      self.y = y
      self.z = z
    }

    /// The number of nodes.
    public var nodes: Int { x * y * z }

    /// The most links between two nodes on a shortest way.
    public var diameter: Int { x / 2 + y / 2 + z / 2 }

    /// The longest way that Weft follows link by link.
    public static let mostDiameter = InteriorLinks.Path.most
  }

  /// How messages choose among the ways between two switches.
  public enum Routing: String, CaseIterable, Sendable {
    /// Links between switches never fill: they add latency alone.
    case ideal
    /// A way per pair of NICs, drawn by a hash.
    case ecmp
    /// The shortest way: in a dragonfly by one global link, in a torus dimension by dimension.
    case minimal
    /// By a random other group or switch.
    case valiant
    /// The least loaded of several ways.
    case adaptive
  }

  /// The links between switches.
  public struct Interior: Hashable, Sendable {
    /// How messages choose among ways.
    public var routing: Routing
    /// The seed of the hash that draws ways.
    public var seed: Int
    /// The rate of one link per direction; nil for that of a NIC.
    public var bandwidth: Bandwidth?
    /// Fat tree and rail: the rate into a leaf over the rate out of it towards the spine.
    public var oversubscription: Double
    /// Fat tree: the leaves of a pod, under a third level of switches; nil for two levels.
    public var leavesPerPod: Int?
    /// Dragonfly: parallel links between two switches of a group.
    public var localLinks: Int
    /// Dragonfly: links between two groups.
    public var globalLinks: Int
    /// The share of every link that other jobs take: between leaf and spine, or in a group or torus.
    public var localLoad: Double
    /// The share that others take of links above the first level: to the core, or between groups.
    public var globalLoad: Double

    /// Links that never fill.
    public static let ideal = Interior()

    /// Creates the links between switches.
    public init(
      routing: Routing = .ideal, seed: Int = 0, bandwidth: Bandwidth? = nil,
      oversubscription: Double = 1, leavesPerPod: Int? = nil, localLinks: Int = 1,
      globalLinks: Int = 1, localLoad: Double = 0, globalLoad: Double = 0
    ) {
      self.routing = routing
      self.seed = seed
      self.bandwidth = bandwidth
      self.oversubscription = oversubscription
      self.leavesPerPod = leavesPerPod
      self.localLinks = localLinks
      self.globalLinks = globalLinks
      self.localLoad = localLoad
      self.globalLoad = globalLoad
    }
  }

  /// The kinds of fabric, each with its own transport software.
  public enum Interconnect: String, CaseIterable, Sendable {
    case slingshot11 = "slingshot-11"
    case infiniband
    /// A fabric of a textbook.
    case ideal
  }

  /// The shape.
  public var kind: Kind
  /// The kind of fabric, by which nominal profiles are chosen.
  public var interconnect: Interconnect
  /// The rate of one NIC per direction.
  public var bandwidth: Bandwidth
  /// From a NIC's first byte out to its arrival at a peer on the same switch.
  public var latency: SimDuration
  /// What each further switch on the way adds.
  public var hopLatency: SimDuration
  /// The largest number of nodes of the real machine.
  public var maxNodes: Int
  /// The links between switches.
  public var interior: Interior

  /// The network of a machine of one node; nothing ever crosses it.
  public static let none = Network(
    kind: .switch, interconnect: .ideal, bandwidth: Bandwidth(bytesPerSecond: 1), latency: .zero,
    hopLatency: .zero, maxNodes: 1)

  /// Creates a network.
  public init(
    kind: Kind, interconnect: Interconnect, bandwidth: Bandwidth, latency: SimDuration,
    hopLatency: SimDuration, maxNodes: Int, interior: Interior = .ideal
  ) {
    self.kind = kind
    self.interconnect = interconnect
    self.bandwidth = bandwidth
    self.latency = latency
    self.hopLatency = hopLatency
    self.maxNodes = maxNodes
    self.interior = interior
  }

  /// The number of switches a message crosses between two different nodes, at least 1.
  ///
  /// Minimal routes: leaf, leaf-spine-leaf, or two more by the core in a tree; one, two or four
  /// switches in a dragonfly (own switch; own group; other group by one global link with a local hop
  /// on either side); every node's own on the way through a torus.
  public func switches(fromNode source: Int, toNode target: Int) -> Int {
    switch kind {
    case .switch:
      return 1
    case .fatTree(let nodesPerLeaf), .rail(let nodesPerLeaf):
      let (from, to) = (source / nodesPerLeaf, target / nodesPerLeaf)
      if from == to { return 1 }
      guard case .fatTree = kind, let pod = interior.leavesPerPod else { return 3 }
      return from / pod == to / pod ? 3 : 5
    case .dragonfly(let nodesPerSwitch, let nodesPerGroup):
      if source / nodesPerSwitch == target / nodesPerSwitch { return 1 }
      return source / nodesPerGroup == target / nodesPerGroup ? 2 : 4
    case .torus(let size):
      func distance(_ from: Int, _ to: Int, _ length: Int) -> Int {
        let gap = abs(from - to)
        return min(gap, length - gap)
      }
      return 1 + distance(source % size.x, target % size.x, size.x)
        + distance(source / size.x % size.y, target / size.x % size.y, size.y)
        + distance(source / size.x / size.y, target / size.x / size.y, size.z)
    }
  }

  /// The nodes that one switch joins, beyond which links between switches are crossed.
  var nodesPerSwitch: Int {
    switch kind {
    case .switch: .max
    case .fatTree(let size), .rail(let size), .dragonfly(let size, _): size
    case .torus: 1
    }
  }
}
