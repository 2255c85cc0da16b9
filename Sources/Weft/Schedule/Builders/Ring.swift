/// All-reduce around rings: reduce-scatter, then all-gather, in 2(R - 1) steps of 1/R of the data.
///
/// Every lane is a channel with a ring and a part of the data of its own. Rings visit the nodes in
/// order; inside a node, channel c enters at GPU c mod G, so that channels spread over the NICs.
/// The steps are NCCL's: send, receive-reduce-send, receive-reduce-copy-send, receive-copy-send,
/// receive. A part too long for R chunks takes several loops, and a chunk may travel in slices, each
/// a message of its own. Serves any number of ranks. Source: Patarasuk and Yuan 2009,
/// doi:10.1016/j.jpdc.2008.09.002; slices and loops as in NCCL's all-reduce.
struct Ring: Schedule {
  static let name = "ring"
  let layout: Layout
  let elements: Int
  let lanes: Int
  /// The largest number of elements of a chunk.
  let chunkElements: Int
  /// The number of messages that a chunk travels in.
  let slices: Int
  let caller: CallerBuffers

  /// Creates the schedule for so many elements, dealt to so many channels.
  ///
  /// - Precondition: a chunk has an element, and at least one slice.
  init(
    layout: Layout, elements: Int, channels: Int = 1, chunkElements: Int = .max, slices: Int = 1,
    inPlace: Bool
  ) {
    precondition(chunkElements > 0 && slices > 0, "A chunk has an element and a slice.")
    self.layout = layout
    self.elements = elements
    self.chunkElements = chunkElements
    self.slices = slices
    lanes = channels
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] { Buffer.caller(elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel("ring")] }

  /// Chunks of one length make every node's part the same.
  var symmetry: Symmetry {
    elements % (lanes * layout.ranks * slices) == 0 ? .translation : .none
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    let perNode = layout.ranksPerNode
    let entry = lane % perNode
    let position =
      layout.node(of: rank) * perNode + (layout.local(of: rank) + perNode - entry) % perNode
    func member(at position: Int) -> Int {
      let (node, step) = position.quotientAndRemainder(dividingBy: perNode)
      return node * perNode + (step + entry) % perNode
    }
    let ranks = layout.ranks
    return Cursor(
      caller: caller, channel: Region(offset: 0, count: elements).part(lane, of: lanes),
      chunkElements: chunkElements, slices: slices, ranks: ranks, position: position,
      previous: Port(peer: member(at: (position + ranks - 1) % ranks), lane: lane),
      next: Port(peer: member(at: (position + 1) % ranks), lane: lane))
  }

  /// The state of a channel on one rank: the loop, the step from 0 to 2R - 2, and the slice to come.
  struct Cursor: OperationCursor {
    let caller: CallerBuffers
    let channel: Region
    let chunkElements: Int
    let slices: Int
    let ranks: Int
    let previous: Port
    let following: Port
    /// The chunk that a loop begins with: the one before this rank's own position.
    let firstChunk: Int
    /// The elements of the current loop.
    var loop: Region
    var step = 0
    var slice = 0
    var chunk: Int

    init(
      caller: CallerBuffers, channel: Region, chunkElements: Int, slices: Int, ranks: Int,
      position: Int, previous: Port, next: Port
    ) {
      self.caller = caller
      self.channel = channel
      self.chunkElements = chunkElements
      self.slices = slices
      self.ranks = ranks
      self.previous = previous
      following = next
      firstChunk = (position + ranks - 1) % ranks
      chunk = firstChunk
      let most = ranks.multipliedReportingOverflow(by: chunkElements)
      loop = Region(
        offset: channel.offset,
        count: most.overflow ? channel.count : min(channel.count, most.partialValue))
    }

    mutating func next() -> Operation? {
      if ranks == 1 {
        step += 1
        return step > 1 || caller.inPlace
          ? nil : .copy(caller.input(channel), to: caller.output(channel), channel.count)
      }
      guard step <= 2 * ranks - 2 || startsNextLoop() else { return nil }
      // Chunk numbers fall by one each step in both halves: a rank passes on what it just got.
      let part = loop.part(chunk, of: ranks).part(slice, of: slices)
      var actions: Operation.Actions = []
      if step > 0 { actions.insert(.receive) }
      if step > 0 && step < ranks { actions.insert(.reduce) }
      if step >= ranks - 1 { actions.insert(.store) }
      if step < 2 * ranks - 2 { actions.insert(.send) }
      slice += 1
      if slice == slices {
        slice = 0
        step += 1
        chunk = chunk == 0 ? ranks - 1 : chunk - 1
      }
      return Operation(
        .transfer, actions: actions, from: previous, to: following, source: caller.input(part),
        destination: caller.output(part), count: part.count)
    }

    /// Moves on to the elements after the current loop; false if there are none.
    private mutating func startsNextLoop() -> Bool {
      let start = loop.offset + loop.count
      let left = channel.offset + channel.count - start
      guard left > 0 else { return false }
      loop = Region(offset: start, count: min(left, loop.count))
      step = 0
      chunk = firstChunk
      return true
    }
  }
}
