/// All-reduce in three parts: reduce-scatter in the node, all-reduce of every shard between nodes,
/// all-gather in the node.
///
/// Between nodes run as many rings or binomial trees as a node has GPUs: in a ring 2(N - 1)/N of a
/// shard travels per rank in 2(N - 1) steps, in a tree the whole shard in 2 ceil(log2 N). In the node
/// ranks either put parts straight into each other's memory (``OneShotReduceScatter``,
/// ``OneShotAllGather``), one step each, or form a ring. Serves any number of nodes and ranks.
struct Hierarchical: Schedule {
  /// How the ranks of a node work together.
  enum InNode { case puts, ring }

  /// How shards are reduced between nodes.
  enum Across { case ring, tree }

  static let name = "hierarchical"
  let layout: Layout
  let elements: Int
  let lanes = 1
  let inNode: InNode
  let across: Across
  let caller: CallerBuffers

  /// Creates the schedule for so many elements.
  init(
    layout: Layout, elements: Int, inNode: InNode, across: Across = .ring, inPlace: Bool
  ) {
    self.layout = layout
    self.elements = elements
    self.inNode = inNode
    self.across = across
    caller = CallerBuffers(inPlace: inPlace)
  }

  private var shardLength: Int {
    (elements + layout.ranksPerNode - 1) / layout.ranksPerNode
  }

  var buffers: [Buffer] {
    var buffers = Buffer.caller(elements: elements, inPlace: caller.inPlace)
    if inNode == .puts {
      buffers.append(
        Buffer("shards", .scratch, elements: (layout.ranksPerNode - 1) * shardLength))
    }
    return buffers
  }

  var kernels: [Kernel] { [Kernel("hierarchical")] }

  /// Chunks of one length make every node's part of a ring the same; in a tree nodes differ.
  var symmetry: Symmetry {
    across == .ring && elements % layout.ranks == 0 ? .translation : .none
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor { Cursor(self, rank: rank) }

  /// The state of a rank: the part it is in and the cursors of all parts.
  struct Cursor: OperationCursor {
    private enum Stage { case scatter, across, gather }

    private var scatter: NodePart
    private var across: BetweenNodes
    private var gather: NodePart
    private var stage = Stage.scatter
    /// The operations of the part in the node so far.
    private var position = 0

    init(_ schedule: Hierarchical, rank: Int) {
      let layout = schedule.layout
      let local = layout.local(of: rank)
      let node = RankGroup.node(of: rank, layout)
      let whole = Region(offset: 0, count: schedule.elements)
      let parts = Parts(of: whole, count: layout.ranksPerNode)
      let caller = schedule.caller
      switch schedule.inNode {
      case .puts:
        func member(_ tag: Int) -> OneShotMember {
          OneShotMember(
            group: node, me: local, parts: parts, caller: caller, tag: tag, isSwitched: false)
        }
        scatter = .putScatter(
          OneShotReduceScatter(
            member(0), scratch: caller.firstScratch, placeLength: schedule.shardLength))
        gather = .putGather(OneShotAllGather(member(1)))
      case .ring:
        let scattering = GroupRing(
          .reduceScatter, group: node, whole: whole, source: caller.input,
          destination: caller.output)
        let gathering = GroupRing(
          .allGather, group: node, whole: whole, source: caller.output, destination: caller.output)
        scatter = .ring(GroupRingCursor(scattering, me: local))
        gather = .ring(GroupRingCursor(gathering, me: local))
      }
      let nodes = RankGroup.across(of: rank, layout)
      let shard = parts[local]
      across =
        switch schedule.across {
        case .ring:
          .ring(
            GroupRingCursor(
              GroupRing(
                .allReduce, group: nodes, whole: shard, source: caller.output,
                destination: caller.output), me: layout.node(of: rank)))
        case .tree:
          .tree(
            GroupTree(
              group: nodes, me: layout.node(of: rank), whole: shard, source: caller.output,
              destination: caller.output))
        }
    }

    mutating func next() -> Operation? {
      while true {
        switch stage {
        case .scatter:
          if let operation = scatter.next(at: step()) { return operation }
          stage = .across
        case .across:
          if let operation = across.next() { return operation }
          stage = .gather
          position = 0
        case .gather:
          return gather.next(at: step())
        }
      }
    }

    /// The place of the next operation in its part.
    private mutating func step() -> Int {
      position += 1
      return position - 1
    }
  }

  /// The part between nodes, by ring or by tree.
  enum BetweenNodes: OperationCursor {
    case ring(GroupRingCursor)
    case tree(GroupTree)

    mutating func next() -> Operation? {
      switch self {
      case .ring(var cursor):
        defer { self = .ring(cursor) }
        return cursor.next()
      case .tree(var cursor):
        defer { self = .tree(cursor) }
        return cursor.next()
      }
    }
  }
}
