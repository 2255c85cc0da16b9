/// The entries of a phase's breakdown, in the order of the output.
public enum CostCategory: Int, CaseIterable, Sendable {
  case gemm, attention
  /// Norms, rotary embedding, activations, sampling, copies.
  case otherKernels
  /// All-reduces, with the start-up of their kernels.
  case allReduce
  case allToAll, pointToPoint
  /// Start-up of the other kernels, which the floors of their models contain.
  case launch
  /// What a pipeline costs beyond the work of its slowest stage.
  case bubble
  /// What the host adds to the GPU's time.
  case host

  /// The name in machine-readable output.
  public var name: String {
    switch self {
    case .gemm: "gemm"
    case .attention: "attention"
    case .otherKernels: "other_kernels"
    case .allReduce: "all_reduce"
    case .allToAll: "all_to_all"
    case .pointToPoint: "point_to_point"
    case .launch: "launch"
    case .bubble: "bubble"
    case .host: "host"
    }
  }
}

/// Time by category, and within each category by what binds it.
public struct CostLedger: Hashable, Sendable {
  // Rows are categories, columns the cases of Bottleneck.
  private var entries = [SimDuration](
    repeating: .zero, count: CostCategory.allCases.count * Bottleneck.allCases.count)

  /// Creates a ledger without any time.
  public init() {}

  /// The time of a category.
  public subscript(category: CostCategory) -> SimDuration {
    row(category).reduce(.zero, +)
  }

  /// The sum of all categories.
  public var total: SimDuration { entries.reduce(.zero, +) }

  /// What binds the largest category; of `launch` where there is no time at all.
  ///
  /// For an all-reduce it is what binds the collective, for a matrix product the larger of its
  /// arithmetic, its memory traffic and its fixed times (`latency`).
  public var bottleneck: Bottleneck {
    let largest = CostCategory.allCases.max { self[$0] < self[$1] } ?? .launch
    let row = row(largest)
    let column = row.indices.max { row[$0] < row[$1] } ?? row.startIndex
    return Bottleneck.allCases[column - row.startIndex]
  }

  /// Adds time to a category.
  mutating func add(_ time: SimDuration, to category: CostCategory, boundBy cause: Bottleneck) {
    guard let column = Bottleneck.allCases.firstIndex(of: cause) else { return }
    entries[category.rawValue * Bottleneck.allCases.count + column] += time
  }

  /// Adds `count` times another ledger.
  mutating func add(_ other: CostLedger, times count: Int = 1) {
    for index in entries.indices { entries[index] += count * other.entries[index] }
  }

  /// Every entry divided by `count`, rounded down to a picosecond.
  func divided(by count: Int) -> CostLedger {
    var result = self
    for index in entries.indices {
      result.entries[index] = SimDuration(
        picoseconds: entries[index].picoseconds / Int64(count))
    }
    return result
  }

  private func row(_ category: CostCategory) -> ArraySlice<SimDuration> {
    let width = Bottleneck.allCases.count
    return entries[category.rawValue * width..<(category.rawValue + 1) * width]
  }
}
