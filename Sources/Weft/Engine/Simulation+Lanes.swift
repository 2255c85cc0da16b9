extension Simulation where Network: ~Copyable {
  /// Runs a lane from the present until it must wait.
  mutating func advance<C: LaneCosts>(_ index: Int, at time: SimDuration, _: C.Type) {
    var stage = lanes[index].stage
    while true {
      switch stage {
      case .fetch:
        stage = fetch(index)
        if !C.areNone && takesTurns && stage == .input {
          turn(index)
          return
        }
      case .input:
        guard takeInput(index, at: time, C.self) else { return }
        stage = .credit
      case .credit:
        guard C.areNone || !countsSlots || takeSlot(index, at: time) else { return }
        guard C.areNone || !hasWork || work(index, at: time) else { return }
        stage = .emit
      case .drain:
        guard drain(index, at: time) else { return }
        stage = .emit
      case .emit:
        emit(index, at: time, C.self)
        stage = .fetch
      case .meet, .end:
        lanes[index].stage = stage
        meet(index, at: time)
        return
      }
    }
  }

  /// Fetches a lane's next operation; the stage that it is in then.
  @inline(__always)
  mutating func fetch(_ index: Int) -> LaneState<S.Cursor>.Stage {
    guard let operation = lanes[index].cursor.next() else { return .end }
    lanes[index].operation = LaneOperation(operation)
    lanes[index].step &+= 1
    if operation.kind == .barrier || operation.kind == .kernel { return .meet }
    if remembers {
      remember(
        by: index, operation.kind, operation.actions, operation.source, operation.destination,
        operation.count)
    }
    return .input
  }

  /// Notes whether an operation goes on with what is at hand, and what it will leave there.
  ///
  /// It gets the parts that it needs: for a whole operation every lane would keep one in memory.
  @inline(never)
  private mutating func remember(
    by index: Int, _ kind: Operation.Kind, _ actions: Operation.Actions, _ source: Location,
    _ destination: Location, _ count: Int
  ) {
    let operation = Operation(
      kind, actions: actions, source: source, destination: destination, count: count)
    lanes[index].continues = works[index].atHand.continues(with: operation)
    works[index].atHand = AtHand(operation)
  }

  /// Spends what it takes to turn to an operation; an event goes on with it.
  private mutating func turn(_ index: Int) {
    lanes[index].stage = .input
    lanes[index].now += costs.operation
    lanes[index].path.synchronization += costs.operation
    queue.push(Event(.lane, Int32(index)), at: lanes[index].now)
  }

  // MARK: - Waiting

  /// Whether a lane begins to look for a message that has been there for a while.
  ///
  /// It looks for the messages of all children at once.
  @inline(__always)
  mutating func looksLate(_ index: Int, for start: SimDuration) -> Bool {
    costs.looksWhenFree && start < lanes[index].now && !lanes[index].continues
  }

  /// Takes a free slot of the port that the operation sends through; false if there is none.
  @inline(never)
  private mutating func takeSlot(_ index: Int, at time: SimDuration) -> Bool {
    guard lanes[index].operation.actions.contains(.send) else { return true }
    let (rank, lane) = lanesPerRank.split(index)
    let port = outgoing(
      index, connection(fromRank: rank, lane: lane, to: lanes[index].operation.to))
    guard ports[port].used < costs.slots else {
      ports[port].sender = Int32(index)
      lanes[index].stage = .credit
      return false
    }
    return true
  }

  /// Lets the rank's other lanes catch up; the last to arrive starts the next kernel or call.
  private mutating func meet(_ index: Int, at time: SimDuration) {
    let rank = lanesPerRank.quotient(index)
    let latest = members[rank].latest
    // A lane that waits here keeps its moment and its path.
    if latest < 0 || lanes[index].now > lanes[Int(latest)].now {
      members[rank].latest = Int32(index)
    }
    members[rank].arrived += 1
    guard members[rank].arrived == schedule.lanes else { return }
    let last = Int(members[rank].latest)
    var moment = lanes[last].now
    var path = lanes[last].path
    members[rank].arrived = 0
    members[rank].latest = -1
    let operation = lanes[index].operation
    let call = Int(lanes[index].call)
    let endsCall = lanes[index].stage == .end
    if endsCall {
      let end = CallEnd(time: moment, path: path)
      if call + 1 == calls - counted { ends[rank] = end }
      if call + 1 == calls {
        slowest.add(rank, end, after: ends.count == 0 ? CallEnd() : ends[rank])
        running -= schedule.lanes
        return
      }
    }
    let kernel = endsCall ? 0 : operation.kind == .kernel ? operation.count : -1
    if endsCall {
      // The host has enqueued the next call by then, or the GPU waits for it.
      let enqueued = (call + 2) * costs.enqueue
      if enqueued > moment {
        path.launch += enqueued - moment
        moment = enqueued
      }
    }
    if kernel >= 0 {
      let launch = launch(of: kernel, member: rank, call: endsCall ? call + 1 : call)
      moment += launch
      path.launch += launch
    }
    for lane in 0..<schedule.lanes {
      let other = rank * schedule.lanes + lane
      lanes[other].now = moment
      lanes[other].path = path
      lanes[other].stage = .fetch
      if kernel >= 0 { lanes[other].kernel = Int16(kernel) }
      if endsCall {
        lanes[other].call += 1
        lanes[other].step = 0
        lanes[other].cursor = schedule.cursor(rank: rank, lane: lane, call: call + 1)
      }
      queue.push(Event(.lane, Int32(other)), at: moment)
    }
  }

  /// What a member's launch of a kernel takes.
  mutating func launch(of kernel: Int, member: Int, call: Int) -> SimDuration {
    let launch = costs.kernels[kernel].launch
    guard fabric.hasConditions else { return launch }
    return launch.scaled(by: fabric.conditions.slowdown(ofRank: member))
      + fabric.conditions.launchDelay(rank: member, call: call, kernel: kernel)
  }

  // MARK: - Ports

  @inline(__always)
  mutating func crossesNodes(_ index: Int, _ port: Port) -> Bool {
    let rank = lanesPerRank.quotient(index)
    guard fabric.hasRanksInBlocks else {
      return fabric.node(of: rank) != fabric.node(of: Int(port.peer))
    }
    return fold.isBetweenNodes(rank, Int(port.peer))
  }

  /// The connection from a rank's lane to a port of another one, as that one's member sees it.
  @inline(__always)
  mutating func connection(fromRank rank: Int, lane: Int, to port: Port) -> UInt64 {
    let peer = Int(port.peer)
    return PortTable.key(
      source: fold.source(rank, seenFrom: peer) &* lanesPerRank.divisor &+ lane,
      target: fold.member(of: peer) &* lanesPerRank.divisor &+ Int(port.lane), tag: port.tag)
  }

  /// The connection into a lane from a port; the lane's rank is a member itself.
  @inline(__always)
  mutating func connection(into index: Int, from port: Port) -> UInt64 {
    PortTable.key(
      source: Int(port.peer) &* lanesPerRank.divisor &+ Int(port.lane), target: index, tag: port.tag
    )
  }

  /// The port that a lane sends through.
  mutating func outgoing(_ index: Int, _ key: UInt64) -> Int32 {
    let last = works[index].lastOutgoing
    if last >= 0 && ports[last].key == key { return last }
    let found = ports.port(key)
    works[index].lastOutgoing = found
    return found
  }
}
