extension NCCLGraph {
  /// The graph of a communicator over all GPUs in use of a fabric.
  ///
  /// Computed by the search's rules for machines whose GPUs reach equal NICs over equal paths.
  /// Source: NCCL 2.30.7, src/graph/{topo,search,connect}.cc and src/init.cc, checked against what
  /// its own code finds; other versions are taken to search alike, but for the class of the path
  /// over NVLink-C2C.
  /// - Parameters:
  ///   - fabric: The machine.
  ///   - version: The version of NCCL.
  ///   - crossesNICs: Whether `NCCL_CROSS_NIC=1` is set, so that rings may enter and leave a node by
  ///     different NICs from the outset.
  public init(_ fabric: Fabric, version: NCCLVersion = .latest, crossesNICs: Bool = false) {
    let search = NCCLSearch(fabric, knowsP2C: NCCLTunerConstants.of(version).knowsP2C)
    let found = fabric.nodes == 1 ? search.oneNode() : search.severalNodes()
    let ring = search.ring(found, crossesNICs: crossesNICs)
    self.init(
      searchChannels: found.channels,
      channels: search.communicatorChannels(found.channels, ringSpeed: found.speed),
      ring: ring.pattern, tree: search.tree(found), treeShape: search.treeShape,
      nicPairing: ring.pairing, hasSameChannels: found.isCopied, nvls: search.nvls())
  }
}

/// NCCL's graph search on one machine, reduced to arithmetic by the machine's regularity.
private struct NCCLSearch {
  /// Channels that fit, and their speed.
  struct Found {
    var channels: Int
    var speed: Double
    /// What all channels take from a GPU's NVLink before they are doubled.
    var traffic: Double
    /// Whether all channels are copies of one.
    var isCopied: Bool
  }

  private let fabric: Fabric
  private let node: Node
  private let capability: Int
  private let gpus: Int
  private let rates: Rates
  /// What NCCL reckons a GPU's NVLinks to the GPUs in use carry.
  private let nvlink: Double
  /// The path between a GPU and its own NIC.
  private let direct: NCCLPath
  /// The rate between a GPU and its own NIC.
  private let nic: Double

  init(_ fabric: Fabric, knowsP2C: Bool) {
    self.fabric = fabric
    node = fabric.topology.node
    capability = fabric.topology.gpu.computeCapability
    gpus = fabric.gpusPerNode
    rates = Rates(computeCapability: capability)
    let total = node.scaleUp.bandwidth.gigabytesPerSecond * rates.nvlinkShare
    switch node.scaleUp.kind {
    case .switch: nvlink = gpus > 1 ? total : 0
    case .mesh: nvlink = total / Double(max(1, node.gpus - 1)) * Double(gpus - 1)
    }
    direct =
      switch node.nicPath.kind {
      case .pcieSwitch: .pcieSwitch
      case .hostBridge: .hostBridge
      case .c2c: knowsP2C ? .p2c : .hostBridge
      }
    nic = min(
      fabric.topology.network.bandwidth.gigabytesPerSecond,
      node.nicPath.bandwidth.gigabytesPerSecond * Rates.pcieShare)
  }

  /// The most of the NVLinks that a path over all GPUs of a node may use: it leaves one GPU out.
  private var chainNVLink: Double { nvlink * Double(gpus) / Double(max(1, gpus - 1)) }

  /// The NICs that the GPUs in use bring with them.
  private var nics: Int {
    let used = Set((0..<gpus).map { fabric.nic(ofGPU: $0, stripe: 0) })
    return max(1, used.count, node.nics * gpus / node.gpus)
  }
}

// MARK: - Channels and speeds

extension NCCLSearch {
  /// As many channels as NVLink carries at the tabulated speed that uses most of it.
  func oneNode() -> Found {
    var best = Found(channels: 1, speed: rates.intra.first ?? 1, traffic: 0, isCopied: true)
    guard gpus > 1 else { return best }
    for speed in rates.intra {
      let channels = min(32, ringsInNode(speed))
      if Double(channels) * speed > best.traffic {
        best = Found(
          channels: channels, speed: speed, traffic: Double(channels) * speed,
          // A mesh of three or more needs different orders to use all of its links.
          isCopied: node.scaleUp.kind == .switch || gpus == 2)
      }
    }
    return doubled(best)
  }

  private func ringsInNode(_ speed: Double) -> Int {
    switch node.scaleUp.kind {
    case .switch: Int(nvlink / speed)
    case .mesh: Int(nvlink / Double(gpus - 1) / speed) * (gpus - 1)
    }
  }

  /// One channel per NIC at the fastest tabulated speed, as far as NVLink carries them.
  func severalNodes() -> Found {
    let speed = rates.inter.first { $0 <= nic } ?? nic
    var channels = min(32, nics)
    if gpus > 1 { channels = max(1, min(channels, Int(chainNVLink / speed))) }
    return doubled(
      Found(
        channels: channels, speed: speed, traffic: Double(channels) * speed,
        isCopied: channels == 1))
  }

  /// Channels of 25 GB/s and more are split in two, but not above four channels of less than
  /// 50 GB/s on GPUs after Ampere.
  private func doubled(_ found: Found) -> Found {
    guard found.speed >= 25, !(capability > 80 && found.speed < 50 && found.channels > 4) else {
      return found
    }
    var result = found
    result.channels = min(32, 2 * found.channels)
    result.speed = found.speed / 2
    return result
  }

  /// The search's channels twice, as each serves both trees; on Hopper and later four times where
  /// few fast channels cross nodes; never more than 64.
  func communicatorChannels(_ found: Int, ringSpeed: Double) -> Int {
    var channels = min(64, 2 * found)
    if capability >= 90 && fabric.nodes > 1 && ringSpeed > 45 && channels < 16 { channels *= 2 }
    return channels
  }
}

// MARK: - Patterns

extension NCCLSearch {
  private var intraPath: NCCLPath { gpus > 1 ? .nvlink : .local }

  /// The ring, with the path between its ends in a node and their NICs.
  ///
  /// A GPU that shares its PCIe switch with others and their NICs sends where its neighbour
  /// receives. Else the last GPU sends through the first one's NIC, over NVLink, if NVLink has room
  /// for that and the NIC is not behind the host bridge; else through its own.
  func ring(
    _ found: Found, crossesNICs: Bool
  ) -> (pattern: Pattern, pairing: NCCLGraph.NICPairing) {
    var path = direct
    var pairing = NCCLGraph.NICPairing.same
    if fabric.nodes == 1 {
      path = .local
    } else if gpus > 1 && node.nicPath.gpusPerSwitch == 1 {
      if crossesNICs && nics > 1 {
        pairing = .any
      } else if direct <= .p2c && found.traffic <= nvlink {
        path = .viaNVLinkPeer
      } else if nics > 1 {
        pairing = .alternating
      }
    }
    return (
      Pattern(
        intra: found.speed, inter: found.speed, intraPath: intraPath, interPath: path), pairing
    )
  }

  typealias Pattern = NCCLGraph.Pattern

  /// Hopper prefers near NICs to two GPUs with links between nodes, Ampere the other way round.
  var treeShape: NCCLGraph.TreeShape {
    if gpus == 1 { return .plain }
    if fabric.nodes == 1 || capability < 90 { return .balanced }
    return node.nicPath.gpusPerSwitch > 1 ? .balanced : .plain
  }

  /// The tree: a chain uses an NVLink once, so it may run up to twice as fast as the NIC.
  func tree(_ found: Found) -> Pattern {
    guard fabric.nodes > 1 else {
      return Pattern(
        intra: found.speed, inter: found.speed, intraPath: intraPath, interPath: .local)
    }
    var chain = 2 * found.speed
    if gpus > 1 {
      let limit = min(chain, chainNVLink / Double(found.channels))
      chain = max(found.speed, rates.inter.first { $0 <= limit } ?? found.speed)
    }
    // The second GPU of a balanced tree is near the first one's NIC only on a shared switch.
    let isFar = treeShape == .balanced && node.nicPath.gpusPerSwitch == 1
    return Pattern(
      intra: chain, inter: found.speed, intraPath: intraPath, interPath: isFar ? .system : direct)
  }

  /// What NVLS has, which needs an NVSwitch and Hopper.
  ///
  /// Every channel crosses each GPU's NVLink once and its head's
  /// twice, so `(heads + 1)` speeds fit into an NVLink; the speed between nodes is then raised to
  /// twice that, as far as the NIC goes.
  func nvls() -> NCCLGraph.NVLS? {
    guard node.scaleUp.kind == .switch && capability >= 90 && gpus > 1 else { return nil }
    let isAlone = fabric.nodes == 1
    let heads = min(32, isAlone ? gpus : min(gpus, nics))
    let speeds = isAlone ? rates.intra : rates.inter
    let start = isAlone ? nvlink : nic
    let intra =
      speeds.first { $0 <= start && Double(heads + 1) * $0 <= nvlink }
      ?? min(start, nvlink / Double(heads + 1))
    let inter = speeds.first { $0 <= min(start, 2 * intra) } ?? intra
    let channels = capability >= 100 ? (isAlone ? 24 : 32) : 16
    return NCCLGraph.NVLS(heads: heads, intra: intra, inter: max(intra, inter), channels: channels)
  }
}

// MARK: - NCCL's rates

/// The speeds that the search tries and the rates that it reckons with.
private struct Rates {
  /// Speeds of channels inside a node, fastest first.
  let intra: [Double]
  /// Speeds of channels between nodes, fastest first.
  let inter: [Double]
  /// What NCCL reckons of an NVLink's rate: 20 of 25 GB/s, 20.6 of 25 on Hopper, 40.1 of 50 after.
  let nvlinkShare: Double

  /// What NCCL reckons of PCIe: 12 GB/s of the 15.75 GB/s of 16 lanes of 8 GT/s, and multiples.
  static let pcieShare = 0.762

  init(computeCapability: Int) {
    switch computeCapability {
    case 100...:
      intra = [90, 80, 70, 60, 50, 45, 40, 30, 24, 20, 19, 18]
      inter = [
        96, 86, 80, 48, 45.1, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24, 0.12,
      ]
      nvlinkShare = 40.1 / 50
    case 90...:
      intra = [60, 50, 40, 30, 24, 20, 15, 12, 11, 6, 3]
      inter = [48, 45, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24, 0.12]
      nvlinkShare = 20.6 / 25
    default:
      intra = [40, 30, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3]
      inter = [
        48, 30, 28, 24, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3, 2.4, 1.2, 0.24, 0.12,
      ]
      nvlinkShare = 20.0 / 25
    }
  }
}
