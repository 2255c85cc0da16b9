/// A ring within a group of ranks, as a part of a larger schedule; the steps are ``RingSteps``.
///
/// A channel goes around the members in an order of its own and takes its share of every part, in
/// pieces that go around one after the other.
struct GroupRing: OperationCursor {
  // Small, as every lane of some schedules keeps one: what follows from these is worked out anew.
  private let group: RankGroup
  private let whole: Region
  /// The buffer of the data to be reduced.
  private let source: UInt8
  /// The buffer of the result.
  private let destination: UInt8
  private let job: RingSteps.Job
  private let order: NodeOrder
  private let tag: Int16
  /// The channel, which is its lane too, and how many there are.
  private let channel: Int16
  private let channels: Int16
  private let position: Int32
  private let pieces: Int32
  private var piece: Int32 = 0
  private var step: Int32

  private var steps: RingSteps { RingSteps(job: job, members: group.count) }
  private var path: RingPath {
    RingPath(
      layout: Layout(nodes: 1, ranksPerNode: group.count), channel: Int(channel), order: order)
  }

  /// Creates the cursor of the group's member `me` on a channel.
  ///
  /// - Precondition: there is a channel, and a piece has an element.
  init(
    _ job: RingSteps.Job, group: RankGroup, me: Int, whole: Region, source: UInt8,
    destination: UInt8, tag: Int = 0, channel: (index: Int, count: Int) = (0, 1),
    order: NodeOrder = .ascending, chunk: Int = .max
  ) {
    precondition(channel.count > 0 && chunk > 0, "A channel, and pieces of an element at least.")
    self.group = group
    self.whole = whole
    self.source = source
    self.destination = destination
    self.job = job
    self.order = order
    self.tag = Int16(tag)
    self.channel = Int16(channel.index)
    channels = Int16(channel.count)
    let path = RingPath(
      layout: Layout(nodes: 1, ranksPerNode: group.count), channel: channel.index, order: order)
    position = Int32(path.position(of: me))
    // The first part and share are the longest, and every member counts as many pieces.
    let longest = whole.part(0, of: group.count).part(0, of: channel.count).count
    pieces = Int32(clamping: max(1, longest / chunk + (longest % chunk > 0 ? 1 : 0)))
    step = Int32(RingSteps(job: job, members: group.count).first)
  }

  mutating func next() -> Operation? {
    let members = group.count
    if members == 1 { return alone() }
    let steps = steps
    if Int(step) > steps.last {
      piece += 1
      step = Int32(steps.first)
    }
    guard piece < pieces else { return nil }
    defer { step += 1 }
    let me = Int(position)
    let part = share(path.rank(at: steps.part(of: me, at: Int(step))))
      .part(Int(piece), of: Int(pieces))
    let actions = steps.actions(at: Int(step))
    return Operation(
      .transfer, actions: actions,
      from: actions.contains(.receive) ? port((me + members - 1) % members) : .none,
      to: actions.contains(.send) ? port((me + 1) % members) : .none,
      source: Location(buffer: job == .allGather ? destination : source, offset: part.offset),
      destination: Location(buffer: destination, offset: part.offset), count: part.count)
  }

  /// The channel's share of a member's part.
  private func share(_ member: Int) -> Region {
    whole.part(member, of: group.count).part(Int(channel), of: Int(channels))
  }

  private func port(_ position: Int) -> Port {
    Port(peer: group[path.rank(at: position)], lane: Int(channel), tag: Int(tag))
  }

  /// A group of one has its result already, but maybe not in its place.
  private mutating func alone() -> Operation? {
    defer { piece = 1 }
    guard piece == 0, job != .allGather, source != destination else { return nil }
    let part = share(0)
    return .copy(
      Location(buffer: source, offset: part.offset),
      to: Location(buffer: destination, offset: part.offset), part.count)
  }
}
