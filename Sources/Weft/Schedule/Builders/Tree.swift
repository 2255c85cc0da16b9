/// All-reduce over double binary trees of nodes with a chain inside every node.
///
/// The first channels use one tree and the others the second, each for its part of the data. A chunk
/// is reduced along the chains to each node's head and up the tree of nodes, and the sum comes back
/// down the same edges. Up and down are two lanes, as NCCL's two thread groups, so a chunk comes
/// down while later ones go up; the root does both in its up lane. Inside a node every channel has
/// its own order (``NodeOrder``). Serves any number of ranks.
struct Tree: Schedule {
  /// Which GPU of a node holds the links to the nodes below; the link up is always the head's.
  enum Attachment: Sendable {
    /// The head, the first of the chain, holds all.
    case head
    /// The second of the chain holds the link to child 0, the head the one to child 1.
    case balanced
  }

  static let name = "tree"
  let layout: Layout
  let elements: Int
  let lanes: Int
  /// The number of channels; a channel has an up and a down lane.
  let channels: Int
  /// The first channel that uses the second tree.
  let secondTreeFrom: Int
  let attachment: Attachment
  let order: NodeOrder
  /// The largest number of elements that travel as one message.
  let chunkElements: Int
  let caller: CallerBuffers

  /// Creates the schedule for so many elements, dealt to so many channels.
  ///
  /// - Precondition: there is a channel, and the chunk is not empty.
  init(
    layout: Layout, elements: Int, channels: Int = 2, secondTreeFrom: Int = 1,
    attachment: Attachment = .head, order: NodeOrder = .ascending, chunkElements: Int = 1 << 16,
    inPlace: Bool
  ) {
    precondition(channels > 0 && chunkElements > 0, "A channel, and a chunk with an element.")
    self.layout = layout
    self.elements = elements
    self.channels = channels
    self.secondTreeFrom = secondTreeFrom
    self.attachment = attachment
    self.order = order
    self.chunkElements = chunkElements
    lanes = 2 * channels
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] { Buffer.caller(elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel("tree")] }
  var symmetry: Symmetry { .none }

  /// Lane 2c goes up in channel c, lane 2c + 1 goes down.
  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    let (channel, direction) = lane.quotientAndRemainder(dividingBy: 2)
    return Cursor(
      caller: caller, data: Region(offset: 0, count: elements).aligned(channel, of: channels),
      chunk: chunkElements, edges: Edges(of: rank, channel: channel, in: self),
      goesUp: direction == 0)
  }

  /// A rank's neighbours in one channel.
  struct Edges: Sendable {
    /// The parent's rank; nil at the root of the tree.
    var parent: Int?
    /// Whether the parent is the root, which answers from its up lane.
    var parentIsRoot = false
    /// The children's ranks, the one on the same node first; -1 for none.
    var children: [3 of Int] = [-1, -1, -1]
    var childCount = 0
    let upLane: Int

    init(of rank: Int, channel: Int, in tree: Tree) {
      let layout = tree.layout
      let perNode = layout.ranksPerNode
      let node = layout.node(of: rank)
      let path = RingPath(
        layout: layout, channel: channel, order: tree.order, closesInNode: false)
      let position = path.position(of: rank) - node * perNode
      func member(node: Int, position: Int) -> Int {
        path.rank(at: node * perNode + position)
      }
      let trees = DoubleBinaryTree(nodes: layout.nodes)
      let number = channel < tree.secondTreeFrom ? 0 : 1
      let place = trees.place(of: node, tree: number)
      let lowAt = tree.attachment == .balanced && perNode > 1 ? 1 : 0
      upLane = 2 * channel
      if position + 1 < perNode { append(member(node: node, position: position + 1)) }
      if position == lowAt, let child = place.low { append(member(node: child, position: 0)) }
      if position == 0, let child = place.high { append(member(node: child, position: 0)) }
      if position > 0 {
        parent = member(node: node, position: position - 1)
        parentIsRoot = position == 1 && place.parent == nil
      } else if let above = place.parent {
        let abovePlace = trees.place(of: above, tree: number)
        let holder = abovePlace.low == node ? lowAt : 0
        parent = member(node: above, position: holder)
        parentIsRoot = abovePlace.parent == nil && holder == 0
      }
    }

    private mutating func append(_ child: Int) {
      children[childCount] = child
      childCount += 1
    }

    /// Where chunks come down from.
    var above: Port? {
      parent.map { Port(peer: $0, lane: parentIsRoot ? upLane : upLane + 1) }
    }
  }

  /// The state of a lane: the chunk it is at and the step within it.
  struct Cursor: OperationCursor {
    let caller: CallerBuffers
    let data: Region
    let chunk: Int
    let edges: Edges
    let goesUp: Bool
    var start = 0
    var step = 0

    init(caller: CallerBuffers, data: Region, chunk: Int, edges: Edges, goesUp: Bool) {
      self.caller = caller
      self.data = data
      self.chunk = chunk
      self.edges = edges
      self.goesUp = goesUp
    }

    mutating func next() -> Operation? {
      while start < data.count {
        let part = Region(offset: data.offset + start, count: min(chunk, data.count - start))
        if let operation = goesUp ? up(part) : down(part) {
          step += 1
          return operation
        }
        start += part.count
        step = 0
      }
      return nil
    }

    private func up(_ part: Region) -> Operation? {
      let isRoot = edges.parent == nil
      if edges.childCount == 0 {
        guard step == 0 else { return nil }
        guard let parent = edges.parent else {
          return caller.inPlace
            ? nil : .copy(caller.input(part), to: caller.output(part), part.count)
        }
        return .send(caller.input(part), part.count, to: Port(peer: parent, lane: edges.upLane))
      }
      if step < edges.childCount {
        // The output holds the partial sum of all children but the last, whose sum goes straight up.
        let isLast = step == edges.childCount - 1
        var actions: Operation.Actions = [.receive, .reduce]
        if !isLast || isRoot { actions.insert(.store) }
        if isLast && !isRoot { actions.insert(.send) }
        return Operation(
          .transfer, actions: actions,
          from: Port(peer: edges.children[step], lane: edges.upLane),
          to: isLast && !isRoot ? Port(peer: edges.parent ?? -1, lane: edges.upLane) : .none,
          source: step == 0 ? caller.input(part) : caller.output(part),
          destination: caller.output(part), count: part.count)
      }
      // Nodes below wait longest for the sum, so they are served before the GPU next door.
      let served = step - edges.childCount
      guard isRoot && served < edges.childCount else { return nil }
      return .send(
        caller.output(part), part.count,
        to: Port(peer: edges.children[edges.childCount - 1 - served], lane: edges.upLane + 1))
    }

    private func down(_ part: Region) -> Operation? {
      guard let above = edges.above, step < max(1, edges.childCount) else { return nil }
      let below =
        edges.childCount == 0
        ? Port.none
        : Port(peer: edges.children[edges.childCount - 1 - step], lane: edges.upLane + 1)
      guard step == 0 else { return .send(caller.output(part), part.count, to: below) }
      return Operation(
        .transfer,
        actions: edges.childCount == 0 ? [.receive, .store] : [.receive, .store, .send],
        from: above, to: below, destination: caller.output(part), count: part.count)
    }
  }
}
