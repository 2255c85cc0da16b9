/// In which orders the channels of a schedule visit the ranks of a node.
///
/// Behind a switch every order is as good as another. In a mesh each order uses other links, so
/// channels need different ones to use all of them; NCCL's search then finds channels that are no
/// copies of each other.
struct NodeOrder: Hashable, Sendable {
  private enum Form: Hashable, Sendable { case ascending, spread }

  /// Channel c begins at rank c mod G and goes upwards.
  static let ascending = NodeOrder(form: .ascending)
  /// Channels share the links of a mesh evenly: closed rings of up to four ranks take all cycles in
  /// turn, others the zigzag 0, 1, G - 1, 2, … shifted by the channel, which for an even G uses
  /// every link once in G channels.
  static let spread = NodeOrder(form: .spread)

  private let form: Form
  // In 32 bits, as every lane of some schedules keeps an order.
  private var different = Int32.max
  private var apart: Int32 = 1

  private init(form: Form) { self.form = form }

  /// The same with so few different orders, which channels take in turn: further channels are copies
  /// of the first, and what lies between two orders is that many turns.
  func repeated(every different: Int, apart: Int) -> NodeOrder {
    precondition(different > 0 && apart > 0, "An order, and the next one elsewhere.")
    var result = self
    result.different = Int32(different)
    result.apart = Int32(apart)
    return result
  }

  /// The channel whose order a channel has.
  private func turn(_ channel: Int) -> Int { channel % Int(different) * Int(apart) }

  /// The rank of a node, from 0, that a channel visits at a position.
  ///
  /// - Parameters:
  ///   - position: The position in the node's order.
  ///   - channel: The channel.
  ///   - count: The number of ranks of the node.
  ///   - isClosed: Whether the last rank sends to the first, as on a single node.
  /// - Returns: The rank.
  func local(at position: Int, channel: Int, of count: Int, isClosed: Bool) -> Int {
    let channel = turn(channel)
    if form == .ascending || count < 3 { return (position + channel) % count }
    if isClosed && count <= 4 {
      // Both directions of the one cycle of three ranks, or of the three cycles of four.
      let cycle = channel / 2 % (count == 3 ? 1 : 3)
      let place = channel % 2 == 0 ? position : (count - position) % count
      return Self.cycles[cycle][place]
    }
    // 0, 1, G - 1, 2, G - 2, …
    let zigzag = position % 2 == 1 ? (position + 1) / 2 : (count - position / 2) % count
    return (zigzag + channel) % count
  }

  /// The position at which a channel visits a rank of a node; the inverse of ``local(at:channel:of:isClosed:)``.
  func position(of local: Int, channel: Int, of count: Int, isClosed: Bool) -> Int {
    // The one order that serves groups of thousands of members, which a search would take long for.
    if form == .ascending { return (local + count - turn(channel) % count) % count }
    return (0..<count).first {
      self.local(at: $0, channel: channel, of: count, isClosed: isClosed) == local
    } ?? 0
  }

  /// The cycles through four ranks, each for both directions; the first serves three as well.
  private static let cycles = [[0, 1, 2, 3], [0, 1, 3, 2], [0, 2, 1, 3]]
}

/// The way of one channel around all ranks: node by node, in the node's order of the channel.
struct RingPath: Sendable {
  let layout: Layout
  let channel: Int
  let order: NodeOrder
  /// Whether the last rank of a lone node sends to the first: not so in the chain of a tree.
  var closesInNode = true

  /// The rank at a position, from 0 to R - 1.
  func rank(at position: Int) -> Int {
    let (node, step) = position.quotientAndRemainder(dividingBy: layout.ranksPerNode)
    return node * layout.ranksPerNode + local(at: step)
  }

  /// The position of a rank.
  func position(of rank: Int) -> Int {
    let local = layout.local(of: rank)
    let step = order.position(
      of: local, channel: channel, of: layout.ranksPerNode, isClosed: isClosed)
    return layout.node(of: rank) * layout.ranksPerNode + step
  }

  private func local(at step: Int) -> Int {
    order.local(at: step, channel: channel, of: layout.ranksPerNode, isClosed: isClosed)
  }

  private var isClosed: Bool { closesInNode && layout.nodes == 1 }
}

/// The arithmetic of rings: which part a member handles at a step, and what it does with it.
///
/// A reduce-scatter takes M - 1 steps, so does an all-gather, and an all-reduce is one after the
/// other. Part numbers fall by one each step, in both halves: a member passes on what it just got.
/// Member i ends a reduce-scatter with part i and starts an all-gather with it. Source: Patarasuk
/// and Yuan 2009, doi:10.1016/j.jpdc.2008.09.002.
struct RingSteps: Sendable {
  /// What the members do together.
  enum Job: Sendable { case reduceScatter, allGather, allReduce }

  let job: Job
  /// The number of members, at least two.
  let members: Int

  /// The first step: of an all-gather, the one that ends an all-reduce's first half.
  var first: Int { job == .allGather ? members - 1 : 0 }

  /// The last step.
  var last: Int { job == .reduceScatter ? members - 1 : 2 * members - 2 }

  /// The part that a member handles at a step.
  func part(of member: Int, at step: Int) -> Int {
    (member + 2 * members - 1 - step) % members
  }

  /// The first step after this one at which a member does something else.
  func change(after step: Int) -> Int {
    let changes = (first + 1, members - 1, members, last)
    if step < changes.0 { return changes.0 }
    if step < changes.1 { return changes.1 }
    if step < changes.2 { return changes.2 }
    return step < changes.3 ? changes.3 : changes.3 + 1
  }

  /// What it does with the part.
  func actions(at step: Int) -> Operation.Actions {
    var actions: Operation.Actions = []
    if step > first { actions.insert(.receive) }
    if step > first && step < members { actions.insert(.reduce) }
    if step > first && step >= members - 1 { actions.insert(.store) }
    if step < last { actions.insert(.send) }
    return actions
  }
}
