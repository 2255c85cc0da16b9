/// What collectives take at the least: the bytes that have to cross a border over the rate of all
/// links that do.
///
/// A search uses it to rule out plans before it simulates their collectives, so every time is below
/// the simulated one, which holds each link to its rate and adds latencies, software and start-up.
/// N is the number of nodes, S a buffer:
///
///     all-reduce     2 (N - 1) / N S out of a node: N - 1 one-way transfers of each element cannot
///                    gather it, and less than 2 N - 2 not spread the sum to all (gossip; Harary,
///                    Schwenk 1974); within a node S into a GPU, which a switch's sums need too
///     all-gather     (N - 1) / N S into a node, (n - 1) / n S into a GPU of n on one node
///     all-to-all     (N - 1) / N S out of a node for each of its GPUs, (n - 1) / n S out of a GPU
struct LeastTimer: CollectiveTimer {
  let topology: Topology

  func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) -> CollectiveTime {
    let nodes = Double(layout.nodes)
    return layout.nodes > 1
      ? time(2 * (nodes - 1) / nodes * Double(bytes), networkRate(gpus: layout.ranksPerNode))
      : time(Double(bytes), scaleUpRate)
  }

  func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) -> CollectiveTime {
    // Parts are whole bytes, and all alike.
    let part = Double(bytes / layout.ranks)
    let perNode = Double(layout.ranksPerNode)
    let far = part * (Double(layout.ranks) - perNode)
    guard layout.nodes > 1 else { return time(part * (perNode - 1), scaleUpRate) }
    let senders = collective == .allToAll ? perNode : 1
    return time(senders * far, networkRate(gpus: layout.ranksPerNode))
  }

  func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) -> CollectiveTime {
    crossesNodes
      ? time(Double(bytes * pairs), networkRate(gpus: pairs)) : time(Double(bytes), scaleUpRate)
  }

  private var scaleUpRate: Double { Double(topology.node.scaleUp.bandwidth.bytesPerSecond) }

  /// The bytes per second that the NICs of the first GPUs of a node carry one way.
  private func networkRate(gpus: Int) -> Double {
    let node = topology.node
    let nics =
      node.nics > node.gpus
      ? gpus * (node.nics / node.gpus) : (gpus - 1) * node.nics / node.gpus + 1
    let rate = min(topology.network.bandwidth, node.nicPath.bandwidth)
    return Double(nics) * Double(rate.bytesPerSecond)
  }

  private func time(_ bytes: Double, _ rate: Double) -> CollectiveTime {
    CollectiveTime(
      time: SimDuration(picoseconds: Int64(bytes / rate * 1e12)), breakdown: TimeBreakdown(),
      bottleneck: .networkBandwidth)
  }
}
