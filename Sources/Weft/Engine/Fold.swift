/// One node standing for all of them, where schedule and fabric look the same from every node.
///
/// A rank's images under the symmetry do the same things at the same times, so only node 0 is
/// simulated. A message to another node is delivered to the image of its receiver in node 0, as if
/// it came from the image of its sender; a link of any node is the same link of node 0.
struct Fold: Sendable {
  let symmetry: Symmetry
  let nodes: Int
  let perNode: Int
  private let ranks: Divider
  /// How many nodes a simulated node stands for.
  let factor: Int

  /// The fold for a schedule on a fabric; the identity where either lacks the symmetry.
  init(_ symmetry: Symmetry, on fabric: Fabric, allowed: Bool) {
    nodes = fabric.nodes
    perNode = fabric.gpusPerNode
    ranks = fabric.ranksPerNode
    let isFolded = allowed && nodes > 1 && Self.obstacle(to: symmetry, on: fabric) == nil
    self.symmetry = isFolded ? symmetry : .none
    factor = isFolded && symmetry != .none ? nodes : 1
  }

  /// Why every node has to be simulated; nil if one can stand for all.
  static func obstacle(to symmetry: Symmetry, on fabric: Fabric) -> String? {
    if symmetry == .none { return "the schedule's nodes do different things" }
    if let asymmetry = fabric.asymmetry { return asymmetry }
    let keepsDistances =
      fabric.hasEqualLatencies || symmetry == .xor && fabric.hasExclusiveOrDistances
    return keepsDistances ? nil : "nodes are not equally far apart"
  }

  /// The number of ranks to simulate.
  var members: Int { symmetry == .none ? nodes * perNode : perNode }

  /// The simulated rank that stands for a rank.
  @inline(__always)
  func member(of rank: Int) -> Int { symmetry == .none ? rank : ranks.remainder(rank) }

  /// Whether two ranks that lie in blocks are on different nodes.
  func isBetweenNodes(_ one: Int, _ other: Int) -> Bool {
    ranks.quotient(one) != ranks.quotient(other)
  }

  /// The image of `source` under the map that carries `target` to its member.
  @inline(__always)
  func source(_ source: Int, seenFrom target: Int) -> Int {
    symmetry == .none ? source : image(source, seenFrom: target)
  }

  private func image(_ source: Int, seenFrom target: Int) -> Int {
    switch symmetry {
    case .none:
      return source
    case .translation:
      let (node, local) = ranks.split(source)
      let distance = node - ranks.quotient(target)
      return (distance < 0 ? distance + nodes : distance) * perNode + local
    case .xor:
      let (node, local) = ranks.split(source)
      return (node ^ ranks.quotient(target)) * perNode + local
    }
  }
}
