/// NVRAR's all-reduce: reduce-scatter in the node, recursive doubling of the whole shard between
/// nodes in cells of data plus flag, all-gather in the node.
///
/// Six kernels, as the published code has them: the in-node reduce-scatter; `bump`, which waits
/// until every partner is done with the previous call; `pack` into cells; the exchange, one lane
/// per block, chunk by chunk; `unpack`, after which every partner is told so; the in-node
/// all-gather. On one node the four in the middle are left out. What runs in the node depends on how
/// NVSHMEM is built (``InNode``). The published code needs powers of
/// two and drops remainders; this schedule folds further nodes in (``DoublingGroup``) and serves
/// any size. Source: Singhania et al. 2025, arXiv 2511.09557, and its code.
struct NVRAR: Schedule {
  static let name = "nvrar"

  /// How NVSHMEM reduces and gathers inside a node.
  enum InNode: Hashable, Sendable {
    /// One-shot puts into each other's memory.
    case puts
    /// The same through a switch that adds and copies.
    case switchedPuts
    /// NCCL's rings: their channels, how these visit the GPUs, and the longest piece in elements.
    case rings(channels: Int, order: NodeOrder, chunk: Int)

    /// The lanes that it takes.
    fileprivate var lanes: Int {
      if case .rings(let channels, _, _) = self { channels } else { 1 }
    }
  }

  let layout: Layout
  let elements: Int
  /// The thread blocks of the exchange, one lane each.
  let blocks: Int
  /// The largest number of elements in one put; each exposes one latency.
  let chunkElements: Int
  let inNode: InNode
  let caller: CallerBuffers

  /// Creates the schedule for so many elements, exchanged by so many blocks.
  ///
  /// - Precondition: there is a block, and the chunk is not empty.
  init(
    layout: Layout, elements: Int, blocks: Int = 8, chunkElements: Int = 4096,
    inNode: InNode = .puts, inPlace: Bool
  ) {
    precondition(blocks > 0 && chunkElements > 0, "A chunk of at least one element, on a block.")
    self.layout = layout
    self.elements = elements
    self.chunkElements = chunkElements
    self.blocks = layout.nodes > 1 ? blocks : 1
    self.inNode = inNode
    caller = CallerBuffers(inPlace: inPlace)
  }

  /// Lanes of the exchange and of rings in the node; the other kernels use lane 0.
  var lanes: Int { max(blocks, inNode.lanes) }

  /// The longest shard of a rank.
  private var shardLength: Int {
    (elements + layout.ranksPerNode - 1) / layout.ranksPerNode
  }

  var buffers: [Buffer] {
    var buffers = Buffer.caller(elements: elements, inPlace: caller.inPlace)
    // Rings add up what arrives as it comes.
    var places = layout.ranksPerNode - 1
    if case .rings = inNode { places = 0 }
    buffers.append(Buffer("shards", .scratch, elements: places * shardLength))
    if layout.nodes > 1 {
      buffers.append(
        Buffer(
          "sums", .scratch, elements: CellRows.sumRows(members: layout.nodes) * shardLength,
          storage: .flaggedCells))
      buffers.append(
        Buffer(
          "arrivals", .scratch,
          elements: CellRows.arrivalRows(members: layout.nodes) * shardLength,
          storage: .flaggedCells))
    }
    return buffers
  }

  var kernels: [Kernel] {
    let inNode = [Kernel("reduce-scatter"), Kernel("all-gather")]
    guard layout.nodes > 1 else { return inNode }
    return [
      inNode[0], Kernel("bump"), Kernel("pack", grid: .device),
      Kernel("exchange", hasOwnStream: true),
      Kernel("unpack", grid: .device), inNode[1],
    ]
  }

  var symmetry: Symmetry { layout.nodes.nonzeroBitCount == 1 ? .xor : .none }

  /// Tells apart what goes between the same two lanes.
  enum Tag {
    static let scatter = 0
    static let gather = 1
    static let cells = 2
    static let ready = 3
  }

  /// The first buffer that is not the caller's.
  private var firstScratch: UInt8 { caller.inPlace ? 1 : 2 }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(self, rank: rank, lane: lane, call: call)
  }

  /// The state of a lane: the kernel it is in and the cursor of that kernel's part.
  struct Cursor: OperationCursor {
    private enum Stage: UInt8 {
      case scatter, bump, pack, exchange, unpack, ready, gather, done
    }

    // Every lane of a machine keeps one, so what follows from the schedule is worked out anew.
    private let schedule: NVRAR
    private let rank: Int32
    private let call: Int32
    private let lane: Int16
    private var stage = Stage.scatter
    private var position: Int32 = 0
    private var exchange: FlaggedDoubling
    /// The kernel inside the node: the reduce-scatter, and from its stage on the all-gather.
    private var inNode: NodePart

    init(_ schedule: NVRAR, rank: Int, lane: Int, call: Int) {
      let layout = schedule.layout
      self.schedule = schedule
      self.rank = Int32(rank)
      self.call = Int32(call)
      self.lane = Int16(lane)
      let shard = Region(offset: 0, count: schedule.elements)
        .part(layout.local(of: rank), of: layout.ranksPerNode)
      let scratch = schedule.firstScratch
      inNode = schedule.nodeParts(rank: rank, lane: lane, scratch: scratch).scatter
      exchange = FlaggedDoubling(
        ranks: RankGroup.across(of: rank, layout),
        rows: CellRows(
          group: DoublingGroup(members: layout.nodes, me: layout.node(of: rank)),
          rowLength: schedule.shardLength, sums: scratch + 1, arrivals: scratch + 2),
        run: lane < schedule.blocks
          ? Region(offset: 0, count: shard.count).part(lane, of: schedule.blocks)
          : Region(offset: 0, count: 0),
        chunk: schedule.chunkElements, lane: lane, tag: Tag.cells)
    }

    private var spansNodes: Bool { schedule.layout.nodes > 1 }
    private var caller: CallerBuffers { schedule.caller }
    private var rows: CellRows { exchange.rows }
    private var shard: Region {
      Region(offset: 0, count: schedule.elements)
        .part(schedule.layout.local(of: Int(rank)), of: schedule.layout.ranksPerNode)
    }

    private mutating func startGather() {
      inNode =
        schedule.nodeParts(
          rank: Int(rank), lane: Int(lane), scratch: schedule.firstScratch
        ).gather
      stage = .gather
    }

    mutating func next() -> Operation? {
      while true {
        if let operation = operation() { return operation }
        position = 0
        switch stage {
        case .scatter:
          if spansNodes { stage = .bump } else { startGather() }
          return .kernel(1)
        case .bump:
          stage = .pack
          return .kernel(2)
        case .pack:
          stage = .exchange
          return .kernel(3)
        case .exchange:
          stage = .unpack
          return .kernel(4)
        case .unpack:
          stage = .ready
        case .ready:
          startGather()
          return .kernel(5)
        case .gather, .done:
          stage = .done
          return nil
        }
      }
    }

    /// The next operation of the current stage; nil when this lane has none left.
    private mutating func operation() -> Operation? {
      switch stage {
      case .scatter, .gather:
        guard lane < schedule.inNode.lanes else { return nil }
        defer { position += 1 }
        return inNode.next(at: Int(position))
      case .exchange: return exchange.next()
      case .bump, .pack, .unpack, .ready: return lane == 0 ? loneOperation() : nil
      case .done: return nil
      }
    }

    /// The next operation of a kernel that lane 0 runs alone.
    private mutating func loneOperation() -> Operation? {
      defer { position += 1 }
      switch stage {
      case .bump:
        // Nobody has used the cells before the first call.
        guard call > 0 else { return nil }
        return partner(Int(position)).map { .wait(ready($0)) }
      case .pack:
        guard position == 0 && shard.count > 0 else { return nil }
        return .copy(caller.output(shard), to: rows.sum(0, 0), shard.count)
      case .unpack:
        guard position == 0 && shard.count > 0 else { return nil }
        let result = rows.result
        return .copy(
          Location(buffer: result.buffer, offset: result.row * rows.rowLength),
          to: caller.output(shard), shard.count)
      case .ready:
        return partner(Int(position)).map { .signal(ready($0)) }
      case .scatter, .exchange, .gather, .done:
        return nil
      }
    }

    /// The members this node exchanges with: the folded one, then one per step.
    private func partner(_ index: Int) -> Int? {
      let group = rows.group
      var index = index
      if let folded = group.folded {
        if index == 0 { return folded }
        index -= 1
      }
      return !group.isExtra && index < group.steps ? group.partner(step: index) : nil
    }

    private func ready(_ member: Int) -> Port {
      Port(peer: exchange.ranks[member], tag: Tag.ready)
    }
  }
}

// MARK: - In the node

extension NVRAR {
  /// The phases of a rank in its node: before the exchange, and after it.
  fileprivate func nodeParts(
    rank: Int, lane: Int, scratch: UInt8
  ) -> (scatter: NodePart, gather: NodePart) {
    let node = RankGroup.node(of: rank, layout)
    let me = layout.local(of: rank)
    let whole = Region(offset: 0, count: elements)
    switch inNode {
    case .puts, .switchedPuts:
      let isSwitched = inNode == .switchedPuts
      return (
        .putScatter(
          OneShotReduceScatter(
            group: node, me: me, whole: whole, caller: caller, scratch: scratch,
            placeLength: shardLength, tag: Tag.scatter, isSwitched: isSwitched)),
        .putGather(
          OneShotAllGather(
            group: node, me: me, whole: whole, caller: caller, tag: Tag.gather,
            isSwitched: isSwitched))
      )
    case .rings(let channels, let order, let chunk):
      func ring(_ job: RingSteps.Job, _ source: UInt8, _ tag: Int) -> NodePart {
        .ring(
          GroupRing(
            job, group: node, me: me, whole: whole, source: source, destination: caller.output,
            tag: tag, channel: (lane, channels), order: order, chunk: chunk))
      }
      return (
        ring(.reduceScatter, caller.input, Tag.scatter),
        ring(.allGather, caller.output, Tag.gather)
      )
    }
  }
}
