/// A member of a group whose every member puts into the memory of all others in one step.
struct OneShotMember: Sendable {
  let group: RankGroup
  let me: Int
  /// What each member is responsible for.
  let parts: Parts
  let caller: CallerBuffers
  /// Tells this exchange apart from others between the same lanes.
  let tag: Int
  /// Whether a switch adds or copies what the members bring or get.
  let isSwitched: Bool

  /// The port of the member so many places ahead, from 1.
  func ahead(_ distance: Int) -> Port { Port(peer: group[position(ahead: distance)], tag: tag) }

  /// The port of the member so many places behind, from 1.
  func behind(_ distance: Int) -> Port { ahead(group.count - distance) }

  /// The part of the member so many places ahead, from 1.
  func part(ahead distance: Int) -> Region { parts[position(ahead: distance)] }

  @inline(__always)
  private func position(ahead distance: Int) -> Int {
    let position = me + distance
    return position < group.count ? position : position - group.count
  }
}

/// Reduce-scatter within a group in one step: everyone puts every other member's part into that
/// member's scratch, and each member adds up what it got.
///
/// What NVSHMEM's on-stream reduce-scatter does. Member i ends with part i, in the output. With a
/// switch that adds (`isSwitched`), its member loads one sum of its part from the switch: what the
/// others bring crosses their own links, and the put of the member before stands for the sum. The
/// puts and waits are also the barrier that keeps two calls apart, as long as a ``OneShotAllGather``
/// of the same group comes between.
struct OneShotReduceScatter: OperationCursor {
  private let member: OneShotMember
  /// Scratch for what the other members put: `group.count - 1` places of `placeLength` elements.
  private let scratch: UInt8
  private let placeLength: Int
  private var position = 0

  init(_ member: OneShotMember, scratch: UInt8, placeLength: Int) {
    self.member = member
    self.scratch = scratch
    self.placeLength = placeLength
  }

  mutating func next() -> Operation? {
    defer { position += 1 }
    return operation(at: position)
  }

  /// What comes at a position, from 0.
  @inline(__always)
  func operation(at position: Int) -> Operation? {
    let others = member.group.count - 1
    let caller = member.caller
    if position < others {
      let distance = position + 1
      let part = member.part(ahead: distance)
      // The peer finds my part at the place numbered by how far I am behind it.
      var put = Operation.put(
        caller.input(part), to: place(distance), part.count, at: member.ahead(distance))
      if member.isSwitched && distance > 1 { put.via = .reduction }
      return put
    }
    if position < 3 * others {
      let index = (position - others) >> 1
      if (position - others) & 1 == 0 { return .wait(member.behind(index + 1)) }
      let mine = member.parts[member.me]
      let partial = index == 0 ? caller.input(mine) : caller.output(mine)
      return .add(place(index + 1), partial, into: caller.output(mine), mine.count)
    }
    // A group of one has its part already, but maybe not in the output.
    guard position == 0 && !caller.inPlace else { return nil }
    let mine = member.parts[member.me]
    return .copy(caller.input(mine), to: caller.output(mine), mine.count)
  }

  private func place(_ distance: Int) -> Location {
    Location(buffer: scratch, offset: (distance - 1) * placeLength)
  }
}

/// All-gather within a group: everyone puts its part into everyone's output, and then hears from
/// everyone that it has arrived.
///
/// With a switch that copies (`isSwitched`), the part crosses its member's link once. The second
/// round is the barrier that ends NVSHMEM's collectives. Without it a rank may return
/// while its puts still read the part, which the caller may overwrite at once (in place), or the
/// sums of the next call (out of place, from four members on).
struct OneShotAllGather: OperationCursor {
  private let member: OneShotMember
  private var position = 0

  init(_ member: OneShotMember) { self.member = member }

  mutating func next() -> Operation? {
    defer { position += 1 }
    return operation(at: position)
  }

  /// What comes at a position, from 0.
  @inline(__always)
  func operation(at position: Int) -> Operation? {
    let others = member.group.count - 1
    if position < others {
      let mine = member.caller.output(member.parts[member.me])
      var put = Operation.put(
        mine, to: mine, member.parts[member.me].count, at: member.ahead(position + 1))
      if member.isSwitched && position > 0 { put.via = .multicast }
      return put
    }
    // Arrival and confirmation share a port, so a member's second flag means that it has my part.
    if position < 2 * others { return .wait(member.behind(position - others + 1)) }
    if position < 3 * others { return .signal(member.behind(position - 2 * others + 1)) }
    return position < 4 * others ? .wait(member.behind(position - 3 * others + 1)) : nil
  }
}
