/// Where a job's nodes lie in the machine, and its ranks on them.
public enum Placement: Hashable, Sendable {
  /// The first nodes in order, each filled before the next.
  case block
  /// The first nodes in order, ranks dealt out one by one.
  case cyclic
  /// Nodes drawn from the whole machine with a seed, in order of their numbers, each filled.
  case random(seed: UInt64)
  /// Places in the machine: one per node, which is filled, or one per rank.
  case listed([Int])

  /// The place of every node, and the slot of every rank; nil where they are in order.
  ///
  /// A slot is the rank that would be at this node and GPU in blocks.
  func resolve(
    nodes: Int, gpusPerNode: Int, available: Int
  ) throws(Fabric.SizeError) -> (places: [Int32]?, slots: [Int32]?) {
    switch self {
    case .block:
      return (nil, nil)
    case .cyclic:
      let slots = (0..<nodes * gpusPerNode).map { rank in
        Int32(rank % nodes * gpusPerNode + rank / nodes)
      }
      return (nil, nodes > 1 && gpusPerNode > 1 ? slots : nil)
    case .random(let seed):
      // Floyd's sampling: each new place is drawn from one more than before.
      var drawn = Set<Int>()
      for last in available - nodes..<available {
        let draw = InteriorLinks.mix(seed &+ InteriorLinks.mix(UInt64(last)))
        let place = Int(draw % UInt64(last + 1))
        drawn.insert(drawn.contains(place) ? last : place)
      }
      return (drawn.sorted().map(Int32.init), nil)
    case .listed(let list):
      if let wrong = list.first(where: { !(0..<available).contains($0) }) {
        throw .place(asked: wrong, available: available)
      }
      let times = Dictionary(list.map { ($0, 1) }, uniquingKeysWith: +)
      let distinct = times.keys.sorted()
      func place(notOn allowed: Int) -> Fabric.SizeError? {
        distinct.first { times[$0] != allowed }.map {
          .repeated(place: $0, times: times[$0] ?? 0, allowed: allowed)
        }
      }
      guard distinct.count == nodes else {
        if list.count == nodes, let error = place(notOn: 1) { throw error }
        throw .list(entries: list.count, nodes: nodes, ranks: nodes * gpusPerNode)
      }
      if list.count == nodes { return (list.map(Int32.init), nil) }
      guard list.count == nodes * gpusPerNode else {
        throw .list(entries: list.count, nodes: nodes, ranks: nodes * gpusPerNode)
      }
      if let error = place(notOn: gpusPerNode) { throw error }
      var used = Array(repeating: 0, count: nodes)
      var slots: [Int32] = []
      let nodeOfPlace = Dictionary(uniqueKeysWithValues: zip(distinct, 0..<nodes))
      for place in list {
        guard let node = nodeOfPlace[place] else { continue }
        slots.append(Int32(node * gpusPerNode + used[node]))
        used[node] += 1
      }
      let isInOrder = slots.indices.allSatisfy { Int(slots[$0]) == $0 }
      return (distinct.map(Int32.init), isInOrder ? nil : slots)
    }
  }
}
