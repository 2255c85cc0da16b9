/// All-reduce, all-gather or reduce-scatter around rings.
///
/// An all-reduce is a reduce-scatter and an all-gather, 2(R - 1) steps of 1/R of the data; the other
/// two are one half of it (``RingSteps``). Every lane is a channel with a ring and a part of the
/// data of its own, for all-gather and reduce-scatter a part of every rank's share. Rings visit the
/// nodes in order; inside a node every channel has its own order (``NodeOrder``). The steps are
/// NCCL's: send, receive-reduce-send, receive-reduce-copy-send, receive-copy-send, receive. A part
/// too long for a chunk per rank takes several loops, and a chunk may travel in slices, each a
/// message of its own. Serves any number of ranks. Slices and loops as in NCCL's kernels.
struct Ring: Schedule {
  static let name = "ring"
  let collective: Collective
  let layout: Layout
  let elements: Int
  let lanes: Int
  let order: NodeOrder
  /// The largest number of elements of a chunk.
  let chunkElements: Int
  /// The number of messages that a chunk travels in.
  let slices: Int
  let inPlace: Bool

  /// Creates the schedule for so many elements, dealt to so many channels.
  ///
  /// - Precondition: it is one of the three collectives, a chunk has an element, and at least one
  ///   slice.
  init(
    _ collective: Collective = .allReduce, layout: Layout, elements: Int, channels: Int = 1,
    order: NodeOrder = .ascending, chunkElements: Int = .max, slices: Int = 1, inPlace: Bool
  ) {
    precondition(chunkElements > 0 && slices > 0, "A chunk has an element and a slice.")
    precondition(Self.job(of: collective) != nil, "Rings reduce, scatter and gather.")
    self.collective = collective
    self.layout = layout
    self.elements = elements
    self.order = order
    self.chunkElements = chunkElements
    self.slices = slices
    lanes = channels
    self.inPlace = inPlace
  }

  private static func job(of collective: Collective) -> RingSteps.Job? {
    switch collective {
    case .allReduce: .allReduce
    case .allGather: .allGather
    case .reduceScatter: .reduceScatter
    case .broadcast, .reduce, .allToAll: nil
    }
  }

  var buffers: [Buffer] {
    Buffer.caller(collective, elements: elements, ranks: layout.ranks, inPlace: inPlace)
  }
  var kernels: [Kernel] { [Kernel("ring")] }

  /// Chunks of one length make every node's part the same; shares always are of one length.
  var symmetry: Symmetry { collective.hasParts || isEven ? .translation : .none }

  private var isEven: Bool {
    guard Region.isEven(elements, parts: lanes) else { return false }
    let channel = elements / lanes
    let most = chunkElements.multipliedReportingOverflow(by: layout.ranks)
    let loop = most.overflow ? channel : min(channel, most.partialValue)
    let last = loop > 0 ? channel % loop : 0
    return [loop, last].allSatisfy { length in
      Region.isEven(length, parts: layout.ranks)
        && Region.isEven(length / layout.ranks, parts: slices)
    }
  }

  func operationCount(lane: Int) -> Int? {
    guard layout.ranks > 1 else { return inPlace ? 0 : 1 }
    let steps = RingSteps(job: Self.job(of: collective) ?? .allReduce, members: layout.ranks)
    let (channel, loop) = channel(lane)
    let loops = loop > 0 ? max(1, (channel.count + loop - 1) / loop) : 1
    return loops * (steps.last - steps.first + 1) * slices
  }

  /// What a channel handles, of the buffer or of every rank's share, and how much of it in a loop.
  private func channel(_ lane: Int) -> (elements: Region, loop: Int) {
    let hasParts = collective.hasParts
    let whole = Region(offset: 0, count: hasParts ? elements / layout.ranks : elements)
    let channel = whole.aligned(lane, of: lanes)
    let most = (hasParts ? 1 : layout.ranks).multipliedReportingOverflow(by: chunkElements)
    return (channel, most.overflow ? channel.count : min(channel.count, most.partialValue))
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(self, RingPath(layout: layout, channel: lane, order: order), rank: rank)
  }

  /// The state of a channel on one rank: the loop, the step, and the slice to come.
  struct Cursor: OperationCursor {
    let steps: RingSteps
    let path: RingPath
    let parts: PartedBuffers
    /// What the channel handles: elements of the buffer, or of every rank's share.
    let channel: Region
    let slices: Int
    private let position: Int
    private let hasParts: Bool
    let previous: Port
    let following: Port
    /// The elements of the current loop, and its chunks.
    var loop: Region
    var chunks: Parts
    var step: Int
    /// The part handled at this step: one less with every step.
    var part: Int
    var slice = 0
    /// What is done at this step, and the step from which on it is something else.
    private var actions: Operation.Actions = []
    private var changesAt = 0

    init(_ ring: Ring, _ path: RingPath, rank: Int) {
      let ranks = ring.layout.ranks
      let hasParts = ring.collective.hasParts
      self.hasParts = hasParts
      steps = RingSteps(job: Ring.job(of: ring.collective) ?? .allReduce, members: ranks)
      self.path = path
      parts = PartedBuffers(
        ring.collective, elements: ring.elements, rank: rank, ranks: ranks, inPlace: ring.inPlace)
      let (channel, length) = ring.channel(path.channel)
      self.channel = channel
      slices = ring.slices
      position = path.position(of: rank)
      previous = Port(peer: path.rank(at: (position + ranks - 1) % ranks), lane: path.channel)
      following = Port(peer: path.rank(at: (position + 1) % ranks), lane: path.channel)
      loop = Region(offset: channel.offset, count: length)
      chunks = Parts(alignedIn: loop, count: hasParts ? 1 : ranks)
      step = steps.first
      part = steps.part(of: position, at: step)
    }

    @inline(__always)
    mutating func next() -> Operation? {
      if steps.members == 1 { return alone() }
      if step >= changesAt {
        guard step <= steps.last || startsNextLoop() else { return nil }
        changeActions()
      }
      let (source, destination, count) = places(part)
      slice &+= 1
      if slice == slices {
        slice = 0
        step &+= 1
        part = part > 0 ? part &- 1 : steps.members &- 1
      }
      return Operation(
        .transfer, actions: actions, from: previous, to: following, source: source,
        destination: destination, count: count)
    }

    /// Finds out what is done from this step on, and until when.
    @inline(never)
    private mutating func changeActions() {
      actions = steps.actions(at: step)
      // The sender of a gathered part keeps it too, where input and output differ.
      if step == steps.first && steps.job == .allGather && !parts.inPlace {
        actions.insert(.store)
      }
      changesAt = steps.change(after: step)
    }

    /// Where the slice of a chunk comes from and goes to, and its length.
    @inline(__always)
    private mutating func places(
      _ chunk: Int
    ) -> (source: Location, destination: Location, count: Int) {
      guard hasParts else {
        var part = chunks[chunk]
        if slices > 1 { part = part.aligned(slice, of: slices) }
        return (
          Location(buffer: 0, offset: part.offset),
          Location(buffer: parts.inPlace ? 0 : 1, offset: part.offset), part.count
        )
      }
      return placesInParts(chunk)
    }

    /// The same where every rank has a part of its own in the input or output.
    @inline(never)
    private mutating func placesInParts(
      _ chunk: Int
    ) -> (source: Location, destination: Location, count: Int) {
      let part = loop.aligned(slice, of: slices)
      let owner = path.rank(at: chunk)
      var source = parts.input(owner)
      var destination = parts.output(owner)
      source.offset += part.offset
      destination.offset += part.offset
      return (source, destination, part.count)
    }

    /// A lone rank has its result already, but maybe not in its place.
    private mutating func alone() -> Operation? {
      defer { slice = 1 }
      guard slice == 0 && !parts.inPlace else { return nil }
      let place = Location(buffer: 0, offset: channel.offset)
      return .copy(
        place, to: Location(buffer: 1, offset: channel.offset), channel.count)
    }

    /// Moves on to the elements after the current loop; false if there are none.
    private mutating func startsNextLoop() -> Bool {
      let start = loop.offset + loop.count
      let left = channel.offset + channel.count - start
      guard left > 0 else { return false }
      loop = Region(offset: start, count: min(left, loop.count))
      chunks = Parts(alignedIn: loop, count: hasParts ? 1 : steps.members)
      step = steps.first
      part = steps.part(of: position, at: step)
      changesAt = step
      return true
    }
  }
}
