/// The entries of a phase's breakdown, in the order of the output.
public enum CostCategory: Int, CaseIterable, Sendable {
  case gemm, attention
  /// Norms, rotary embedding, activations, sampling, copies.
  case otherKernels
  /// All-reduces, with the start-up of their kernels.
  case allReduce
  /// All-to-alls of experts and all-gathers.
  case allToAll
  case pointToPoint
  /// Start-up of the other kernels, which the floors of their models contain.
  case launch
  /// What a pipeline costs beyond the work of its slowest stage.
  case bubble
  /// What the host adds to the GPU's time.
  case host

  /// Whether the category is collectives that a step may hide behind other kernels.
  var isCommunication: Bool {
    switch self {
    case .allReduce, .allToAll: true
    default: false
    }
  }

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

  /// Adds another ledger times a factor, each entry to the nearest picosecond.
  mutating func add(_ other: CostLedger, scaledBy factor: Double) {
    for index in entries.indices {
      entries[index] += .seconds(other.entries[index].seconds * factor)
    }
  }

  /// Adds what another ledger has beyond `base`, times a factor; single entries may fall.
  mutating func add(_ other: CostLedger, beyond base: CostLedger, scaledBy factor: Double) {
    add(other, scaledBy: factor)
    add(base, scaledBy: -factor)
  }

  /// Takes a share of the time of collectives away, which other kernels hide.
  mutating func hideCollectives(share: Double) {
    guard share > 0 else { return }
    let own = CostCategory.allCases.filter { !$0.isCommunication }.map { self[$0].seconds }
    let calls = CostCategory.allCases.filter(\.isCommunication)
    let time = calls.map { self[$0].seconds }.reduce(0, +)
    guard time > 0 else { return }
    // No more can hide than there is to hide behind.
    let factor = 1 - min(share, own.reduce(0, +) / time)
    for category in calls {
      let start = category.rawValue * Bottleneck.allCases.count
      for index in start..<start + Bottleneck.allCases.count {
        entries[index] = .seconds(entries[index].seconds * factor)
      }
    }
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
