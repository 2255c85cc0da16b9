/// A part within a node, by puts or by ring.
enum NodePart {
  case putScatter(OneShotReduceScatter)
  case putGather(OneShotAllGather)
  case ring(GroupRingCursor)

  /// The operation at a position, from 0; positions are asked for one after the other.
  mutating func next(at position: Int) -> Operation? {
    switch self {
    case .putScatter(let part): return part.operation(at: position)
    case .putGather(let part): return part.operation(at: position)
    case .ring(var cursor):
      defer { self = .ring(cursor) }
      return cursor.next()
    }
  }
}
