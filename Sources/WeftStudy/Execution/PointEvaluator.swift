/// Answers the points of a study.
///
/// Each worker has an evaluator of its own, which may remember what points share.
public protocol PointEvaluator: SendableMetatype {
  /// The hash of all that decides a point's result, its values among them.
  ///
  /// - Throws: An error that ends the run.
  mutating func key(_ values: [String]) throws -> ResultKey

  /// The result of a point; with a `reason` in it where the point is impossible.
  ///
  /// - Throws: An error that ends the run.
  mutating func result(_ values: [String]) throws -> StoredResult
}

/// Points to answer.
public struct PointQueue: Sendable {
  /// How many points there are.
  public let count: Int
  /// The number of the first.
  public let first: Int
  private let values: @Sendable (Int) -> [String]
  private var skipped: Bitmap

  /// The points of a design, from number 0.
  public init(_ design: Design) {
    count = design.count
    first = 0
    values = { design.values(of: $0) }
    skipped = Bitmap(count: count)
  }

  /// Points that are listed, from a number on.
  public init(_ points: [[String]], from first: Int) {
    count = points.count
    self.first = first
    values = { points[$0] }
    skipped = Bitmap(count: count)
  }

  /// The values of a point by its place, from 0.
  public func values(at place: Int) -> [String] { values(place) }

  /// Whether a point is left out.
  public func isSkipped(_ place: Int) -> Bool { skipped[place] }

  /// Leaves a point out, because it is done or not wanted.
  public mutating func skip(_ place: Int) { skipped[place] = true }

  /// How many points are left to answer.
  public var remaining: Int { count - skipped.population }
}

/// One bit per point.
struct Bitmap: Sendable {
  private var words: [UInt64]

  init(count: Int) {
    words = Array(repeating: 0, count: (count + 63) / 64)
  }

  subscript(index: Int) -> Bool {
    get { words[index / 64] >> UInt64(index % 64) & 1 == 1 }
    set {
      let bit: UInt64 = 1 << UInt64(index % 64)
      if newValue { words[index / 64] |= bit } else { words[index / 64] &= ~bit }
    }
  }

  var population: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
}
