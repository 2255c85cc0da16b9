extension Simulation where Network: ~Copyable {
  // MARK: - Setting out

  /// Tells the receiver of a message that it sets out: if it has asked for it, it waits for that one
  /// now, or else the message goes into an inbox.
  @inline(__always)
  mutating func announce(_ id: Int32) {
    let key = messages[id].key
    let index = messages[id].receiver
    if lanes[index].awaitedKey == key {
      lanes[index].awaitedKey = .max
      lanes[index].awaited = id
      return
    }
    keep(id, for: index)
  }

  /// Puts a message that its receiver has not asked for into an inbox.
  @inline(__always)
  private mutating func keep(_ id: Int32, for index: Int) {
    let inbox = Int(truncatingIfNeeded: messages[id].key & 3)
    messages[id].next = lanes[index].inboxes[inbox]
    lanes[index].inboxes[inbox] = id
  }

  /// Gives its receiver a message whose arrival is known: one that is waited for goes on with its time
  /// and path at once, another is kept.
  @inline(__always)
  mutating func deliver<C: LaneCosts>(
    _ passage: Passage, _ departure: Departure, from sender: Int, _: C.Type
  ) {
    let index = PortTable.target(ofKey: departure.key)
    guard lanes[index].awaitedKey == departure.key else {
      keep(passage, departure, from: sender, for: index)
      return
    }
    lanes[index].awaitedKey = .max
    let overhead = C.areNone ? .zero : receiveCost(crossesNodes: departure.crossesNodes)
    let isFoundLate = !C.areNone && !departure.isFlag && looksLate(index, for: passage.arrival)
    let begin = (isFoundLate ? lanes[index].now : passage.arrival) + overhead
    if begin > lanes[index].now {
      lanes[index].now = begin
      if !isFoundLate {
        lanes[index].path = lanes[sender].path
        lanes[index].path.add(
          passage, since: departure.time, latency: departure.route.latency,
          crossesNodes: departure.crossesNodes)
      }
      if !C.areNone { lanes[index].path.synchronization += overhead }
    }
    lanes[index].taken = departure.port
    lanes[index].stage = .credit
    queue.push(Event(.lane, Int32(truncatingIfNeeded: index)), at: begin)
  }

  /// Puts a message whose arrival is known, and that its receiver has not asked for, into an inbox.
  @inline(never)
  private mutating func keep(
    _ passage: Passage, _ departure: Departure, from sender: Int, for index: Int
  ) {
    let id = messages.take()
    messages[id].path = lanes[sender].path
    messages[id].renew(departure)
    messages[id].path.add(
      passage, since: departure.time, latency: departure.route.latency,
      crossesNodes: departure.crossesNodes)
    messages[id].arrival = passage.arrival
    keep(id, for: index)
  }

  /// Takes the oldest message of a connection out of its inbox; -1 if there is none.
  private mutating func takeAnnounced(_ key: UInt64, by index: Int) -> Int32 {
    let inbox = Int(truncatingIfNeeded: key & 3)
    if lanes[index].spilled > 0 && lanes[index].spilledInboxes >> inbox & 1 != 0 {
      let id = takeSpilled(key, by: index)
      if id >= 0 { return id }
    }
    var id = lanes[index].inboxes[inbox]
    guard id >= 0 else { return -1 }
    var younger: Int32 = -1
    var found: (id: Int32, younger: Int32) = (-1, -1)
    for _ in 0..<Self.shortInbox {
      if messages[id].key == key { found = (id, younger) }
      younger = id
      id = messages[id].next
      guard id < 0 else { continue }
      if found.id >= 0 {
        let older = messages[found.id].next
        if found.younger < 0 {
          lanes[index].inboxes[inbox] = older
        } else {
          messages[found.younger].next = older
        }
      }
      return found.id
    }
    spill(inbox, of: index)
    return takeSpilled(key, by: index)
  }

  /// How many messages of an inbox are looked through before all of them are put into ports, where
  /// each is found at once.
  private static var shortInbox: Int { 8 }

  /// Puts the messages of an inbox into ports; what comes to the inbox after that is younger.
  @inline(never)
  private mutating func spill(_ inbox: Int, of index: Int) {
    var youngest = lanes[index].inboxes[inbox]
    lanes[index].inboxes[inbox] = -1
    lanes[index].spilledInboxes |= 1 << UInt8(inbox)
    // A port takes the oldest first.
    var id: Int32 = -1
    while youngest >= 0 {
      let older = messages[youngest].next
      messages[youngest].next = id
      id = youngest
      youngest = older
    }
    while id >= 0 {
      let following = messages[id].next
      let port = ports.port(messages[id].key)
      if ports[port].last >= 0 {
        messages[ports[port].last].next = id
      } else {
        ports[port].first = id
      }
      ports[port].last = id
      messages[id].next = -1
      lanes[index].spilled += 1
      id = following
    }
  }

  /// Takes the oldest message of a connection out of its port; -1 if there is none.
  @inline(never)
  private mutating func takeSpilled(_ key: UInt64, by index: Int) -> Int32 {
    let port = ports.find(key)
    guard port >= 0, case let id = ports[port].first, id >= 0 else { return -1 }
    ports[port].first = messages[id].next
    if ports[port].first < 0 { ports[port].last = -1 }
    lanes[index].spilled -= 1
    if lanes[index].spilled == 0 { lanes[index].spilledInboxes = 0 }
    return id
  }

  // MARK: - Arriving

  /// Tells the lane that has asked for a message that more has become known of it.
  @inline(__always)
  mutating func arrived(_ id: Int32) {
    guard costs.streamGrain == nil || !streams(id) else { return arrivedInPart(id) }
    let index = messages[id].receiver
    guard lanes[index].awaited == id && messages[id].isSettled else { return }
    queue.push(Event(.lane, Int32(index)), at: take(id, by: index, AllCosts.self))
  }

  /// The same for a message that a lane takes as it comes.
  @inline(never)
  private mutating func arrivedInPart(_ id: Int32) {
    if let start = firstGrain(id) { wakeReceiver(of: id, at: start) }
    guard messages[id].isSettled, let arrival = messages[id].arrival else { return }
    let drainer = messages[way: id].drainer
    if drainer >= 0 {
      messages[way: id].drainer = -1
      let last = max(arrival + receiveCost(id), lanes[Int(drainer)].now)
      queue.push(Event(.lane, drainer), at: last)
    } else {
      wakeReceiver(of: id, at: arrival)
    }
  }

  /// Wakes the lane that waits for a message that it takes as it comes.
  mutating func wakeReceiver(of id: Int32, at moment: SimDuration) {
    let index = messages[id].receiver
    guard lanes[index].awaited == id && lanes[index].waits else { return }
    lanes[index].waits = false
    queue.push(Event(.lane, Int32(index)), at: moment + receiveCost(id))
  }

  // MARK: - Taking

  /// Takes the message or flag that the operation needs; false if the lane goes on later.
  @inline(__always)
  mutating func takeInput<C: LaneCosts>(_ index: Int, at time: SimDuration, _: C.Type) -> Bool {
    let takesFlag = lanes[index].operation.kind == .wait
    guard takesFlag || lanes[index].operation.actions.contains(.receive) else { return true }
    var id = lanes[index].awaited
    if id < 0 {
      let key = connection(into: index, from: lanes[index].operation.from)
      id = takeAnnounced(key, by: index)
      guard id >= 0 else {
        lanes[index].awaitedKey = key
        wait(index)
        return false
      }
      lanes[index].awaited = id
    }
    assert(messages[id].isFlag == takesFlag, "A flag is not a message to a slot.")
    if !C.areNone && costs.streamGrain != nil && streams(id) {
      return takeGrain(id, by: index, at: time)
    }
    guard messages[id].isSettled else {
      wait(index)
      return false
    }
    let begin = take(id, by: index, C.self)
    guard begin > time else { return true }
    queue.push(Event(.lane, Int32(index)), at: begin)
    return false
  }

  /// Leaves a lane until it is told more of the message that it has asked for.
  @inline(__always)
  private mutating func wait(_ index: Int) {
    lanes[index].stage = .input
    lanes[index].waits = true
  }

  /// Takes a whole message whose arrival is known; the moment at which the lane can act on it.
  @inline(__always)
  private mutating func take<C: LaneCosts>(_ id: Int32, by index: Int, _: C.Type) -> SimDuration {
    let overhead = C.areNone ? .zero : receiveCost(id)
    let start = messages[id].arrival ?? .zero
    let isFoundLate = !C.areNone && !messages[id].isFlag && looksLate(index, for: start)
    let begin = (isFoundLate ? lanes[index].now : start) + overhead
    if begin > lanes[index].now {
      // What made the head late is what made the message late, but for the bytes behind the head.
      lanes[index].now = begin
      if !isFoundLate { lanes[index].path = messages[id].path }
      if !C.areNone { lanes[index].path.synchronization += overhead }
    }
    lanes[index].taken = messages[id].port
    lanes[index].awaited = -1
    lanes[index].stage = .credit
    messages.release(id)
    return begin
  }

  /// Starts on a message of which enough is there; false if the lane goes on later.
  @inline(never)
  private mutating func takeGrain(_ id: Int32, by index: Int, at time: SimDuration) -> Bool {
    guard let start = firstGrain(id) else {
      wait(index)
      return false
    }
    let overhead = receiveCost(id)
    let isFoundLate = looksLate(index, for: start)
    let begin = (isFoundLate ? lanes[index].now : start) + overhead
    if begin > time {
      lanes[index].stage = .input
      lanes[index].waits = false
      queue.push(Event(.lane, Int32(index)), at: begin)
      return false
    }
    if begin > lanes[index].now {
      lanes[index].now = time
      if isFoundLate {
        lanes[index].path.synchronization += overhead
      } else {
        lanes[index].path = headPath(id)
        // A message that was passed on may turn out to have come before its first lines were
        // expected; the lane has waited for them all the same.
        lanes[index].path.scaleUpQueueing += time - begin
      }
    }
    works[index].streamed = id
    lanes[index].taken = messages[id].port
    lanes[index].awaited = -1
    return true
  }

  // MARK: - What is known

  /// Whether a lane works on a message while it still arrives.
  mutating func streams(_ id: Int32) -> Bool {
    guard let grain = costs.streamGrain else { return false }
    // What passed at once has no way of its own, and is no such message.
    return !messages[id].crossesNodes && !messages[id].isFlag && messages[way: id].bytes > grain
  }

  /// When enough of a streamed message is there for a lane to start on it: its first grain, at the
  /// rate of its sender; nil while its head is not known.
  mutating func firstGrain(_ id: Int32) -> SimDuration? {
    guard let head = messages[way: id].head else { return nil }
    let start = head + grainTime(id)
    return messages[id].isSettled ? min(start, messages[id].arrival ?? start) : start
  }

  /// How long a lane works on the grain of a streamed messages[id].
  mutating func grainTime(_ id: Int32) -> SimDuration {
    guard let grain = costs.streamGrain, messages[way: id].sourceRate != .max else { return .zero }
    return Bandwidth(bytesPerSecond: messages[way: id].sourceRate).time(toMove: grain)
  }

  /// From the arrival of a message until the receiver acts on it; nothing for a lane of the rank.
  @inline(__always)
  mutating func receiveCost(_ id: Int32) -> SimDuration {
    guard !messages[id].isOwn else { return .zero }
    return receiveCost(crossesNodes: messages[id].crossesNodes)
  }

  @inline(__always)
  private mutating func receiveCost(crossesNodes: Bool) -> SimDuration {
    crossesNodes ? costs.receive.network : costs.receive.scaleUp
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
    path.latency += messages[way: id].route.latency
    path.synchronization += receiveCost(id)
    guard let head = messages[way: id].head, let start = firstGrain(id) else { return path }
    path.reduction += start - head
    path.scaleUpQueueing += start + receiveCost(id) - path.total
    return path
  }
}
