/// `log2 R (a + S/b)`, and a step before and after for ranks beyond a power of two; in a step
/// between nodes all GPUs of a NIC share it. Source: Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521.
extension RecursiveDoubling: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    let group = DoublingGroup(members: layout.ranks, me: 0)
    var form = ClosedForm(breakdown: machine.launch)
    let extras = layout.ranks - group.core
    for step in 0..<group.steps {
      form.breakdown.add(machine.exchange(elements: elements, stride: 1 << step).time)
      form.breakdown.add(machine.working(elements: elements))
    }
    if extras > 0 { form.addFolding(elements: elements, extras, group, on: machine) }
    form.messages += group.core * group.steps
    form.wireBytes += group.core * group.steps * machine.bytes(elements)
    return form
  }
}

/// `2 log2 R a + 2 (R - 1)/R S/b`: halves given away, then gathered in the opposite order. Source:
/// Rabenseifner 2004, doi:10.1007/978-3-540-24685-5_1.
extension HalvingDoubling: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    let group = DoublingGroup(members: layout.ranks, me: 0)
    var form = ClosedForm(breakdown: machine.launch)
    let extras = layout.ranks - group.core
    for step in 0..<group.steps {
      let parts = group.core >> (step + 1)
      let most = Region(offset: 0, count: elements).parts(0..<parts, of: group.core).count
      form.breakdown.add(machine.exchange(elements: most, stride: 1 << step).time, times: 2)
      form.breakdown.add(machine.working(elements: most), times: 2)
    }
    if extras > 0 { form.addFolding(elements: elements, extras, group, on: machine) }
    form.messages += 2 * group.core * group.steps
    // Each way, all ranks but one get every element.
    form.wireBytes += 2 * (group.core - 1) * machine.bytes(elements)
    return form
  }
}

extension ClosedForm {
  /// The steps in which extras hand their data in and get the result.
  fileprivate mutating func addFolding(
    elements: Int, _ extras: Int, _ group: DoublingGroup, on machine: AnalyticMachine
  ) {
    let nodeStride = max(1, group.core / machine.fabric.gpusPerNode)
    let hop = machine.hop(
      elements: elements, crossesNodes: machine.fabric.nodes > 1,
      sharing: min(machine.gpusPerNIC, extras),
      latency: machine.slowestLatency { $0 + nodeStride })
    breakdown.add(hop.time, times: 2)
    breakdown.add(machine.working(elements: elements), times: 2)
    messages += 2 * extras
    wireBytes += 2 * extras * machine.bytes(elements)
  }
}

/// `log2 R a + (R - 1)/R S/b` for powers of two. Source: Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521. Other counts run Bruck's algorithm, which has no form here.
extension PartDoubling: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    guard layout.ranks.nonzeroBitCount == 1 else { return nil }
    var form = ClosedForm(breakdown: machine.launch)
    let part = elements / layout.ranks
    let steps = layout.ranks.trailingZeroBitCount
    for step in 0..<steps {
      let count = part << step
      form.breakdown.add(machine.exchange(elements: count, stride: 1 << step).time)
      form.breakdown.add(machine.working(elements: count))
      let pieces = count / messageElements + (count % messageElements > 0 ? 1 : 0)
      form.messages += layout.ranks * max(1, pieces)
    }
    form.wireBytes = (layout.ranks - 1) * machine.bytes(elements)
    return form
  }
}

/// `2 ceil(log2 R) (a + S/b)`: up the tree and down. Source: Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521.
extension BinomialTree: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    machine.binomialTree(elements: elements, ranks: layout.ranks, passes: 2)
  }
}

/// `ceil(log2 R) (a + S/b)`. Source: Thakur, Rabenseifner and Gropp 2005,
/// doi:10.1177/1094342005051521.
extension RootedTree: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    machine.binomialTree(elements: elements, ranks: layout.ranks, passes: 1)
  }
}

extension AnalyticMachine {
  /// A binomial tree of whole messages, gone through so many times.
  fileprivate func binomialTree(elements: Int, ranks: Int, passes: Int) -> ClosedForm {
    var form = ClosedForm(breakdown: launch)
    var stride = 1
    while stride < ranks {
      let perNode = fabric.gpusPerNode
      let crosses = fabric.nodes > 1 && perNode % (2 * stride) != 0
      let nodeStride = max(1, stride / perNode)
      let hop = hop(
        elements: elements, crossesNodes: crosses,
        latency: crosses ? slowestLatency { $0 + nodeStride } : nil)
      form.breakdown.add(hop.time, times: passes)
      form.breakdown.add(working(elements: elements), times: passes)
      stride *= 2
    }
    form.messages = passes * (ranks - 1)
    form.wireBytes = form.messages * bytes(elements)
    return form
  }
}

/// `2 (a + (R - 1) S/(R b))`: everybody to everybody at once, twice.
extension AllPairs: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    machine.directExchange(
      part: (elements + layout.ranks - 1) / layout.ranks, total: elements, ranks: layout.ranks,
      rounds: 2)
  }
}

/// `a + (R - 1) S/(R b)`: everybody to everybody at once.
extension DirectExchange: ClosedFormSchedule {
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    let isPersonal = collective == .allToAll
    return machine.directExchange(
      part: elements / layout.ranks, total: isPersonal ? elements * layout.ranks : elements,
      ranks: layout.ranks, rounds: 1, isPersonal: isPersonal)
  }
}

extension AnalyticMachine {
  /// Rounds in which every rank sends every other one a part.
  fileprivate func directExchange(
    part: Int, total: Int, ranks: Int, rounds: Int, isPersonal: Bool = false
  ) -> ClosedForm {
    var form = ClosedForm(breakdown: launch)
    guard ranks > 1 else { return form }
    let perNode = fabric.gpusPerNode
    // In a mesh every peer has a link of its own; a switch port carries all of them.
    let inside = fabric.topology.node.scaleUp.kind == .mesh ? 1 : perNode - 1
    var round = TimeBreakdown()
    if perNode > 1 {
      round = hop(elements: part, crossesNodes: false, sharing: inside).time
    }
    if fabric.nodes > 1 {
      let far = hop(
        elements: part, crossesNodes: true, sharing: gpusPerNIC * (ranks - perNode),
        latency: slowestLatency { fabric.nodes - 1 - $0 })
      round = round.orLonger(far.time)
    }
    let others = ranks - 1
    round.add(working(elements: part), times: others)
    form.breakdown.add(round, times: rounds)
    form.messages = rounds * ranks * others
    form.wireBytes =
      isPersonal
      ? others * bytes(total) / ranks : rounds * others * bytes(total)
    return form
  }
}
