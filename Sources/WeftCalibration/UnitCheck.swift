/// Whether times can be of the unit that they are said to be of.
public enum UnitCheck {
  /// Beyond this ratio of measured to nominal times no profile can be meant.
  private static let mostRatio = 30.0

  /// What is wrong with times.
  public enum Verdict: Hashable, Sendable {
    /// They are so many times shorter than nominal ones, as milliseconds are.
    case shorter(Double)
    /// They are so many times longer, as nanoseconds are.
    case longer(Double)

    /// What is wrong, such as `12 times longer`.
    public var text: String {
      switch self {
      case .shorter(let ratio): "\(Self.whole(ratio)) times shorter"
      case .longer(let ratio): "\(Self.whole(ratio)) times longer"
      }
    }

    private static func whole(_ ratio: Double) -> Int { Int(min(ratio, 1e9).rounded()) }

    /// What times seem to be of where another unit is meant.
    public func units(ofMilliseconds: Bool = false) -> String {
      let (longer, meant, shorter) =
        ofMilliseconds
        ? ("seconds", "milliseconds", "microseconds")
        : ("milliseconds", "microseconds", "nanoseconds")
      return switch self {
      case .shorter: "these look like \(longer), where \(meant) are meant"
      case .longer: "these look like \(shorter), where \(meant) are meant"
      }
    }
  }

  /// The verdict on a ratio of measured to nominal times; nil if it is one that a machine can have.
  public static func verdict(_ ratio: Double) -> Verdict? {
    if ratio < 1 / mostRatio { return .shorter(1 / ratio) }
    return ratio > mostRatio ? .longer(ratio) : nil
  }

  /// The verdict on the median of ratios; nil if there is none.
  public static func verdict(ofMedian ratios: [Double]) -> Verdict? {
    ratios.isEmpty ? nil : verdict(Median.of(ratios))
  }
}
