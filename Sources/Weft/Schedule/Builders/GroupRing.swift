/// A ring within a group of ranks, as a part of a larger schedule; the steps are ``RingSteps``.
///
/// A channel goes around the members in an order of its own and takes its share of every part, in
/// pieces that go around one after the other.
struct GroupRing: OperationCursor {
  let group: RankGroup
  let whole: Region
  /// The buffer of the data to be reduced.
  let source: UInt8
  /// The buffer of the result.
  let destination: UInt8
  let steps: RingSteps
  let tag: Int
  /// The channel, which is its lane too, and how many there are.
  let channel: (index: Int, count: Int)
  private let path: RingPath
  private let position: Int
  private let pieces: Int
  private var piece = 0
  private var step: Int

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
    self.tag = tag
    self.channel = channel
    steps = RingSteps(job: job, members: group.count)
    path = RingPath(
      layout: Layout(nodes: 1, ranksPerNode: group.count), channel: channel.index, order: order)
    position = path.position(of: me)
    // The first part and share are the longest, and every member counts as many pieces.
    let longest = whole.part(0, of: group.count).part(0, of: channel.count).count
    pieces = max(1, longest / chunk + (longest % chunk > 0 ? 1 : 0))
    step = steps.first
  }

  mutating func next() -> Operation? {
    let members = group.count
    if members == 1 { return alone() }
    if step > steps.last {
      piece += 1
      step = steps.first
    }
    guard piece < pieces else { return nil }
    defer { step += 1 }
    let part = share(path.rank(at: steps.part(of: position, at: step))).part(piece, of: pieces)
    let actions = steps.actions(at: step)
    return Operation(
      .transfer, actions: actions,
      from: actions.contains(.receive) ? port((position + members - 1) % members) : .none,
      to: actions.contains(.send) ? port((position + 1) % members) : .none,
      source: Location(
        buffer: steps.job == .allGather ? destination : source, offset: part.offset),
      destination: Location(buffer: destination, offset: part.offset), count: part.count)
  }

  /// The channel's share of a member's part.
  private func share(_ member: Int) -> Region {
    whole.part(member, of: group.count).part(channel.index, of: channel.count)
  }

  private func port(_ position: Int) -> Port {
    Port(peer: group[path.rank(at: position)], lane: channel.index, tag: tag)
  }

  /// A group of one has its result already, but maybe not in its place.
  private mutating func alone() -> Operation? {
    defer { piece = 1 }
    guard piece == 0, steps.job != .allGather, source != destination else { return nil }
    let part = share(0)
    return .copy(
      Location(buffer: source, offset: part.offset),
      to: Location(buffer: destination, offset: part.offset), part.count)
  }
}
