/// One node standing for all of them, where schedule and fabric look the same from every node.
///
/// A rank's images under the symmetry do the same things at the same times, so only node 0 is
/// simulated. A message to another node is delivered to the image of its receiver in node 0, as if
/// it came from the image of its sender; a link of any node is the same link of node 0.
struct Fold: Sendable {
  let symmetry: Symmetry
  let nodes: Int
  let perNode: Int

  /// The fold for a schedule on a fabric; the identity where either lacks the symmetry.
  init(_ symmetry: Symmetry, on fabric: Fabric, allowed: Bool) {
    nodes = fabric.nodes
    perNode = fabric.gpusPerNode
    self.symmetry = allowed && nodes > 1 && fabric.asymmetry == nil ? symmetry : .none
  }

  /// How many nodes a simulated node stands for.
  var factor: Int { symmetry == .none ? 1 : nodes }

  /// The number of ranks to simulate.
  var members: Int { symmetry == .none ? nodes * perNode : perNode }

  /// The simulated rank that stands for a rank.
  func member(of rank: Int) -> Int { symmetry == .none ? rank : rank % perNode }

  /// The image of `source` under the map that carries `target` to its member.
  func source(_ source: Int, seenFrom target: Int) -> Int {
    switch symmetry {
    case .none:
      return source
    case .translation:
      let distance = source / perNode - target / perNode
      return (distance < 0 ? distance + nodes : distance) * perNode + source % perNode
    case .xor:
      return ((source / perNode) ^ (target / perNode)) * perNode + source % perNode
    }
  }
}
