import Weft

/// Asks for collectives' times and shows for how many, since nobody knows how many will be.
struct WatchedTimer<Base: CollectiveTimer>: CollectiveTimer {
  private var base: Base
  private let progress: Progress
  private var count = 0

  private init(base: Base, progress: Progress) {
    self.base = base
    self.progress = progress
  }

  /// A timer that simulates the collectives of a machine, each once and on all cores.
  static func cached(
    _ topology: Topology, _ profile: Profile, _ progress: Progress
  ) -> CachingTimer<WatchedTimer> where Base == ParallelTimer {
    CachingTimer(
      WatchedTimer(base: ParallelTimer(topology: topology, profile: profile), progress: progress))
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

  /// Simulates calls that will be asked for.
  mutating func prepare(_ calls: [StepCall]) {
    if !calls.isEmpty {
      progress.update("predicting: simulating collectives \(count + 1) to \(count + calls.count)")
    }
    base.prepare(calls)
  }
}
