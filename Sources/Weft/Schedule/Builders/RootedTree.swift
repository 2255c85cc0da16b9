/// Broadcast from rank 0 or reduce to it over a binomial tree, whole messages.
///
/// ceil(log2 R) steps on the longest path. The largest subtree is served first, and summed up last.
/// Inner ranks of a reduce add up in scratch, as they have no output. Serves any number of ranks.
/// Source: Thakur, Rabenseifner and Gropp 2005, doi:10.1177/1094342005051521.
struct RootedTree: Schedule {
  static let name = "binomial-tree"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes = 1
  let caller: CallerBuffers

  /// Creates a broadcast or a reduce of so many elements.
  ///
  /// - Precondition: it is one of these two.
  init(_ collective: Collective, layout: Layout, elements: Int, inPlace: Bool) {
    precondition(collective == .broadcast || collective == .reduce, "A root at one end.")
    self.collective = collective
    self.layout = layout
    self.elements = elements
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] {
    var buffers = Buffer.caller(collective, elements: elements, inPlace: caller.inPlace)
    if collective == .reduce {
      buffers.append(Buffer("partial sums", .scratch, elements: elements))
    }
    return buffers
  }

  var kernels: [Kernel] { [Kernel("binomial-tree")] }
  var symmetry: Symmetry { .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      isBroadcast: collective == .broadcast, rank: rank, ranks: layout.ranks, caller: caller,
      count: elements)
  }

  /// The state of a rank: the child it deals with, as the bit that it adds to its own number.
  struct Cursor: OperationCursor {
    private enum Phase { case begin, children, end, done }

    let isBroadcast: Bool
    let rank: Int
    let ranks: Int
    let caller: CallerBuffers
    let whole: Region
    private var phase = Phase.begin
    private var bit: Int
    private var hasSum = false

    init(isBroadcast: Bool, rank: Int, ranks: Int, caller: CallerBuffers, count: Int) {
      self.isBroadcast = isBroadcast
      self.rank = rank
      self.ranks = ranks
      self.caller = caller
      whole = Region(offset: 0, count: count)
      bit = isBroadcast ? Self.span(of: rank, ranks) >> 1 : 1
    }

    /// The rank's lowest set bit; for rank 0 the first power of two that is no child of it.
    private static func span(of rank: Int, _ ranks: Int) -> Int {
      if rank > 0 { return rank & -rank }
      var span = 1
      while span < ranks { span <<= 1 }
      return span
    }

    private var parent: Port { Port(peer: rank & (rank - 1)) }

    mutating func next() -> Operation? {
      while true {
        switch phase {
        case .begin:
          phase = .children
          if let operation = begin { return operation }
        case .children:
          if let child = nextChild() { return serve(child) }
          phase = .end
        case .end:
          phase = .done
          if !isBroadcast, rank > 0 { return .send(data, whole.count, to: parent) }
        case .done:
          return nil
        }
      }
    }

    private var begin: Operation? {
      if isBroadcast, rank > 0 { return .receive(caller.output(whole), whole.count, from: parent) }
      // The root keeps its own data, unless it adds to it anyway.
      guard rank == 0, isBroadcast || ranks == 1, !caller.inPlace else { return nil }
      return .copy(caller.input(whole), to: caller.output(whole), whole.count)
    }

    private mutating func nextChild() -> Int? {
      while isBroadcast ? bit > 0 : bit < Self.span(of: rank, ranks) {
        defer { if isBroadcast { bit >>= 1 } else { bit <<= 1 } }
        if rank + bit < ranks { return rank + bit }
      }
      return nil
    }

    /// What a rank passes on: its input, or the sum so far.
    private var data: Location {
      if isBroadcast { return caller.output(whole) }
      return hasSum ? sum : caller.input(whole)
    }

    private var sum: Location {
      rank == 0 ? caller.output(whole) : Location(buffer: caller.firstScratch, offset: 0)
    }

    private mutating func serve(_ child: Int) -> Operation {
      if isBroadcast { return .send(data, whole.count, to: Port(peer: child)) }
      defer { hasSum = true }
      return .receiveReduce(adding: data, into: sum, whole.count, from: Port(peer: child))
    }
  }
}
