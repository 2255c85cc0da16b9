/// The library that serves the all-reduces of decode steps.
public enum AllReduceLibrary: String, CaseIterable, Sendable {
  case nccl, nvrar
}

/// How the kernels of a step, collectives included, are started.
public enum StepLaunch: String, CaseIterable, Sendable {
  /// Inside a CUDA graph that one host call replays.
  case graph
  /// Each by its own host call.
  case eager
}

/// The time of one collective among back-to-back kernels, and what it is made of.
public struct CollectiveTime: Hashable, Sendable {
  /// The time from the end of the kernel before to the start of the kernel after.
  public var time: SimDuration
  /// Where ``time`` went; its parts sum to it.
  public var breakdown: TimeBreakdown
  /// What binds the collective.
  public var bottleneck: Bottleneck

  /// Creates a time with its parts.
  public init(time: SimDuration, breakdown: TimeBreakdown, bottleneck: Bottleneck) {
    self.time = time
    self.breakdown = breakdown
    self.bottleneck = bottleneck
  }
}

/// What a step of a language model needs to know about communication: a time per call.
///
/// Workloads ask the same questions many times; wrap a slow timer in a ``CachingTimer``.
public protocol CollectiveTimer {
  /// The time of an in-place all-reduce over consecutive ranks, start-up of its kernels included.
  ///
  /// - Parameters:
  ///   - bytes: The size of the buffer of each rank.
  ///   - type: The type of the elements that are added.
  ///   - layout: The ranks of the group on its nodes; at least two ranks.
  ///   - library: The library that runs it.
  ///   - launch: How its kernels are started.
  /// - Returns: The time in the middle of a run of such calls, not of a cold one.
  /// - Throws: ``WorkloadError`` where the library cannot serve the call, which leaves a sweep
  ///   with a reason in place of a time; any other error ends the sweep.
  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime

  /// The time of an all-gather or all-to-all over consecutive ranks, start-up of its kernels
  /// included.
  ///
  /// - Parameters:
  ///   - collective: All-gather or all-to-all.
  ///   - bytes: The size as nccl-tests counts it: all that a rank receives, or sends.
  ///   - layout: The ranks of the group on its nodes; at least two ranks.
  ///   - launch: How its kernels are started.
  /// - Returns: The time in the middle of a run of such calls, not of a cold one.
  /// - Throws: As ``allReduce(bytes:type:layout:library:launch:)`` does.
  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime

  /// The time of a send and the receive that meets it, from the start of the send to the data's
  /// being usable, start-up of its kernels included.
  ///
  /// - Parameters:
  ///   - bytes: The size of one message.
  ///   - crossesNodes: Whether the two ranks are on different nodes, neighbours in number.
  ///   - pairs: How many GPUs of the sender's node send such a message at the same time, each to a
  ///     peer of its own on the receiver's node.
  ///   - launch: How its kernels are started.
  /// - Returns: The time in the middle of a run of such calls, not of a cold one.
  /// - Throws: ``WorkloadError`` where the library cannot serve the call, which leaves a sweep
  ///   with a reason in place of a time; any other error ends the sweep.
  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime

  /// Says that these calls will be asked for, so that a timer with several cores can begin.
  ///
  /// Answers do not depend on it, and a call that fails does so when it is asked for.
  mutating func prepare(_ calls: [StepCall])
}

extension CollectiveTimer {
  /// Does nothing.
  public mutating func prepare(_ calls: [StepCall]) {}
}

/// A timer that asks another one each question only once.
public struct CachingTimer<Base: CollectiveTimer>: CollectiveTimer {
  /// The timer behind.
  private(set) var base: Base
  private var times: [StepCall: CollectiveTime] = [:]

  /// Creates a timer with an empty cache before `base`.
  public init(_ base: Base) {
    self.base = base
  }

  private mutating func answer(to call: StepCall) throws -> CollectiveTime {
    if let known = times[call] { return known }
    let time = try base.time(of: call)
    times[call] = time
    return time
  }

  /// The time of an all-reduce; see ``CollectiveTimer``.
  ///
  /// - Throws: What the timer behind throws; nothing is remembered then.
  public mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(
      to: .allReduce(bytes: bytes, type: type, layout: layout, library: library, launch: launch))
  }

  /// The time of an all-gather or all-to-all; see ``CollectiveTimer``.
  ///
  /// - Throws: What the timer behind throws; nothing is remembered then.
  public mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(to: .exchange(collective, bytes: bytes, layout: layout, launch: launch))
  }

  /// The time of a send and its receive; see ``CollectiveTimer``.
  ///
  /// - Throws: What the timer behind throws; nothing is remembered then.
  public mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    try answer(
      to: .pointToPoint(bytes: bytes, crossesNodes: crossesNodes, pairs: pairs, launch: launch))
  }

  /// Passes on what is not known yet.
  public mutating func prepare(_ calls: [StepCall]) {
    base.prepare(calls.filter { times[$0] == nil })
  }
}
