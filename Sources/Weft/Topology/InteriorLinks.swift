/// The links between switches of a machine, and the ways over them.
///
/// Like a node's links they are numbered and never stored, so routes cost arithmetic and no memory.
/// Numbers start after those of the nodes.
struct InteriorLinks: Sendable {
  /// The links of a way, in order; at most ``most``.
  struct Path {
    /// The longest way that is representable.
    static let most = 24
    private(set) var links = [24 of Int32](repeating: -1)
    private(set) var count = 0

    mutating func append(_ link: Int) {
      links[count] = Int32(truncatingIfNeeded: link)
      count += 1
    }
  }

  /// An end of a route: a node by its place in the machine, and a NIC of it.
  struct End {
    var place: Int
    var nic: Int
  }

  enum Shape: Sendable {
    case tree(SwitchTree)
    case dragonfly(Dragonfly)
    case torus(Torus)
  }

  let shape: Shape
  /// The number of the first link.
  let base: Int
  let routing: Network.Routing
  private let seed: UInt64
  /// The rates of links of the first level, and of those above it or between groups.
  private let local: Bandwidth
  private let global: Bandwidth

  /// The links that nodes at places below `extent` may use; nil if none fills or is crossed.
  init?(_ network: Network, nics: Int, extent: Int, base: Int) {
    guard network.interior.routing != .ideal else { return nil }
    switch network.kind {
    case .switch:
      return nil
    case .fatTree(let size):
      shape = .tree(SwitchTree(network.interior, leafNodes: size, nics: nics, extent: extent))
    case .rail(let size):
      shape = .tree(
        SwitchTree(network.interior, leafNodes: size, nics: nics, extent: extent, rails: nics))
    case .dragonfly(let perSwitch, let perGroup):
      shape = .dragonfly(
        Dragonfly(
          network, nodesPerSwitch: perSwitch, nodesPerGroup: perGroup, nics: nics, extent: extent))
    case .torus(let size):
      shape = .torus(Torus(size: size))
    }
    self.base = base
    routing = network.interior.routing
    seed = UInt64(bitPattern: Int64(network.interior.seed))
    let rate = network.interior.bandwidth ?? network.bandwidth
    let shares =
      switch shape {
      case .tree(let tree): (local: tree.leafShare, global: tree.coreShare)
      case .dragonfly: (local: Double(network.interior.localLinks), global: 1.0)
      case .torus: (local: 1.0, global: 1.0)
      }
    local = rate.scaled(by: shares.local * (1 - network.interior.localLoad))
    global = rate.scaled(by: shares.global * (1 - network.interior.globalLoad))
  }

  /// How many links there are.
  var count: Int {
    switch shape {
    case .tree(let tree): tree.links
    case .dragonfly(let dragonfly): dragonfly.links
    case .torus(let torus): torus.links
    }
  }

  /// The most links of a way.
  var longest: Int {
    switch shape {
    case .tree(let tree): tree.isThreeLevel ? 4 : 2
    case .dragonfly: routing == .minimal ? 3 : 5
    case .torus(let torus): torus.size.diameter
    }
  }

  /// Whether a seed draws some way of several that are as good.
  var drawsWays: Bool {
    guard routing == .minimal else { return true }
    return switch shape {
    case .tree: false
    case .dragonfly(let dragonfly): dragonfly.hasParallelLinks
    case .torus(let torus): torus.hasHalfways
    }
  }

  /// Whether a link is above the first level or between groups.
  func isGlobal(_ link: Int) -> Bool {
    switch shape {
    case .tree(let tree): tree.isGlobal(link - base)
    case .dragonfly(let dragonfly): dragonfly.isGlobal(link - base)
    case .torus: false
    }
  }

  /// The rate that a link has left.
  func bandwidth(of link: Int) -> Bandwidth { isGlobal(link) ? global : local }

  /// A name for a person.
  func name(of link: Int) -> String {
    switch shape {
    case .tree(let tree): tree.name(link - base)
    case .dragonfly(let dragonfly): dragonfly.name(link - base)
    case .torus(let torus): torus.name(link - base)
    }
  }
}

// MARK: - Ways

extension InteriorLinks {
  /// The way of a message; empty if one switch joins both ends.
  ///
  /// - Parameters:
  ///   - source: Where it comes from.
  ///   - target: Where it goes to.
  ///   - message: A number that tells messages apart, for ways drawn per message.
  ///   - delay: What a link would hold the message up, in any unit.
  /// - Returns: For adaptive routing, the way with the smallest sum of delays, the shortest of equals:
  ///   UGAL with knowledge of the whole way (Kim, Dally, Scott and Abts 2008,
  ///   doi:10.1109/ISCA.2008.19).
  func path(
    from source: End, to target: End, message: Int, delay: (Int) -> Int64
  ) -> Path {
    let pair = Self.mix(
      seed ^ UInt64(truncatingIfNeeded: source.place * 64 + source.nic) << 32
        ^ UInt64(truncatingIfNeeded: target.place * 64 + target.nic))
    let each = Self.mix(pair &+ UInt64(truncatingIfNeeded: message))
    switch routing {
    case .ideal, .ecmp, .minimal:
      return way(from: source, to: target, draw: pair, detour: false)
    case .valiant:
      return way(from: source, to: target, draw: each, detour: true)
    case .adaptive:
      var best = way(from: source, to: target, draw: pair, detour: false)
      var least = cost(best, delay)
      for candidate in 1..<4 {
        let draw = Self.mix(each &+ UInt64(candidate))
        let other = way(from: source, to: target, draw: draw, detour: candidate > 1)
        let otherCost = cost(other, delay)
        if otherCost < least {
          least = otherCost
          best = other
        }
      }
      return best
    }
  }

  private func cost(_ path: Path, _ delay: (Int) -> Int64) -> Int64 {
    var sum: Int64 = 0
    for hop in 0..<path.count { sum += delay(Int(path.links[hop])) }
    return sum
  }

  private func way(from source: End, to target: End, draw: UInt64, detour: Bool) -> Path {
    var path = Path()
    switch shape {
    case .tree(let tree):
      tree.route(source, target, draw, base: base, into: &path)
    case .dragonfly(let dragonfly):
      dragonfly.route(source, target, draw, detour: detour, base: base, into: &path)
    case .torus(let torus):
      torus.route(source.place, target.place, draw, base: base, into: &path)
    }
    return path
  }

  /// Scatters a number: every bit of it reaches every bit of the result.
  ///
  /// The finalizer of SplitMix64. Source: Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195.
  static func mix(_ value: UInt64) -> UInt64 {
    var bits = value &+ 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}

extension Topology {
  /// The same machine with the ways through its network drawn by a run's seed as well; 0 leaves
  /// those of the machine's own.
  public func drawing(_ seed: UInt64) -> Topology {
    guard seed != 0 else { return self }
    var changed = self
    changed.network.interior.seed ^= Int(truncatingIfNeeded: InteriorLinks.mix(seed))
    return changed
  }
}
