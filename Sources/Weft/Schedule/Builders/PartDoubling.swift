/// All-gather by recursive doubling, or reduce-scatter by recursive halving: ceil(log2 R) steps,
/// (R - 1)/R of the size.
///
/// For a power of two ranks exchange with partner `rank ^ d`, in runs of parts that are contiguous.
/// For other counts it is Bruck's algorithm: in the step of distance d a rank that holds its own
/// part and the d - 1 after it sends them d ranks back. Parts keep their places, so a run that goes
/// round the end is two messages and nothing is rotated. The reduce-scatter is the all-gather with
/// every message turned round and stores turned into additions, largest distance first, in scratch.
/// Sources: Bruck et al. 1997, doi:10.1109/71.642949; Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521.
struct PartDoubling: Schedule {
  static let name = "recursive-doubling"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes = 1
  let inPlace: Bool

  /// Creates an all-gather or a reduce-scatter of so many elements.
  ///
  /// - Precondition: it is one of these two.
  init(_ collective: Collective, layout: Layout, elements: Int, inPlace: Bool) {
    precondition(
      collective == .allGather || collective == .reduceScatter,
      "Doubling gathers, halving scatters.")
    self.collective = collective
    self.layout = layout
    self.elements = elements
    self.inPlace = inPlace
  }

  var buffers: [Buffer] {
    var buffers = Buffer.caller(
      collective, elements: elements, ranks: layout.ranks, inPlace: inPlace)
    if collective == .reduceScatter {
      buffers.append(Buffer("partial sums", .scratch, elements: elements))
    }
    return buffers
  }

  var kernels: [Kernel] {
    [Kernel(collective == .allGather ? "recursive-doubling" : "recursive-halving")]
  }

  var symmetry: Symmetry { layout.ranks.nonzeroBitCount == 1 ? .xor : .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      parts: PartedBuffers(
        collective, elements: elements, rank: rank, ranks: layout.ranks, inPlace: inPlace))
  }

  /// The state of a rank: the step it is in, and the message within the step.
  struct Cursor: OperationCursor {
    let parts: PartedBuffers
    /// The number of steps.
    let steps: Int
    var step = -1
    var message = 0

    init(parts: PartedBuffers) {
      self.parts = parts
      steps = Int.bitWidth - (parts.ranks - 1).leadingZeroBitCount
    }

    private var gathers: Bool { parts.collective == .allGather }
    private var isPower: Bool { parts.ranks.nonzeroBitCount == 1 }

    mutating func next() -> Operation? {
      if step < 0 {
        step = 0
        if let operation = start { return operation }
      }
      while step < steps {
        // The gather doubles what a rank holds, the scatter halves it.
        let exchange = PartExchange(
          step: gathers ? step : steps - 1 - step, rank: parts.rank, ranks: parts.ranks)
        let sends = message < 2
        let runs = sends == gathers ? exchange.held : exchange.taken
        let run = message % 2 == 0 ? runs.first : runs.second
        let isFirst = step == 0
        let isLast = step == steps - 1
        message += 1
        if message == 4 {
          message = 0
          step += 1
        }
        guard run.count > 0 else { continue }
        let peer = Port(peer: sends == gathers ? exchange.back : exchange.ahead)
        return gathers
          ? gather(run, sends: sends, peer)
          : scatter(run, sends: sends, isFirst: isFirst, isLast: isLast, peer)
      }
      return nil
    }

    /// Brings what a rank has to where it works on it.
    private var start: Operation? {
      if gathers || parts.ranks == 1 { return parts.keepOwn }
      // Beyond a power of two the first step does not touch all sums that later ones send.
      return isPower
        ? nil
        : .copy(parts.input(0), to: sum(0), parts.count * parts.ranks)
    }

    private func gather(_ run: Region, sends: Bool, _ peer: Port) -> Operation {
      let place = parts.output(run.offset)
      let count = run.count * parts.count
      return sends ? .send(place, count, to: peer) : .receive(place, count, from: peer)
    }

    private func scatter(
      _ run: Region, sends: Bool, isFirst: Bool, isLast: Bool, _ peer: Port
    ) -> Operation {
      let own = isFirst && isPower ? parts.input(run.offset) : sum(run.offset)
      let count = run.count * parts.count
      if sends { return .send(own, count, to: peer) }
      // After the last step the rank's own part alone is left, and complete.
      return .receiveReduce(
        adding: own, into: isLast ? parts.output(parts.rank) : sum(run.offset), count, from: peer)
    }

    private func sum(_ part: Int) -> Location {
      Location(buffer: parts.inPlace ? 1 : 2, offset: part * parts.count)
    }
  }
}

/// A step of an all-gather by doubling, in part numbers: who sends which parts to whom.
struct PartExchange: Sendable {
  /// A run of parts, in two where it goes round the end.
  struct Run: Sendable {
    var first: Region
    var second: Region

    /// The parts from one on, modulo their number.
    init(from start: Int, count: Int, of ranks: Int) {
      let begin = start % ranks
      let before = min(count, ranks - begin)
      first = Region(offset: begin, count: before)
      second = Region(offset: 0, count: count - before)
    }
  }

  /// The rank that gets what this one holds.
  let back: Int
  /// The rank whose parts this one takes.
  let ahead: Int
  let held: Run
  let taken: Run

  init(step: Int, rank: Int, ranks: Int) {
    let distance = 1 << step
    if ranks.nonzeroBitCount == 1 {
      let partner = rank ^ distance
      back = partner
      ahead = partner
      held = Run(from: rank & -distance, count: distance, of: ranks)
      taken = Run(from: partner & -distance, count: distance, of: ranks)
    } else {
      let count = min(distance, ranks - distance)
      back = (rank + ranks - distance) % ranks
      ahead = (rank + distance) % ranks
      held = Run(from: rank, count: count, of: ranks)
      taken = Run(from: rank + distance, count: count, of: ranks)
    }
  }
}
