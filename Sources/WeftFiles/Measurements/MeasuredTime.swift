/// A measured time as a file writes it: above zero, and less than three hours, which no call, kernel
/// or step takes.
enum MeasuredTime {
  /// The unit of a time, which ends the name of its column.
  enum Unit: String, CaseIterable {
    case nanoseconds = "ns"
    case microseconds = "us"
    case milliseconds = "ms"
    case seconds = "s"

    /// So many nanoseconds.
    fileprivate var nanoseconds: Double {
      switch self {
      case .nanoseconds: 1
      case .microseconds: 1e3
      case .milliseconds: 1e6
      case .seconds: 1e9
      }
    }

    /// So many microseconds.
    fileprivate var microseconds: Double { nanoseconds / 1e3 }

    /// The unit in plain words.
    fileprivate var name: String {
      switch self {
      case .nanoseconds: "nanoseconds"
      case .microseconds: "microseconds"
      case .milliseconds: "milliseconds"
      case .seconds: "seconds"
      }
    }
  }

  /// Times from here on are none.
  private static let mostMicroseconds = 1e10

  /// The microseconds of a text; nil if it is no such time, for the reason that
  /// ``refusal(of:in:)`` gives.
  static func microseconds(_ text: String, in unit: Unit = .microseconds) -> Double? {
    guard let number = Double(text) else { return nil }
    let time = number * unit.microseconds
    return time > 0 && time < mostMicroseconds ? time : nil
  }

  /// Why a text is no time, to be written behind what it is the time of.
  static func refusal(of text: String, in unit: Unit = .microseconds) -> String {
    let most = unit == .milliseconds ? "1e7 ms" : "1e10 us"
    return "'\(text)' is not a time above zero and below \(most)"
  }

  /// How a column in another unit becomes one that a header lacks; nil if it has none such.
  ///
  /// - Parameters:
  ///   - column: The name that is lacking, such as `time_us`.
  ///   - header: The names that are there.
  /// - Returns: What to do, in words.
  static func conversion(to column: String, from header: [String]) -> String? {
    guard !header.contains(column), let place = column.lastIndex(of: "_"),
      let meant = Unit(rawValue: String(column[column.index(after: place)...]))
    else { return nil }
    for unit in Unit.allCases {
      let other = column[...place] + unit.rawValue
      guard let found = header.first(where: { $0.lowercased() == other }) else { continue }
      let ratio = unit.nanoseconds / meant.nanoseconds
      return "'\(found)' is of \(unit.name): "
        + (ratio > 1
          ? "multiply its times by \(Int(ratio))" : "divide its times by \(Int(1 / ratio))")
        + " and name the column \(column)"
    }
    return nil
  }
}
