/// What a schedule computes for its caller.
///
/// Sizes are as nccl-tests counts them: the buffer for all-reduce, broadcast and reduce, the total
/// that a rank receives for all-gather, the total that a rank sends for reduce-scatter and
/// all-to-all. The last three deal it to the ranks in equal parts. Broadcast and reduce have their
/// root at rank 0.
///
/// In place there is one buffer of the whole size. The input of an all-gather then is part `rank`
/// of the output, the output of a reduce-scatter is part `rank` of the input, and the rest of the
/// buffer is the schedule's to use.
public enum Collective: String, CaseIterable, Hashable, Sendable {
  /// Every rank the sum of all inputs.
  case allReduce = "all-reduce"
  /// Every rank the inputs of all ranks, one after the other.
  case allGather = "all-gather"
  /// Rank r part r of the sum of all inputs.
  case reduceScatter = "reduce-scatter"
  /// Every rank the input of rank 0.
  case broadcast
  /// Rank 0 the sum of all inputs.
  case reduce
  /// Rank r part r of every rank's input, in the order of the ranks.
  case allToAll = "all-to-all"

  /// Whether the size is dealt to the ranks in equal parts, so that they must divide it.
  public var hasParts: Bool {
    switch self {
    case .allGather, .reduceScatter, .allToAll: true
    case .allReduce, .broadcast, .reduce: false
    }
  }

  /// Whether inputs are added up.
  public var reduces: Bool {
    switch self {
    case .allReduce, .reduceScatter, .reduce: true
    case .allGather, .broadcast, .allToAll: false
    }
  }

  /// The largest size not above the given one that the ranks can share as the collective asks.
  public func wholeElements(_ elements: Int, ranks: Int) -> Int {
    hasParts ? elements - elements % ranks : elements
  }

  /// The length of the input that a rank brings, of a size in elements.
  public func inputElements(_ elements: Int, ranks: Int) -> Int {
    self == .allGather ? elements / ranks : elements
  }

  /// The length of the output that a rank finds, of a size in elements.
  public func outputElements(_ elements: Int, ranks: Int) -> Int {
    self == .reduceScatter ? elements / ranks : elements
  }

  /// What bus bandwidth is in terms of size over time, as nccl-tests defines it.
  ///
  /// It makes the numbers of different collectives comparable with the bandwidth of the links.
  public func busFactor(ranks: Int) -> Double {
    let share = Double(ranks - 1) / Double(ranks)
    return switch self {
    case .allReduce: 2 * share
    case .allGather, .reduceScatter, .allToAll: share
    case .broadcast, .reduce: 1
    }
  }
}
