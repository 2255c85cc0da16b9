/// A ring within a group of ranks, as a part of a larger schedule.
///
/// Member i ends a reduce-scatter with part i and starts an all-gather with it. The steps are those
/// of ``Ring``.
struct GroupRing: OperationCursor {
  /// What the members do together.
  enum Job { case reduceScatter, allGather, allReduce }

  let group: RankGroup
  let me: Int
  let whole: Region
  /// The buffer of the data to be reduced.
  let source: UInt8
  /// The buffer of the result.
  let destination: UInt8
  let job: Job
  let tag: Int
  private var step: Int

  init(
    _ job: Job, group: RankGroup, me: Int, whole: Region, source: UInt8, destination: UInt8,
    tag: Int = 0
  ) {
    self.group = group
    self.me = me
    self.whole = whole
    self.source = source
    self.destination = destination
    self.job = job
    self.tag = tag
    step = job == .allGather ? group.count - 1 : 0
  }

  mutating func next() -> Operation? {
    let members = group.count
    if members == 1 { return alone() }
    let first = job == .allGather ? members - 1 : 0
    let last = job == .reduceScatter ? members - 1 : 2 * members - 2
    guard step <= last else { return nil }
    defer { step += 1 }
    // Part numbers fall by one each step: a member passes on what it just got.
    let part = whole.part((me + 2 * members - 1 - step) % members, of: members)
    var actions: Operation.Actions = []
    if step > first { actions.insert(.receive) }
    if step > first && step < members { actions.insert(.reduce) }
    if step > first && step >= members - 1 { actions.insert(.store) }
    if step < last { actions.insert(.send) }
    return Operation(
      .transfer, actions: actions,
      from: actions.contains(.receive) ? port((me + members - 1) % members) : .none,
      to: actions.contains(.send) ? port((me + 1) % members) : .none,
      source: Location(buffer: job == .allGather ? destination : source, offset: part.offset),
      destination: Location(buffer: destination, offset: part.offset), count: part.count)
  }

  private func port(_ member: Int) -> Port { Port(peer: group[member], tag: tag) }

  /// A group of one has its result already, but maybe not in its place.
  private mutating func alone() -> Operation? {
    defer { step = 1 }
    guard step == 0, job != .allGather, source != destination else { return nil }
    return .copy(
      Location(buffer: source, offset: whole.offset),
      to: Location(buffer: destination, offset: whole.offset), whole.count)
  }
}
