import Weft

/// Asks for collectives' times and shows for how many, since nobody knows how many will be.
struct WatchedTimer<Base: CollectiveTimer>: CollectiveTimer {
  private var base: Base
  private let progress: Progress
  private var count = 0

  /// A timer that asks another one once for each collective.
  static func cached(_ base: Base, _ progress: Progress) -> CachingTimer<WatchedTimer> {
    CachingTimer(WatchedTimer(base: base, progress: progress))
  }

  private init(base: Base, progress: Progress) {
    self.base = base
    self.progress = progress
  }

  /// The same for a timer that simulates the collectives of a machine.
  static func cached(
    _ topology: Topology, _ profile: Profile, _ progress: Progress
  ) -> CachingTimer<WatchedTimer> where Base == SimulatedTimer {
    cached(SimulatedTimer(topology: topology, profile: profile), progress)
  }

  private mutating func begin(_ what: String, _ ranks: Int) {
    count += 1
    progress.update("predicting: simulating collective \(count), \(what) on \(ranks) ranks")
  }

  /// Simulates an all-reduce; see ``CollectiveTimer``.
  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    begin("an all-reduce", layout.ranks)
    return try base.allReduce(
      bytes: bytes, type: type, layout: layout, library: library, launch: launch)
  }

  /// Simulates an all-gather or all-to-all; see ``CollectiveTimer``.
  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    begin("an \(collective.rawValue)", layout.ranks)
    return try base.exchange(collective, bytes: bytes, layout: layout, launch: launch)
  }

  /// Simulates a send and its receive; see ``CollectiveTimer``.
  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    begin("a send", 2 * pairs)
    return try base.pointToPoint(
      bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch)
  }
}
