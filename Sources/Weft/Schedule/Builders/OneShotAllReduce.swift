/// All-reduce in one step over symmetric memory: everyone puts all its data into everyone's scratch,
/// and everyone adds up what it got.
///
/// One latency, R - 1 times the data sent by every rank: for small messages within a node. What is
/// put comes from a copy of the input, and copy and scratch exist twice and take turns from call to
/// call. So nothing has to be confirmed: who has a peer's data of this call knows that the peer is
/// done with the call before.
struct OneShotAllReduce: Schedule {
  static let name = "one-shot"
  let layout: Layout
  let elements: Int
  let lanes = 1
  let caller: CallerBuffers

  /// Creates the schedule for so many elements.
  init(layout: Layout, elements: Int, inPlace: Bool) {
    self.layout = layout
    self.elements = elements
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] {
    Buffer.caller(elements: elements, inPlace: caller.inPlace) + [
      Buffer("copies", .scratch, elements: layout.ranks > 1 ? 2 * elements : 0),
      Buffer("arrivals", .scratch, elements: 2 * (layout.ranks - 1) * elements),
    ]
  }

  var kernels: [Kernel] { [Kernel("one-shot")] }
  var symmetry: Symmetry { .translation }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      rank: rank, ranks: layout.ranks, turn: call % 2, caller: caller,
      whole: Region(offset: 0, count: elements))
  }

  /// The state of a rank: the number of operations behind it.
  struct Cursor: OperationCursor {
    let rank: Int
    let ranks: Int
    let turn: Int
    let caller: CallerBuffers
    let whole: Region
    private var position = 0

    init(rank: Int, ranks: Int, turn: Int, caller: CallerBuffers, whole: Region) {
      self.rank = rank
      self.ranks = ranks
      self.turn = turn
      self.caller = caller
      self.whole = whole
    }

    mutating func next() -> Operation? {
      let others = ranks - 1
      defer { position += 1 }
      if position == 0 {
        if others > 0 { return .copy(caller.input(whole), to: copy, whole.count) }
        return caller.inPlace
          ? nil : .copy(caller.input(whole), to: caller.output(whole), whole.count)
      }
      if position <= others {
        let peer = Port(peer: (rank + position) % ranks)
        return .put(copy, to: arrival(position), whole.count, at: peer)
      }
      let (index, isAdd) = (position - others - 1).quotientAndRemainder(dividingBy: 2)
      let distance = index + 1
      guard distance <= others else { return nil }
      if isAdd == 0 { return .wait(Port(peer: (rank + ranks - distance) % ranks)) }
      let partial = distance == 1 ? caller.input(whole) : caller.output(whole)
      return .add(arrival(distance), partial, into: caller.output(whole), whole.count)
    }

    private var copy: Location {
      Location(buffer: caller.firstScratch, offset: turn * whole.count)
    }

    /// Where the data of the rank so far behind lies.
    private func arrival(_ distance: Int) -> Location {
      Location(
        buffer: caller.output + 2,
        offset: (turn * (ranks - 1) + distance - 1) * whole.count)
    }
  }
}
