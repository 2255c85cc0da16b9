extension Simulation where Network: ~Copyable {
  /// The time and breakdown of a call: of the last, the only one, or the mean of all.
  func result() throws(SimulationError) -> SimulationResult {
    var time = slowest.period
    var breakdown = slowest.path.since(slowest.before)
    // A time beyond what can be told apart stays so, and is refused as such.
    if counted > 1 && !time.isTooLong {
      breakdown = breakdown.divided(by: counted)
      time = breakdown.total
    }
    let (link, bytes) = network.busiest
    // What its busiest link takes for all calls.
    let busy = fabric.bandwidth(ofLink: link).time(toMove: bytes)
    // Of sums beyond what 64 bits hold a difference says nothing.
    if let endless = [slowest.path.total, busy].first(where: \.isTooLong) { time = endless }
    // No link may carry in the time of a call more than its rate allows. Every message rounds its time
    // to a picosecond, up or, as a flow, by less than one.
    guard busy <= calls * time + SimDuration(picoseconds: Int64(messageCount)) else {
      throw .linkAboveRate(
        link: fabric.name(ofLink: link), bytes: bytes / calls, time: time,
        least: busy.scaled(by: 1 / Double(calls)))
    }
    return SimulationResult(
      time: time, breakdown: breakdown, messages: messageCount * fold.factor / calls,
      wireBytes: byteCount * fold.factor / calls, events: eventCount, foldedNodes: fold.factor,
      busiest: (link, bytes / calls))
  }

  /// The calls at the end that count.
  var counted: Int {
    switch period {
    case .last: 1
    case .rest: max(1, calls - 1)
    case .mean: calls
    }
  }

  /// What the first few blocked lanes wait for.
  func blockedLanes() -> [String] {
    var texts: [String] = []
    for index in 0..<lanes.count where lanes[index].call < calls && texts.count < 8 {
      let lane = lanes[index]
      let what =
        switch lane.stage {
        case .input:
          "a message from rank \(lane.operation.from.peer) lane \(lane.operation.from.lane)"
        case .drain: "the rest of a message from rank \(lane.operation.from.peer)"
        case .credit: "a free slot to rank \(lane.operation.to.peer) lane \(lane.operation.to.lane)"
        case .meet, .end: "the other lanes of its rank"
        case .fetch, .emit: "nothing"
        }
      let (rank, number) = index.quotientAndRemainder(dividingBy: schedule.lanes)
      texts.append("rank \(rank) lane \(number) at step \(lane.step) waits for \(what)")
    }
    return texts
  }
}

extension TimeBreakdown {
  /// What was added since an earlier breakdown, every part at least zero, with the same sum.
  ///
  /// Two calls' critical paths may differ in where they spend their time, so that a part can
  /// shrink; that is taken from the part that grew most.
  func since(_ earlier: TimeBreakdown) -> TimeBreakdown {
    var result = self
    var deficit = SimDuration.zero
    for part in Self.parts {
      result[keyPath: part] = self[keyPath: part] - earlier[keyPath: part]
      if result[keyPath: part] < .zero {
        deficit += result[keyPath: part]
        result[keyPath: part] = .zero
      }
    }
    while deficit < .zero {
      guard let largest = Self.parts.max(by: { result[keyPath: $0] < result[keyPath: $1] }),
        result[keyPath: largest] > .zero
      else { break }
      let taken = min(result[keyPath: largest], .zero - deficit)
      result[keyPath: largest] -= taken
      deficit += taken
    }
    return result
  }

  /// An equal share of every part; what rounding leaves is the largest part's, so that the sum is
  /// that share of the sum, rounded up.
  func divided(by count: Int) -> TimeBreakdown {
    let count = Int64(count)
    let time = (total.picoseconds + count - 1) / count
    var result = self
    for part in Self.parts {
      result[keyPath: part] = SimDuration(picoseconds: self[keyPath: part].picoseconds / count)
    }
    let largest = Self.parts.max { result[keyPath: $0] < result[keyPath: $1] }
    if let largest {
      result[keyPath: largest] += SimDuration(picoseconds: time) - result.total
    }
    return result
  }

  private static var parts: [WritableKeyPath<TimeBreakdown, SimDuration>] {
    [
      \.launch, \.latency, \.scaleUpSerialization, \.networkSerialization, \.scaleUpQueueing,
      \.networkQueueing, \.reduction, \.synchronization, \.posting,
    ]
  }
}
