// Without it an executable that has no Foundation does not link exp().
import Glibc

/// What a calibration knows of its own errors: enough to put an interval around a prediction.
public struct Calibration: Hashable, Sendable {
  /// A fitted parameter.
  public struct Parameter: Hashable, Sendable {
    /// The name of the term that was fitted, such as `nccl.ll.network-latency`.
    public var name: String
    /// The value in seconds, bytes per second, or as a ratio.
    public var value: Double
    /// Its standard error in the same unit.
    public var standardError: Double

    /// Creates a fitted parameter.
    public init(name: String, value: Double, standardError: Double) {
      self.name = name
      self.value = value
      self.standardError = standardError
    }
  }

  /// How far fitted times are from measured ones in a window of sizes.
  public struct Residual: Hashable, Sendable {
    /// The window.
    public var window: Accuracy.Window
    /// The measured calls in it.
    public var calls: Int
    /// The median of `|ln(predicted / measured)|`.
    public var median: Double
    /// What holds 95 % of it in calls that were not fitted.
    public var halfWidth: Double

    /// Creates the figures of a window.
    public init(window: Accuracy.Window, calls: Int, median: Double, halfWidth: Double) {
      self.window = window
      self.calls = calls
      self.median = median
      self.halfWidth = halfWidth
    }
  }

  /// A parameter that was left at its nominal value.
  public struct Held: Hashable, Sendable {
    /// The name of the term.
    public var name: String
    /// Why it was not fitted, in words.
    public var reason: String

    /// Creates a held parameter.
    public init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }

  /// The name of the topology of the fit.
  public var topology: String
  /// The fitted parameters.
  public var parameters: [Parameter]
  /// The correlations of the parameters, a square of their order.
  public var correlations: [[Double]]
  /// So many standard errors hold 95 %: Student's t for the degrees of freedom.
  public var coverageFactor: Double
  /// The residuals by window; a window without calls has none.
  public var residuals: [Residual]
  /// The sizes in bytes that were measured.
  public var sizes: ClosedRange<Int>
  /// The numbers of nodes that were measured.
  public var nodes: ClosedRange<Int>
  /// What was measured, as ``call(_:by:)`` names it: nothing is known of other calls.
  ///
  /// Empty where it was not kept, so that all calls count as measured.
  public var measured: [String]
  /// What it was measured on.
  public var scope: Scope
  /// What was left at its nominal value.
  public var held: [Held]

  /// Creates a calibration.
  public init(
    topology: String, parameters: [Parameter], correlations: [[Double]], coverageFactor: Double,
    residuals: [Residual], sizes: ClosedRange<Int>, nodes: ClosedRange<Int>,
    measured: [String] = [], scope: Scope = Scope(), held: [Held] = []
  ) {
    precondition(correlations.count == parameters.count, "A row of correlations per parameter.")
    self.topology = topology
    self.parameters = parameters
    self.correlations = correlations
    self.coverageFactor = coverageFactor
    self.residuals = residuals
    self.sizes = sizes
    self.nodes = nodes
    self.measured = measured
    self.scope = scope
    self.held = held
  }

  /// A collective and how it runs, such as `all-reduce by nccl:ring/ll`.
  public static func call(_ collective: Collective, by plan: Plan) -> String {
    "\(collective.rawValue) by \(plan.algorithm)/\(plan.protocolName)"
  }

  /// Whether such calls were measured; of others there is no interval.
  public func hasMeasured(_ call: String) -> Bool { measured.isEmpty || measured.contains(call) }

  /// The 95 % interval of a predicted time, as factors of it.
  ///
  /// The delta method carries the errors of the parameters over, `g' C g` with the gradient g of
  /// the time's logarithm; what the model misses adds the residuals of the size's window (their
  /// 95 % quantile, as they have longer tails than a normal distribution). Outside the sizes and
  /// node counts that were measured the interval is half as wide again for each doubling.
  /// - Parameters:
  ///   - gradient: The change of the logarithm of the time with each parameter.
  ///   - bytes: The size of the call.
  ///   - nodes: Its number of nodes.
  /// - Returns: The lower and the upper factor.
  public func factors(gradient: [Double], bytes: Int, nodes: Int) -> (low: Double, high: Double) {
    var variance = 0.0
    for (row, first) in parameters.enumerated() {
      for (column, second) in parameters.enumerated() {
        variance +=
          gradient[row] * gradient[column] * correlations[row][column] * first.standardError
          * second.standardError
      }
    }
    let known = coverageFactor * max(0, variance).squareRoot()
    let missed = residualHalfWidth(bytes)
    let width = (known * known + missed * missed).squareRoot()
    let doublings =
      Self.doublings(bytes, outside: sizes) + Self.doublings(nodes, outside: self.nodes)
    let half = min(width * (1 + 0.5 * doublings), 20)
    return (exp(-half), exp(half))
  }

  /// Whether a call is outside the sizes and node counts that were measured.
  public func extrapolates(bytes: Int, nodes: Int) -> Bool {
    !sizes.contains(bytes) || !self.nodes.contains(nodes)
  }

  private func residualHalfWidth(_ bytes: Int) -> Double {
    let own = residuals.first { $0.window != .all && $0.window.contains(bytes) }
    let all = residuals.first { $0.window == .all }
    // A window of few calls says little of its own tails.
    if let own, own.calls >= 8 { return own.halfWidth }
    return max(own?.halfWidth ?? 0, all?.halfWidth ?? 0)
  }

  private static func doublings(_ value: Int, outside range: ClosedRange<Int>) -> Double {
    if value < range.lowerBound { return log2(Double(range.lowerBound) / Double(max(1, value))) }
    if value > range.upperBound { return log2(Double(value) / Double(range.upperBound)) }
    return 0
  }
}
