/// A ring within a group of ranks, as a part of a larger schedule; the steps are ``RingSteps``.
struct GroupRing: OperationCursor {
  let group: RankGroup
  let me: Int
  let whole: Region
  /// The buffer of the data to be reduced.
  let source: UInt8
  /// The buffer of the result.
  let destination: UInt8
  let steps: RingSteps
  let tag: Int
  private var step: Int

  init(
    _ job: RingSteps.Job, group: RankGroup, me: Int, whole: Region, source: UInt8,
    destination: UInt8, tag: Int = 0
  ) {
    self.group = group
    self.me = me
    self.whole = whole
    self.source = source
    self.destination = destination
    self.tag = tag
    steps = RingSteps(job: job, members: group.count)
    step = steps.first
  }

  mutating func next() -> Operation? {
    let members = group.count
    if members == 1 { return alone() }
    guard step <= steps.last else { return nil }
    defer { step += 1 }
    let part = whole.part(steps.part(of: me, at: step), of: members)
    let actions = steps.actions(at: step)
    return Operation(
      .transfer, actions: actions,
      from: actions.contains(.receive) ? port((me + members - 1) % members) : .none,
      to: actions.contains(.send) ? port((me + 1) % members) : .none,
      source: Location(
        buffer: steps.job == .allGather ? destination : source, offset: part.offset),
      destination: Location(buffer: destination, offset: part.offset), count: part.count)
  }

  private func port(_ member: Int) -> Port { Port(peer: group[member], tag: tag) }

  /// A group of one has its result already, but maybe not in its place.
  private mutating func alone() -> Operation? {
    defer { step = 1 }
    guard step == 0, steps.job != .allGather, source != destination else { return nil }
    return .copy(
      Location(buffer: source, offset: whole.offset),
      to: Location(buffer: destination, offset: whole.offset), whole.count)
  }
}
