/// A ring within a group of ranks, as a part of a larger schedule; the steps are ``RingSteps``.
///
/// A channel goes around the members in an order of its own and takes its share of every part, in
/// pieces that go around one after the other.
struct GroupRing: Sendable {
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

  /// How far a member is.
  struct Place: Sendable {
    /// Where it stands in the channel's order.
    fileprivate let position: Int32
    /// The pieces of a share, as many for every member.
    fileprivate let pieces: Int32
    fileprivate var piece: Int32 = 0
    fileprivate var step: Int32
  }

  private var steps: RingSteps { RingSteps(job: job, members: group.count) }
  private var path: RingPath {
    RingPath(
      layout: Layout(nodes: 1, ranksPerNode: group.count), channel: Int(channel), order: order)
  }

  /// Creates one channel of a ring.
  ///
  /// - Precondition: there is a channel.
  init(
    _ job: RingSteps.Job, group: RankGroup, whole: Region, source: UInt8, destination: UInt8,
    tag: Int = 0, channel: (index: Int, count: Int) = (0, 1), order: NodeOrder = .ascending
  ) {
    precondition(channel.count > 0, "A ring has a channel.")
    self.group = group
    self.whole = whole
    self.source = source
    self.destination = destination
    self.job = job
    self.order = order
    self.tag = Int16(tag)
    self.channel = Int16(channel.index)
    channels = Int16(channel.count)
  }

  /// Where the group's member `me` begins, with pieces of so many elements at most.
  ///
  /// - Precondition: a piece has an element.
  func start(_ me: Int, chunk: Int = .max) -> Place {
    precondition(chunk > 0, "A piece has an element at least.")
    // The first part and share are the longest, and every member counts as many pieces.
    let longest = share(0).count
    let pieces = max(1, longest / chunk + (longest % chunk > 0 ? 1 : 0))
    return Place(
      position: Int32(path.position(of: me)), pieces: Int32(clamping: pieces),
      step: Int32(steps.first))
  }

  func next(_ place: inout Place) -> Operation? {
    let members = group.count
    if members == 1 { return alone(&place) }
    let steps = steps
    if Int(place.step) > steps.last {
      place.piece += 1
      place.step = Int32(steps.first)
    }
    guard place.piece < place.pieces else { return nil }
    defer { place.step += 1 }
    let me = Int(place.position)
    let part = share(path.rank(at: steps.part(of: me, at: Int(place.step))))
      .part(Int(place.piece), of: Int(place.pieces))
    let actions = steps.actions(at: Int(place.step))
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
  private func alone(_ place: inout Place) -> Operation? {
    defer { place.piece = 1 }
    guard place.piece == 0, job != .allGather, source != destination else { return nil }
    let part = share(0)
    return .copy(
      Location(buffer: source, offset: part.offset),
      to: Location(buffer: destination, offset: part.offset), part.count)
  }
}

/// A ring with the place of a member in it.
struct GroupRingCursor: OperationCursor {
  private let ring: GroupRing
  private var place: GroupRing.Place

  init(_ ring: GroupRing, me: Int) {
    self.ring = ring
    place = ring.start(me)
  }

  mutating func next() -> Operation? { ring.next(&place) }
}
