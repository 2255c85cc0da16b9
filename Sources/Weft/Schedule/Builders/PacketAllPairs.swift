/// All-reduce by direct exchange of packets of data and flag, in two steps of puts.
///
/// As MSCCL++ does it: the input is packed into cells, everyone puts everyone's part, adds up its
/// own, puts the sum to all, and unpacks what arrives. Flags come with the data, and all scratch
/// exists twice and takes turns from call to call, so there is neither a barrier nor a confirmation;
/// each cell is twice the size of its data. Serves any number of ranks, on any number of nodes.
struct PacketAllPairs: Schedule {
  static let name = "all-pairs-put"
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

  private var partLength: Int { (elements + layout.ranks - 1) / layout.ranks }

  var buffers: [Buffer] {
    let lengths: [(String, Int)] = [
      ("packed", elements), ("arrivals", (layout.ranks - 1) * partLength),
      ("sum", partLength), ("results", elements),
    ]
    return Buffer.caller(elements: elements, inPlace: caller.inPlace)
      + lengths.map { Buffer($0, .scratch, elements: 2 * $1, storage: .flaggedCells) }
  }

  var kernels: [Kernel] { [Kernel("all-pairs-put")] }
  var symmetry: Symmetry { elements % layout.ranks == 0 ? .translation : .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      rank: rank, ranks: layout.ranks, turn: call % 2, caller: caller,
      whole: Region(offset: 0, count: elements), partLength: partLength)
  }

  /// The state of a rank: the round it is in and the distance of the next peer.
  struct Cursor: OperationCursor {
    private enum Round { case pack, scatter, awaitPart, add, spread, keep, awaitSum, unpack }

    let rank: Int
    let ranks: Int
    let turn: Int
    let caller: CallerBuffers
    let whole: Region
    let partLength: Int
    private var round = Round.pack
    private var distance = 1

    init(
      rank: Int, ranks: Int, turn: Int, caller: CallerBuffers, whole: Region, partLength: Int
    ) {
      self.rank = rank
      self.ranks = ranks
      self.turn = turn
      self.caller = caller
      self.whole = whole
      self.partLength = partLength
    }

    mutating func next() -> Operation? {
      guard ranks > 1 else { return alone() }
      let ahead = (rank + distance) % ranks
      let behind = (rank + ranks - distance) % ranks
      switch round {
      case .pack:
        round = .scatter
        return .copy(caller.input(whole), to: packed(whole), whole.count)
      case .scatter:
        let part = whole.part(ahead, of: ranks)
        advance(to: .scatter, then: .awaitPart)
        return .put(
          packed(part), to: arrival((rank - ahead + 2 * ranks) % ranks), part.count,
          at: Port(peer: ahead, tag: 0))
      case .awaitPart:
        round = .add
        return .wait(Port(peer: behind, tag: 0))
      case .add:
        let partial = distance == 1 ? packed(mine) : sum
        let arrived = arrival((behind - rank + 2 * ranks) % ranks)
        advance(to: .awaitPart, then: .spread)
        return .add(arrived, partial, into: sum, mine.count)
      case .spread:
        advance(to: .spread, then: .keep)
        return .put(sum, to: result(mine), mine.count, at: Port(peer: ahead, tag: 1))
      case .keep:
        round = .awaitSum
        return .copy(sum, to: caller.output(mine), mine.count)
      case .awaitSum:
        guard distance < ranks else { return nil }
        round = .unpack
        return .wait(Port(peer: behind, tag: 1))
      case .unpack:
        let part = whole.part(behind, of: ranks)
        round = .awaitSum
        distance += 1
        return .copy(result(part), to: caller.output(part), part.count)
      }
    }

    /// Goes on to the next peer in `round`, or past the last to the first in `following`.
    private mutating func advance(to same: Round, then following: Round) {
      distance += 1
      round = distance < ranks ? same : following
      if distance == ranks { distance = 1 }
    }

    private mutating func alone() -> Operation? {
      guard round == .pack, !caller.inPlace else { return nil }
      round = .unpack
      return .copy(caller.input(whole), to: caller.output(whole), whole.count)
    }

    // MARK: - Places

    private var mine: Region { whole.part(rank, of: ranks) }

    private func packed(_ region: Region) -> Location { scratch(0, whole.count, region.offset) }

    /// Where a rank finds the part of the peer so far ahead of it, modulo the number of ranks.
    private func arrival(_ offset: Int) -> Location {
      scratch(1, (ranks - 1) * partLength, (offset - 1) * partLength)
    }

    private var sum: Location { scratch(2, partLength, 0) }

    private func result(_ region: Region) -> Location { scratch(3, whole.count, region.offset) }

    private func scratch(_ number: Int, _ length: Int, _ offset: Int) -> Location {
      Location(buffer: caller.firstScratch + UInt8(number), offset: turn * length + offset)
    }
  }
}
