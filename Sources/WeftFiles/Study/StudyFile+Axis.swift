import Foundation
import Weft

extension StudyFile {
  /// One thing that varies.
  public struct Axis: Sendable {
    /// The path that it sets, or a name of its own where its values set several.
    public let name: String
    /// Where it is written.
    public let origin: YAMLNode.Origin
    /// What it may be.
    public let values: Values

    /// What an axis may be.
    public enum Values: Sendable {
      /// One of some texts, each with what it sets.
      case list([Item])
      /// Anything between two numbers.
      case range(Range)
    }

    /// One value of a list.
    public struct Item: Sendable {
      /// What it is called: the value itself, or the name of a set of settings.
      public let text: String
      /// What it sets.
      public let settings: [Setting]
    }

    /// Numbers between two bounds, both included.
    public struct Range: Sendable {
      /// The smallest, in ``unit``.
      public let low: Double
      /// The largest, in ``unit``.
      public let high: Double
      /// The unit of both, empty for plain numbers.
      public let unit: String
      /// Whether equal ratios are equal steps.
      public let isLogarithmic: Bool
      /// Whether only whole numbers are meant.
      public let isWhole: Bool
      /// The values of a grid; nil if no steps are given.
      public let grid: [Double]?
    }

    /// The paths that are set.
    public var paths: [String] {
      switch values {
      case .range: return [name]
      case .list(let items):
        var paths: [String] = []
        for path in items.flatMap({ $0.settings.map(\.path) }) where !paths.contains(path) {
          paths.append(path)
        }
        return paths
      }
    }

    /// The number of values on a grid; nil for a range without steps.
    public var steps: Int? {
      switch values {
      case .list(let items): items.count
      case .range(let range): range.grid?.count
      }
    }
  }
}

// MARK: - Reading

extension StudyFile.Axis {
  /// Reads a list of values, a mapping of names to settings, or a range.
  init(_ entry: YAMLNode.Entry) throws(InputError) {
    name = entry.key
    origin = entry.origin
    let node = entry.value
    switch node.content {
    case .mapping(let entries) where entries.contains { $0.key == "from" || $0.key == "to" }:
      values = .range(try Range(try YAMLReader(node, path: "axes." + entry.key)))
    case .mapping(let entries):
      var items: [Item] = []
      for entry in entries {
        items.append(
          Item(
            text: entry.key,
            settings: try StudyFile.settings(entry.value, path: "\(name).\(entry.key)")))
      }
      values = .list(items)
    case .sequence(let nodes):
      var items: [Item] = []
      for node in nodes {
        guard let text = node.text else {
          throw InputError(
            .badContent, place: node.origin.place,
            problem: "a value of '\(name)' is \(node.kindName)",
            fix: "write single values, like '\(name): [a, b]'")
        }
        let setting = StudyFile.Setting(path: name, value: text, origin: node.origin)
        items.append(Item(text: text, settings: [setting]))
      }
      values = .list(items)
    case .scalar:
      throw InputError(
        .badContent, place: node.origin.place, problem: "the axis '\(name)' does not vary",
        fix: "write a list, like '\(name): [a, b]', or a range, like {from: 1, to: 8, steps: 4}; "
          + "what is fixed belongs under 'base'")
    }
    if case .list(let items) = values { try Self.check(items, name, origin) }
  }

  private static func check(
    _ items: [Item], _ name: String, _ origin: YAMLNode.Origin
  ) throws(InputError) {
    guard !items.isEmpty else {
      throw InputError(
        .badContent, place: origin.place, problem: "the axis '\(name)' has no values",
        fix: "write at least one")
    }
    var seen = Set<String>()
    if let twice = items.first(where: { !seen.insert($0.text).inserted }) {
      throw InputError(
        .badContent, place: origin.place,
        problem: "the axis '\(name)' has the value '\(twice.text)' twice", fix: "keep one of them")
    }
  }
}

extension StudyFile.Axis.Range {
  /// The most values of one axis.
  private static let mostSteps = 1_000_000

  init(_ mapping: YAMLReader) throws(InputError) {
    var reader = mapping
    let from = try reader.value("from", Self.amount)
    let to = try reader.value("to", Self.amount)
    guard from.kind == to.kind else {
      throw reader.error(
        at: "to", "this is a \(to.kind.rawValue), but 'from' is a \(from.kind.rawValue)",
        fix: "give both in the same kind of unit")
    }
    guard from.value < to.value else {
      throw reader.error(
        at: "to", "the range ends where it begins, or before", fix: "give a larger value")
    }
    unit = from.unit
    low = from.value / from.scale
    high = to.value / from.scale
    let ends = [low, high].allSatisfy { $0 == $0.rounded() }
    isWhole = try reader.optionalBool("whole") ?? (unit.isEmpty && ends)
    let factor = try reader.optionalNumber("factor", in: 1.000_001...1e9)
    let step = try reader.optional("step", Self.amount)
    let steps = try reader.optionalInteger("steps", in: 2...Self.mostSteps)
    let scale =
      reader.contains("scale") ? try reader.choice("scale", among: ["linear", "log"]) : nil
    isLogarithmic = scale == "log" || (scale == nil && factor != nil)
    guard [factor != nil, step != nil, steps != nil].count(where: { $0 }) <= 1 else {
      throw reader.error(
        at: "steps", "steps, step and factor say the same thing", fix: "keep one of them")
    }
    guard low > 0 || !isLogarithmic else {
      throw reader.error(
        at: "from", "a logarithmic range cannot begin at zero", fix: "begin above zero")
    }
    if let step, step.kind != from.kind {
      throw reader.error(
        at: "step", "this is a \(step.kind.rawValue)", fix: "use the unit of 'from'")
    }
    if let step, step.value <= 0 {
      throw reader.error(
        at: "step", "a step leads from 'from' towards 'to'", fix: "give a step above zero")
    }
    grid = Self.grid(
      low, high, factor: factor, step: step.map { $0.value / from.scale }, steps: steps,
      isLogarithmic: isLogarithmic, isWhole: isWhole)
    if let grid, grid.count > Self.mostSteps {
      throw reader.error(
        at: "from", "the range has more than \(Self.mostSteps) values", fix: "take larger steps")
    }
    try reader.finish()
  }

  private static func amount(_ text: String) throws(QuantityError) -> Amount {
    guard let amount = Amount(text), abs(amount.value) < 1e18 else {
      throw QuantityError(
        problem: "'\(text)' is not an amount", fix: "write it like 64, 128M, 2 us or 25 GB/s")
    }
    return amount
  }

  private static func grid(
    _ low: Double, _ high: Double, factor: Double?, step: Double?, steps: Int?,
    isLogarithmic: Bool, isWhole: Bool
  ) -> [Double]? {
    var values: [Double] = []
    // Rounding must not lose the last value of a range that the steps end on.
    let limit = high * (1 + 1e-9)
    if let steps {
      for index in 0..<steps {
        let part = Double(index) / Double(steps - 1)
        values.append(
          isLogarithmic ? low * pow(high / low, part) : low + (high - low) * part)
      }
    } else if let factor {
      var value = low
      while value <= limit && values.count <= mostSteps {
        values.append(value)
        value *= factor
      }
    } else if let step {
      while low + Double(values.count) * step <= limit && values.count <= mostSteps {
        values.append(low + Double(values.count) * step)
      }
    } else {
      return nil
    }
    guard isWhole else { return values }
    var whole: [Double] = []
    for value in values.map({ $0.rounded() }) where whole.last != value { whole.append(value) }
    return whole
  }
}
