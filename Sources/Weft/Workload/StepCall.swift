/// A question to a ``CollectiveTimer`` as a value.
public enum StepCall: Hashable, Sendable {
  /// See ``CollectiveTimer/allReduce(bytes:type:layout:library:launch:)``.
  case allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch)
  /// See ``CollectiveTimer/exchange(_:bytes:layout:launch:)``.
  case exchange(Collective, bytes: Int, layout: Layout, launch: StepLaunch)
  /// See ``CollectiveTimer/pointToPoint(bytes:crossesNodes:pairs:launch:)``.
  case pointToPoint(bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch)

  /// The bytes that all ranks together send, roughly: a longer simulation has more of them.
  public var weight: Int {
    switch self {
    case .allReduce(let bytes, _, let layout, _, _), .exchange(_, let bytes, let layout, _):
      bytes * layout.ranks
    case .pointToPoint(let bytes, _, let pairs, _): bytes * pairs
    }
  }
}

extension CollectiveTimer {
  /// The time of a call.
  ///
  /// - Throws: As the method of the call does.
  public mutating func time(of call: StepCall) throws -> CollectiveTime {
    switch call {
    case .allReduce(let bytes, let type, let layout, let library, let launch):
      try allReduce(bytes: bytes, type: type, layout: layout, library: library, launch: launch)
    case .exchange(let collective, let bytes, let layout, let launch):
      try exchange(collective, bytes: bytes, layout: layout, launch: launch)
    case .pointToPoint(let bytes, let crossesNodes, let pairs, let launch):
      try pointToPoint(bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch)
    }
  }
}

/// A timer that keeps what it is asked, each call once, and takes no time.
struct CallList: CollectiveTimer {
  /// The calls in the order of the first questions.
  private(set) var calls: [StepCall] = []
  private var seen: Set<StepCall> = []

  private mutating func add(_ call: StepCall) -> CollectiveTime {
    if seen.insert(call).inserted { calls.append(call) }
    return CollectiveTime(time: .zero, breakdown: TimeBreakdown(), bottleneck: .latency)
  }

  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) -> CollectiveTime {
    add(.allReduce(bytes: bytes, type: type, layout: layout, library: library, launch: launch))
  }

  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) -> CollectiveTime {
    add(.exchange(collective, bytes: bytes, layout: layout, launch: launch))
  }

  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) -> CollectiveTime {
    add(.pointToPoint(bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch))
  }
}
