extension Execution {
  /// Lets the caller of a rank write its input, and all lanes begin.
  mutating func beginCall(_ call: Int, rank: Int) {
    let first = rank * lanesPerRank
    for lane in first..<(first + lanesPerRank) { lanes[lane].call = call }
    isCaller = true
    for (number, buffer) in program.buffers.enumerated()
    where buffer.role == .input || buffer.role == .inPlace {
      guard let span = goal.input(of: rank, inPlace: buffer.role == .inPlace) else { continue }
      let input = Content(
        state: .data, call: Int32(call), shift: -span.offset, ranks: algebra.single(rank))
      let state = rank * program.buffers.count + number
      // The caller is a program of its own, ordered with all lanes by the meetings around a call.
      for interval in memory[state].isolate(span.offset, span.count) {
        overwrite(state, interval, with: input, by: first, stamp: clocks.now(first))
      }
    }
    isCaller = false
    clocks.meet(rank)
    for lane in first..<(first + lanesPerRank) {
      lanes[lane].step = -1
      lanes[lane].wait = .nothing
      program.begin(lane: lane, call: call)
      wake(lane)
    }
  }

  /// Notes that a lane is done; the last one of the rank returns to the caller.
  mutating func endCall(_ lane: Int) {
    let rank = lane / lanesPerRank
    let call = lanes[lane].call
    lanes[lane].wait = .end
    let all = (rank * lanesPerRank)..<((rank + 1) * lanesPerRank)
    guard all.allSatisfy({ lanes[$0].wait == .end }) else { return }
    clocks.meet(rank)
    isCaller = true
    readResult(of: rank, call: call)
    isCaller = false
    if call + 1 < options.calls {
      beginCall(call + 1, rank: rank)
    } else {
      for lane in all { lanes[lane].wait = .forEver }
    }
  }

  /// Reads the result as the caller does and compares it with the collective's goal.
  private mutating func readResult(of rank: Int, call: Int) {
    guard
      let number = program.buffers.firstIndex(where: { $0.role == .output || $0.role == .inPlace })
    else { return }
    let inPlace = program.buffers[number].role == .inPlace
    let first = rank * lanesPerRank
    var open: (elements: Range<Int>, fault: String)?
    for part in goal.result(of: rank, inPlace: inPlace) where part.place.count > 0 {
      let wanted = part.rank.map(algebra.single) ?? algebra.complete
      var start = part.place.offset
      let pieces = read(
        rank, Location(buffer: UInt8(number), offset: start), part.place.count, by: first,
        stamp: clocks.now(first))
      for piece in pieces {
        var content = piece.content
        // Now 0 where the element is the one that should be there.
        content.shift &-= part.position
        let end = start + piece.count
        if let fault = fault(of: content, wanted: wanted, call: call) {
          if let last = open, last.fault == fault, last.elements.upperBound == start {
            open = (last.elements.lowerBound..<end, fault)
          } else {
            if let open { recordResult(rank, call, open.elements, open.fault) }
            open = (start..<end, fault)
          }
        }
        start = end
      }
    }
    if let open { recordResult(rank, call, open.elements, open.fault) }
  }

  /// What is wrong with elements at the end of a call; nil if nothing is, or if it is known already.
  private func fault(of content: Content<Multiset>, wanted: Multiset, call: Int) -> String? {
    guard content.state == .data else { return nil }
    if Int(content.call) != call { return "is the result of call \(content.call)" }
    let difference =
      content.ranks == wanted ? nil : algebra.difference(of: content.ranks, from: wanted)
    // A part of another rank is at another place too, but that says less.
    if !program.collective.reduces, let difference { return difference }
    guard content.shift == 0 else {
      let direction = content.shift > 0 ? "further on" : "before"
      return "is that of elements \(content.shift.magnitude) \(direction)"
    }
    return difference
  }

  private mutating func recordResult(
    _ rank: Int, _ call: Int, _ elements: Range<Int>, _ fault: String
  ) {
    record(
      Finding(
        kind: .result, rank: rank, lane: nil, call: call, step: nil,
        text: "The result in elements \(elements) \(fault)."))
  }

  // MARK: - The end

  /// Says who waits for what, and in which circle.
  mutating func reportDeadlock() {
    let blocked = lanes.indices.filter { lanes[$0].wait != .forEver && lanes[$0].wait != .end }
    if let circle = circle(among: blocked) {
      let first = circle[0]
      let chain = (circle + [first]).map(name).joined(separator: " -> ")
      report(.deadlock, lane: first, "Lanes wait for each other in a circle: \(chain).")
    }
    for lane in blocked where !hasStopped {
      report(.deadlock, lane: lane, "It waits for ever \(reason(of: lane)).")
    }
  }

  private func reason(of lane: Int) -> String {
    switch lanes[lane].wait {
    case .message(let index): "for a message from \(end(connections[index].source, index))"
    case .flag(let index): "for a put or signal from \(end(connections[index].source, index))"
    case .slot(let index):
      "for a free slot on the way to \(end(connections[index].destination, index))"
    case .barrier:
      holdup(of: lane).map { "at a meeting of all lanes for lane \($0 % lanesPerRank)" }
        ?? "at a meeting of all lanes"
    case .nothing, .end, .forEver: "for nothing"
    }
  }

  private func end(_ lane: Int, _ index: Int) -> String {
    let state =
      switch lanes[lane].wait {
      case .forEver: ", which has done all its calls"
      case .end: ", which has ended call \(lanes[lane].call)"
      default: ", which is at step \(lanes[lane].step) of call \(lanes[lane].call)"
      }
    return "\(name(lane)) (tag \(connections[index].tag))\(state)"
  }

  /// The lane that another one waits for.
  private func holdup(of lane: Int) -> Int? {
    switch lanes[lane].wait {
    case .message(let index), .flag(let index): return connections[index].source
    case .slot(let index): return connections[index].destination
    case .barrier:
      let all = (lane / lanesPerRank * lanesPerRank)..<((lane / lanesPerRank + 1) * lanesPerRank)
      return all.first { $0 != lane && lanes[$0].wait != .barrier }
    case .nothing, .end, .forEver: return nil
    }
  }

  private func circle(among blocked: [Int]) -> [Int]? {
    // 0: not seen; otherwise the number of the walk that saw it first.
    var seen = [Int](repeating: 0, count: lanes.count)
    for (walk, start) in blocked.enumerated() {
      var lane = start
      while seen[lane] == 0 {
        seen[lane] = walk + 1
        guard let next = holdup(of: lane) else { break }
        lane = next
        if seen[lane] == walk + 1 { return circle(through: lane) }
      }
    }
    return nil
  }

  private func circle(through lane: Int) -> [Int] {
    var members = [lane]
    var current = lane
    while let next = holdup(of: current), next != lane {
      members.append(next)
      current = next
    }
    return members
  }

  /// Messages and flags that nobody took.
  ///
  /// Signals of the last call may be left, for a `wait` of the call after it: if those of earlier
  /// calls have been taken, and by later calls too.
  mutating func reportLeftovers() {
    for index in connections.indices where !connections[index].isEmpty {
      let connection = connections[index]
      let left = connection.queue[connection.head...]
        .filter {
          $0.kind != .signal || $0.call + 1 < options.calls || connection.takesSignalsAtOnce
        }
      guard let message = left.first, !hasStopped else { continue }
      let kind =
        switch message.kind {
        case .data: "message"
        case .signal: "signal"
        case .put: "put"
        }
      record(
        Finding(
          kind: .unmatched, rank: connection.source / lanesPerRank,
          lane: connection.source % lanesPerRank, call: message.call, step: message.step,
          text: "Nobody takes its \(kind) to \(name(connection.destination)) "
            + "(tag \(connection.tag)); \(left.count) in all are left on this connection."))
    }
  }
}
