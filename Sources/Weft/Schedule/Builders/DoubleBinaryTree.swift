/// The node-level trees of NCCL's double binary tree.
///
/// Tree 0 hangs node r, with lowest set bit b, below the node with b cleared and 2b set, or below
/// the one with b cleared if that does not exist; node 0 is the root. Tree 1 is its mirror for an
/// even number of nodes, and shifted by one for an odd number, so that a node that forwards in one
/// tree is a leaf of the other. Source: NCCL's tree construction; Sanders, Speck and Träff 2009,
/// doi:10.1016/j.parco.2009.09.001.
struct DoubleBinaryTree: Sendable {
  let nodes: Int

  /// The place of a node in one of the two trees.
  struct Place: Hashable, Sendable {
    /// The parent, nil at the root.
    var parent: Int?
    /// The child on the lower side, which NCCL calls child 0.
    var low: Int?
    /// The child on the upper side, which NCCL calls child 1; the root's only child is one.
    var high: Int?

    /// The children that there are, low before high.
    var children: [Int] { [low, high].compactMap { $0 } }
  }

  /// The place of `node` in tree 0 or 1.
  func place(of node: Int, tree: Int) -> Place {
    guard tree == 1 else { return plain(node) }
    let image: (Int) -> Int
    let back: (Int) -> Int
    if nodes % 2 == 0 {
      image = { nodes - 1 - $0 }
      back = image
    } else {
      image = { ($0 + nodes - 1) % nodes }
      back = { ($0 + 1) % nodes }
    }
    let place = plain(image(node))
    return Place(
      parent: place.parent.map(back), low: place.low.map(back), high: place.high.map(back))
  }

  private func plain(_ node: Int) -> Place {
    if node == 0 {
      guard nodes > 1 else { return Place() }
      return Place(high: 1 << (Int.bitWidth - 1 - (nodes - 1).leadingZeroBitCount))
    }
    let bit = node & -node
    let up = (node ^ bit) | (bit << 1)
    var place = Place(parent: up < nodes ? up : node ^ bit)
    guard bit > 1 else { return place }
    place.low = node - bit / 2
    var offset = bit / 2
    while offset > 0 && node + offset >= nodes { offset /= 2 }
    if offset > 0 { place.high = node + offset }
    return place
  }
}
