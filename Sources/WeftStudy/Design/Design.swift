/// The points of a study: a grid that is never written out, or a sample of the axes' values.
public struct Design: Sendable {
  /// How points are chosen.
  public enum Sampling: Hashable, Sendable {
    /// Every combination, the last axis fastest.
    case grid
    /// So many points, each axis cut into as many strata.
    case latinHypercube(points: Int)
    /// So many points of Sobol's sequence.
    case sobol(points: Int)
  }

  /// What varies.
  public let axes: [Axis]
  /// How many points there are.
  public let count: Int
  private let grids: [[String]]
  /// Places in the unit cube, point after point; empty for a grid.
  private let places: [Double]

  /// Lays out the points; the seed decides those of a sample.
  ///
  /// - Throws: ``DesignError`` if Sobol's sequence has too few dimensions.
  public init(axes: [Axis], sampling: Sampling, seed: UInt64) throws(DesignError) {
    self.axes = axes
    switch sampling {
    case .grid:
      grids = axes.map(\.grid)
      places = []
      count = grids.reduce(1) { $0 * $1.count }
    case .latinHypercube(let points):
      grids = []
      places = Sample.latinHypercube(points: points, dimensions: axes.count, seed: seed)
      count = points
    case .sobol(let points):
      grids = []
      places = try Sample.sobol(points: points, dimensions: axes.count, seed: seed)
      count = points
    }
  }

  /// The values of a point, one per axis.
  ///
  /// - Precondition: the number is below ``count``.
  public func values(of number: Int) -> [String] {
    guard places.isEmpty else {
      let first = number * axes.count
      return axes.indices.map { axes[$0].value(at: places[first + $0]) }
    }
    var rest = number
    var values = grids.map { _ in "" }
    for index in grids.indices.reversed() {
      values[index] = grids[index][rest % grids[index].count]
      rest /= grids[index].count
    }
    return values
  }
}

/// Why points cannot be laid out, in words for a person, with the fix.
public struct DesignError: Error, Hashable, Sendable {
  /// What is wrong.
  public let problem: String
  /// What to do about it.
  public let fix: String
}
