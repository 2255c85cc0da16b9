@testable import Weft

/// Every builder by name, with small parameters that bring all of its code to work.
enum BuilderCase: String, CaseIterable, Sendable {
  case ring, slicedRing, tree, balancedTree, recursiveDoubling, halvingDoubling, binomialTree,
    allPairs, nvrar, nvrarRings, nvrarSwitched
  case hierarchicalPuts, hierarchicalRing, hierarchicalRingTree, oneShot, twoShot, packetAllPairs
  case spreadRing, spreadTree, ringGather, ringScatter, groupedExchange, switchReduction
  case chainBroadcast, chainReduce, treeBroadcast, treeReduce
  case doublingGather, halvingScatter, piecedGather, piecedScatter, directGather, directScatter,
    directAllToAll

  /// Whether its ranks raise flags, by puts or alone.
  var hasFlags: Bool {
    switch self {
    case .nvrar, .nvrarRings, .nvrarSwitched, .hierarchicalPuts, .oneShot, .twoShot,
      .packetAllPairs:
      true
    default: false
    }
  }

  func schedule(_ layout: Layout, elements: Int, inPlace: Bool, lanes: Int = 2) -> any Schedule {
    switch self {
    case .ring:
      Ring(layout: layout, elements: elements, channels: lanes, inPlace: inPlace)
    case .slicedRing:
      Ring(
        layout: layout, elements: elements, channels: lanes, chunkElements: 8, slices: 2,
        inPlace: inPlace)
    case .balancedTree:
      Tree(
        layout: layout, elements: elements, channels: 3, secondTreeFrom: 1, attachment: .balanced,
        chunkElements: 30, inPlace: inPlace)
    case .tree:
      Tree(layout: layout, elements: elements, channels: 2, chunkElements: 40, inPlace: inPlace)
    case .spreadRing:
      Ring(
        layout: layout, elements: elements, channels: 3, order: .spread, chunkElements: 12,
        inPlace: inPlace)
    case .spreadTree:
      Tree(
        layout: layout, elements: elements, channels: 3, secondTreeFrom: 2, order: .spread,
        chunkElements: 30, inPlace: inPlace)
    case .ringGather, .ringScatter:
      partedRing(
        self == .ringGather ? .allGather : .reduceScatter, layout, elements, inPlace, lanes)
    case .groupedExchange:
      GroupedExchange(
        layout: layout, elements: Collective.allToAll.wholeElements(elements, ranks: layout.ranks),
        channels: lanes, channelsPerPeer: 2, chunkElements: 3)
    case .switchReduction:
      SwitchReduction(
        layout: layout, elements: elements, channels: lanes,
        heads: max(1, layout.ranksPerNode - layout.ranksPerNode / 4), chunkElements: 9,
        inPlace: inPlace)
    case .recursiveDoubling:
      RecursiveDoubling(layout: layout, elements: elements, inPlace: inPlace)
    case .halvingDoubling:
      HalvingDoubling(layout: layout, elements: elements, inPlace: inPlace)
    case .binomialTree:
      BinomialTree(layout: layout, elements: elements, inPlace: inPlace)
    case .allPairs:
      AllPairs(layout: layout, elements: elements, inPlace: inPlace)
    case .nvrar, .nvrarRings, .nvrarSwitched:
      NVRAR(
        layout: layout, elements: elements, blocks: lanes, chunkElements: 16,
        inNode: self == .nvrar
          ? .puts
          : self == .nvrarSwitched
            ? .switchedPuts : .rings(channels: 3, order: .spread, chunk: 5),
        inPlace: inPlace)
    case .hierarchicalPuts:
      Hierarchical(layout: layout, elements: elements, inNode: .puts, inPlace: inPlace)
    case .hierarchicalRing:
      Hierarchical(layout: layout, elements: elements, inNode: .ring, inPlace: inPlace)
    case .hierarchicalRingTree:
      Hierarchical(
        layout: layout, elements: elements, inNode: .ring, across: .tree, inPlace: inPlace)
    case .oneShot:
      OneShotAllReduce(layout: layout, elements: elements, inPlace: inPlace)
    case .twoShot:
      TwoShotAllReduce(layout: layout, elements: elements, inPlace: inPlace)
    case .packetAllPairs:
      PacketAllPairs(layout: layout, elements: elements, inPlace: inPlace)
    case .chainBroadcast, .chainReduce:
      RootedChain(
        self == .chainBroadcast ? .broadcast : .reduce, layout: layout, elements: elements,
        channels: lanes, order: .spread, chunkElements: 40, inPlace: inPlace)
    case .treeBroadcast, .treeReduce:
      RootedTree(
        self == .treeBroadcast ? .broadcast : .reduce, layout: layout, elements: elements,
        inPlace: inPlace)
    case .doublingGather: parted(.allGather, layout, elements, inPlace, isDirect: false)
    case .halvingScatter: parted(.reduceScatter, layout, elements, inPlace, isDirect: false)
    case .piecedGather, .piecedScatter:
      piecedDoubling(
        self == .piecedGather ? .allGather : .reduceScatter, layout, elements, inPlace)
    case .directGather: parted(.allGather, layout, elements, inPlace, isDirect: true)
    case .directScatter: parted(.reduceScatter, layout, elements, inPlace, isDirect: true)
    case .directAllToAll: parted(.allToAll, layout, elements, inPlace, isDirect: true)
    }
  }

  private func partedRing(
    _ collective: Collective, _ layout: Layout, _ elements: Int, _ inPlace: Bool, _ lanes: Int
  ) -> Ring {
    Ring(
      collective, layout: layout,
      elements: collective.wholeElements(elements, ranks: layout.ranks), channels: lanes,
      order: .spread, chunkElements: 3, slices: 2, inPlace: inPlace)
  }

  private func piecedDoubling(
    _ collective: Collective, _ layout: Layout, _ elements: Int, _ inPlace: Bool
  ) -> PartDoubling {
    PartDoubling(
      collective, layout: layout,
      elements: collective.wholeElements(elements, ranks: layout.ranks), messageElements: 7,
      inPlace: inPlace)
  }

  private func parted(
    _ collective: Collective, _ layout: Layout, _ elements: Int, _ inPlace: Bool, isDirect: Bool
  ) -> any Schedule {
    let whole = collective.wholeElements(elements, ranks: layout.ranks)
    return isDirect
      ? DirectExchange(collective, layout: layout, elements: whole, inPlace: inPlace)
      : PartDoubling(collective, layout: layout, elements: whole, inPlace: inPlace)
  }
}
