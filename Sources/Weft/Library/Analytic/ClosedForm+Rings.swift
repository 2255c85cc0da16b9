/// The ring, channel by channel: 2(R - 1) messages over every link, half as many to gather or to
/// scatter.
///
/// A message of a step leaves when the one of the step before has come, and when the link is free:
/// `x(i, k) = max(x(i - 1, k - 1) + hop(i - 1), x(i, k - 1) + interval(i))`. The longest path through
/// that grid either goes round the ring with the data or stays on the slowest link. With equal hops
/// it is the textbook's `2(R - 1)(a + S/(R b))` (Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521).
extension Ring: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    // All-gather and reduce-scatter, the halves of it, have no closed form yet.
    guard collective == .allReduce else { return nil }
    var form = ClosedForm(breakdown: machine.launch)
    let channel = (elements + lanes - 1) / lanes
    guard layout.ranks > 1 && channel > 0 else {
      form.breakdown.add(machine.working(elements: inPlace ? 0 : 2 * channel))
      return form
    }
    let most = layout.ranks.multipliedReportingOverflow(by: chunkElements)
    let loop = most.overflow ? channel : min(channel, most.partialValue)
    let (loops, rest) = channel.quotientAndRemainder(dividingBy: loop)
    let whole = path(loop, on: machine)
    form.breakdown.add(whole, times: loops)
    if rest > 0 { form.breakdown.add(path(rest, on: machine)) }
    form.messages = (loops + (rest > 0 ? 1 : 0)) * steps * layout.ranks * slices * lanes
    // Every element travels once per step of its chunk; only rounding differs between chunks.
    form.wireBytes = steps * machine.bytes(elements)
    return form
  }

  /// The messages of a chunk from rank to rank.
  private var steps: Int { (collective == .allReduce ? 2 : 1) * (layout.ranks - 1) }

  /// The longest path through one loop of so many elements.
  private func path(_ loop: Int, on machine: AnalyticMachine) -> TimeBreakdown {
    let chunk = (loop + layout.ranks - 1) / layout.ranks
    let slice = (chunk + slices - 1) / slices
    let (inside, across, posts) = machine.sharing(channels: lanes, order: order)
    let near = machine.hop(elements: slice, crossesNodes: false, sharing: inside)
    let far = machine.hop(
      elements: slice, crossesNodes: true, sharing: across, posts: posts)
    let perNode = layout.ranksPerNode
    var path = TimeBreakdown()
    if layout.nodes == 1 {
      path.add(near.time, times: steps)
      path.add(near.interval, times: slices - 1)
    } else {
      // From one link between nodes to the next, and what is left on the slower of ways.
      let (laps, rest) = (steps - 1).quotientAndRemainder(dividingBy: perNode)
      path.add(far.time, times: laps + 1)
      path.latency += extraLatency(hops: laps + 1, on: machine)
      path.add(near.time, times: laps * (perNode - 1))
      path.add(near.time.orLonger(far.interval), times: rest)
      // With one GPU per node there is no link inside it.
      let slowest = perNode > 1 ? far.interval.orLonger(near.interval) : far.interval
      path.add(slowest, times: slices - 1)
      var stay = far.time
      stay.add(far.interval, times: slices * steps - 1)
      path = path.orLonger(stay)
    }
    if perNode > 1 {
      var stay = near.time
      stay.add(near.interval, times: slices * steps - 1)
      path = path.orLonger(stay)
    }
    // The last receive stores.
    path.add(machine.working(elements: slice))
    return path
  }

  /// What switches beyond the first add on the worst run of so many hops between nodes.
  private func extraLatency(hops: Int, on machine: AnalyticMachine) -> SimDuration {
    guard !machine.fabric.hasEqualLatencies else { return .zero }
    let network = machine.fabric.topology.network
    let nodes = layout.nodes
    let further = (0..<nodes).map {
      network.switches(fromNode: $0, toNode: ($0 + 1) % nodes) - 1
    }
    let (laps, rest) = hops.quotientAndRemainder(dividingBy: nodes)
    var window = further.prefix(rest).reduce(0, +)
    var worst = window
    for start in 0..<nodes {
      window += further[(start + rest) % nodes] - further[start]
      worst = max(worst, window)
    }
    return (laps * further.reduce(0, +) + worst) * network.hopLatency
  }
}

extension AnalyticMachine {
  /// How many channels of rings share a link inside a node, a NIC, and a GPU's proxy, at most.
  func sharing(
    channels: Int, order: NodeOrder
  ) -> (inside: Int, across: Int, posts: Int) {
    let perNode = fabric.gpusPerNode
    let isMesh = fabric.topology.node.scaleUp.kind == .mesh
    var links = Array(repeating: 0, count: perNode * perNode)
    var leaving = Array(repeating: 0, count: perNode)
    var posted = Array(repeating: 0, count: max(1, fabric.topology.node.nics))
    for lane in 0..<channels {
      let path = RingPath(
        layout: Layout(nodes: fabric.nodes, ranksPerNode: perNode), channel: lane, order: order)
      let exit = path.rank(at: perNode - 1)
      for position in 0..<(fabric.nodes == 1 ? perNode : perNode - 1) {
        let (from, to) = (path.rank(at: position), path.rank(at: (position + 1) % perNode))
        links[from * perNode + (isMesh ? to : 0)] += 1
      }
      leaving[exit] += 1
      if fabric.nodes > 1 { posted[fabric.nic(ofGPU: exit, stripe: lane)] += 1 }
    }
    return (max(1, links.max() ?? 1), max(1, posted.max() ?? 1), max(1, leaving.max() ?? 1))
  }
}

/// The pipelined chain: one hop after the other for the first chunk, one interval for each other.
extension RootedChain: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    var form = ClosedForm(breakdown: machine.launch)
    guard layout.ranks > 1 && elements > 0 else {
      form.breakdown.add(machine.working(elements: caller.inPlace ? 0 : 2 * elements))
      return form
    }
    let channel = (elements + lanes - 1) / lanes
    let chunk = min(chunkElements, channel)
    let chunks = (channel + chunk - 1) / chunk
    let (inside, across, posts) = machine.sharing(channels: lanes, order: order)
    let near = machine.hop(elements: chunk, crossesNodes: false, sharing: inside)
    let far = machine.hop(
      elements: chunk, crossesNodes: true, sharing: across, posts: posts,
      latency: machine.slowestLatency { ($0 + 1) % layout.nodes })
    let crossings = layout.nodes - 1
    form.breakdown.add(far.time, times: crossings)
    form.breakdown.add(near.time, times: layout.ranks - 1 - crossings)
    let slowest =
      crossings == 0
      ? near.interval
      : layout.ranksPerNode == 1 ? far.interval : far.interval.orLonger(near.interval)
    // The last chunk may be shorter; what follows it at the far end is its own length.
    form.breakdown.add(slowest, times: chunks - 1)
    form.breakdown.add(machine.working(elements: chunk))
    form.messages = lanes * chunks * (layout.ranks - 1)
    form.wireBytes = (layout.ranks - 1) * machine.bytes(elements)
    return form
  }
}
