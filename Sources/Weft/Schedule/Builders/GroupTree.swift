/// An all-reduce by a binomial tree within a group of ranks, as a schedule or a part of a larger one.
///
/// The group reduces to its first member, which then broadcasts; whole messages, 2 ceil(log2 N) steps
/// on the longest path of N members.
struct GroupTree: OperationCursor {
  private enum Phase { case reduce, sendUp, receiveDown, broadcast, done }

  private let group: RankGroup
  private let me: Int
  private let source: Location
  private let destination: Location
  private let count: Int
  private var phase = Phase.reduce
  private var bit = 1
  private var hasResult = false

  /// Creates the cursor of a member, for what `whole` says of `source` and `destination`.
  init(group: RankGroup, me: Int, whole: Region, source: UInt8, destination: UInt8) {
    self.group = group
    self.me = me
    self.source = Location(buffer: source, offset: whole.offset)
    self.destination = Location(buffer: destination, offset: whole.offset)
    count = whole.count
  }

  /// The member's lowest set bit; for member 0 the first power of two that is no child of it.
  private var span: Int {
    if me > 0 { return me & -me }
    var span = 1
    while span < group.count { span <<= 1 }
    return span
  }

  private func port(_ member: Int) -> Port { Port(peer: group[member]) }

  mutating func next() -> Operation? {
    let data = hasResult ? destination : source
    while true {
      switch phase {
      case .reduce:
        guard bit < span && me + bit < group.count else {
          phase = me > 0 ? .sendUp : .broadcast
          if group.count == 1 {
            phase = .done
            return source == destination ? nil : .copy(data, to: destination, count)
          }
          continue
        }
        let child = me + bit
        bit <<= 1
        hasResult = true
        return .receiveReduce(adding: data, into: destination, count, from: port(child))
      case .sendUp:
        phase = .receiveDown
        return .send(data, count, to: port(me & (me - 1)))
      case .receiveDown:
        phase = .broadcast
        return .receive(destination, count, from: port(me & (me - 1)))
      case .broadcast:
        bit >>= 1
        guard bit > 0 else {
          phase = .done
          continue
        }
        return .send(destination, count, to: port(me + bit))
      case .done:
        return nil
      }
    }
  }
}
