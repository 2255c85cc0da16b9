/// Chooses where further points are worth most, from those that are known.
///
/// It looks at values and results alone, so the same results always give the same points.
public struct Refiner: Sendable {
  /// A point that is known.
  public struct Known: Sendable {
    /// Its values, one per axis.
    public var values: [String]
    /// Its objectives; nil where there is no result.
    public var metrics: [Double?]

    /// Creates a known point.
    public init(values: [String], metrics: [Double?]) {
      self.values = values
      self.metrics = metrics
    }
  }

  private let axes: [Axis]
  private let known: [Known]
  private let taken: Set<[String]>

  /// Creates a refiner of what is known.
  public init(axes: [Axis], known: [Known]) {
    self.axes = axes
    self.known = known
    taken = Set(known.map(\.values))
  }

  /// Looks between neighbours on the Pareto front, at the widest gaps first, then beside the front on
  /// every range.
  ///
  /// - Parameters:
  ///   - maximized: Which metrics are better when larger.
  ///   - limit: The most points to give.
  /// - Returns: Points that are not known yet; fewer where nothing is left.
  public func towardFront(maximized: [Bool], limit: Int) -> [[String]] {
    let indices = ParetoFront.indices(of: known.map(\.metrics), maximized: maximized)
    let front = indices.map { known[$0] }.sorted { left, right in
      for (a, b) in zip(left.metrics, right.metrics) where a != b { return (a ?? 0) < (b ?? 0) }
      return false
    }
    var proposals: [[String]] = []
    for (left, right) in gaps(of: front) {
      proposals.append(middle(left.values, right.values))
      proposals.append(middle(right.values, left.values))
    }
    for point in front { proposals += neighbours(of: point.values) }
    return fresh(proposals, limit)
  }

  /// Looks where the value of one axis that is best changes along another, by halving.
  ///
  /// - Parameters:
  ///   - choice: The index of the axis whose best value changes.
  ///   - along: The index of the axis, a range, along which it does.
  ///   - isMaximized: Whether the first metric is better when larger.
  ///   - limit: The most points to give.
  /// - Returns: Points that are not known yet; fewer where nothing is left.
  public func towardCrossover(
    of choice: Int, along: Int, isMaximized: Bool, limit: Int
  ) -> [[String]] {
    var proposals: [(gap: Double, values: [[String]])] = []
    for group in groups(without: [choice, along]) {
      let steps = winners(group, choice: choice, along: along, isMaximized: isMaximized)
      for (left, right) in zip(steps, steps.dropFirst()) where left.winner != right.winner {
        let place = halfway(axes[along], left.text, right.text)
        let values = group.values.map { known in
          var values = known
          values[along] = place
          return values
        }
        proposals.append((right.position - left.position, values))
      }
    }
    let ordered = proposals.enumerated().sorted {
      ($1.element.gap, $0.offset) < ($0.element.gap, $1.offset)
    }
    return fresh(ordered.flatMap(\.element.values), limit)
  }
}

// MARK: - The front

extension Refiner {
  /// Neighbours on the front, those farthest apart in scaled objectives first.
  private func gaps(of front: [Known]) -> [(Known, Known)] {
    guard let first = front.first else { return [] }
    let widths = first.metrics.indices.map { index -> Double in
      let values = front.compactMap { $0.metrics[index] }
      let width = (values.max() ?? 0) - (values.min() ?? 0)
      return width > 0 ? width : 1
    }
    let pairs = zip(front, front.dropFirst()).map { left, right in
      let distance = widths.indices.reduce(0.0) { sum, index in
        let part = ((left.metrics[index] ?? 0) - (right.metrics[index] ?? 0)) / widths[index]
        return sum + part * part
      }
      return (distance: distance, pair: (left, right))
    }
    return pairs.enumerated()
      .sorted { ($1.element.distance, $0.offset) < ($0.element.distance, $1.offset) }
      .map(\.element.pair)
  }

  /// Halfway between two points on every range, with the lists' values of the first.
  private func middle(_ one: [String], _ other: [String]) -> [String] {
    axes.indices.map { halfway(axes[$0], one[$0], other[$0]) }
  }

  /// Halfway to the nearest values known on either side, one range at a time.
  private func neighbours(of values: [String]) -> [[String]] {
    var result: [[String]] = []
    for (index, axis) in axes.enumerated() {
      guard case .range = axis.values, let own = axis.position(of: values[index]) else { continue }
      let others = known.compactMap { axis.position(of: $0.values[index]) }
      for nearest in [others.filter { $0 < own }.max(), others.filter { $0 > own }.min()] {
        guard let nearest else { continue }
        var next = values
        next[index] = axis.value(at: (own + nearest) / 2)
        result.append(next)
      }
    }
    return result
  }

  private func halfway(_ axis: Axis, _ one: String, _ other: String) -> String {
    guard case .range = axis.values, one != other, let from = axis.position(of: one),
      let to = axis.position(of: other)
    else { return one }
    return axis.value(at: (from + to) / 2)
  }

  /// The first proposals that are not known and not given twice.
  private func fresh(_ proposals: [[String]], _ limit: Int) -> [[String]] {
    var seen = taken
    var result: [[String]] = []
    for values in proposals where result.count < limit && seen.insert(values).inserted {
      result.append(values)
    }
    return result
  }
}

// MARK: - Crossovers

extension Refiner {
  /// Points that differ in two axes alone.
  private struct Group {
    var points: [Known] = []
    /// One point per value of the axis of choice.
    var values: [[String]] = []
  }

  private struct Step {
    var text: String
    var position: Double
    var winner: String
  }

  private func groups(without excluded: [Int]) -> [Group] {
    var groups: [Group] = []
    var numbers: [[String]: Int] = [:]
    for point in known {
      var key = point.values
      for index in excluded { key[index] = "" }
      let number = numbers[key] ?? groups.count
      if number == groups.count {
        numbers[key] = number
        groups.append(Group())
      }
      groups[number].points.append(point)
      if !groups[number].values.contains(where: { $0[excluded[0]] == point.values[excluded[0]] }) {
        groups[number].values.append(point.values)
      }
    }
    return groups
  }

  /// The best choice at every place along an axis where two or more are known.
  private func winners(
    _ group: Group, choice: Int, along: Int, isMaximized: Bool
  ) -> [Step] {
    var places: [(text: String, position: Double, points: [Known])] = []
    for point in group.points where point.metrics.first ?? nil != nil {
      let text = point.values[along]
      if let index = places.firstIndex(where: { $0.text == text }) {
        places[index].points.append(point)
      } else if let position = axes[along].position(of: text) {
        places.append((text, position, [point]))
      }
    }
    places.sort { $0.position < $1.position }
    return places.filter { $0.points.count > 1 }.compactMap { place in
      let best = place.points.min { left, right in
        let (a, b) = (left.metrics[0] ?? 0, right.metrics[0] ?? 0)
        return isMaximized ? a > b : a < b
      }
      return best.map {
        Step(text: place.text, position: place.position, winner: $0.values[choice])
      }
    }
  }
}
