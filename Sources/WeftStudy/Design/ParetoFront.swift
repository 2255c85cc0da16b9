/// The points that no other is better than in every objective.
public enum ParetoFront {
  /// Finds the front.
  ///
  /// Points without a number in some objective are on no front. Of equal points all are kept.
  /// - Parameters:
  ///   - points: Their objectives.
  ///   - maximized: Which objectives are better when larger; as many as a point has.
  /// - Returns: The indices of the points on the front, in the order of the points.
  /// - Complexity: O(*n* log *n* + *n f*) for a front of *f* points.
  public static func indices(of points: [[Double?]], maximized: [Bool]) -> [Int] {
    var candidates: [(index: Int, costs: [Double])] = []
    for (index, point) in points.enumerated() {
      var costs: [Double] = []
      for (value, isMaximized) in zip(point, maximized) {
        if let value, value.isFinite { costs.append(isMaximized ? -value : value) }
      }
      if costs.count == maximized.count { candidates.append((index, costs)) }
    }
    // In this order no point is dominated by a later one.
    candidates.sort { left, right in
      for (a, b) in zip(left.costs, right.costs) where a != b { return a < b }
      return left.index < right.index
    }
    var front: [(index: Int, costs: [Double])] = []
    for candidate in candidates
    where !front.contains(where: { dominates($0.costs, candidate.costs) }) {
      front.append(candidate)
    }
    return front.map(\.index).sorted()
  }

  /// Whether one point is nowhere worse than another and somewhere better.
  private static func dominates(_ one: [Double], _ other: [Double]) -> Bool {
    var isBetter = false
    for (a, b) in zip(one, other) {
      if a > b { return false }
      if a < b { isBetter = true }
    }
    return isBetter
  }
}
