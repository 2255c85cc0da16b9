/// NVRAR's all-reduce: reduce-scatter in the node, recursive doubling of the whole shard between
/// nodes in cells of data plus flag, all-gather in the node.
///
/// Six kernels, as the published code has them: the in-node reduce-scatter; `bump`, which waits
/// until every partner is done with the previous call; `pack` into cells; the exchange, one lane
/// per block, chunk by chunk; `unpack`, after which every partner is told so; the in-node
/// all-gather. On one node the four in the middle are left out. The published code needs powers of
/// two and drops remainders; this schedule folds further nodes in (``DoublingGroup``) and serves
/// any size. Source: Singhania et al. 2025, arXiv 2511.09557, and its code.
struct NVRAR: Schedule {
  static let name = "nvrar"
  let layout: Layout
  let elements: Int
  /// One lane per thread block of the exchange; the other kernels use lane 0.
  let lanes: Int
  /// The largest number of elements in one put; each exposes one latency.
  let chunkElements: Int
  let caller: CallerBuffers

  /// Creates the schedule for so many elements, exchanged by so many blocks.
  ///
  /// - Precondition: there is a block, and the chunk is not empty.
  init(
    layout: Layout, elements: Int, blocks: Int = 8, chunkElements: Int = 4096, inPlace: Bool
  ) {
    precondition(blocks > 0 && chunkElements > 0, "A chunk of at least one element, on a block.")
    self.layout = layout
    self.elements = elements
    self.chunkElements = chunkElements
    lanes = layout.nodes > 1 ? blocks : 1
    caller = CallerBuffers(inPlace: inPlace)
  }

  /// The longest shard of a rank.
  private var shardLength: Int {
    (elements + layout.ranksPerNode - 1) / layout.ranksPerNode
  }

  var buffers: [Buffer] {
    var buffers = Buffer.caller(elements: elements, inPlace: caller.inPlace)
    buffers.append(
      Buffer("shards", .scratch, elements: (layout.ranksPerNode - 1) * shardLength))
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

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(self, rank: rank, lane: lane, call: call)
  }

  /// The state of a lane: the kernel it is in and the cursor of that kernel's part.
  struct Cursor: OperationCursor {
    private enum Stage: UInt8 {
      case scatter, bump, pack, exchange, unpack, ready, gather, done
    }

    // Every lane of a machine keeps one, so what follows from the schedule is worked out anew.
    private let elements: Int
    private let node: RankGroup
    private let local: Int32
    private let call: Int32
    private var position: Int32 = 0
    private let lane: Int16
    private let caller: CallerBuffers
    private var stage = Stage.scatter
    private let spansNodes: Bool
    private var exchange: FlaggedDoubling

    init(_ schedule: NVRAR, rank: Int, lane: Int, call: Int) {
      let layout = schedule.layout
      self.lane = Int16(lane)
      self.call = Int32(call)
      local = Int32(layout.local(of: rank))
      elements = schedule.elements
      node = RankGroup.node(of: rank, layout)
      spansNodes = layout.nodes > 1
      caller = schedule.caller
      let shard = Region(offset: 0, count: elements).part(Int(local), of: node.count)
      let firstScratch: UInt8 = caller.inPlace ? 1 : 2
      exchange = FlaggedDoubling(
        ranks: RankGroup.across(of: rank, layout),
        rows: CellRows(
          group: DoublingGroup(members: layout.nodes, me: layout.node(of: rank)),
          rowLength: schedule.shardLength, sums: firstScratch + 1, arrivals: firstScratch + 2),
        run: Region(offset: 0, count: shard.count).part(lane, of: schedule.lanes),
        chunk: schedule.chunkElements, lane: lane, tag: Tag.cells)
    }

    private var whole: Region { Region(offset: 0, count: elements) }
    private var shard: Region { whole.part(Int(local), of: node.count) }
    private var rows: CellRows { exchange.rows }

    private var scatter: OneShotReduceScatter {
      OneShotReduceScatter(
        group: node, me: Int(local), whole: whole, caller: caller,
        scratch: caller.inPlace ? 1 : 2, placeLength: rows.rowLength, tag: Tag.scatter)
    }

    private var gather: OneShotAllGather {
      OneShotAllGather(
        group: node, me: Int(local), whole: whole, caller: caller, tag: Tag.gather)
    }

    mutating func next() -> Operation? {
      while true {
        if let operation = operation() { return operation }
        position = 0
        switch stage {
        case .scatter:
          stage = spansNodes ? .bump : .gather
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
          stage = .gather
          return .kernel(5)
        case .gather, .done:
          stage = .done
          return nil
        }
      }
    }

    /// The next operation of the current stage; nil when this lane has none left.
    private mutating func operation() -> Operation? {
      if stage == .exchange { return exchange.next() }
      guard lane == 0 else { return nil }
      defer { position += 1 }
      switch stage {
      case .scatter:
        return scatter.operation(at: Int(position))
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
      case .gather:
        return gather.operation(at: Int(position))
      case .exchange, .done:
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
