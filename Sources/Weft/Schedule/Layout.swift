/// How ranks lie on nodes: blocks of `ranksPerNode` consecutive ranks, which is all that a schedule
/// may know of a machine.
public struct Layout: Hashable, Sendable {
  /// The number of nodes.
  public let nodes: Int
  /// The number of ranks on each node.
  public let ranksPerNode: Int

  /// Creates a layout.
  ///
  /// - Precondition: both counts are positive.
  public init(nodes: Int, ranksPerNode: Int) {
    precondition(nodes > 0 && ranksPerNode > 0, "A layout has at least one rank.")
    self.nodes = nodes
    self.ranksPerNode = ranksPerNode
  }

  /// The number of ranks.
  public var ranks: Int { nodes * ranksPerNode }

  /// The node of a rank.
  public func node(of rank: Int) -> Int { rank / ranksPerNode }

  /// The position of a rank on its node.
  public func local(of rank: Int) -> Int { rank % ranksPerNode }
}

/// Ranks in arithmetic progression: those of one node, or the same position on every node.
struct RankGroup: Sendable {
  // In 32 bits, as every lane of some schedules keeps a group.
  private let first: Int32
  private let step: Int32
  private let length: Int32

  var base: Int { Int(first) }
  var stride: Int { Int(step) }
  var count: Int { Int(length) }

  @inline(__always)
  init(base: Int, stride: Int, count: Int) {
    first = Int32(base)
    step = Int32(stride)
    length = Int32(count)
  }

  /// The rank at a position of the group.
  subscript(position: Int) -> Int { base + stride * position }

  /// All ranks of a layout.
  static func all(_ layout: Layout) -> RankGroup {
    RankGroup(base: 0, stride: 1, count: layout.ranks)
  }

  /// The ranks on the node of `rank`.
  static func node(of rank: Int, _ layout: Layout) -> RankGroup {
    RankGroup(
      base: layout.node(of: rank) * layout.ranksPerNode, stride: 1, count: layout.ranksPerNode)
  }

  /// The ranks at the position of `rank` on every node.
  static func across(of rank: Int, _ layout: Layout) -> RankGroup {
    RankGroup(base: layout.local(of: rank), stride: layout.ranksPerNode, count: layout.nodes)
  }
}

/// A run of elements of a buffer.
struct Region: Hashable, Sendable {
  var offset: Int
  var count: Int

  /// The part `index` of `parts` nearly equal parts; the first `count % parts` are one longer.
  func part(_ index: Int, of parts: Int) -> Region {
    Parts(of: self, count: parts)[index]
  }

  /// The part `index` of `parts` parts that begin at multiples of 8 elements, 16 bytes of a 2-byte
  /// type: a thread moves so much at a time, and where parts begin in between it cannot.
  ///
  /// The last part has what is left over. Parts shorter than that are as ``part(_:of:)`` makes them.
  func aligned(_ index: Int, of parts: Int) -> Region {
    Parts(alignedIn: self, count: parts)[index]
  }

  /// Whether so many elements fall into aligned parts of one length.
  static func isEven(_ count: Int, parts: Int) -> Bool {
    count % (count >= parts * Parts.alignment ? parts * Parts.alignment : parts) == 0
  }

  /// Parts `range` of `parts` nearly equal parts, as one region.
  func parts(_ range: Range<Int>, of parts: Int) -> Region {
    let first = part(range.lowerBound, of: parts).offset
    guard range.upperBound > range.lowerBound else { return Region(offset: first, count: 0) }
    let last = part(range.upperBound - 1, of: parts)
    return Region(offset: first, count: last.offset + last.count - first)
  }
}

/// Nearly equal parts of a region, divided once; the first few are one unit longer.
struct Parts: Sendable {
  /// The elements of a unit of aligned parts.
  static let alignment = 8

  private let offset: Int
  private let each: Int
  private let extra: Int
  /// The number of the last part, which has what is no whole unit.
  private let last: Int32
  private let rest: Int16
  private let unit: Int16

  init(of region: Region, count: Int) { self.init(of: region, count: count, unit: 1) }

  /// Parts as ``Region/aligned(_:of:)`` says.
  init(alignedIn region: Region, count: Int) {
    let isLong = region.count >= count * Self.alignment
    self.init(of: region, count: count, unit: isLong ? Self.alignment : 1)
  }

  private init(of region: Region, count: Int, unit: Int) {
    offset = region.offset
    let (units, rest) =
      unit == 1 ? (region.count, 0) : region.count.quotientAndRemainder(dividingBy: unit)
    (each, extra) = units.quotientAndRemainder(dividingBy: count)
    last = Int32(count - 1)
    self.rest = Int16(rest)
    self.unit = Int16(unit)
  }

  @inline(__always)
  subscript(index: Int) -> Region {
    let unit = Int(unit)
    return Region(
      offset: offset &+ (index &* each &+ min(index, extra)) &* unit,
      count: (each &+ (index < extra ? 1 : 0)) &* unit &+ (index == Int(last) ? Int(rest) : 0))
  }
}
