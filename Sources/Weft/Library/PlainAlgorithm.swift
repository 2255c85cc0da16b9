/// The plain schedules: textbook algorithms that no library's costs are attached to.
public enum PlainAlgorithm: String, CaseIterable, Sendable {
  case ring, tree
  case recursiveDoubling = "recursive-doubling"
  case recursiveHalving = "recursive-halving"
  case halvingDoubling = "halving-doubling"
  case binomialTree = "binomial-tree"
  case allPairs = "all-pairs"
  case allPairsPut = "all-pairs-put"
  case oneShot = "one-shot"
  case twoShot = "two-shot"
  case hierarchical
  case hierarchicalRing = "hierarchical-ring"
  case hierarchicalRingTree = "hierarchical-ring-tree"

  /// The collectives that the algorithm computes.
  public var collectives: [Collective] {
    switch self {
    case .ring: [.allReduce, .allGather, .reduceScatter, .broadcast, .reduce]
    case .binomialTree: [.allReduce, .broadcast, .reduce]
    case .recursiveDoubling: [.allReduce, .allGather]
    case .recursiveHalving: [.reduceScatter]
    case .allPairs: [.allReduce, .allGather, .reduceScatter, .allToAll]
    case .tree, .halvingDoubling, .allPairsPut, .oneShot, .twoShot, .hierarchical,
      .hierarchicalRing, .hierarchicalRingTree:
      [.allReduce]
    }
  }

  /// The plan of a call that is priced by its links alone.
  ///
  /// - Throws: ``PlanError`` if the algorithm lacks the collective or cannot serve the layout.
  public func plan(
    for call: CollectiveCall, layout: Layout, channels: Int? = nil
  ) throws(PlanError) -> Plan {
    Plan(
      algorithm: rawValue, protocolName: "ideal", channels: channels ?? 1,
      costs: .ideal(elementBytes: call.type.bytes, kernels: 1),
      schedule: try schedule(
        call.collective, layout: layout, elements: call.elements, channels: channels,
        inPlace: call.inPlace))
  }

  /// The schedule of a collective; what the ranks cannot share evenly is left out where they must.
  func schedule(
    _ collective: Collective = .allReduce, layout: Layout, elements: Int, channels: Int? = nil,
    inPlace: Bool
  ) throws(PlanError) -> AnySchedule {
    guard collectives.contains(collective) else {
      throw PlanError(lacking: collective, in: rawValue)
    }
    if let channels {
      return try dealt(
        collective, layout: layout, elements: elements, channels: channels, inPlace: inPlace)
    }
    let size = collective.wholeElements(elements, ranks: layout.ranks)
    switch collective {
    case .allReduce:
      return try allReduce(layout: layout, elements: size, inPlace: inPlace)
    case .allGather, .reduceScatter, .allToAll:
      return parted(collective, layout: layout, elements: size, inPlace: inPlace)
    case .broadcast, .reduce:
      return self == .ring
        ? .rootedChain(RootedChain(collective, layout: layout, elements: size, inPlace: inPlace))
        : .rootedTree(RootedTree(collective, layout: layout, elements: size, inPlace: inPlace))
    }
  }

  /// An all-reduce whose data are dealt to several channels.
  private func dealt(
    _ collective: Collective, layout: Layout, elements: Int, channels: Int, inPlace: Bool
  ) throws(PlanError) -> AnySchedule {
    guard collective == .allReduce else {
      throw PlanError(
        problem: "\(collective.rawValue) has no channels", fix: "leave --channels out")
    }
    switch self {
    case .ring:
      return .ring(
        Ring(layout: layout, elements: elements, channels: channels, inPlace: inPlace))
    case .tree:
      return .tree(
        Tree(
          layout: layout, elements: elements, channels: channels,
          secondTreeFrom: (channels + 1) / 2, inPlace: inPlace))
    default:
      throw PlanError(
        problem: "\(rawValue) has no channels", fix: "leave --channels out")
    }
  }

  private func parted(
    _ collective: Collective, layout: Layout, elements: Int, inPlace: Bool
  ) -> AnySchedule {
    switch self {
    case .ring:
      .ring(Ring(collective, layout: layout, elements: elements, inPlace: inPlace))
    case .allPairs:
      .directExchange(
        DirectExchange(collective, layout: layout, elements: elements, inPlace: inPlace))
    default:
      .partDoubling(
        PartDoubling(collective, layout: layout, elements: elements, inPlace: inPlace))
    }
  }

  private func allReduce(
    layout: Layout, elements: Int, inPlace: Bool
  ) throws(PlanError) -> AnySchedule {
    switch self {
    case .ring: return .ring(Ring(layout: layout, elements: elements, inPlace: inPlace))
    case .tree: return .tree(Tree(layout: layout, elements: elements, inPlace: inPlace))
    case .recursiveDoubling:
      return .recursiveDoubling(
        RecursiveDoubling(layout: layout, elements: elements, inPlace: inPlace))
    case .halvingDoubling:
      return .halvingDoubling(
        HalvingDoubling(layout: layout, elements: elements, inPlace: inPlace))
    case .binomialTree:
      return .binomialTree(BinomialTree(layout: layout, elements: elements, inPlace: inPlace))
    case .allPairs:
      return .allPairs(AllPairs(layout: layout, elements: elements, inPlace: inPlace))
    case .allPairsPut:
      return .packetAllPairs(PacketAllPairs(layout: layout, elements: elements, inPlace: inPlace))
    case .oneShot:
      try requireOneNode(layout)
      return .oneShot(OneShotAllReduce(layout: layout, elements: elements, inPlace: inPlace))
    case .twoShot:
      try requireOneNode(layout)
      return .twoShot(TwoShotAllReduce(layout: layout, elements: elements, inPlace: inPlace))
    case .hierarchical, .hierarchicalRing, .hierarchicalRingTree:
      return .hierarchical(
        Hierarchical(
          layout: layout, elements: elements, inNode: self == .hierarchical ? .puts : .ring,
          across: self == .hierarchicalRingTree ? .tree : .ring, inPlace: inPlace))
    case .recursiveHalving:
      throw PlanError(lacking: .allReduce, in: rawValue)
    }
  }

  private func requireOneNode(_ layout: Layout) throws(PlanError) {
    guard layout.nodes == 1 else {
      throw PlanError(
        problem: "\(rawValue) works on memory that all ranks map, which \(layout.nodes) nodes do "
          + "not share",
        fix: "use one node with as many GPUs, or \(Self.hierarchical.rawValue) or "
          + Self.allPairsPut.rawValue)
    }
  }
}

extension PlanError {
  /// The error of an algorithm that does not compute a collective, with those that do; NCCL is none
  /// of them where a bare schedule is asked for.
  init(lacking collective: Collective, in algorithm: String, isBare: Bool = false) {
    let known = PlainAlgorithm.allCases.filter { $0.collectives.contains(collective) }
    let libraries = (isBare ? [] : ["nccl"]) + (collective == .allReduce ? ["nvrar"] : [])
    self.init(
      problem: "\(algorithm) has no \(collective.rawValue)",
      fix: "use one of " + (libraries + known.map(\.rawValue)).joined(separator: ", "))
  }
}
