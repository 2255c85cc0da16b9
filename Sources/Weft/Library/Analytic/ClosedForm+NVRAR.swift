/// NVRAR as its code runs: kernels one after the other, and in every step of the exchange every
/// chunk of every block exposes one latency while all blocks share the NIC.
///
/// `launches + scatter + log2 N chunks (put + a + blocks w/b + poll + add) + gather`, w the wire
/// bytes of a chunk, twice its data. Max-min fair sharing keeps the blocks in step, so each round
/// takes as long as all blocks' chunks do.
extension NVRAR: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    // Rings of NCCL's have forms of their own, but not within kernels of another library.
    if case .rings = inNode, layout.ranksPerNode > 1 { return nil }
    var form = ClosedForm()
    for kernel in machine.costs.kernels { form.breakdown.launch += kernel.launch }
    let members = layout.ranksPerNode
    let shard = (elements + members - 1) / members
    let bytes = elements * machine.costs.elementBytes
    if members > 1 {
      addScatter(shard, to: &form.breakdown, on: machine)
      addGather(shard, to: &form.breakdown, on: machine)
      let perNode = members * (members - 1)
      form.messages += layout.nodes * 3 * perNode
      form.wireBytes +=
        layout.nodes * (2 * (members - 1) * bytes + perNode * machine.costs.signalBytes)
    }
    guard layout.nodes > 1 else { return form }
    let copy = shard * machine.costs.elementBytes * 3
    for kernel in [2, 4] {
      form.breakdown.reduction +=
        machine.costs.kernels[kernel].laneBandwidth?.time(toMove: copy) ?? .zero
    }
    addExchange(shard, to: &form, on: machine)
    return form
  }

  /// The in-node reduce-scatter: puts to all, then wait and add, one by one.
  private func addScatter(
    _ shard: Int, to time: inout TimeBreakdown, on machine: AnalyticMachine
  ) {
    let others = layout.ranksPerNode - 1
    let bytes = shard * machine.costs.elementBytes
    let rate = machine.costs.kernels[0].laneBandwidth
    let add = rate?.time(toMove: 3 * bytes) ?? .zero
    let puts = putTimes(bytes, kernel: 0, on: machine)
    var now = others * puts.each
    for index in 0..<others { now = max(now, puts.first + index * puts.each) + add }
    addInNode(now, latencies: 1, serialization: puts.link, to: &time, on: machine)
  }

  /// The in-node all-gather: puts to all, a round of confirmations.
  private func addGather(
    _ shard: Int, to time: inout TimeBreakdown, on machine: AnalyticMachine
  ) {
    let others = layout.ranksPerNode - 1
    let kernel = layout.nodes > 1 ? 5 : 1
    let puts = putTimes(shard * machine.costs.elementBytes, kernel: kernel, on: machine)
    let costs = machine.costs
    let signal = machine.fabric.scaleUpRate.time(toMove: costs.signalBytes)
    let arrived = max(others * puts.each, puts.first + (others - 1) * puts.each)
    let confirmed =
      costs.put.scaleUp + machine.fabric.topology.node.scaleUp.latency + signal
      + costs.receive.scaleUp
    addInNode(
      arrived + confirmed, latencies: 2, serialization: puts.link, to: &time, on: machine)
  }

  /// How long the lane is busy with one put, and when the first is seen at its target.
  private func putTimes(
    _ bytes: Int, kernel: Int, on machine: AnalyticMachine
  ) -> (each: SimDuration, first: SimDuration, link: SimDuration) {
    let costs = machine.costs
    // A lane of unlimited rate hands its puts over at once, and the link carries one by one.
    let link = machine.fabric.scaleUpRate.time(toMove: bytes)
    let each = max(link, costs.kernels[kernel].laneBandwidth?.time(toMove: bytes) ?? .zero)
    let first =
      costs.put.scaleUp + machine.fabric.topology.node.scaleUp.latency + each
      + costs.receive.scaleUp
    return (each, first, link)
  }

  /// Splits an in-node phase: latencies and flags, the link, and the rest as the lane's work.
  private func addInNode(
    _ total: SimDuration, latencies: Int, serialization: SimDuration, to time: inout TimeBreakdown,
    on machine: AnalyticMachine
  ) {
    let costs = machine.costs
    let latency = latencies * machine.fabric.topology.node.scaleUp.latency
    let flags = latencies * (costs.put.scaleUp + costs.receive.scaleUp)
    let link = min(serialization, max(.zero, total - latency - flags))
    time.latency += latency
    time.synchronization += flags
    time.scaleUpSerialization += link
    time.reduction += max(.zero, total - latency - flags - link)
  }

  /// Recursive doubling between nodes, chunk by chunk.
  private func addExchange(_ shard: Int, to form: inout ClosedForm, on machine: AnalyticMachine) {
    let costs = machine.costs
    let group = DoublingGroup(members: layout.nodes, me: 0)
    let extras = layout.nodes - group.core
    let run = (shard + blocks - 1) / blocks
    let (chunks, rest) = run.quotientAndRemainder(dividingBy: chunkElements)
    // Blocks of one GPU, and GPUs, that share a NIC.
    let node = machine.fabric.topology.node
    let stripes = max(1, node.nics / node.gpus)
    let sharing = machine.gpusPerNIC * ((blocks + stripes - 1) / stripes)
    func round(_ count: Int, latency: SimDuration) -> TimeBreakdown {
      let wire = count * costs.elementBytes * 2
      var time = TimeBreakdown()
      time.latency = latency
      time.networkSerialization = machine.fabric.networkRate.time(toMove: wire * sharing)
      time.synchronization = costs.put.network + costs.receive.network
      time.reduction = costs.kernels[3].laneBandwidth?.time(toMove: 3 * wire) ?? .zero
      return time
    }
    func step(_ latency: SimDuration) {
      form.breakdown.add(round(chunkElements, latency: latency), times: chunks)
      if rest > 0 { form.breakdown.add(round(rest, latency: latency)) }
    }
    for index in 0..<group.steps { step(machine.slowestLatency { $0 ^ (1 << index) }) }
    if extras > 0 {
      let latency = machine.slowestLatency { $0 + group.core }
      step(latency)
      step(latency)
    }
    let exchanges = group.core * group.steps + 2 * extras
    for member in 0..<layout.ranksPerNode {
      let part = Region(offset: 0, count: elements).part(member, of: layout.ranksPerNode)
      for lane in 0..<blocks {
        let length = Region(offset: 0, count: part.count).part(lane, of: blocks).count
        form.messages += exchanges * ((length + chunkElements - 1) / chunkElements)
      }
    }
    form.wireBytes += exchanges * 2 * elements * costs.elementBytes
    let signals = exchanges * layout.ranksPerNode
    form.messages += signals
    form.wireBytes += signals * costs.signalBytes
  }

  /// The published closed form, with the flags' doubling of bytes as its factor.
  ///
  /// `2(G - 1) a_node + log2 N a_net + S/G (2(G - 1)/b_node + 2 (N - 1)/(N b_net))`: links alone, a
  /// latency per step instead of per chunk, and bytes as if shards shrank from step to step. Source:
  /// Singhania et al. 2025, arXiv 2511.09557.
  func publishedTime(on fabric: Fabric, elementBytes: Int) -> SimDuration {
    let (nodes, members) = (Double(layout.nodes), Double(layout.ranksPerNode))
    let bytes = Double(elements * elementBytes) / members
    var seconds = 0.0
    if layout.ranksPerNode > 1 {
      seconds +=
        2 * (members - 1)
        * (fabric.topology.node.scaleUp.latency.seconds
          + bytes / Double(fabric.topology.node.scaleUp.bandwidth.bytesPerSecond))
    }
    if layout.nodes > 1 {
      let steps = DoublingGroup(members: layout.nodes, me: 0).steps
      seconds +=
        Double(steps) * fabric.topology.network.latency.seconds
        + bytes * 2 * (nodes - 1) / nodes / Double(fabric.networkRate.bytesPerSecond)
    }
    return .seconds(seconds)
  }
}
