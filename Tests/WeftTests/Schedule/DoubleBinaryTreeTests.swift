import Testing

@testable import Weft

@Suite struct DoubleBinaryTreeTests {
  /// Parents (-1 at the root) and children of every node, tree 0 and tree 1, as NCCL builds them.
  static let vectors: [(nodes: Int, trees: [[(Int, [Int])]])] = [
    (2, [[(-1, [1]), (0, [])], [(1, []), (-1, [0])]]),
    (3, [[(-1, [2]), (2, []), (0, [1])], [(1, [2]), (-1, [0]), (0, [])]]),
    (
      4,
      [
        [(-1, [2]), (2, []), (0, [1, 3]), (2, [])], [(1, []), (3, [2, 0]), (1, []), (-1, [1])],
      ]
    ),
    (
      5,
      [
        [(-1, [4]), (2, []), (4, [1, 3]), (2, []), (0, [2])],
        [(1, [3]), (-1, [0]), (3, []), (0, [2, 4]), (3, [])],
      ]
    ),
    (
      6,
      [
        [(-1, [4]), (2, []), (4, [1, 3]), (2, []), (0, [2, 5]), (4, [])],
        [(1, []), (5, [3, 0]), (3, []), (1, [4, 2]), (3, []), (-1, [1])],
      ]
    ),
    (
      8,
      [
        [
          (-1, [4]), (2, []), (4, [1, 3]), (2, []), (0, [2, 6]), (6, []), (4, [5, 7]), (6, []),
        ],
        [
          (1, []), (3, [2, 0]), (1, []), (7, [5, 1]), (5, []), (3, [6, 4]), (5, []), (-1, [3]),
        ],
      ]
    ),
  ]

  @Test(arguments: vectors.indices)
  func `trees are NCCL's`(index: Int) {
    let (nodes, trees) = Self.vectors[index]
    for tree in 0..<2 {
      for node in 0..<nodes {
        let place = DoubleBinaryTree(nodes: nodes).place(of: node, tree: tree)
        #expect(place.parent ?? -1 == trees[tree][node].0, "tree \(tree), node \(node) of \(nodes)")
        #expect(place.children == trees[tree][node].1, "tree \(tree), node \(node) of \(nodes)")
      }
    }
  }

  @Test(arguments: 1...130)
  func `parents and children agree, and every node is reached from the root`(nodes: Int) {
    let trees = DoubleBinaryTree(nodes: nodes)
    for tree in 0..<2 {
      var depth = 0
      var level = (0..<nodes).filter { trees.place(of: $0, tree: tree).parent == nil }
      #expect(level.count == 1)
      var reached = 0
      while !level.isEmpty {
        reached += level.count
        depth += 1
        for node in level {
          for child in trees.place(of: node, tree: tree).children {
            #expect(trees.place(of: child, tree: tree).parent == node)
          }
        }
        level = level.flatMap { trees.place(of: $0, tree: tree).children }
      }
      #expect(reached == nodes)
      // The root hangs above a complete binary tree, so the depth is ceil(log2 n).
      #expect(nodes == 1 || 1 << (depth - 1) >= nodes && 1 << (depth - 2) < nodes)
    }
  }
}
