/// The double binary tree: up and down its depth for the first chunk, one interval for each other.
///
/// `2 (D hop_net + (G - 1) hop_node) + (chunks - 1) interval`, with D the depth of the tree of nodes.
/// Below the root a node's two children meet at its NIC, so their chunks take twice as long on it;
/// an inner node of one tree is a leaf of the other, so a NIC carries three messages of a chunk in
/// its own tree and one of the other; of two nodes with a GPU each, one per channel. Source: Sanders,
/// Speck and Träff 2009, doi:10.1016/j.parco.2009.09.001.
extension Tree: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    var form = ClosedForm(breakdown: machine.launch)
    let channel = (elements + channels - 1) / channels
    guard layout.ranks > 1 && channel > 0 else { return form }
    let chunk = min(chunkElements, channel)
    let chunks = (channel + chunk - 1) / chunk
    let depth = depthOfNodes
    let posts = max(1, channels / layout.ranksPerNode)
    let single = machine.hop(elements: chunk, crossesNodes: true, posts: posts)
    let pair = machine.hop(elements: chunk, crossesNodes: true, sharing: 2, posts: posts)
    let near = machine.hop(elements: chunk, crossesNodes: false)
    form.breakdown.add(near.time, times: 2 * (layout.ranksPerNode - 1))
    if depth > 0 {
      form.breakdown.add(single.time, times: 2)
      form.breakdown.add(pair.time, times: 2 * (depth - 1))
      form.breakdown.latency += 2 * further(depth, on: machine)
      // Adding a second child's data, and sending to it, takes the lane's time again.
      form.breakdown.add(machine.working(elements: chunk), times: 2 * (depth - 1))
    }
    form.breakdown.add(machine.working(elements: chunk), times: 2)
    form.breakdown.add(interval(chunk, on: machine), times: chunks - 1)
    // Channels differ by an element at most; chunks are counted for each.
    let lengths = (0..<channels).map { Region(offset: 0, count: elements).part($0, of: channels) }
    let count = lengths.reduce(0) { $0 + ($1.count + chunkElements - 1) / chunkElements }
    form.messages = 2 * (layout.ranks - 1) * count
    form.wireBytes = 2 * (layout.ranks - 1) * machine.bytes(elements)
    return form
  }

  /// What switches beyond the first add on the way from the root to the deepest node, at most.
  ///
  /// The nodes of a level are the odd multiples of 2^l, and those below each lie 2^(l - 1) on either
  /// side; the root is node 0, with one below it.
  private func further(_ depth: Int, on machine: AnalyticMachine) -> SimDuration {
    let base = machine.fabric.topology.network.latency
    return (0..<depth).reduce(.zero) { sum, level in
      let stride = 1 << level
      let slowest = machine.slowestLatency { node in
        if node == 0 { return level == depth - 1 ? stride : 0 }
        return node % (4 * stride) == 2 * stride ? node - stride : node
      }
      return sum + (slowest - base)
    }
  }

  /// The hops from the root to the deepest node.
  private var depthOfNodes: Int {
    layout.nodes < 2 ? 0 : Int.bitWidth - (layout.nodes - 1).leadingZeroBitCount
  }

  /// The time between two chunks of a channel where the pipe is narrowest.
  private func interval(_ chunk: Int, on machine: AnalyticMachine) -> TimeBreakdown {
    let near = machine.hop(
      elements: chunk, crossesNodes: false, sharing: layout.ranksPerNode > 1 ? channels : 1)
    guard layout.nodes > 1 else { return near.interval }
    var heads = Array(repeating: 0, count: max(1, machine.fabric.topology.node.nics))
    for channel in 0..<channels {
      let gpu = channel % layout.ranksPerNode
      heads[machine.fabric.nic(ofGPU: gpu, stripe: 2 * channel)] += 1
    }
    let onNIC = heads.max() ?? 1
    let own = layout.nodes > 2 ? 3 : layout.ranksPerNode > 1 ? 2 : 1
    let far = machine.hop(
      elements: chunk, crossesNodes: true,
      sharing: onNIC == 1 ? own : max(own, (own + 1) * onNIC / 2),
      posts: max(1, channels / layout.ranksPerNode) * (own + 1) / 2)
    return layout.ranksPerNode > 1 ? far.interval.orLonger(near.interval) : far.interval
  }
}
