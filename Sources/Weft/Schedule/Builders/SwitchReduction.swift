/// All-reduce with sums and copies made by the switch of a node, and trees between nodes.
///
/// NCCL's NVLS, and with several nodes its NVLSTree. Every head, one of the node's GPUs, serves a
/// piece of each chunk: the switch adds up what all GPUs of the node bring of the piece
/// (``Operation/Via/reduction``), heads of one index reduce it over a double binary tree of nodes,
/// and the switch copies the result to all GPUs (``Operation/Via/multicast``). A channel has four
/// lanes: one that brings the pieces, one that reduces and sends up, one that passes results down,
/// one that collects. Channels alternate between the two trees. Serves any number of ranks. Source:
/// NCCL 2.30.7, src/device/all_reduce.h.
struct SwitchReduction: Schedule {
  static let name = "nvls"
  let layout: Layout
  let elements: Int
  let channels: Int
  /// The GPUs of a node, from its first on, that serve a piece.
  let heads: Int
  /// The largest number of elements of a piece.
  let chunkElements: Int
  let caller: CallerBuffers

  /// Creates the schedule for so many elements, dealt to so many channels.
  ///
  /// - Precondition: there is a channel, a head that the node has, and an element to a piece.
  init(
    layout: Layout, elements: Int, channels: Int = 1, heads: Int, chunkElements: Int = .max,
    inPlace: Bool
  ) {
    precondition(
      channels > 0 && (1...layout.ranksPerNode).contains(heads) && chunkElements > 0,
      "A channel, heads among the node's GPUs, and a piece with an element.")
    self.layout = layout
    self.elements = elements
    self.channels = channels
    self.heads = heads
    self.chunkElements = chunkElements
    caller = CallerBuffers(inPlace: inPlace)
  }

  var lanes: Int { Role.allCases.count * channels }
  var buffers: [Buffer] { Buffer.caller(elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel(Self.name)] }
  var symmetry: Symmetry { .none }

  /// What the lanes of a channel do, in order.
  enum Role: Int, CaseIterable {
    case bring, up, down, collect

    /// The lane of a channel in this role.
    func lane(_ channel: Int) -> Int { channel * Role.allCases.count + rawValue }
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor { Cursor(self, rank: rank, lane: lane) }

  /// The state of a lane: the chunk it is at, and the step within it.
  struct Cursor: OperationCursor {
    let caller: CallerBuffers
    let data: Region
    let heads: Int
    let chunk: Int
    let role: Role
    let channel: Int
    let node: RankGroup
    let me: Int
    let place: DoubleBinaryTree.Place
    /// The rank of this index on another node.
    let stride: Int
    let rank: Int
    /// Whether the parent is the root, which answers from its lane that goes up.
    let parentIsRoot: Bool
    let nodeNumber: Int
    var start = 0
    var step = 0

    init(_ schedule: SwitchReduction, rank: Int, lane: Int) {
      let layout = schedule.layout
      caller = schedule.caller
      channel = lane / Role.allCases.count
      role = Role(rawValue: lane % Role.allCases.count) ?? .bring
      data = Region(offset: 0, count: schedule.elements).part(channel, of: schedule.channels)
      heads = schedule.heads
      let most = heads.multipliedReportingOverflow(by: schedule.chunkElements)
      chunk = most.overflow ? .max : most.partialValue
      node = .node(of: rank, layout)
      me = layout.local(of: rank)
      nodeNumber = layout.node(of: rank)
      let trees = DoubleBinaryTree(nodes: layout.nodes)
      place = trees.place(of: nodeNumber, tree: channel % 2)
      stride = layout.ranksPerNode
      if let parent = place.parent {
        parentIsRoot = trees.place(of: parent, tree: channel % 2).parent == nil
      } else {
        parentIsRoot = false
      }
      self.rank = rank
    }

    mutating func next() -> Operation? {
      while start < data.count {
        let block = Region(
          offset: data.offset + start, count: min(chunk, data.count - start))
        if let operation = operation(in: block) {
          step += 1
          return operation
        }
        start += block.count
        step = 0
      }
      return nil
    }

    private func operation(in block: Region) -> Operation? {
      let own = me < heads ? block.part(me, of: heads) : Region(offset: block.offset, count: 0)
      switch role {
      case .bring: return bring(block)
      case .up: return me < heads ? up(own) : nil
      case .down: return me < heads ? down(own) : nil
      case .collect: return collect(block)
      }
    }

    /// The heads other than this rank, in turn from the next one on.
    private func head(_ step: Int) -> Int? {
      let others = me < heads ? heads - 1 : heads
      guard step < others else { return nil }
      return me < heads ? (me + 1 + step) % heads : step
    }

    private func bring(_ block: Region) -> Operation? {
      guard let head = head(step) else { return nil }
      let part = block.part(head, of: heads)
      var operation = Operation.send(
        caller.input(part), part.count, to: Port(peer: node[head], lane: Role.up.lane(channel)))
      // The switch hands the head one sum: the GPU after it stands for all.
      if me != (head + 1) % node.count { operation.via = .reduction }
      return operation
    }

    private func collect(_ block: Region) -> Operation? {
      guard let head = head(step) else { return nil }
      let part = block.part(head, of: heads)
      let source: Role = place.parent == nil ? .up : .down
      return .receive(
        caller.output(part), part.count,
        from: Port(peer: node[head], lane: source.lane(channel)))
    }

    /// The rank of this index on another node.
    private func peer(_ other: Int) -> Int { rank + (other - nodeNumber) * stride }

    private func up(_ part: Region) -> Operation? {
      let lane = Role.up.lane(channel)
      let others = node.count - 1
      let sources = others + place.children.count
      let above = place.parent.map { Port(peer: peer($0), lane: lane) }
      if sources == 0 && step == 0 {
        if let above { return .send(caller.input(part), part.count, to: above) }
        return caller.inPlace
          ? nil : .copy(caller.input(part), to: caller.output(part), part.count)
      }
      guard step < sources else { return above == nil ? hand(part, step - sources) : nil }
      let isLast = step == sources - 1
      var actions: Operation.Actions = [.receive, .reduce]
      if !isLast || above == nil { actions.insert(.store) }
      if isLast && above != nil { actions.insert(.send) }
      let from =
        step < others
        ? Port(peer: node[(me + 1 + step) % node.count], lane: Role.bring.lane(channel))
        : Port(peer: peer(place.children[step - others]), lane: lane)
      return Operation(
        .transfer, actions: actions, from: from, to: isLast ? above ?? .none : .none,
        source: step == 0 ? caller.input(part) : caller.output(part),
        destination: caller.output(part), count: part.count)
    }

    private func down(_ part: Region) -> Operation? {
      guard let parent = place.parent else { return nil }
      if step == 0 {
        let source: Role = parentIsRoot ? .up : .down
        return .receive(
          caller.output(part), part.count,
          from: Port(peer: peer(parent), lane: source.lane(channel)))
      }
      return hand(part, step - 1)
    }

    /// Sends a result to the nodes below, which wait longest, and to the GPUs of the node.
    private func hand(_ part: Region, _ turn: Int) -> Operation? {
      let children = place.children
      if turn < children.count {
        return .send(
          caller.output(part), part.count,
          to: Port(peer: peer(children[turn]), lane: Role.down.lane(channel)))
      }
      let local = turn - children.count
      guard local < node.count - 1 else { return nil }
      var operation = Operation.send(
        caller.output(part), part.count,
        to: Port(
          peer: node[(me + 1 + local) % node.count], lane: Role.collect.lane(channel)))
      // The head writes once, the switch copies.
      if local > 0 { operation.via = .multicast }
      return operation
    }
  }
}
