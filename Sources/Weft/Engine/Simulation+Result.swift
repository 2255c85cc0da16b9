extension Simulation where Network: ~Copyable {
  /// The time and breakdown of the run: of its last period, or of its only call.
  func result() throws(SimulationError) -> SimulationResult {
    try checkRates(until: slowest.last)
    return SimulationResult(
      time: slowest.period, breakdown: slowest.path.since(slowest.before),
      messages: messageCount / calls,
      wireBytes: byteCount / calls, events: eventCount, foldedNodes: fold.factor)
  }

  /// No link may have carried more than its rate allows.
  private func checkRates(until end: SimDuration) throws(SimulationError) {
    let (link, bytes) = network.busiest
    let least = fabric.bandwidth(ofLink: link).time(toMove: bytes)
    // Every message rounds its time to a picosecond, up or, as a flow, by less than one.
    guard least <= end + SimDuration(picoseconds: Int64(messageCount)) else {
      throw .linkAboveRate(link: fabric.name(ofLink: link), bytes: bytes, time: end)
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

  private static var parts: [WritableKeyPath<TimeBreakdown, SimDuration>] {
    [
      \.launch, \.latency, \.scaleUpSerialization, \.networkSerialization, \.scaleUpQueueing,
      \.networkQueueing, \.reduction, \.synchronization, \.posting,
    ]
  }
}
