/// All-reduce by direct exchange: everyone sends everyone a part, adds, and sends its part to all.
///
/// Two steps on the longest path, (R - 1)/R of the data each. Serves any number of ranks.
struct AllPairs: Schedule {
  static let name = "all-pairs"
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

  var buffers: [Buffer] { Buffer.caller(elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel("all-pairs")] }
  var symmetry: Symmetry { elements % layout.ranks == 0 ? .translation : .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(rank: rank, ranks: layout.ranks, caller: caller, count: elements)
  }

  /// The state of a rank: the round it is in and the distance of the next peer.
  struct Cursor: OperationCursor {
    private enum Round: Int { case scatter, reduce, spread, gather }

    let rank: Int
    let ranks: Int
    let caller: CallerBuffers
    let whole: Region
    private var round = Round.scatter
    private var distance = 1

    init(rank: Int, ranks: Int, caller: CallerBuffers, count: Int) {
      self.rank = rank
      self.ranks = ranks
      self.caller = caller
      whole = Region(offset: 0, count: count)
    }

    mutating func next() -> Operation? {
      if ranks == 1 {
        defer { distance += 1 }
        return distance > 1 || caller.inPlace
          ? nil : .copy(caller.input(whole), to: caller.output(whole), whole.count)
      }
      if distance == ranks {
        guard let following = Round(rawValue: round.rawValue + 1) else { return nil }
        round = following
        distance = 1
      }
      let ahead = (rank + distance) % ranks
      let behind = (rank + ranks - distance) % ranks
      let mine = whole.part(rank, of: ranks)
      let isFirst = distance == 1
      distance += 1
      switch round {
      case .scatter:
        let part = whole.part(ahead, of: ranks)
        return .send(caller.input(part), part.count, to: Port(peer: ahead))
      case .reduce:
        return .receiveReduce(
          adding: isFirst ? caller.input(mine) : caller.output(mine), into: caller.output(mine),
          mine.count, from: Port(peer: behind))
      case .spread:
        return .send(caller.output(mine), mine.count, to: Port(peer: ahead))
      case .gather:
        let part = whole.part(behind, of: ranks)
        return .receive(caller.output(part), part.count, from: Port(peer: behind))
      }
    }
  }
}
