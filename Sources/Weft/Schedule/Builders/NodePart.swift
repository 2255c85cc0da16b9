/// A part within a node, by puts or by ring.
enum NodePart: OperationCursor {
  case putScatter(OneShotReduceScatter)
  case putGather(OneShotAllGather)
  case ring(GroupRing)

  mutating func next() -> Operation? {
    switch self {
    case .putScatter(var cursor):
      defer { self = .putScatter(cursor) }
      return cursor.next()
    case .putGather(var cursor):
      defer { self = .putGather(cursor) }
      return cursor.next()
    case .ring(var cursor):
      defer { self = .ring(cursor) }
      return cursor.next()
    }
  }
}
