import Testing

@testable import Weft

/// The orders in which channels visit the ranks of a node.
@Suite struct NodeOrderTests {
  /// How often so many channels use each link between two ranks of a node.
  private func uses(
    _ order: NodeOrder, channels: Int, count: Int, isClosed: Bool
  ) -> [Int] {
    var uses = Array(repeating: 0, count: count * count)
    for channel in 0..<channels {
      let ranks = (0..<count).map {
        order.local(at: $0, channel: channel, of: count, isClosed: isClosed)
      }
      for step in 0..<(isClosed ? count : count - 1) {
        uses[ranks[step] * count + ranks[(step + 1) % count]] += 1
      }
    }
    return (0..<count * count).filter { $0 / count != $0 % count }.map { uses[$0] }
  }

  @Test func `every channel visits every rank once`() {
    for count in 1...9 {
      for isClosed in [false, true] {
        for channel in 0..<24 {
          for order in [NodeOrder.ascending, .spread] {
            let ranks = (0..<count).map {
              order.local(at: $0, channel: channel, of: count, isClosed: isClosed)
            }
            #expect(Set(ranks) == Set(0..<count))
          }
        }
      }
    }
  }

  @Test func `spread channels use all links of a mesh alike`() {
    // The 24 channels that NCCL has on one node, and the 4 or 8 it has between nodes.
    #expect(Set(uses(.spread, channels: 24, count: 4, isClosed: true)) == [8])
    #expect(Set(uses(.spread, channels: 2, count: 3, isClosed: true)) == [1])
    for count in [4, 6, 8] {
      #expect(Set(uses(.spread, channels: count, count: count, isClosed: false)) == [1])
    }
    #expect(Set(uses(.ascending, channels: 24, count: 4, isClosed: true)) == [0, 24])
  }

  @Test func `repeated channels are copies, and the different ones leave by different NICs`() {
    // Two NICs for four GPUs: channels 2 and 3 are copies of 0 and 1.
    let order = NodeOrder.spread.repeated(every: 2, apart: 2)
    let visits = (0..<4).map { channel in
      (0..<4).map { order.local(at: $0, channel: channel, of: 4, isClosed: false) }
    }
    #expect(visits[2] == visits[0] && visits[3] == visits[1])
    #expect(Set(visits[0...1].map { $0[3] / 2 }) == [0, 1])
    for ascending in [NodeOrder.ascending.repeated(every: 4, apart: 2), order] {
      let path = RingPath(
        layout: Layout(nodes: 2, ranksPerNode: 8), channel: 7, order: ascending)
      #expect((0..<16).allSatisfy { path.position(of: path.rank(at: $0)) == $0 })
    }
  }

  @Test func `a path knows the position of every rank`() {
    for layout in [Layout(nodes: 1, ranksPerNode: 4), Layout(nodes: 3, ranksPerNode: 6)] {
      for channel in 0..<12 {
        let path = RingPath(layout: layout, channel: channel, order: .spread)
        #expect((0..<layout.ranks).allSatisfy { path.position(of: path.rank(at: $0)) == $0 })
      }
    }
  }
}
