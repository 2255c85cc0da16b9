extension Simulation where Network: ~Copyable {
  /// Runs a lane from the present until it must wait.
  mutating func advance(_ index: Int, at time: SimDuration) {
    while true {
      switch lanes[index].stage {
      case .fetch:
        guard let operation = lanes[index].cursor.next() else {
          lanes[index].stage = .end
          continue
        }
        lanes[index].operation = operation
        let meets = operation.kind == .barrier || operation.kind == .kernel
        lanes[index].step += 1
        lanes[index].stage = meets ? .meet : .input
      case .input:
        guard takeInput(index, at: time) else { return }
        lanes[index].stage = .credit
      case .credit:
        guard takeSlot(index, at: time) else { return }
        guard work(index, at: time) else { return }
      case .drain:
        guard drain(index, at: time) else { return }
        lanes[index].stage = .emit
      case .emit:
        emit(index, at: time)
        if costs.remembersOperations { atHand[index] = AtHand(lanes[index].operation) }
        lanes[index].stage = .fetch
      case .meet, .end:
        meet(index, at: time)
        return
      }
    }
  }

  // MARK: - Waiting

  /// Takes the message or flag that the operation needs; false if the lane must wait for it.
  private mutating func takeInput(_ index: Int, at time: SimDuration) -> Bool {
    let takesFlag = lanes[index].operation.kind == .wait
    guard takesFlag || lanes[index].operation.actions.contains(.receive) else { return true }
    let port = incoming(index, lanes[index].operation.from)
    let id = ports[port].first
    // A streaming lane starts on the first lines, any other when the last byte is there.
    let streams = id >= 0 && streams(id)
    guard id >= 0, streams || messages[id].isSettled,
      let start = streams ? firstGrain(id) : messages[id].arrival
    else {
      ports[port].receiver = Int32(index)
      return false
    }
    assert(messages[id].isFlag == takesFlag, "A flag is not a message to a slot.")
    let overhead = receiveCost(id)
    let isFoundLate = !takesFlag && looksLate(index, for: start)
    let begin = (isFoundLate ? lanes[index].now : start) + overhead
    if begin > time {
      queue.push(Event(.lane, Int32(index)), at: begin)
      return false
    }
    if begin > lanes[index].now {
      // What made the head late is what made the message late, but for the bytes behind the head.
      lanes[index].now = time
      if isFoundLate {
        lanes[index].path.synchronization += overhead
      } else if streams {
        lanes[index].path = headPath(id)
        // A message that was passed on may turn out to have come before its first lines were
        // expected; the lane has waited for them all the same.
        lanes[index].path.scaleUpQueueing += time - begin
      } else {
        lanes[index].path = messages[id].path
        lanes[index].path.synchronization += overhead
      }
    }
    ports[port].first = messages[id].next
    if ports[port].first < 0 { ports[port].last = -1 }
    if streams {
      lanes[index].streamed = id
    } else {
      messages.release(id)
    }
    lanes[index].taken = port
    return true
  }

  /// Whether a lane begins to look for a message that has been there for a while.
  ///
  /// It looks for the messages of all children at once.
  private mutating func looksLate(_ index: Int, for start: SimDuration) -> Bool {
    costs.looksWhenFree && start < lanes[index].now
      && !atHand[index].continues(with: lanes[index].operation)
  }

  /// Takes a free slot of the port that the operation sends through; false if there is none.
  private mutating func takeSlot(_ index: Int, at time: SimDuration) -> Bool {
    // What never runs out need not be looked up.
    guard costs.slots < .max && lanes[index].operation.actions.contains(.send) else { return true }
    let port = outgoing(index, lanes[index].operation.to)
    guard ports[port].used < costs.slots else {
      ports[port].sender = Int32(index)
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
      if call + 2 == calls && period == .last { ends[rank] = end }
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
      if kernel >= 0 { lanes[other].kernel = Int32(kernel) }
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

  @inline(__always)
  mutating func outgoing(_ index: Int, _ port: Port) -> Int32 {
    let (rank, lane) = lanesPerRank.split(index)
    let peer = Int(port.peer)
    let source = fold.source(rank, seenFrom: peer)
    let key = PortTable.key(
      source: source * schedule.lanes + lane,
      target: fold.member(of: peer) * schedule.lanes + Int(port.lane), tag: port.tag)
    let last = lanes[index].lastOutgoing
    if last >= 0 && ports[last].key == key { return last }
    let found = ports.port(key)
    lanes[index].lastOutgoing = found
    return found
  }

  @inline(__always)
  private mutating func incoming(_ index: Int, _ port: Port) -> Int32 {
    // The receiver is a member itself, so the sender needs no mapping.
    let key = PortTable.key(
      source: Int(port.peer) * schedule.lanes + Int(port.lane), target: index, tag: port.tag)
    let last = lanes[index].lastIncoming
    if last >= 0 && ports[last].key == key { return last }
    let found = ports.port(key)
    lanes[index].lastIncoming = found
    return found
  }
}
