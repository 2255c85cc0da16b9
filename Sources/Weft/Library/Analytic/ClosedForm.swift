/// The time of one lone call by a formula, and what it sends.
struct ClosedForm {
  /// Where the time goes.
  var breakdown = TimeBreakdown()
  /// Messages of the whole machine, puts and signals included.
  var messages = 0
  /// Wire bytes of the whole machine.
  var wireBytes = 0
}

/// A schedule whose time follows from a formula.
///
/// The formulas know how many messages of a step share a NIC or a link, and nothing of what meets by
/// chance: no queues, no interior of the network. Every rank enters a step when the slowest is done.
protocol ClosedFormSchedule: Schedule {
  /// The time of one call; nil where the formula does not cover the number of ranks.
  func closedForm(on machine: AnalyticMachine) -> ClosedForm?
}

/// What single messages cost on a machine that carries nothing else.
struct AnalyticMachine {
  let fabric: Fabric
  let costs: Costs

  /// A message from when its sender starts on it until the receiver can act on its last byte, and
  /// the least time between two such messages of one sender.
  struct Hop {
    var time: TimeBreakdown
    var interval: TimeBreakdown
  }

  /// A message of a transfer between neighbours of a node, or nodes, of which `sharing` are on the
  /// same link and `posts` come from the same GPU's proxy.
  func hop(
    elements: Int, crossesNodes: Bool, sharing: Int = 1, posts: Int = 1,
    latency: SimDuration? = nil
  ) -> Hop {
    let bytes = costs.wireBytes(payload: elements * costs.elementBytes)
    let work = work(elements: elements)
    var time = TimeBreakdown()
    var interval = TimeBreakdown()
    guard crossesNodes else {
      let link = fabric.scaleUpRate.time(toMove: bytes * sharing)
      time.latency = fabric.topology.node.scaleUp.latency
      time.synchronization = costs.receive.scaleUp
      interval.scaleUpSerialization = link
      interval.reduction = max(.zero, work - link)
      if costs.looksWhenFree { interval.synchronization = costs.receive.scaleUp }
      // A streaming receiver starts when a grain has come; the rest is paid for once, at the end.
      let share = Double(min(bytes, costs.streamGrain ?? bytes)) / Double(max(1, bytes))
      time.scaleUpSerialization = link.scaled(by: share)
      time.reduction = max(.zero, work - link).scaled(by: share)
      return Hop(time: time, interval: interval)
    }
    let link = fabric.networkRate.time(toMove: bytes * sharing)
    let service = costs.proxy?.service(bytes) ?? .zero
    let posting = posts * service
    time.reduction = work
    time.posting = service
    time.latency = latency ?? fabric.topology.network.latency
    time.networkSerialization = link
    time.synchronization = costs.receive.network
    if link >= max(work, posting) {
      interval.networkSerialization = link
    } else if posting >= work {
      interval.posting = posting
    } else {
      interval.reduction = work
      if costs.looksWhenFree { interval.synchronization = costs.receive.network }
    }
    return Hop(time: time, interval: interval)
  }

  /// How long a lane of the first kernel is busy with a transfer of so many elements.
  func work(elements: Int) -> SimDuration {
    let bytes = costs.wireBytes(payload: elements * costs.elementBytes)
    return costs.kernels[0].laneBandwidth.map { costs.work(bytes, at: $0) } ?? .zero
  }

  /// A lane's work on its own, as a part of a path.
  func working(elements: Int) -> TimeBreakdown {
    var time = TimeBreakdown()
    time.reduction = work(elements: elements)
    return time
  }

  /// The wire bytes of a message of so many elements.
  func bytes(_ elements: Int) -> Int {
    costs.wireBytes(payload: elements * costs.elementBytes)
  }

  /// The most GPUs in use that share one NIC.
  var gpusPerNIC: Int {
    var counts = Array(repeating: 0, count: max(1, fabric.topology.node.nics))
    for gpu in 0..<fabric.gpusPerNode where fabric.topology.node.nics > 0 {
      counts[fabric.nic(ofGPU: gpu, stripe: 0)] += 1
    }
    return counts.max() ?? 1
  }

  /// The latency between nodes for the slowest pair of a step in which node n meets `partner(n)`.
  func slowestLatency(_ partner: (Int) -> Int) -> SimDuration {
    let network = fabric.topology.network
    guard !fabric.hasEqualLatencies else { return network.latency }
    var most = 1
    for node in 0..<fabric.nodes {
      let other = partner(node)
      guard other != node && other < fabric.nodes else { continue }
      most = max(most, network.switches(fromNode: node, toNode: other))
    }
    return network.latency + (most - 1) * network.hopLatency
  }

  /// The hop of a pairwise step of ranks `stride` apart, when `elements` go each way.
  func exchange(elements: Int, stride: Int) -> Hop {
    let perNode = fabric.gpusPerNode
    let staysInside = fabric.nodes == 1 || perNode % (2 * stride) == 0
    guard !staysInside else { return hop(elements: elements, crossesNodes: false) }
    // All GPUs of a node cross in a step as long as a node, at most `stride` in a shorter one.
    let sharing = min(gpusPerNIC, stride)
    let nodeStride = max(1, stride / perNode)
    return hop(
      elements: elements, crossesNodes: true, sharing: sharing,
      latency: slowestLatency { $0 ^ nodeStride })
  }

  /// The launch of the first kernel.
  var launch: TimeBreakdown {
    var time = TimeBreakdown()
    time.launch = costs.kernels[0].launch
    return time
  }
}

extension TimeBreakdown {
  /// Adds so many times another breakdown.
  mutating func add(_ other: TimeBreakdown, times count: Int = 1) {
    launch += count * other.launch
    latency += count * other.latency
    scaleUpSerialization += count * other.scaleUpSerialization
    networkSerialization += count * other.networkSerialization
    scaleUpQueueing += count * other.scaleUpQueueing
    networkQueueing += count * other.networkQueueing
    reduction += count * other.reduction
    synchronization += count * other.synchronization
    posting += count * other.posting
  }

  /// The longer of two paths, the first of equals.
  func orLonger(_ other: TimeBreakdown) -> TimeBreakdown { other.total > total ? other : self }
}

extension AnySchedule {
  /// The closed form of a schedule; nil if there is none.
  func closedForm(on machine: AnalyticMachine) -> ClosedForm? {
    open(Formula(machine: machine))
  }

  private struct Formula: Visitor {
    let machine: AnalyticMachine

    func visit(_ schedule: some Schedule) -> ClosedForm? {
      (schedule as? any ClosedFormSchedule)?.closedForm(on: machine)
    }
  }
}

extension SimulationResult {
  /// The result of a formula: no event, and no rank that stands for others.
  init(_ form: ClosedForm) {
    self.init(
      time: form.breakdown.total, breakdown: form.breakdown, messages: form.messages,
      wireBytes: form.wireBytes, events: 0, foldedNodes: 1)
  }
}
