/// Broadcast from rank 0 or reduce to it along a chain of all ranks, pipelined in chunks.
///
/// What NCCL's rings do for these collectives: a broadcast follows the ring (``RingPath``) from the
/// root on, a reduce ends at the root, so every rank but the ends receives, adds or stores, and
/// sends in one pass. R - 1 steps for the first chunk, one more for every further one. Every lane
/// is a channel with a ring and a part of the data of its own. Serves any number of ranks.
struct RootedChain: Schedule {
  static let name = "ring"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes: Int
  let order: NodeOrder
  /// The largest number of elements that travel as one message.
  let chunkElements: Int
  let caller: CallerBuffers

  /// The chunks a call is cut into unless said otherwise: the pipe is then almost always full.
  static let usualChunks = 32

  /// Creates a broadcast or a reduce of so many elements, dealt to so many channels.
  ///
  /// - Precondition: it is one of these two, and the chunk is not empty.
  init(
    _ collective: Collective, layout: Layout, elements: Int, channels: Int = 1,
    order: NodeOrder = .ascending, chunkElements: Int? = nil, inPlace: Bool
  ) {
    precondition(collective == .broadcast || collective == .reduce, "A root at one end.")
    let usual = (elements + Self.usualChunks - 1) / Self.usualChunks
    let chunk = chunkElements ?? max(1, usual)
    precondition(chunk > 0, "A chunk has at least one element.")
    self.collective = collective
    self.layout = layout
    self.elements = elements
    lanes = channels
    self.order = order
    self.chunkElements = chunk
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] { Buffer.caller(collective, elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel("ring")] }
  var symmetry: Symmetry { .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(self, RingPath(layout: layout, channel: lane, order: order), rank: rank)
  }

  /// The state of a rank: the chunk it is at.
  struct Cursor: OperationCursor {
    let caller: CallerBuffers
    let channel: Region
    let chunk: Int
    let isAlone: Bool
    let actions: Operation.Actions
    let previous: Port
    let following: Port
    var start = 0

    init(_ schedule: RootedChain, _ path: RingPath, rank: Int) {
      let ranks = schedule.layout.ranks
      let isBroadcast = schedule.collective == .broadcast
      let position = path.position(of: rank)
      let root = path.position(of: 0)
      let first = isBroadcast || ranks == 1 ? root : (root + 1) % ranks
      let last = isBroadcast ? (root + ranks - 1) % ranks : root
      caller = schedule.caller
      channel = Region(offset: 0, count: schedule.elements)
        .aligned(path.channel, of: schedule.lanes)
      chunk = schedule.chunkElements
      isAlone = ranks == 1
      previous = Port(peer: path.rank(at: (position + ranks - 1) % ranks), lane: path.channel)
      following = Port(peer: path.rank(at: (position + 1) % ranks), lane: path.channel)
      var actions: Operation.Actions = []
      if position != first { actions.insert(.receive) }
      if position != last { actions.insert(.send) }
      if !isBroadcast, position != first { actions.insert(.reduce) }
      // A broadcast's root keeps its data too, where input and output differ.
      let keeps = isBroadcast ? position != first || !schedule.caller.inPlace : position == last
      if keeps { actions.insert(.store) }
      self.actions = actions
    }

    mutating func next() -> Operation? {
      guard start < channel.count, !(isAlone && caller.inPlace) else { return nil }
      let part = Region(offset: channel.offset + start, count: min(chunk, channel.count - start))
      start += part.count
      return Operation(
        .transfer, actions: actions, from: actions.contains(.receive) ? previous : .none,
        to: actions.contains(.send) ? following : .none, source: caller.input(part),
        destination: caller.output(part), count: part.count)
    }
  }
}
