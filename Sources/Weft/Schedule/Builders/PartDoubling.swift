/// All-gather by recursive doubling, or reduce-scatter by recursive halving: ceil(log2 R) steps,
/// (R - 1)/R of the size.
///
/// For a power of two ranks exchange with partner `rank ^ d`, in runs of parts that are contiguous.
/// For other counts it is Bruck's algorithm: in the step of distance d a rank that holds its own
/// part and the d - 1 after it sends them d ranks back. Parts keep their places, so a run that goes
/// round the end is two messages and nothing is rotated. The reduce-scatter is the all-gather with
/// every message turned round and stores turned into additions, largest distance first, in scratch.
/// Long runs may travel in several messages, which then take turns with those that come. Sources: Bruck et al. 1997, doi:10.1109/71.642949; Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521.
struct PartDoubling: Schedule {
  static let name = "recursive-doubling"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes = 1
  /// The largest number of elements of a message.
  let messageElements: Int
  let inPlace: Bool

  /// Creates an all-gather or a reduce-scatter of so many elements.
  ///
  /// - Precondition: it is one of these two, and a message has an element.
  init(
    _ collective: Collective, layout: Layout, elements: Int, messageElements: Int = .max,
    inPlace: Bool
  ) {
    precondition(
      collective == .allGather || collective == .reduceScatter,
      "Doubling gathers, halving scatters.")
    precondition(messageElements > 0, "A message has an element.")
    self.messageElements = messageElements
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
        collective, elements: elements, rank: rank, ranks: layout.ranks, inPlace: inPlace),
      most: messageElements)
  }

  /// The state of a rank: the step it is in, and the message within the step.
  struct Cursor: OperationCursor {
    let parts: PartedBuffers
    /// The largest number of elements of a message.
    let most: Int
    /// The number of steps.
    let steps: Int
    private var step = -1
    /// Messages out and messages in have numbers of their own and take turns.
    private var turn = 0

    init(parts: PartedBuffers, most: Int) {
      self.parts = parts
      self.most = most
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
        let (number, isIn) = turn.quotientAndRemainder(dividingBy: 2)
        let sends = isIn == 0
        let message = message(number, of: sends == gathers ? exchange.held : exchange.taken)
        if message == nil && sends
          && self.message(number, of: gathers ? exchange.taken : exchange.held) == nil
        {
          turn = 0
          step += 1
          continue
        }
        turn += 1
        guard let message else { continue }
        let peer = Port(peer: sends == gathers ? exchange.back : exchange.ahead)
        return gathers
          ? gather(message, sends: sends, peer)
          : scatter(message, sends: sends, isLast: step == steps - 1, isFirst: step == 0, peer)
      }
      return nil
    }

    /// A message of a run: the part it begins in, the elements before it there, and its length; nil
    /// if the run has no so many.
    private func message(
      _ number: Int, of run: PartExchange.Run
    ) -> (part: Int, skipped: Int, count: Int)? {
      var number = number
      for piece in [run.first, run.second] where piece.count > 0 {
        let length = piece.count * parts.count
        let count = max(1, length / most + (length % most > 0 ? 1 : 0))
        if number < count {
          let skipped = number * (count > 1 ? most : 0)
          return (piece.offset, skipped, min(most, length - skipped))
        }
        number -= count
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

    private func gather(
      _ message: (part: Int, skipped: Int, count: Int), sends: Bool, _ peer: Port
    ) -> Operation {
      var place = parts.output(message.part)
      place.offset += message.skipped
      return sends
        ? .send(place, message.count, to: peer) : .receive(place, message.count, from: peer)
    }

    private func scatter(
      _ message: (part: Int, skipped: Int, count: Int), sends: Bool, isLast: Bool, isFirst: Bool,
      _ peer: Port
    ) -> Operation {
      var own = isFirst && isPower ? parts.input(message.part) : sum(message.part)
      own.offset += message.skipped
      if sends { return .send(own, message.count, to: peer) }
      // After the last step the rank's own part alone is left, and complete.
      var result = isLast ? parts.output(parts.rank) : sum(message.part)
      result.offset += message.skipped
      return .receiveReduce(adding: own, into: result, message.count, from: peer)
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
