/// Reduce-scatter within a group in one step: everyone puts every other member's part into that
/// member's scratch, and each member adds up what it got.
///
/// What NVSHMEM's on-stream reduce-scatter does. Member i ends with part i, in the output. With a
/// switch that adds (`isSwitched`), its member loads one sum of its part from the switch: what the
/// others bring crosses their own links, and the put of the member before stands for the sum. The puts and waits are also the barrier that keeps two calls apart, as long as a
/// ``OneShotAllGather`` of the same group comes between.
struct OneShotReduceScatter: OperationCursor {
  // Small, as every lane of some schedules keeps one.
  private let group: RankGroup
  private let own: Int32
  private let whole: Region
  private let placeLength: Int
  /// Scratch for what the other members put: `group.count - 1` places of `placeLength` elements.
  private let scratch: UInt8
  private let caller: CallerBuffers
  private let isSwitched: Bool
  private let mark: Int16
  private var position: Int32 = 0

  private var me: Int { Int(own) }
  private var tag: Int { Int(mark) }

  init(
    group: RankGroup, me: Int, whole: Region, caller: CallerBuffers, scratch: UInt8,
    placeLength: Int, tag: Int, isSwitched: Bool = false
  ) {
    self.group = group
    own = Int32(me)
    self.whole = whole
    self.caller = caller
    self.scratch = scratch
    self.placeLength = placeLength
    mark = Int16(tag)
    self.isSwitched = isSwitched
  }

  mutating func next() -> Operation? {
    defer { position += 1 }
    return operation(at: Int(position))
  }

  /// What comes at a position, from 0.
  func operation(at position: Int) -> Operation? {
    let others = group.count - 1
    let parts = Parts(of: whole, count: group.count)
    let mine = parts[me]
    if position < others {
      let distance = position + 1
      let peer = (me + distance) % group.count
      let part = parts[peer]
      // The peer finds my part at the place numbered by how far I am behind it.
      var put = Operation.put(
        caller.input(part), to: place(distance), part.count,
        at: Port(peer: group[peer], tag: tag))
      if isSwitched && distance > 1 { put.via = .reduction }
      return put
    }
    if position < 3 * others {
      let (index, isAdd) = (position - others).quotientAndRemainder(dividingBy: 2)
      let distance = index + 1
      if isAdd == 0 {
        return .wait(Port(peer: group[(me + group.count - distance) % group.count], tag: tag))
      }
      let partial = index == 0 ? caller.input(mine) : caller.output(mine)
      return .add(place(distance), partial, into: caller.output(mine), mine.count)
    }
    // A group of one has its part already, but maybe not in the output.
    guard position == 0 && !caller.inPlace else { return nil }
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
  private let group: RankGroup
  private let own: Int32
  private let whole: Region
  private let caller: CallerBuffers
  private let isSwitched: Bool
  private let mark: Int16
  private var position: Int32 = 0

  private var me: Int { Int(own) }
  private var tag: Int { Int(mark) }

  init(
    group: RankGroup, me: Int, whole: Region, caller: CallerBuffers, tag: Int,
    isSwitched: Bool = false
  ) {
    self.group = group
    own = Int32(me)
    self.whole = whole
    self.caller = caller
    mark = Int16(tag)
    self.isSwitched = isSwitched
  }

  mutating func next() -> Operation? {
    defer { position += 1 }
    return operation(at: Int(position))
  }

  /// What comes at a position, from 0.
  func operation(at position: Int) -> Operation? {
    let others = group.count - 1
    if position < others {
      let mine = whole.part(me, of: group.count)
      let peer = group[(me + position + 1) % group.count]
      var put = Operation.put(
        caller.output(mine), to: caller.output(mine), mine.count, at: Port(peer: peer, tag: tag))
      if isSwitched && position > 0 { put.via = .multicast }
      return put
    }
    guard position < 4 * others else { return nil }
    let (round, index) = (position - others).quotientAndRemainder(dividingBy: others)
    // Arrival and confirmation share a port, so a member's second flag means that it has my part.
    let behind = Port(
      peer: group[(me + group.count - index - 1) % group.count], tag: tag)
    return round == 1 ? .signal(behind) : .wait(behind)
  }
}
