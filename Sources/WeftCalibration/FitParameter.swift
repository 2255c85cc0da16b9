import Glibc

/// One unknown of a fit, with its bounds.
///
/// Inside the solver a bounded value `x` is `lower + (upper - lower) / (1 + exp(-t))`, with `t` free,
/// or the same of its logarithm: no step can leave the bounds.
public struct FitParameter: Hashable, Sendable {
  /// The name, for messages.
  public var name: String
  /// Where the fit starts, strictly inside the bounds.
  public var start: Double
  /// The least value.
  public var lower: Double
  /// The largest value.
  public var upper: Double
  /// Whether the value is searched by its logarithm; the bounds are above zero then.
  public var isLogarithmic: Bool
  /// A change of the value that is worth speaking of, by which errors are judged.
  public var unit: Double

  /// Creates a parameter; its unit is the start unless given.
  public init(
    name: String, start: Double, in bounds: ClosedRange<Double>, isLogarithmic: Bool = false,
    unit: Double? = nil
  ) {
    self.name = name
    self.start = start
    lower = bounds.lowerBound
    upper = bounds.upperBound
    self.isLogarithmic = isLogarithmic
    self.unit = unit ?? abs(start)
  }

  var isSound: Bool {
    let numbers = [start, lower, upper, unit]
    return numbers.allSatisfy(\.isFinite) && lower < start && start < upper && unit > 0
      && (!isLogarithmic || lower > 0)
  }

  /// The bound that a value is next to, by a twentieth of its unit or of itself; nil inside.
  func bound(near value: Double) -> Double? {
    let margin = 0.05 * (isLogarithmic ? value : unit)
    if value - lower < margin { return lower }
    return upper - value < margin ? upper : nil
  }

  private func scaled(_ value: Double) -> Double { isLogarithmic ? log(value) : value }

  /// The solver's coordinate of a value inside the bounds.
  func coordinate(_ value: Double) -> Double {
    let low = scaled(lower)
    let high = scaled(upper)
    // Values on a bound would be at infinity.
    let share = min(max((scaled(value) - low) / (high - low), 1e-9), 1 - 1e-9)
    return log(share / (1 - share))
  }

  /// The value at a coordinate of the solver.
  func value(_ coordinate: Double) -> Double {
    let low = scaled(lower)
    let value = low + (scaled(upper) - low) / (1 + exp(-coordinate))
    return isLogarithmic ? exp(value) : value
  }

  /// The change of the value for a change of the solver's coordinate.
  func slope(_ coordinate: Double) -> Double {
    let share = 1 / (1 + exp(-coordinate))
    let inner = (scaled(upper) - scaled(lower)) * share * (1 - share)
    return isLogarithmic ? inner * value(coordinate) : inner
  }

  /// A step for a difference quotient: 2 % of the value, and no less than a share of its unit.
  ///
  /// Times of a simulation are whole picoseconds with kinks where the critical path changes, so
  /// steps must not be small. It points away from the nearer bound.
  func step(at value: Double) -> Double {
    let size = max(0.02 * abs(value), 0.01 * unit)
    return value + size < upper ? size : -size
  }
}
