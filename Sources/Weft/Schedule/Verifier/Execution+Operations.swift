extension Execution {
  /// Receives, reduces, stores and sends once both the message and the slot are there.
  ///
  /// An implementation that takes the message before it has the slot waits no longer than this.
  mutating func transfer(_ operation: Operation, by lane: Int) -> Lane.Wait {
    let actions = operation.actions
    var from = -1
    var to = -1
    if actions.contains(.receive) {
      guard let connection = connection(from: operation.from, to: lane) else { return .nothing }
      from = connection
      if connections[from].isEmpty {
        connections[from].isReceiverWaiting = true
        return .message(from)
      }
    }
    if actions.contains(.send) {
      guard let connection = connection(from: lane, to: operation.to) else { return .nothing }
      to = connection
      if connections[to].sent - connections[to].taken >= options.slots {
        connections[to].isSenderWaiting = true
        return .slot(to)
      }
    }
    let rank = lane / lanesPerRank
    let count = operation.count
    // A negative length is reported at each access; what is moved then is nothing.
    var pieces = from >= 0 ? receive(from, count: count, by: lane) : []
    if from < 0 || actions.contains(.reduce) {
      let operand = read(rank, operation.source, count, by: lane, stamp: clocks.now(lane))
      if from >= 0 {
        pieces = add(pieces, operand, by: lane)
      } else if actions.contains(.reduce) {
        let addend = read(rank, operation.addend, count, by: lane, stamp: clocks.now(lane))
        pieces = add(operand, addend, by: lane)
      } else {
        pieces = operand
      }
    }
    if actions.contains(.store) {
      write(pieces, rank, operation.destination, count, by: lane, stamp: clocks.now(lane))
    }
    if to >= 0 { send(pieces, count: count, through: to, by: lane) }
    return .nothing
  }

  /// Takes the head message and gives its slot back.
  private mutating func receive(_ index: Int, count: Int, by lane: Int) -> [Piece<Multiset>] {
    let message = take(index, by: lane)
    guard case .data = message.kind else {
      report(
        .mismatch, lane: lane,
        "It receives, but what comes is a \(message.kind == .signal ? "signal" : "put") "
          + "of \(name(connections[index].source)) at step \(message.step).")
      return broken(count)
    }
    let backward = connections[index].backward
    if backward.carries { connections[index].freed.append(clocks.release(lane, along: backward)) }
    connections[index].taken += 1
    if connections[index].isSenderWaiting {
      connections[index].isSenderWaiting = false
      wake(connections[index].source)
    }
    guard message.count == count else {
      report(
        .mismatch, lane: lane,
        "It receives \(count) elements, but the message of \(name(connections[index].source)), "
          + "step \(message.step) of call \(message.call), has \(message.count).")
      return broken(count)
    }
    return message.pieces
  }

  private mutating func send(
    _ pieces: [Piece<Multiset>], count: Int, through index: Int, by lane: Int
  ) {
    if connections[index].sent >= options.slots, !connections[index].freed.isEmpty {
      let snapshot = connections[index].freed.removeFirst()
      clocks.acquire(snapshot, by: lane, along: connections[index].backward)
    }
    connections[index].sent += 1
    post(.data, pieces, count: count, through: index, by: lane)
  }

  /// Writes into the peer's memory; when is known only once the peer's `wait` has passed.
  mutating func put(_ operation: Operation, by lane: Int) -> Lane.Wait {
    guard let index = connection(from: lane, to: operation.to) else { return .nothing }
    let stamp = clocks.isOn ? Stamp(put: puts.count) : .none
    let kind = SymbolicMessage<Multiset>.Kind.put(puts.count)
    puts.append(Put(source: lane, completion: nil))
    let pieces = read(
      lane / lanesPerRank, operation.source, operation.count, by: lane, stamp: stamp)
    write(
      pieces, Int(operation.to.peer), operation.destination, operation.count, by: lane,
      stamp: stamp)
    post(kind, [], count: operation.count, through: index, by: lane)
    return .nothing
  }

  mutating func signal(_ operation: Operation, by lane: Int) -> Lane.Wait {
    guard let index = connection(from: lane, to: operation.to) else { return .nothing }
    post(.signal, [], count: 0, through: index, by: lane)
    return .nothing
  }

  mutating func wait(_ operation: Operation, by lane: Int) -> Lane.Wait {
    guard let index = connection(from: operation.from, to: lane) else { return .nothing }
    guard !connections[index].isEmpty else {
      connections[index].isReceiverWaiting = true
      return .flag(index)
    }
    let message = take(index, by: lane)
    switch message.kind {
    case .signal:
      if message.call == lanes[lane].call { connections[index].takesSignalsAtOnce = true }
    case .put(let number): puts[number].completion = (lane, clocks.epoch(lane))
    case .data:
      connections[index].taken += 1
      report(
        .mismatch, lane: lane,
        "It waits for a flag, but what comes is a message of "
          + "\(name(connections[index].source)) at step \(message.step).")
    }
    return .nothing
  }

  /// Lets the lanes of a rank meet; the last one wakes the others.
  mutating func barrier(_ operation: Operation, by lane: Int) -> Lane.Wait {
    let rank = lane / lanesPerRank
    if lanes[lane].wait == .barrier {
      // Woken: the meeting is over.
      return .nothing
    }
    if operation.kind == .kernel, !(0..<program.kernels).contains(operation.count) {
      report(.address, lane: lane, "There is no kernel \(operation.count).")
    }
    waitingLanes[rank] += 1
    guard waitingLanes[rank] == lanesPerRank else { return .barrier }
    waitingLanes[rank] = 0
    clocks.meet(rank)
    let others = (rank * lanesPerRank)..<((rank + 1) * lanesPerRank)
    if let other = others.first(where: { $0 != lane && !meets(lanes[$0].operation, operation) }) {
      report(
        .barrier, lane: lane,
        "It meets lane \(other % lanesPerRank), step \(lanes[other].step), at another operation: "
          + "\(meeting(operation)) here, \(meeting(lanes[other].operation)) there.")
    }
    for other in others where other != lane { wake(other) }
    return .nothing
  }

  private func meets(_ first: Operation, _ second: Operation) -> Bool {
    first.kind == second.kind && (first.kind == .barrier || first.count == second.count)
  }

  private func meeting(_ operation: Operation) -> String {
    operation.kind == .barrier ? "a barrier" : "kernel \(operation.count)"
  }

  // MARK: - Connections

  private mutating func take(_ index: Int, by lane: Int) -> SymbolicMessage<Multiset> {
    let message = connections[index].pop()
    clocks.acquire(message.snapshot, by: lane, along: connections[index].forward)
    return message
  }

  private mutating func post(
    _ kind: SymbolicMessage<Multiset>.Kind, _ pieces: [Piece<Multiset>], count: Int,
    through index: Int, by lane: Int
  ) {
    messages += 1
    connections[index].queue.append(
      SymbolicMessage(
        kind: kind, call: lanes[lane].call, step: lanes[lane].step, count: count, pieces: pieces,
        snapshot: clocks.release(lane, along: connections[index].forward)))
    if connections[index].isReceiverWaiting {
      connections[index].isReceiverWaiting = false
      wake(connections[index].destination)
    }
  }

  private mutating func connection(from lane: Int, to port: Port) -> Int? {
    if lanes[lane].lastTo.port == port { return lanes[lane].lastTo.connection }
    guard let peer = farEnd(of: port, seenBy: lane) else { return nil }
    let number = connection(from: lane, to: peer, tag: port.tag)
    // What may go to oneself depends on the operation, so that is looked at every time.
    if peer / lanesPerRank != lane / lanesPerRank { lanes[lane].lastTo = (port, number) }
    return number
  }

  private mutating func connection(from port: Port, to lane: Int) -> Int? {
    if lanes[lane].lastFrom.port == port { return lanes[lane].lastFrom.connection }
    guard let peer = farEnd(of: port, seenBy: lane) else { return nil }
    let number = connection(from: peer, to: lane, tag: port.tag)
    if peer / lanesPerRank != lane / lanesPerRank { lanes[lane].lastFrom = (port, number) }
    return number
  }

  /// The lane at the other end of a port, if there is such a lane.
  private mutating func farEnd(of port: Port, seenBy lane: Int) -> Int? {
    let (peer, other) = (Int(port.peer), Int(port.lane))
    guard (0..<ranks).contains(peer) else {
      report(.address, lane: lane, "There is no rank \(peer).")
      return nil
    }
    guard (0..<lanesPerRank).contains(other) else {
      report(.address, lane: lane, "Rank \(peer) has no lane \(other).")
      return nil
    }
    let far = peer * lanesPerRank + other
    let kind = lanes[lane].operation.kind
    if peer == lane / lanesPerRank, far == lane || (kind != .signal && kind != .wait) {
      // Lanes of a rank share its memory: one may tell another how far it is, and no more.
      report(.address, lane: lane, "It sends to its own rank or receives from it.")
      return nil
    }
    return far
  }

  private mutating func connection(from source: Int, to destination: Int, tag: Int16) -> Int {
    // Lane numbers have at most 24 bits: see `malformation()`.
    let key =
      UInt64(source) << 40 | UInt64(destination) << 16 | UInt64(UInt16(bitPattern: tag))
    if let number = connectionNumbers[key] { return Int(number) }
    let ends = (source / lanesPerRank, destination / lanesPerRank)
    connectionNumbers[key] = Int32(connections.count)
    connections.append(
      Connection(
        source: source, destination: destination, tag: Int(tag),
        forward: clocks.route(from: ends.0, to: ends.1),
        backward: clocks.route(from: ends.1, to: ends.0)))
    return connections.count - 1
  }
}
