/// A fat tree of two or three levels, or one per rail.
///
/// A leaf has as many uplinks as its NICs, over the oversubscription, one to each spine (two levels)
/// or switch of its pod (three levels); those have as many links to the core as leaves below, over
/// the oversubscription. Links are whole, so where that is no whole number all of them are slower.
/// In a network of rails a leaf serves one NIC of every node, and a message that ends at another
/// NIC than it began changes rails inside the node it leaves, as libraries arrange it.
struct SwitchTree: Sendable {
  private let leafNodes: Int
  /// The leaves of a block of nodes: one, or one per rail.
  private let rails: Int
  private let leaves: Int
  private let up: Int
  /// The leaves of a pod, and the links of a pod's switch to the core; 0 for two levels.
  private let podLeaves: Int
  private let podUp: Int
  private let pods: Int
  /// What of its rate a link of a leaf, and one to the core, has: with all links of its switch,
  /// the rate into the switch over the oversubscription.
  let leafShare: Double
  let coreShare: Double

  init(_ interior: Network.Interior, leafNodes: Int, nics: Int, extent: Int, rails: Int = 1) {
    self.leafNodes = leafNodes
    self.rails = rails
    let blocks = (extent + leafNodes - 1) / leafNodes
    leaves = blocks * rails
    let out = Double(leafNodes * nics / rails) / interior.oversubscription
    up = Int(out.rounded(.up))
    leafShare = out / Double(up)
    podLeaves = rails == 1 ? interior.leavesPerPod ?? 0 : 0
    let podOut = Double(podLeaves) / interior.oversubscription
    podUp = Int(podOut.rounded(.up))
    coreShare = podLeaves > 0 ? leafShare * podOut / Double(podUp) : 1
    pods = podLeaves > 0 ? (leaves + podLeaves - 1) / podLeaves : 0
  }

  var isThreeLevel: Bool { podLeaves > 0 }
  var links: Int { 2 * leaves * up + 2 * pods * up * podUp }

  func isGlobal(_ link: Int) -> Bool { link >= 2 * leaves * up }

  func route(
    _ source: InteriorLinks.End, _ target: InteriorLinks.End, _ draw: UInt64, base: Int,
    into path: inout InteriorLinks.Path
  ) {
    let rail = target.nic % rails
    let from = source.place / leafNodes * rails + rail
    let to = target.place / leafNodes * rails + rail
    guard from != to else { return }
    let spine = Int(draw % UInt64(up))
    path.append(base + from * up + spine)
    if podLeaves > 0 && from / podLeaves != to / podLeaves {
      let core = Int((draw >> 32) % UInt64(podUp))
      let first = base + 2 * leaves * up
      path.append(first + (from / podLeaves * up + spine) * podUp + core)
      path.append(first + ((pods + to / podLeaves) * up + spine) * podUp + core)
    }
    path.append(base + (leaves + to) * up + spine)
  }

  func name(_ link: Int) -> String {
    let first = 2 * leaves * up
    guard link >= first else {
      let (leaf, spine) = (link % (leaves * up)).quotientAndRemainder(dividingBy: up)
      return link < leaves * up
        ? "leaf \(leaf) to spine \(spine)" : "spine \(spine) to leaf \(leaf)"
    }
    let half = pods * up * podUp
    let (unit, core) = ((link - first) % half).quotientAndRemainder(dividingBy: podUp)
    let what = "switch \(unit % up) of pod \(unit / up)"
    return link - first < half ? "\(what) to core \(core)" : "core \(core) to \(what)"
  }
}

/// Groups of switches, all pairs in a group and all pairs of groups joined.
///
/// Every NIC of a node has a switch of its own among those that serve the node's block; switches of
/// one block are taken as one, since libraries keep a message on its NIC. Global links are dealt
/// round the switches of a group in order of the other group. Source: Kim, Dally, Scott and Abts
/// 2008, doi:10.1109/ISCA.2008.19.
struct Dragonfly: Sendable {
  private let switchNodes: Int
  private let groupNodes: Int
  private let nics: Int
  private let groups: Int
  /// The switches of a group.
  private let size: Int
  private let globalLinks: Int

  init(_ network: Network, nodesPerSwitch: Int, nodesPerGroup: Int, nics: Int, extent: Int) {
    switchNodes = nodesPerSwitch
    groupNodes = nodesPerGroup
    self.nics = nics
    let used = (extent + nodesPerGroup - 1) / nodesPerGroup
    let all = (network.maxNodes + nodesPerGroup - 1) / nodesPerGroup
    // Detours need idle groups, but not more of them than there are links to spread over.
    groups = min(all, max(2 * used, 32))
    size = nodesPerGroup / nodesPerSwitch * nics
    globalLinks = network.interior.globalLinks
    hasParallelLinks = globalLinks > 1 && used > 1
  }

  /// Whether several links join two groups in use, of which a way takes the drawn one.
  let hasParallelLinks: Bool

  private var localCount: Int { groups * size * size }
  var links: Int { localCount + groups * groups * globalLinks }

  func isGlobal(_ link: Int) -> Bool { link >= localCount }

  func route(
    _ source: InteriorLinks.End, _ target: InteriorLinks.End, _ draw: UInt64, detour: Bool,
    base: Int, into path: inout InteriorLinks.Path
  ) {
    guard source.place / switchNodes != target.place / switchNodes else { return }
    let (from, to) = (source.place / groupNodes, target.place / groupNodes)
    var at = switchOf(source)
    let end = switchOf(target)
    if from == to {
      if detour && size > 2 {
        var other = Int(draw % UInt64(size - 2))
        if other >= min(at, end) { other += 1 }
        if other >= max(at, end) { other += 1 }
        local(from, &at, other, base, &path)
      }
      local(from, &at, end, base, &path)
      return
    }
    var group = from
    if detour && groups > 2 {
      var other = Int(draw % UInt64(groups - 2))
      if other >= min(from, to) { other += 1 }
      if other >= max(from, to) { other += 1 }
      global(&group, other, &at, draw >> 20, base, &path)
    }
    global(&group, to, &at, draw >> 40, base, &path)
    local(to, &at, end, base, &path)
  }

  private func switchOf(_ end: InteriorLinks.End) -> Int {
    end.place % groupNodes / switchNodes * nics + end.nic
  }

  private func local(
    _ group: Int, _ at: inout Int, _ to: Int, _ base: Int, _ path: inout InteriorLinks.Path
  ) {
    guard at != to else { return }
    path.append(base + (group * size + at) * size + to)
    at = to
  }

  /// Crosses to another group: to the switch that holds the drawn link, and over it.
  private func global(
    _ group: inout Int, _ to: Int, _ at: inout Int, _ draw: UInt64, _ base: Int,
    _ path: inout InteriorLinks.Path
  ) {
    let link = Int(draw % UInt64(globalLinks))
    local(group, &at, holder(of: link, from: group, to: to), base, &path)
    path.append(base + localCount + (group * groups + to) * globalLinks + link)
    at = holder(of: link, from: to, to: group)
    group = to
  }

  private func holder(of link: Int, from group: Int, to other: Int) -> Int {
    ((other > group ? other - 1 : other) * globalLinks + link) % size
  }

  func name(_ link: Int) -> String {
    if link < localCount {
      let (from, to) = link.quotientAndRemainder(dividingBy: size)
      return "group \(from / size) switch \(from % size) to switch \(to)"
    }
    let (pair, number) = (link - localCount).quotientAndRemainder(dividingBy: globalLinks)
    return "group \(pair / groups) to group \(pair % groups), link \(number)"
  }
}

/// A torus: six links from every node, messages go dimension by dimension the shorter way round.
struct Torus: Sendable {
  let size: Network.Dimensions

  var links: Int { 6 * size.nodes }

  /// Whether two nodes may lie half way round from each other, where both ways are short.
  var hasHalfways: Bool { [size.x, size.y, size.z].contains { $0 % 2 == 0 } }

  func route(
    _ source: Int, _ target: Int, _ draw: UInt64, base: Int, into path: inout InteriorLinks.Path
  ) {
    var node = source
    var stride = 1
    for (dimension, length) in [size.x, size.y, size.z].enumerated() {
      let from = source / stride % length
      let to = target / stride % length
      let ahead = (to - from + length) % length
      // Half way round both ways are short, and the draw takes one.
      let isForward =
        2 * ahead < length || 2 * ahead == length && (draw >> UInt64(dimension)) & 1 == 0
      for _ in 0..<(isForward ? ahead : length - ahead) {
        path.append(base + 6 * node + 2 * dimension + (isForward ? 0 : 1))
        let position = node / stride % length
        let next = (position + (isForward ? 1 : length - 1)) % length
        node += (next - position) * stride
      }
      stride *= length
    }
  }

  func name(_ link: Int) -> String {
    let (node, port) = link.quotientAndRemainder(dividingBy: 6)
    return "torus node \(node) \(["x", "y", "z"][port / 2])\(port % 2 == 0 ? "+" : "-")"
  }
}
