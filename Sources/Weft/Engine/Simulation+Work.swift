extension Simulation where Network: ~Copyable {
  // MARK: - Working

  /// Does the operation's own work; false if it ends later, when an event will go on with it.
  mutating func work(_ index: Int, at time: SimDuration) -> Bool {
    assert(lanes[index].now == time, "A lane works in the present.")
    let isStreaming = works[index].streamed >= 0
    lanes[index].stage = isStreaming ? .drain : .emit
    let operation = lanes[index].operation
    guard let rate = laneRate(index, operation),
      case let moved = bytesMoved(index, operation), moved > 0
    else { return !isStreaming || drain(index, at: time) }
    var duration = costs.work(moved, at: rate)
    // Towards a GPU of the node the lane's stores are the transfer: it starts with the work, and
    // is no faster than the lane. A NIC fetches the message when it is complete.
    if storesDirectly(index) {
      let id = send(
        index, at: time, sourceRate: pace(moved, operation, in: duration, at: rate),
        isOpen: isStreaming, AllCosts.self)
      if isStreaming { works[index].passedOn = id }
    }
    if costs.furtherPeerShare < 1 && lanes[index].continues {
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

  /// What a lane moves per second for an operation; nil if it takes no time.
  private mutating func laneRate(_ index: Int, _ operation: LaneOperation) -> Bandwidth? {
    let kernel = Int(lanes[index].kernel)
    let rate = costs.kernels[kernel].laneBandwidth
    guard let plain = costs.kernels[kernel].plainBandwidth,
      operation.kind == .put || operation.actions.isDisjoint(with: [.receive, .send]),
      expansion(operation.source) == 1, expansion(operation.destination) == 1,
      !operation.actions.contains(.reduce) || expansion(operation.addend) == 1
    else { return rate }
    return plain
  }

  /// The rate in bytes per second that a lane's bytes leave with.
  private func pace(
    _ moved: Int, _ operation: LaneOperation, in time: SimDuration, at rate: Bandwidth
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
    let id = works[index].streamed
    lanes[index].stage = .drain
    guard messages[id].isSettled, let arrival = messages[id].arrival else {
      messages[way: id].drainer = Int32(index)
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
    works[index].streamed = -1
    messages.release(id)
    let passedOn = works[index].passedOn
    if passedOn >= 0 {
      works[index].passedOn = -1
      messages.close(passedOn, at: lanes[index].now, path: lanes[index].path)
      arrived(passedOn)
    }
    return true
  }

  /// Lets out what the operation produced and frees the slot that it read.
  @inline(__always)
  mutating func emit<C: LaneCosts>(_ index: Int, at time: SimDuration, _: C.Type) {
    if !C.areNone && lanes[index].taken >= 0 { freeSlot(index, at: time) }
    if lanes[index].operation.sends && !(!C.areNone && hasWork && storesDirectly(index)) {
      _ = send(index, at: time, sourceRate: .max, isOpen: false, C.self)
    }
  }

  /// Frees the slot that a lane read, for the lane that waits for it.
  @inline(never)
  private mutating func freeSlot(_ index: Int, at time: SimDuration) {
    let port = lanes[index].taken
    lanes[index].taken = -1
    ports[port].used -= 1
    let sender = ports[port].sender
    guard sender >= 0 else { return }
    ports[port].sender = -1
    lanes[Int(sender)].wait(until: time, path: lanes[index].path)
    queue.push(Event(.lane, sender), at: time)
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
  private mutating func bytesMoved(_ index: Int, _ operation: LaneOperation) -> Int {
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

  /// The bytes that a buffer stores per byte of data.
  private mutating func expansion(_ buffer: UInt8) -> Int { expansions[Int(buffer)] }

  // MARK: - Messages

  /// Sends what the lane's operation sends: it enters the network now, after a put's overhead, or
  /// when the rank's proxy has posted it.
  private mutating func send<C: LaneCosts>(
    _ index: Int, at time: SimDuration, sourceRate: Int, isOpen: Bool, _: C.Type
  ) -> Int32 {
    let kind = lanes[index].operation.kind
    let destination = lanes[index].operation.to
    let (source, stripe) = lanesPerRank.split(index)
    let target = Int(destination.peer)
    let key = connection(fromRank: source, lane: stripe, to: destination)
    if source == target { return signalOwnLane(index, key, at: time) }
    let payload = lanes[index].operation.count * costs.elementBytes
    var (route, crosses) =
      C.areNone || fabric.isRegular
      ? fabric.regularWay(from: source, to: target, stripe: stripe)
      : irregularWay(from: source, to: target, stripe: stripe)
    if !C.areNone && fold.factor > 1 { route = fabric.folded(route) }
    let via = lanes[index].operation.via
    if via != .links { route = route.crossed(via: via) }
    var departure = Departure(
      key: key, route: route, bytes: 0, time: time, sourceRate: sourceRate,
      isFlag: kind != .transfer, crossesNodes: crosses, isOpen: isOpen)
    if kind == .transfer {
      departure.bytes = costs.wireBytes(payload: payload)
      if !C.areNone && countsSlots {
        departure.port = outgoing(index, key)
        ports[departure.port].used += 1
      }
    } else {
      departure.bytes =
        kind == .signal
        ? costs.signalBytes : payload * expansion(lanes[index].operation.destination)
      if !C.areNone { departure.overhead = crosses ? costs.put.network : costs.put.scaleUp }
    }
    messageCount &+= 1
    byteCount &+= departure.bytes
    let passesAtOnce =
      C.areNone
      || departure.overhead == .zero && !(crosses && isPosted)
        && costs.streamGrain == nil && !isOpen
    if passesAtOnce,
      let passage = network.pass(
        departure.bytes, over: route, crossesNodes: crosses, sourceRate: sourceRate, at: time)
    {
      hold(route, departure.bytes, crossesNodes: crosses, since: time, to: passage.arrival)
      deliver(passage, departure, from: index, C.self)
      return -1
    }
    return setOut(departure, from: index)
  }

  /// Sends a message whose arrival is not known yet, or that something comes before.
  @inline(never)
  private mutating func setOut(_ departure: Departure, from index: Int) -> Int32 {
    let id = messages.take()
    messages[id].path = lanes[index].path
    messages[id].path.synchronization += departure.overhead
    var start = departure.time + departure.overhead
    if departure.crossesNodes && isPosted {
      start = post(id, departure, from: index, at: start)
    }
    messages.renew(id, departure, injected: start)
    messages[way: id].isQueued = costs.proxy == nil && departure.sourceRate == .max
    if costs.streamGrain != nil { keepDeparture(id) }
    if !announcesLate { announce(id) }
    if start == departure.time {
      inject(id, at: start)
    } else {
      queue.push(Event(.inject, id), at: start)
    }
    return id
  }

  /// Lets a rank's proxy and the network's random delays have a lane's message to another node; when
  /// it enters its first link.
  @inline(never)
  private mutating func post(
    _ id: Int32, _ departure: Departure, from index: Int, at time: SimDuration
  ) -> SimDuration {
    var start = time
    if let proxy = costs.proxy {
      let rank = lanesPerRank.quotient(index)
      let posted = max(start, members[rank].proxyFree) + proxy.service(departure.bytes)
      members[rank].proxyFree = posted
      messages[id].path.posting += posted - start
      start = posted
    }
    if delayed.count > 0 {
      let delay = fabric.conditions.networkDelay(lane: index, message: Int(delayed[index]))
      delayed[index] &+= 1
      // What a connection is given later comes later, whatever the network does.
      let late = max(start + delay, delayedUntil[departure.key] ?? .zero)
      delayedUntil[departure.key] = late
      messages[id].path.latency += late - start
      start = late
    }
    return start
  }

  @inline(never)
  private mutating func keepDeparture(_ id: Int32) {
    while departures.count <= Int(id) { departures.append(TimeBreakdown()) }
    departures[Int(id)] = messages[id].path
  }

  @inline(never)
  private mutating func irregularWay(
    from source: Int, to target: Int, stripe: Int
  ) -> (route: Route, crossesNodes: Bool) {
    (
      fabric.route(from: source, to: target, stripe: stripe),
      fabric.node(of: source) != fabric.node(of: target)
    )
  }

  /// Raises a flag for another lane of the rank: through shared memory, so at once and on no link.
  @inline(never)
  private mutating func signalOwnLane(
    _ index: Int, _ key: UInt64, at time: SimDuration
  ) -> Int32 {
    let id = messages.take()
    messages[id].path = lanes[index].path
    messages[id].renew(
      Departure(
        key: key, route: .none, bytes: 0, time: time, sourceRate: .max, isFlag: true,
        crossesNodes: false, isOpen: false))
    messages[id].arrival = time
    announce(id)
    arrived(id)
    return id
  }

  @inline(__always)
  mutating func inject(_ id: Int32, at time: SimDuration) {
    let passage = network.pass(
      messages[way: id].bytes, over: messages[way: id].route,
      crossesNodes: messages[id].crossesNodes,
      sourceRate: messages[way: id].sourceRate, at: time)
    if let passage {
      messages.arrive(id, passage)
      landed(id)
    } else if network.start(id, at: time, messages: &messages, queue: &queue) {
      landed(id)
    } else if costs.streamGrain != nil, streams(id), let start = firstGrain(id) {
      wakeReceiver(of: id, at: start)
    }
  }

  /// Holds a message that the network has brought against what its links and their latency take.
  @inline(__always)
  mutating func landed(_ id: Int32) {
    if announcesLate { announce(id) }
    if let arrival = messages[id].arrival {
      hold(
        messages[way: id].route, messages[way: id].bytes, crossesNodes: messages[id].crossesNodes,
        since: messages[way: id].injected, to: arrival)
    }
    arrived(id)
  }

  /// Holds what a message took against what its links and their latency take.
  @inline(__always)
  private mutating func hold(
    _ route: Route, _ bytes: Int, crossesNodes: Bool, since begin: SimDuration,
    to arrival: SimDuration
  ) {
    let time = arrival - begin
    var least = route.latency
    if !crossesNodes {
      least &+= timeInNode(bytes, fabric.scaleUpRate.bytesPerSecond)
    } else if fabric.hasEqualNICs {
      least &+= timeBetween(bytes, fabric.networkRate.bytesPerSecond)
    }
    // A flow's end is rounded to a picosecond, and its rate to a part in 10^12.
    let slack = SimDuration(picoseconds: 1 &+ least.picoseconds >> 32)
    // Sums beyond what 64 bits hold stay there, and end the run in other words.
    if time < least &- slack && !arrival.isTooLong {
      noteTooFast(route, bytes, took: time, least)
    }
  }

  @inline(never)
  private mutating func noteTooFast(
    _ route: Route, _ bytes: Int, took time: SimDuration, _ least: SimDuration
  ) {
    violation =
      violation
      ?? .messageTooFast(
        from: fabric.name(ofLink: Int(route.first)),
        to: route.last < 0 ? "its GPU" : fabric.name(ofLink: Int(route.last)), bytes: bytes,
        time: time, least: least)
  }
}
