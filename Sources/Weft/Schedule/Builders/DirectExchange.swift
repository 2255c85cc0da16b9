/// All-gather, reduce-scatter or all-to-all by direct exchange: everyone sends everyone a part.
///
/// One step on the longest path, (R - 1)/R of the size sent and received by every rank: for
/// all-gather its own part R - 1 times, else the receiver's part. All sends go out first, to the
/// next rank first, so an all-to-all in place overwrites only what has left. Serves any number of
/// ranks.
struct DirectExchange: Schedule {
  static let name = "all-pairs"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes = 1
  let inPlace: Bool

  /// Creates the schedule for so many elements.
  ///
  /// - Precondition: the collective deals its data to the ranks.
  init(_ collective: Collective, layout: Layout, elements: Int, inPlace: Bool) {
    precondition(collective.hasParts, "Direct exchange moves parts.")
    self.collective = collective
    self.layout = layout
    self.elements = elements
    self.inPlace = inPlace
  }

  var buffers: [Buffer] {
    Buffer.caller(collective, elements: elements, ranks: layout.ranks, inPlace: inPlace)
  }
  var kernels: [Kernel] { [Kernel("all-pairs")] }
  var symmetry: Symmetry { .translation }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      parts: PartedBuffers(
        collective, elements: elements, rank: rank, ranks: layout.ranks, inPlace: inPlace))
  }

  /// The state of a rank: how many sends, then receives, are behind it.
  struct Cursor: OperationCursor {
    let parts: PartedBuffers
    var position = -1

    init(parts: PartedBuffers) { self.parts = parts }

    mutating func next() -> Operation? {
      let others = parts.ranks - 1
      if position < 0 {
        position = 0
        // A reduce-scatter adds its own part to the first that comes.
        let adds = parts.collective == .reduceScatter && others > 0
        if !adds, let operation = parts.keepOwn { return operation }
      }
      guard position < 2 * others else { return nil }
      defer { position += 1 }
      if position < others {
        let ahead = (parts.rank + position + 1) % parts.ranks
        let source = parts.input(parts.collective == .allGather ? parts.rank : ahead)
        return .send(source, parts.count, to: Port(peer: ahead))
      }
      let distance = position - others + 1
      let behind = (parts.rank + parts.ranks - distance) % parts.ranks
      guard parts.collective == .reduceScatter else {
        return .receive(parts.output(behind), parts.count, from: Port(peer: behind))
      }
      let sum = parts.output(parts.rank)
      return .receiveReduce(
        adding: distance == 1 ? parts.input(parts.rank) : sum, into: sum, parts.count,
        from: Port(peer: behind))
    }
  }
}
