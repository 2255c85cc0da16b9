/// Ranks of the first half each send all their data to the rank of the same position in the second.
///
/// Not a collective of all ranks: the step between pipeline stages, timed as one.
struct PairedSend: Schedule {
  static let name = "send"
  let layout: Layout
  let elements: Int
  let lanes: Int

  var buffers: [Buffer] { Buffer.caller(elements: elements, inPlace: true) }
  var kernels: [Kernel] { [Kernel("send")] }
  var symmetry: Symmetry { .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    let half = layout.ranks / 2
    return Cursor(
      data: Region(offset: 0, count: elements).part(lane, of: lanes), sends: rank < half,
      peer: Port(peer: rank < half ? rank + half : rank - half, lane: lane))
  }

  /// The state of a rank: whether its one operation is done.
  struct Cursor: OperationCursor {
    let data: Region
    let sends: Bool
    let peer: Port
    var isDone = false

    mutating func next() -> Operation? {
      guard !isDone else { return nil }
      isDone = true
      let place = Location(buffer: 0, offset: data.offset)
      return sends
        ? .send(place, data.count, to: peer) : .receive(place, data.count, from: peer)
    }
  }
}
