/// Broadcast from rank 0 or reduce to it along a chain of all ranks, pipelined in chunks.
///
/// What NCCL's ring does for these collectives: a broadcast runs 0, 1, … R - 1, a reduce 1, 2, …
/// R - 1, 0, so every rank but the ends receives, adds or stores, and sends in one pass. R - 1 steps
/// for the first chunk, one more for every further one. Serves any number of ranks.
struct RootedChain: Schedule {
  static let name = "ring"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes = 1
  /// The largest number of elements that travel as one message.
  let chunkElements: Int
  let caller: CallerBuffers

  /// The chunks a call is cut into unless said otherwise: the pipe is then almost always full.
  static let usualChunks = 32

  /// Creates a broadcast or a reduce of so many elements.
  ///
  /// - Precondition: it is one of these two, and the chunk is not empty.
  init(
    _ collective: Collective, layout: Layout, elements: Int, chunkElements: Int? = nil,
    inPlace: Bool
  ) {
    precondition(collective == .broadcast || collective == .reduce, "A root at one end.")
    let usual = (elements + Self.usualChunks - 1) / Self.usualChunks
    let chunk = chunkElements ?? max(1, usual)
    precondition(chunk > 0, "A chunk has at least one element.")
    self.collective = collective
    self.layout = layout
    self.elements = elements
    self.chunkElements = chunk
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] { Buffer.caller(collective, elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel("ring")] }
  var symmetry: Symmetry { .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(self, rank: rank)
  }

  /// The state of a rank: the chunk it is at.
  struct Cursor: OperationCursor {
    let caller: CallerBuffers
    let elements: Int
    let chunk: Int
    let isAlone: Bool
    let actions: Operation.Actions
    let previous: Port
    let following: Port
    var start = 0

    init(_ schedule: RootedChain, rank: Int) {
      let ranks = schedule.layout.ranks
      let isBroadcast = schedule.collective == .broadcast
      let first = isBroadcast || ranks == 1 ? 0 : 1
      let last = isBroadcast ? ranks - 1 : 0
      caller = schedule.caller
      elements = schedule.elements
      chunk = schedule.chunkElements
      isAlone = ranks == 1
      previous = Port(peer: (rank + ranks - 1) % ranks)
      following = Port(peer: (rank + 1) % ranks)
      var actions: Operation.Actions = []
      if rank != first { actions.insert(.receive) }
      if rank != last { actions.insert(.send) }
      if !isBroadcast, rank != first { actions.insert(.reduce) }
      // A broadcast's root keeps its data too, where input and output differ.
      let keeps = isBroadcast ? rank != first || !schedule.caller.inPlace : rank == last
      if keeps { actions.insert(.store) }
      self.actions = actions
    }

    mutating func next() -> Operation? {
      guard start < elements, !(isAlone && caller.inPlace) else { return nil }
      let part = Region(offset: start, count: min(chunk, elements - start))
      start += part.count
      return Operation(
        .transfer, actions: actions, from: actions.contains(.receive) ? previous : .none,
        to: actions.contains(.send) ? following : .none, source: caller.input(part),
        destination: caller.output(part), count: part.count)
    }
  }
}
