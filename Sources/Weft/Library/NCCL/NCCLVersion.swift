/// A version of NCCL, such as 2.23.4.
///
/// A version without a patch number stands for the last of its series, so `2.28` is later than
/// `2.28.9`.
public struct NCCLVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The number before the first point.
  public let major: Int
  /// The number of the series, which decides most of the tuner's constants.
  public let minor: Int
  /// The number after the second point; nil for the last of the series.
  public let patch: Int?

  /// Creates a version.
  public init(_ major: Int, _ minor: Int, _ patch: Int? = nil) {
    self.major = major
    self.minor = minor
    self.patch = patch
  }

  /// Parses `2.23`, `2.23.4`, or `2.23.4-1` as packages are named; nil if it is none of these.
  public init?(_ text: String) {
    let package = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let parts = package[0].split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in part.allSatisfy(\.isNumber) ? Int(part) : nil }
    guard numbers.count == parts.count, (2...3).contains(numbers.count) else { return nil }
    guard package.count == 1 || Int(package[1]) != nil else { return nil }
    self.init(numbers[0], numbers[1], numbers.count == 3 ? numbers[2] : nil)
  }

  /// The version whose source the models were checked against.
  public static let latest = NCCLVersion(2, 30, 7)

  /// The series whose tuner Weft has, from the first to the last.
  public static let supportedSeries = (first: NCCLVersion(2, 18), last: NCCLVersion(2, 30))

  /// Whether Weft has this version's tuner.
  public var isSupported: Bool {
    let (first, last) = Self.supportedSeries
    return major == first.major && (first.minor...last.minor).contains(minor)
  }

  /// Whether one version is older than another.
  public static func < (older: NCCLVersion, newer: NCCLVersion) -> Bool {
    (older.major, older.minor, older.patch ?? .max) < (
      newer.major, newer.minor, newer.patch ?? .max
    )
  }

  /// The version as NCCL prints it.
  public var description: String {
    "\(major).\(minor)" + (patch.map { ".\($0)" } ?? "")
  }
}
