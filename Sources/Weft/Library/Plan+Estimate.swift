extension Plan {
  /// About how long it takes to simulate so many operations of the plan on one core, in seconds.
  ///
  /// An operation takes as long as what it passes through: links alone, lanes and proxies too, or
  /// lanes that start on a message while it comes. Under `flow` rates are shared out again whenever a
  /// message starts or ends, among all that share a link with it or with one that does: few, unless
  /// ranks send to many at once and their messages pile up on links, or links between switches join
  /// them all. The figures are measured (docs/decisions.md) and good to a factor of about two.
  public func estimatedSeconds(
    operations: Int, on fabric: Fabric, network: Network, foldAllowed: Bool
  ) -> Double {
    let each: (event: Double, flow: Double) =
      pricesLinksAlone
      ? (0.15e-6, 0.4e-6) : costs.streamGrain == nil ? (0.5e-6, 0.8e-6) : (1.5e-6, 2.3e-6)
    switch network {
    case .analytic: return 0
    case .event: return Double(operations) * each.event
    case .flow:
      let isFolded = foldAllowed && fabric.nodes > 1 && foldObstacle(on: fabric) == nil
      let ranks = Double(isFolded ? fabric.gpusPerNode : fabric.ranks)
      let connected =
        fabric.hasFillingLinks ? 0.1e-6 : pilesUp(on: fabric) ? 0.35e-6 : 0
      return Double(operations) * (each.flow + connected * ranks)
    }
  }

  /// Whether links alone take time.
  private var pricesLinksAlone: Bool { costs.proxy == nil && !costs.takesLaneTime }

  /// Whether a rank sends to many other nodes at once, and that faster than its NIC takes messages;
  /// where links alone take time, they all set out and end together.
  private func pilesUp(on fabric: Fabric) -> Bool {
    let (nodes, elements) = schedule.open(Burst())
    guard !pricesLinksAlone && nodes > 2 else { return false }
    let bytes = costs.wireBytes(payload: elements * costs.elementBytes)
    let service = costs.proxy?.service(bytes) ?? .zero
    return service < fabric.networkRate.time(toMove: bytes)
  }

  /// What rank 0 sends before it waits for anybody: to how many other nodes, and the longest message.
  private struct Burst: AnySchedule.Visitor {
    func visit(_ schedule: some Schedule) -> (nodes: Int, elements: Int) {
      let perNode = schedule.layout.ranksPerNode
      var nodes = Set<Int>()
      var longest = 0
      for lane in 0..<schedule.lanes {
        var cursor = schedule.cursor(rank: 0, lane: lane, call: 0)
        for _ in 0..<Self.mostOperations {
          guard let operation = cursor.next(), !operation.needsOthers else { break }
          let peer = Int(operation.to.peer)
          guard peer >= perNode else { continue }
          nodes.insert(peer / perNode)
          longest = max(longest, operation.count)
        }
      }
      return (nodes.count, longest)
    }

    /// More sends in a row than this say no more about a lane.
    private static let mostOperations = 4096
  }
}

extension Operation {
  /// Whether it waits for another rank.
  fileprivate var needsOthers: Bool { kind == .wait || actions.contains(.receive) }
}
