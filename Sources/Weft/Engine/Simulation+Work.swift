extension Simulation where Network: ~Copyable {
  // MARK: - Working

  /// Does the operation's own work; false if it ends later, when an event will go on with it.
  mutating func work(_ index: Int, at time: SimDuration) -> Bool {
    let operation = lanes[index].operation
    assert(lanes[index].now == time, "A lane works in the present.")
    let isStreaming = lanes[index].streamed >= 0
    lanes[index].stage = isStreaming ? .drain : .emit
    guard let rate = costs.kernels[Int(lanes[index].kernel)].laneBandwidth else { return true }
    let moved = bytesMoved(index, operation)
    guard moved > 0 else { return true }
    // Towards a GPU of the node the lane's stores are the transfer: it starts with the work, and
    // is no faster than the lane. A NIC fetches the message when it is complete.
    if storesDirectly(index, operation) {
      let id = send(index, at: time, sourceRate: rate.bytesPerSecond, isOpen: isStreaming)
      if isStreaming { lanes[index].passedOn = id }
    }
    var duration = rate.time(toMove: moved)
    if costs.furtherPeerShare < 1 && lanes[index].atHand.continues(with: operation) {
      duration = duration.scaled(by: costs.furtherPeerShare)
    }
    if fabric.hasConditions {
      duration = duration.scaled(
        by: fabric.conditions.slowdown(ofRank: index / schedule.lanes))
    }
    lanes[index].now += duration
    lanes[index].path.reduction += duration
    queue.push(Event(.lane, Int32(index)), at: lanes[index].now)
    return false
  }

  /// Waits for the last line of the message that the operation streams; false if it is not there.
  mutating func drain(_ index: Int, at time: SimDuration) -> Bool {
    let id = lanes[index].streamed
    guard messages[id].isSettled, let arrival = messages[id].arrival else {
      messages[id].drainer = Int32(index)
      return false
    }
    // The last grain is still to be worked on when it is there.
    let grain = grainTime(messages[id])
    let last = arrival + receiveCost(messages[id]) + grain
    if last > time {
      queue.push(Event(.lane, Int32(index)), at: last)
      return false
    }
    var path = tailPath(messages[id])
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
    let operation = lanes[index].operation
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
    let sends =
      operation.kind == .put || operation.kind == .signal || operation.actions.contains(.send)
    if sends && !storesDirectly(index, operation) {
      _ = send(index, at: time, sourceRate: .max, isOpen: false)
    }
  }

  /// Whether a lane of limited rate writes a message to its peer itself, while it works.
  private func storesDirectly(_ index: Int, _ operation: Operation) -> Bool {
    (operation.kind == .put || operation.actions.contains(.send)) && operation.count > 0
      && !crossesNodes(index, operation.to)
      && costs.kernels[Int(lanes[index].kernel)].laneBandwidth != nil
  }

  /// The bytes that a lane moves for an operation, as ``Costs/KernelCosts/laneBandwidth`` counts.
  ///
  /// A NIC reads what is put through it by itself.
  private func bytesMoved(_ index: Int, _ operation: Operation) -> Int {
    let payload = operation.count * costs.elementBytes
    if operation.kind == .put && !crossesNodes(index, operation.to) {
      return payload * expansion(operation.destination)
    }
    guard operation.kind == .transfer else { return 0 }
    if operation.actions.contains(.receive) || operation.actions.contains(.send) {
      return costs.wireBytes(payload: payload)
    }
    let source = payload * expansion(operation.source)
    let destination = payload * expansion(operation.destination)
    guard operation.actions.contains(.reduce) else { return source + destination }
    return source + payload * expansion(operation.addend) + destination
  }

  private func expansion(_ location: Location) -> Int {
    schedule.buffers[Int(location.buffer)].storage.expansion
  }

  // MARK: - Messages

  /// Sends what the lane's operation sends: it enters the network now, after a put's overhead, or
  /// when the rank's proxy has posted it.
  private mutating func send(
    _ index: Int, at time: SimDuration, sourceRate: Int, isOpen: Bool
  ) -> Int32 {
    let operation = lanes[index].operation
    let source = index / schedule.lanes
    let target = Int(operation.to.peer)
    if source == target { return signalOwnLane(index, at: time) }
    let payload = operation.count * costs.elementBytes
    let crosses = crossesNodes(index, operation.to)
    var path = lanes[index].path
    var start = time
    let bytes: Int
    switch operation.kind {
    case .put, .signal:
      bytes =
        operation.kind == .signal ? costs.signalBytes : payload * expansion(operation.destination)
      let overhead = crosses ? costs.put.network : costs.put.scaleUp
      path.synchronization += overhead
      start += overhead
    default:
      bytes = costs.wireBytes(payload: payload)
    }
    if crosses, let proxy = costs.proxy {
      let posted = max(start, members[source].proxyFree) + proxy.service(bytes)
      members[source].proxyFree = posted
      path.posting += posted - start
      start = posted
    }
    if crosses && fabric.hasConditions {
      let delay = fabric.conditions.networkDelay(message: messageCount)
      path.latency += delay
      start += delay
    }
    messageCount += fold.factor
    byteCount += bytes * fold.factor
    let port = outgoing(index, operation.to)
    var route = fabric.route(from: source, to: target, stripe: index % schedule.lanes)
      .crossed(via: operation.via)
    if fold.factor > 1 {
      route.first %= Int32(fabric.linksPerNode)
      if route.last >= 0 { route.last %= Int32(fabric.linksPerNode) }
    }
    let id = messages.insert(
      MessageState(
        isFlag: operation.kind != .transfer, crossesNodes: crosses, bytes: bytes,
        sourceRate: sourceRate, route: route, injected: start, isOpen: isOpen, path: path,
        departure: path, port: port))
    append(id, to: port)
    if start == time {
      inject(id, at: time)
    } else {
      queue.push(Event(.inject, id), at: start)
    }
    return id
  }

  /// Raises a flag for another lane of the rank: through shared memory, so at once and on no link.
  private mutating func signalOwnLane(_ index: Int, at time: SimDuration) -> Int32 {
    let port = outgoing(index, lanes[index].operation.to)
    let path = lanes[index].path
    let id = messages.insert(
      MessageState(
        isFlag: true, crossesNodes: false, bytes: 0, sourceRate: .max,
        route: Route(first: -1, last: -1, latency: .zero), injected: time, arrival: time,
        path: path, departure: path, port: port))
    append(id, to: port)
    arrived(id)
    return id
  }

  private mutating func append(_ id: Int32, to port: Int32) {
    ports[port].used += 1
    if ports[port].last >= 0 {
      messages[ports[port].last].next = id
    } else {
      ports[port].first = id
    }
    ports[port].last = id
  }

  mutating func inject(_ id: Int32, at time: SimDuration) {
    if network.start(id, at: time, messages: &messages, queue: &queue) {
      arrived(id)
    } else if streams(messages[id]), let start = firstGrain(messages[id]) {
      wakeReceiver(of: id, at: start)
    }
  }

  /// Wakes the lane that waits for a message of which more has become known.
  mutating func arrived(_ id: Int32) {
    if streams(messages[id]), let start = firstGrain(messages[id]) {
      wakeReceiver(of: id, at: start)
    }
    guard messages[id].isSettled, let arrival = messages[id].arrival else { return }
    let drainer = messages[id].drainer
    if drainer >= 0 {
      messages[id].drainer = -1
      let last = max(arrival + receiveCost(messages[id]), lanes[Int(drainer)].now)
      queue.push(Event(.lane, drainer), at: last)
    } else {
      wakeReceiver(of: id, at: arrival)
    }
  }

  /// Wakes the lane that waits at a message's port, if the message is the one it waits for.
  private mutating func wakeReceiver(of id: Int32, at moment: SimDuration) {
    let port = messages[id].port
    let receiver = ports[port].receiver
    guard receiver >= 0, ports[port].first == id else { return }
    ports[port].receiver = -1
    queue.push(Event(.lane, receiver), at: moment + receiveCost(messages[id]))
  }

  // MARK: - Receiving

  /// Whether a lane works on a message while it still arrives.
  func streams(_ message: MessageState) -> Bool {
    guard let grain = costs.streamGrain else { return false }
    return message.bytes > grain && !message.crossesNodes && !message.isFlag
  }

  /// When enough of a streamed message is there for a lane to start on it: its first grain, at the
  /// rate of its sender; nil while its head is not known.
  func firstGrain(_ message: MessageState) -> SimDuration? {
    guard let head = message.head else { return nil }
    let start = head + grainTime(message)
    return message.isSettled ? min(start, message.arrival ?? start) : start
  }

  /// How long a lane works on the grain of a streamed message.
  private func grainTime(_ message: MessageState) -> SimDuration {
    guard let grain = costs.streamGrain, message.sourceRate != .max else { return .zero }
    return Bandwidth(bytesPerSecond: message.sourceRate).time(toMove: grain)
  }

  /// From the arrival of a message until the receiver acts on it; nothing for a lane of the rank.
  func receiveCost(_ message: MessageState) -> SimDuration {
    guard message.route.first >= 0 else { return .zero }
    return message.crossesNodes ? costs.receive.network : costs.receive.scaleUp
  }

  /// Where the time went until a lane can act on a message's last byte.
  func tailPath(_ message: MessageState) -> TimeBreakdown {
    var path = message.path
    path.synchronization += receiveCost(message)
    return path
  }

  /// Where the time went until a lane can act on a message's first byte.
  func headPath(_ message: MessageState) -> TimeBreakdown {
    var path = message.departure
    path.latency += message.route.latency
    path.synchronization += receiveCost(message)
    guard let head = message.head, let start = firstGrain(message) else { return path }
    path.reduction += start - head
    path.scaleUpQueueing += start + receiveCost(message) - path.total
    return path
  }
}
