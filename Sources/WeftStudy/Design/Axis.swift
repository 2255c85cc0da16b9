import Foundation
import Weft

/// One thing that varies between the points of a study.
public struct Axis: Hashable, Sendable {
  /// What an axis may be.
  public enum Values: Hashable, Sendable {
    /// One of some texts.
    case list([String])
    /// Anything between two numbers.
    case range(Span)
  }

  /// The name, unique in its study.
  public var name: String
  /// What it may be.
  public var values: Values

  /// Creates an axis.
  public init(name: String, values: Values) {
    self.name = name
    self.values = values
  }

  /// The values of a grid in order; empty for a range without steps.
  public var grid: [String] {
    switch values {
    case .list(let texts): texts
    case .range(let span): span.grid.map { span.text($0) }
    }
  }

  /// The value at a fraction of the way from the first to the last, in 0..<1.
  func value(at fraction: Double) -> String {
    switch values {
    case .list(let texts): texts[min(texts.count - 1, Int(fraction * Double(texts.count)))]
    case .range(let span): span.text(span.value(at: fraction))
    }
  }

  /// Where a value stands: the fraction of a range, the index in a list; nil if it is none of them.
  public func position(of text: String) -> Double? {
    switch values {
    case .list(let texts): texts.firstIndex(of: text).map(Double.init)
    case .range(let span): span.fraction(of: text)
    }
  }
}

/// The numbers between two bounds in one unit.
public struct Span: Hashable, Sendable {
  /// The smallest.
  public var low: Double
  /// The largest.
  public var high: Double
  /// The unit of all, empty for plain numbers.
  public var unit: String
  /// Whether equal ratios are equal steps.
  public var isLogarithmic: Bool
  /// Whether only whole numbers are meant.
  public var isWhole: Bool
  /// The values of a grid; empty if there are none.
  public var grid: [Double]

  /// Creates a span; `low` is below `high`, and above zero if the span is logarithmic.
  public init(
    low: Double, high: Double, unit: String, isLogarithmic: Bool, isWhole: Bool, grid: [Double]
  ) {
    self.low = low
    self.high = high
    self.unit = unit
    self.isLogarithmic = isLogarithmic
    self.isWhole = isWhole
    self.grid = grid
  }

  func value(at fraction: Double) -> Double {
    isLogarithmic ? low * pow(high / low, fraction) : low + (high - low) * fraction
  }

  func fraction(of text: String) -> Double? {
    guard let amount = Amount(text) else { return nil }
    // A text may have another unit than the span where it was written by hand.
    let scale = unit.isEmpty ? 1 : Amount("1 " + unit)?.scale ?? 1
    let value = amount.value / scale
    return isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  /// A value as a flag would have it; other than whole numbers have six digits, so that a point
  /// that is reached by two ways has one text.
  public func text(_ value: Double) -> String {
    let number = isWhole ? Amount.text(value.rounded(), digits: 18) : Amount.text(value)
    return unit.isEmpty ? number : number + " " + unit
  }
}
