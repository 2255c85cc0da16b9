/// A schedule of any of the builders; each use opens it once, so that loops are specialised.
enum AnySchedule: Sendable {
  case ring(Ring)
  case tree(Tree)
  case switchReduction(SwitchReduction)
  case recursiveDoubling(RecursiveDoubling)
  case halvingDoubling(HalvingDoubling)
  case binomialTree(BinomialTree)
  case allPairs(AllPairs)
  case nvrar(NVRAR)
  case pairedSend(PairedSend)
  case directExchange(DirectExchange)
  case groupedExchange(GroupedExchange)
  case partDoubling(PartDoubling)
  case rootedTree(RootedTree)
  case rootedChain(RootedChain)
  case hierarchical(Hierarchical)
  case oneShot(OneShotAllReduce)
  case twoShot(TwoShotAllReduce)
  case packetAllPairs(PacketAllPairs)
  case imported(ImportedSchedule)

  /// Whether a rank may begin a call while others have not begun one before: it needs nothing of
  /// them, as a broadcast's root and the leaves of a reduce.
  var letsRanksRunAhead: Bool {
    switch open(Computed()) {
    case .broadcast, .reduce: true
    case .allReduce, .allGather, .reduceScatter, .allToAll: false
    }
  }

  /// Whether ranks fall out of step from call to call on a machine without fault: nodes that NVRAR
  /// folds in have less to do than others.
  var fallsOutOfStep: Bool {
    guard case .nvrar(let schedule) = self else { return false }
    return schedule.layout.nodes.nonzeroBitCount != 1
  }

  private struct Computed: Visitor {
    func visit(_ schedule: some Schedule) -> Collective { schedule.collective }
  }

  /// Something to do with a schedule of a type known at compile time.
  protocol Visitor<Result> {
    associatedtype Result
    associatedtype Failure: Error
    func visit(_ schedule: some Schedule) throws(Failure) -> Result
  }

  func open<V: Visitor>(_ visitor: V) throws(V.Failure) -> V.Result {
    switch self {
    case .ring(let schedule): try visitor.visit(schedule)
    case .tree(let schedule): try visitor.visit(schedule)
    case .switchReduction(let schedule): try visitor.visit(schedule)
    case .recursiveDoubling(let schedule): try visitor.visit(schedule)
    case .halvingDoubling(let schedule): try visitor.visit(schedule)
    case .binomialTree(let schedule): try visitor.visit(schedule)
    case .allPairs(let schedule): try visitor.visit(schedule)
    case .nvrar(let schedule): try visitor.visit(schedule)
    case .pairedSend(let schedule): try visitor.visit(schedule)
    case .directExchange(let schedule): try visitor.visit(schedule)
    case .groupedExchange(let schedule): try visitor.visit(schedule)
    case .partDoubling(let schedule): try visitor.visit(schedule)
    case .rootedTree(let schedule): try visitor.visit(schedule)
    case .rootedChain(let schedule): try visitor.visit(schedule)
    case .hierarchical(let schedule): try visitor.visit(schedule)
    case .oneShot(let schedule): try visitor.visit(schedule)
    case .twoShot(let schedule): try visitor.visit(schedule)
    case .packetAllPairs(let schedule): try visitor.visit(schedule)
    case .imported(let schedule): try visitor.visit(schedule)
    }
  }
}
