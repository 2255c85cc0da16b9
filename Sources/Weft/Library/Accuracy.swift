// Without it an executable that has no Foundation does not link rounded().
import Glibc

/// How far predicted times of collectives are from measured ones.
///
/// The error of a prediction is `predicted / measured - 1`. What was measured more than once (a
/// repeat, or in place and out of place) counts once, with its best time: noise on a machine only
/// ever adds, and a first call is often cold.
public enum Accuracy {
  /// What errors are pooled over.
  public struct Group: Hashable, Sendable {
    /// The system that was measured; nil if unknown.
    public var system: String?
    /// The library that ran.
    public var library: String
    /// The library's version; nil if unknown.
    public var version: String?
    /// The collective.
    public var collective: String
    /// The number of nodes.
    public var nodes: Int
    /// The number of ranks.
    public var ranks: Int
    /// How kernels were started.
    public var launch: StepLaunch

    /// Creates a group.
    public init(
      system: String?, library: String, version: String?, collective: String, nodes: Int,
      ranks: Int, launch: StepLaunch
    ) {
      self.system = system
      self.library = library
      self.version = version
      self.collective = collective
      self.nodes = nodes
      self.ranks = ranks
      self.launch = launch
    }
  }

  /// A range of sizes.
  public enum Window: String, CaseIterable, Sendable {
    /// All sizes.
    case all
    /// Below 64 KiB.
    case small
    /// From 64 KiB to 2 MiB, both included: what decode steps of language models send.
    case decode
    /// Above 2 MiB.
    case large

    /// Whether a size in bytes is in the range.
    public func contains(_ bytes: Int) -> Bool {
      switch self {
      case .all: true
      case .small: bytes < 64 << 10
      case .decode: bytes >= 64 << 10 && bytes <= 2 << 20
      case .large: bytes > 2 << 20
      }
    }
  }

  /// One call with all times that were measured of it, and the predicted one.
  public struct Call: Hashable, Sendable {
    /// What the call belongs to.
    public var group: Group
    /// The size as nccl-tests counts it.
    public var bytes: Int
    /// The measured times in microseconds; at least one, all above zero.
    public var measured: [Double]
    /// The predicted time in microseconds.
    public var predicted: Double
    /// The 95 % interval of the prediction in microseconds; nil if none is known.
    public var interval: ClosedRange<Double>?

    /// Creates a call.
    public init(
      group: Group, bytes: Int, measured: [Double], predicted: Double,
      interval: ClosedRange<Double>? = nil
    ) {
      precondition(!measured.isEmpty && measured.allSatisfy { $0 > 0 }, "Times are above zero.")
      self.group = group
      self.bytes = bytes
      self.measured = measured
      self.predicted = predicted
      self.interval = interval
    }

    /// The best measured time, which the prediction is held against.
    public var best: Double { measured.reduce(.infinity, min) }

    /// The error of the prediction: 0.1 is ten percent too slow.
    public var error: Double { predicted / best - 1 }

    /// How much longer than the best every other measured time is: 0.1 is ten percent.
    var excesses: [Double] { measured.sorted().dropFirst().map { $0 / best - 1 } }
  }

  /// Figures of the errors of calls, in percent.
  public struct Summary: Hashable, Sendable {
    /// The number of calls.
    public var calls: Int
    /// The median of the errors without their signs.
    public var medianAbsolutePercent: Double
    /// Their 95th percentile.
    public var p95AbsolutePercent: Double
    /// The median of the errors with their signs: below zero where predictions are too fast.
    public var biasPercent: Double
    /// The share of calls whose measured time is inside its interval; nil if none has one.
    public var coveragePercent: Double?
    /// What measuring again changes; nil if nothing was measured twice.
    public var noise: Noise?
  }

  /// How far measurements of one call are from each other, in percent.
  ///
  /// No model can be expected to come closer to measurements than they come to each other.
  public struct Noise: Hashable, Sendable {
    /// The number of times beside the best of a call.
    public var repeats: Int
    /// The median of how much longer than the best they are.
    public var medianPercent: Double
    /// The 95th percentile.
    public var p95Percent: Double
  }

  /// The figures of some calls; nil if there are none.
  public static func summary(of calls: [Call]) -> Summary? {
    let errors = calls.map { 100 * $0.error }
    let sizes = errors.map(abs).sorted()
    guard let median = quantile(sizes, 0.5), let p95 = quantile(sizes, 0.95),
      let bias = quantile(errors.sorted(), 0.5)
    else { return nil }
    let excesses = calls.flatMap(\.excesses).map { 100 * $0 }.sorted()
    var noise: Noise?
    if let median = quantile(excesses, 0.5), let p95 = quantile(excesses, 0.95) {
      noise = Noise(repeats: excesses.count, medianPercent: median, p95Percent: p95)
    }
    let covered = calls.compactMap { call in call.interval.map { $0.contains(call.best) } }
    let share = 100 * Double(covered.count { $0 }) / Double(max(1, covered.count))
    return Summary(
      calls: calls.count, medianAbsolutePercent: median, p95AbsolutePercent: p95,
      biasPercent: bias, coveragePercent: covered.isEmpty ? nil : share, noise: noise)
  }

  /// The median and the 95th percentile of errors without their signs, in percent; nil if there are
  /// none.
  public static func figures(_ errors: [Double]) -> (median: Double, p95: Double)? {
    let sizes = errors.map { 100 * abs($0) }.sorted()
    guard let median = quantile(sizes, 0.5), let p95 = quantile(sizes, 0.95) else { return nil }
    return (median, p95)
  }

  /// The figures of every group and window that has calls, in the order of groups.
  public static func table(
    of calls: [Call]
  ) -> [(group: Group, window: Window, summary: Summary)] {
    var order: [Group] = []
    var byGroup: [Group: [Call]] = [:]
    for call in calls {
      if byGroup[call.group] == nil { order.append(call.group) }
      byGroup[call.group, default: []].append(call)
    }
    return order.sorted { $0.precedes($1) }.flatMap { group in
      windows(of: byGroup[group] ?? []).map { (group, $0.window, $0.summary) }
    }
  }

  /// The figures of some calls in every window that has any.
  public static func windows(of calls: [Call]) -> [(window: Window, summary: Summary)] {
    Window.allCases.compactMap { window in
      summary(of: calls.filter { window.contains($0.bytes) }).map { (window, $0) }
    }
  }

  /// A quantile of sorted values, between two of them by straight line; nil if there are none.
  ///
  /// Of n values, value i is the quantile i / (n - 1) (Hyndman and Fan 1996, definition 7).
  static func quantile(_ sorted: [Double], _ share: Double) -> Double? {
    guard let last = sorted.last else { return nil }
    let position = share * Double(sorted.count - 1)
    let index = Int(position.rounded(.down))
    guard index + 1 < sorted.count else { return last }
    let fraction = position - Double(index)
    return sorted[index] * (1 - fraction) + sorted[index + 1] * fraction
  }
}

extension Accuracy.Group {
  /// Whether a group stands before another one in a table.
  fileprivate func precedes(_ other: Accuracy.Group) -> Bool {
    let names = [system ?? "", library, version ?? "", collective]
    let others = [other.system ?? "", other.library, other.version ?? "", other.collective]
    if names != others { return names.lexicographicallyPrecedes(others) }
    return (nodes, ranks, launch.rawValue) < (other.nodes, other.ranks, other.launch.rawValue)
  }
}
