/// All-reduce by a binomial tree: reduce to rank 0, then broadcast, whole messages.
///
/// 2 ceil(log2 R) steps on the longest path. Serves any number of ranks. Source: Thakur,
/// Rabenseifner and Gropp 2005, doi:10.1177/1094342005051521.
struct BinomialTree: Schedule {
  static let name = "binomial-tree"
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
  var kernels: [Kernel] { [Kernel("binomial-tree")] }
  var symmetry: Symmetry { .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(rank: rank, ranks: layout.ranks, caller: caller, count: elements)
  }

  /// The state of a rank: the phase and the bit of the child it deals with.
  struct Cursor: OperationCursor {
    private enum Phase { case reduce, sendUp, receiveDown, broadcast, done }

    let rank: Int
    let ranks: Int
    let caller: CallerBuffers
    let whole: Region
    private var phase = Phase.reduce
    private var bit = 1
    private var hasResult = false

    init(rank: Int, ranks: Int, caller: CallerBuffers, count: Int) {
      self.rank = rank
      self.ranks = ranks
      self.caller = caller
      whole = Region(offset: 0, count: count)
    }

    /// The rank's lowest set bit; for rank 0 the first power of two that is no child of it.
    private var span: Int {
      if rank > 0 { return rank & -rank }
      var span = 1
      while span < ranks { span <<= 1 }
      return span
    }

    private var parent: Int { rank & (rank - 1) }

    mutating func next() -> Operation? {
      let data = hasResult ? caller.output(whole) : caller.input(whole)
      while true {
        switch phase {
        case .reduce:
          guard bit < span && rank + bit < ranks else {
            phase = rank > 0 ? .sendUp : .broadcast
            if ranks == 1 {
              phase = .done
              return caller.inPlace ? nil : .copy(data, to: caller.output(whole), whole.count)
            }
            continue
          }
          let child = rank + bit
          bit <<= 1
          hasResult = true
          return .receiveReduce(
            adding: data, into: caller.output(whole), whole.count, from: Port(peer: child))
        case .sendUp:
          phase = .receiveDown
          return .send(data, whole.count, to: Port(peer: parent))
        case .receiveDown:
          phase = .broadcast
          return .receive(caller.output(whole), whole.count, from: Port(peer: parent))
        case .broadcast:
          bit >>= 1
          guard bit > 0 else {
            phase = .done
            continue
          }
          return .send(caller.output(whole), whole.count, to: Port(peer: rank + bit))
        case .done:
          return nil
        }
      }
    }
  }
}
