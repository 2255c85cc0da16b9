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
    var lanes: Int {
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

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(self, rank: rank, lane: lane, call: call)
  }

  /// The state of a lane: the kernel it is in, and its place in that.
  struct Cursor: OperationCursor {
    private enum Stage: UInt8 {
      case scatter, bump, pack, exchange, unpack, ready, gather, done
    }

    // Every lane of a machine keeps one, so what follows from these is worked out anew.
    private let elements: Int
    private let caller: CallerBuffers
    /// Nobody has used the cells before the first call.
    private let isFirstCall: Bool
    private let isSwitched: Bool
    private var stage = Stage.scatter
    private var position: Int32 = 0
    /// The kernel between nodes; it knows the node, the position on it, and how many there are.
    private var exchange: FlaggedDoubling
    /// The ring in the node, if there is one.
    private var ring: RingInNode?

    private struct RingInNode {
      let channels: Int16
      let order: NodeOrder
      let chunk: Int
      var place: GroupRing.Place?
    }

    fileprivate init(_ schedule: NVRAR, rank: Int, lane: Int, call: Int) {
      let layout = schedule.layout
      elements = schedule.elements
      caller = schedule.caller
      isFirstCall = call == 0
      switch schedule.inNode {
      case .puts: isSwitched = false
      case .switchedPuts: isSwitched = true
      case .rings(let channels, let order, let chunk):
        isSwitched = false
        ring = RingInNode(channels: Int16(channels), order: order, chunk: chunk)
      }
      let shard = Region(offset: 0, count: elements)
        .part(layout.local(of: rank), of: layout.ranksPerNode)
      let scratch = caller.firstScratch
      exchange = FlaggedDoubling(
        ranks: RankGroup.across(of: rank, layout),
        rows: CellRows(
          rowLength: schedule.shardLength,
          group: DoublingGroup(members: layout.nodes, me: layout.node(of: rank)), sums: scratch + 1,
          arrivals: scratch + 2),
        run: lane < schedule.blocks
          ? Region(offset: 0, count: shard.count).part(lane, of: schedule.blocks)
          : Region(offset: 0, count: 0),
        chunk: schedule.chunkElements, lane: lane, tag: Tag.cells)
      startRing()
    }

    private var rows: CellRows { exchange.rows }
    private var lane: Int { Int(exchange.lane) }
    private var local: Int { exchange.ranks.base }
    private var node: RankGroup {
      let count = exchange.ranks.stride
      return RankGroup(base: rows.group.me * count, stride: 1, count: count)
    }
    private var shards: Parts {
      Parts(of: Region(offset: 0, count: elements), count: exchange.ranks.stride)
    }

    @inline(__always)
    mutating func next() -> Operation? {
      if stage == .exchange, let operation = exchange.next() { return operation }
      return nextOutside()
    }

    /// The next operation but for those of the exchange.
    @inline(never)
    private mutating func nextOutside() -> Operation? {
      while true {
        if let operation = operation() { return operation }
        position = 0
        switch stage {
        case .scatter:
          if rows.group.members > 1 { stage = .bump } else { startGather() }
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
      case .scatter, .gather: return operationInNode()
      case .bump, .pack, .unpack, .ready: return lane == 0 ? loneOperation() : nil
      case .exchange, .done: return nil
      }
    }

    /// The next operation of a kernel that lane 0 runs alone.
    private mutating func loneOperation() -> Operation? {
      let place = Int(position)
      position += 1
      switch stage {
      case .bump:
        guard !isFirstCall else { return nil }
        return partner(place).map { .wait(ready($0)) }
      case .pack:
        let shard = shards[local]
        guard place == 0 && shard.count > 0 else { return nil }
        return .copy(caller.output(shard), to: rows.sum(0, 0), shard.count)
      case .unpack:
        let shard = shards[local]
        guard place == 0 && shard.count > 0 else { return nil }
        let result = rows.result
        return .copy(
          Location(buffer: result.buffer, offset: result.row * rows.rowLength),
          to: caller.output(shard), shard.count)
      case .ready:
        return partner(place).map { .signal(ready($0)) }
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

    // MARK: In the node

    private mutating func startGather() {
      stage = .gather
      startRing()
    }

    /// The next operation of the reduce-scatter or all-gather in the node.
    private mutating func operationInNode() -> Operation? {
      if ring != nil { return nextOfRing() }
      guard lane == 0 else { return nil }
      let place = Int(position)
      position += 1
      let member = OneShotMember(
        group: node, me: local, parts: shards, caller: caller,
        tag: stage == .scatter ? Tag.scatter : Tag.gather, isSwitched: isSwitched)
      return stage == .scatter
        ? OneShotReduceScatter(member, scratch: caller.firstScratch, placeLength: rows.rowLength)
          .operation(at: place)
        : OneShotAllGather(member).operation(at: place)
    }

    /// Puts a lane before the ring of its stage, if it has a channel of it.
    private mutating func startRing() {
      guard var ring, lane < ring.channels else { return }
      ring.place = ringOfStage(ring).start(local, chunk: ring.chunk)
      self.ring = ring
    }

    private mutating func nextOfRing() -> Operation? {
      guard var ring, var place = ring.place else { return nil }
      let operation = ringOfStage(ring).next(&place)
      ring.place = place
      self.ring = ring
      return operation
    }

    private func ringOfStage(_ ring: RingInNode) -> GroupRing {
      let isScatter = stage == .scatter
      return GroupRing(
        isScatter ? .reduceScatter : .allGather, group: node,
        whole: Region(offset: 0, count: elements),
        source: isScatter ? caller.input : caller.output, destination: caller.output,
        tag: isScatter ? Tag.scatter : Tag.gather, channel: (lane, Int(ring.channels)),
        order: ring.order)
    }
  }
}
