extension Simulation where Network: ~Copyable {
  // MARK: - Working

  /// Does the operation's own work; false if it ends later, when an event will go on with it.
  mutating func work(_ index: Int, at time: SimDuration) -> Bool {
    assert(lanes[index].now == time, "A lane works in the present.")
    let isStreaming = lanes[index].streamed >= 0
    lanes[index].stage = isStreaming ? .drain : .emit
    guard let rate = costs.kernels[Int(lanes[index].kernel)].laneBandwidth else { return true }
    let operation = lanes[index].operation
    let moved = bytesMoved(index, operation)
    guard moved > 0 else { return true }
    var duration = costs.work(moved, at: rate)
    // Towards a GPU of the node the lane's stores are the transfer: it starts with the work, and
    // is no faster than the lane. A NIC fetches the message when it is complete.
    if storesDirectly(index) {
      let id = send(
        index, at: time, sourceRate: pace(moved, operation, in: duration, at: rate),
        isOpen: isStreaming)
      if isStreaming { lanes[index].passedOn = id }
    }
    if costs.furtherPeerShare < 1 && atHand[index].continues(with: operation) {
      duration = duration.scaled(by: costs.furtherPeerShare)
    }
    if fabric.hasConditions {
      duration = duration.scaled(
        by: fabric.conditions.slowdown(ofRank: lanesPerRank.quotient(index)))
    }
    lanes[index].now += duration
    lanes[index].path.reduction += duration
    queue.push(Event(.lane, Int32(index)), at: lanes[index].now)
    return false
  }

  /// The rate in bytes per second that a lane's bytes leave with.
  private func pace(
    _ moved: Int, _ operation: Operation, in time: SimDuration, at rate: Bandwidth
  ) -> Int {
    guard costs.grainOverhead > .zero || costs.countsAccesses, time > .zero else {
      return rate.bytesPerSecond
    }
    let sent =
      costs.countsAccesses
      ? costs.wireBytes(payload: operation.count * costs.elementBytes) : moved
    return max(1, Int(Double(sent) / time.seconds))
  }

  /// Waits for the last line of the message that the operation streams; false if it is not there.
  mutating func drain(_ index: Int, at time: SimDuration) -> Bool {
    let id = lanes[index].streamed
    guard messages[id].isSettled, let arrival = messages[id].arrival else {
      messages[id].drainer = Int32(index)
      return false
    }
    // The last grain is still to be worked on when it is there.
    let grain = grainTime(id)
    let last = arrival + receiveCost(id) + grain
    if last > time {
      queue.push(Event(.lane, Int32(index)), at: last)
      return false
    }
    var path = tailPath(id)
    path.reduction += grain
    lanes[index].wait(until: last, path: path)
    lanes[index].streamed = -1
    messages.release(id)
    let passedOn = lanes[index].passedOn
    if passedOn >= 0 {
      lanes[index].passedOn = -1
      messages[passedOn].close(at: lanes[index].now, path: lanes[index].path)
      arrived(passedOn)
    }
    return true
  }

  /// Lets out what the operation produced and frees the slot that it read.
  mutating func emit(_ index: Int, at time: SimDuration) {
    let port = lanes[index].taken
    if port >= 0 {
      lanes[index].taken = -1
      ports[port].used -= 1
      let sender = ports[port].sender
      if sender >= 0 {
        ports[port].sender = -1
        lanes[Int(sender)].wait(until: time, path: lanes[index].path)
        queue.push(Event(.lane, sender), at: time)
      }
    }
    let kind = lanes[index].operation.kind
    let sends =
      kind == .put || kind == .signal || lanes[index].operation.actions.contains(.send)
    guard sends else { return }
    if !storesDirectly(index) {
      _ = send(index, at: time, sourceRate: .max, isOpen: false)
    }
  }

  /// Whether a lane of limited rate writes a message to its peer itself, while it works.
  private mutating func storesDirectly(_ index: Int) -> Bool {
    guard costs.kernels[Int(lanes[index].kernel)].laneBandwidth != nil,
      lanes[index].operation.kind == .put || lanes[index].operation.actions.contains(.send),
      lanes[index].operation.count > 0
    else { return false }
    return !crossesNodes(index, lanes[index].operation.to)
  }

  /// The bytes that a lane moves for an operation, as ``Costs/KernelCosts/laneBandwidth`` counts.
  ///
  /// A NIC reads what is put through it by itself.
  private mutating func bytesMoved(_ index: Int, _ operation: Operation) -> Int {
    let payload = operation.count * costs.elementBytes
    if operation.kind == .put && !crossesNodes(index, operation.to) {
      let read = costs.countsAccesses ? payload * expansion(operation.source) : 0
      return read + payload * expansion(operation.destination)
    }
    guard operation.kind == .transfer else { return 0 }
    if operation.actions.contains(.receive) || operation.actions.contains(.send) {
      let wire = costs.wireBytes(payload: payload)
      return costs.countsAccesses ? Self.accesses(operation.actions, payload, wire) : wire
    }
    let source = payload * expansion(operation.source)
    let destination = payload * expansion(operation.destination)
    guard operation.actions.contains(.reduce) else { return source + destination }
    return source + payload * expansion(operation.addend) + destination
  }

  /// The bytes that a message's operation reads and writes: slots hold wire bytes, buffers payload.
  private static func accesses(
    _ actions: Operation.Actions, _ payload: Int, _ wire: Int
  ) -> Int {
    let receives = actions.contains(.receive)
    let operands = (receives ? 0 : 1) + (actions.contains(.reduce) ? 1 : 0)
    return (receives ? wire : 0) + (actions.contains(.send) ? wire : 0)
      + (operands + (actions.contains(.store) ? 1 : 0)) * payload
  }

  private mutating func expansion(_ location: Location) -> Int {
    expansions[Int(location.buffer)]
  }

  // MARK: - Messages

  /// Sends what the lane's operation sends: it enters the network now, after a put's overhead, or
  /// when the rank's proxy has posted it.
  private mutating func send(
    _ index: Int, at time: SimDuration, sourceRate: Int, isOpen: Bool
  ) -> Int32 {
    let kind = lanes[index].operation.kind
    let destination = lanes[index].operation.to
    let (source, stripe) = lanesPerRank.split(index)
    let target = Int(destination.peer)
    if source == target { return signalOwnLane(index, at: time) }
    let payload = lanes[index].operation.count * costs.elementBytes
    let port = outgoing(index, destination)
    if ports[port].route.first < 0 { setRoute(of: port, from: source, to: target, stripe, index) }
    let crosses = ports[port].crossesNodes
    var start = time
    let bytes: Int
    let id = messages.take(MessageState())
    messages[id].path = lanes[index].path
    switch kind {
    case .put, .signal:
      bytes =
        kind == .signal
        ? costs.signalBytes : payload * expansion(lanes[index].operation.destination)
      let overhead = crosses ? costs.put.network : costs.put.scaleUp
      messages[id].path.synchronization += overhead
      start += overhead
    default:
      bytes = costs.wireBytes(payload: payload)
    }
    if crosses, let proxy = costs.proxy {
      let posted = max(start, members[source].proxyFree) + proxy.service(bytes)
      members[source].proxyFree = posted
      messages[id].path.posting += posted - start
      start = posted
    }
    if crosses && fabric.hasConditions {
      let delay = fabric.conditions.networkDelay(message: messageCount)
      messages[id].path.latency += delay
      start += delay
    }
    messageCount += fold.factor
    byteCount += bytes * fold.factor
    var route = ports[port].route
    let via = lanes[index].operation.via
    if via != .links { route = route.crossed(via: via) }
    messages[id].renew(
      isFlag: kind != .transfer, crossesNodes: crosses, bytes: bytes, sourceRate: sourceRate,
      route: route, injected: start, isOpen: isOpen, port: port)
    if costs.streamGrain != nil {
      while departures.count <= Int(id) { departures.append(TimeBreakdown()) }
      departures[Int(id)] = messages[id].path
    }
    append(id, to: port)
    if start == time {
      inject(id, at: time)
    } else {
      queue.push(Event(.inject, id), at: start)
    }
    return id
  }

  /// Notes the way of a port's messages, which is the same for all of them.
  private mutating func setRoute(
    of port: Int32, from source: Int, to target: Int, _ stripe: Int, _ index: Int
  ) {
    var route = fabric.route(from: source, to: target, stripe: stripe)
    if fold.factor > 1 {
      route.first %= Int32(fabric.linksPerNode)
      if route.last >= 0 { route.last %= Int32(fabric.linksPerNode) }
    }
    ports[port].route = route
    ports[port].crossesNodes = crossesNodes(index, Port(peer: target))
  }

  /// Raises a flag for another lane of the rank: through shared memory, so at once and on no link.
  private mutating func signalOwnLane(_ index: Int, at time: SimDuration) -> Int32 {
    let port = outgoing(index, lanes[index].operation.to)
    let id = messages.take(MessageState())
    messages[id].path = lanes[index].path
    messages[id].renew(
      isFlag: true, crossesNodes: false, bytes: 0, sourceRate: .max, route: .none, injected: time,
      isOpen: false, port: port)
    messages[id].arrival = time
    append(id, to: port)
    arrived(id)
    return id
  }

  @inline(__always)
  private mutating func append(_ id: Int32, to port: Int32) {
    ports[port].used += 1
    if ports[port].last >= 0 {
      messages[ports[port].last].next = id
    } else {
      ports[port].first = id
    }
    ports[port].last = id
  }

  @inline(__always)
  mutating func inject(_ id: Int32, at time: SimDuration) {
    if network.start(id, at: time, messages: &messages, queue: &queue) {
      landed(id)
    } else if streams(id), let start = firstGrain(id) {
      wakeReceiver(of: id, at: start)
    }
  }

  /// Holds a message that the network has brought against what its links and their latency take.
  @inline(__always)
  mutating func landed(_ id: Int32) {
    let bytes = messages[id].bytes
    var least = messages[id].route.latency
    if !messages[id].crossesNodes {
      least += timeInNode(bytes, fabric.scaleUpRate.bytesPerSecond)
    } else if fabric.hasEqualNICs {
      least += timeBetween(bytes, fabric.networkRate.bytesPerSecond)
    }
    // A flow's end is rounded to a picosecond, and its rate to a part in 10^12.
    let slack = SimDuration(picoseconds: 1 + least.picoseconds >> 32)
    if let arrival = messages[id].arrival, arrival - messages[id].injected < least - slack {
      noteTooFast(id, took: arrival - messages[id].injected, least)
    }
    arrived(id)
  }

  @inline(never)
  private mutating func noteTooFast(_ id: Int32, took time: SimDuration, _ least: SimDuration) {
    let route = messages[id].route
    violation =
      violation
      ?? .messageTooFast(
        from: fabric.name(ofLink: Int(route.first)),
        to: route.last < 0 ? "its GPU" : fabric.name(ofLink: Int(route.last)),
        bytes: messages[id].bytes, time: time, least: least)
  }

  /// Wakes the lane that waits for a message of which more has become known.
  mutating func arrived(_ id: Int32) {
    if streams(id), let start = firstGrain(id) {
      wakeReceiver(of: id, at: start)
    }
    guard messages[id].isSettled, let arrival = messages[id].arrival else { return }
    let drainer = messages[id].drainer
    if drainer >= 0 {
      messages[id].drainer = -1
      let last = max(arrival + receiveCost(id), lanes[Int(drainer)].now)
      queue.push(Event(.lane, drainer), at: last)
    } else {
      wakeReceiver(of: id, at: arrival)
    }
  }

  /// Wakes the lane that waits at a message's port, if the message is the one it waits for.
  @inline(__always)
  private mutating func wakeReceiver(of id: Int32, at moment: SimDuration) {
    let port = messages[id].port
    let receiver = ports[port].receiver
    guard receiver >= 0, ports[port].first == id else { return }
    ports[port].receiver = -1
    queue.push(Event(.lane, receiver), at: moment + receiveCost(id))
  }

  // MARK: - Receiving

  /// Whether a lane works on a message while it still arrives.
  mutating func streams(_ id: Int32) -> Bool {
    guard let grain = costs.streamGrain else { return false }
    return messages[id].bytes > grain && !messages[id].crossesNodes && !messages[id].isFlag
  }

  /// When enough of a streamed message is there for a lane to start on it: its first grain, at the
  /// rate of its sender; nil while its head is not known.
  mutating func firstGrain(_ id: Int32) -> SimDuration? {
    guard let head = messages[id].head else { return nil }
    let start = head + grainTime(id)
    return messages[id].isSettled ? min(start, messages[id].arrival ?? start) : start
  }

  /// How long a lane works on the grain of a streamed messages[id].
  private mutating func grainTime(_ id: Int32) -> SimDuration {
    guard let grain = costs.streamGrain, messages[id].sourceRate != .max else { return .zero }
    return Bandwidth(bytesPerSecond: messages[id].sourceRate).time(toMove: grain)
  }

  /// From the arrival of a message until the receiver acts on it; nothing for a lane of the rank.
  mutating func receiveCost(_ id: Int32) -> SimDuration {
    guard messages[id].route.first >= 0 else { return .zero }
    return messages[id].crossesNodes ? costs.receive.network : costs.receive.scaleUp
  }

  /// Where the time went until a lane can act on a message's last byte.
  mutating func tailPath(_ id: Int32) -> TimeBreakdown {
    var path = messages[id].path
    path.synchronization += receiveCost(id)
    return path
  }

  /// Where the time went until a lane can act on a message's first byte.
  mutating func headPath(_ id: Int32) -> TimeBreakdown {
    var path = departures[Int(id)]
    path.latency += messages[id].route.latency
    path.synchronization += receiveCost(id)
    guard let head = messages[id].head, let start = firstGrain(id) else { return path }
    path.reduction += start - head
    path.scaleUpQueueing += start + receiveCost(id) - path.total
    return path
  }
}
