extension Execution {
  /// What a lane reads, and that it does so.
  mutating func read(
    _ rank: Int, _ place: Location, _ count: Int, by lane: Int, stamp: Stamp
  ) -> [Piece<Multiset>] {
    guard contains(rank, place, count, by: lane) else { return broken(count) }
    guard count > 0 else { return [] }
    let buffer = rank * program.buffers.count + Int(place.buffer)
    let run = memory[buffer].isolate(place.offset, count)
    var pieces: [Piece<Multiset>] = []
    for interval in run {
      let index = memory[buffer].segment(interval)
      if clocks.isOn {
        if let rival = unordered(memory[buffer].segments[index].write, lane) {
          reportRace(rival, "wrote", buffer, interval, by: lane, "reads")
        }
        note(stamp, of: lane, buffer, index)
      }
      var content = memory[buffer].segments[index].content
      // A piece counts positions from where the access begins.
      content.shift &+= place.offset
      if content.state == .unwritten {
        report(
          .unwritten, lane: lane,
          "\(subject) reads \(elements(of: buffer, interval)), which nobody has written.")
        content.state = .broken
      }
      pieces.append(
        Piece(count: memory[buffer].elements(interval).count, content: content))
    }
    return pieces
  }

  /// Writes what a lane read or received.
  mutating func write(
    _ pieces: [Piece<Multiset>], _ rank: Int, _ place: Location, _ count: Int, by lane: Int,
    stamp: Stamp
  ) {
    guard contains(rank, place, count, by: lane) else { return }
    let role = program.buffers[Int(place.buffer)].role
    if role == .input, count > 0 {
      return report(
        .readOnly, lane: lane,
        "It writes to buffer '\(program.buffers[Int(place.buffer)].name)' of rank \(rank), "
          + "which belongs to the caller.")
    }
    if role == .output, count > 0, !goal.hasOutput(rank) {
      return report(
        .readOnly, lane: lane,
        "It writes to the output of rank \(rank), but only rank 0 of a reduce has one.")
    }
    let buffer = rank * program.buffers.count + Int(place.buffer)
    var offset = place.offset
    for piece in pieces {
      var content = piece.content
      content.shift &-= place.offset
      for interval in memory[buffer].isolate(offset, piece.count) {
        overwrite(buffer, interval, with: content, by: lane, stamp: stamp)
      }
      offset += piece.count
    }
  }

  /// Adds two runs of the same length, element by element.
  mutating func add(
    _ first: [Piece<Multiset>], _ second: [Piece<Multiset>], by lane: Int
  ) -> [Piece<Multiset>] {
    var sum: [Piece<Multiset>] = []
    var (left, right) = (0, 0)
    var (usedLeft, usedRight) = (0, 0)
    var isReported = false
    while left < first.count, right < second.count {
      let count = min(first[left].count - usedLeft, second[right].count - usedRight)
      var content = first[left].content
      let other = second[right].content
      if content.state == .data, other.state == .data {
        if content.call == other.call, content.shift == other.shift {
          content.ranks = algebra.sum(content.ranks, other.ranks)
        } else {
          if !isReported { reportMixture(content, other, by: lane) }
          isReported = true
          content.state = .broken
        }
      } else {
        content.state = .broken
      }
      sum.append(Piece(count: count, content: content))
      usedLeft += count
      usedRight += count
      if usedLeft == first[left].count { (left, usedLeft) = (left + 1, 0) }
      if usedRight == second[right].count { (right, usedRight) = (right + 1, 0) }
    }
    return sum
  }

  /// Stands for what a fault already reported left behind.
  func broken(_ count: Int) -> [Piece<Multiset>] {
    guard count > 0 else { return [] }
    return [
      Piece(
        count: count,
        content: Content(state: .broken, call: -1, shift: 0, ranks: algebra.single(0)))
    ]
  }

  /// Writes an interval and checks that nothing else may happen to it at the same time.
  mutating func overwrite(
    _ buffer: Int, _ interval: Int, with content: Content<Multiset>, by lane: Int, stamp: Stamp
  ) {
    let index = memory[buffer].segment(interval)
    if clocks.isOn {
      let segment = memory[buffer].segments[index]
      if let rival = unordered(segment.write, lane) {
        reportRace(rival, "wrote", buffer, interval, by: lane, "writes")
      } else if let rival = unordered(segment.read, lane) {
        reportRace(rival, "read", buffer, interval, by: lane, "writes")
      } else {
        for read in segment.otherReads {
          guard let rival = unordered(read, lane) else { continue }
          reportRace(rival, "read", buffer, interval, by: lane, "writes")
          break
        }
      }
      memory[buffer].segments[index].write = stamp
      memory[buffer].segments[index].read = .none
      if !segment.otherReads.isEmpty { memory[buffer].segments[index].otherReads = [] }
    }
    memory[buffer].segments[index].content = content
  }

  /// Remembers a read; one that happened before it need not be remembered any more.
  private mutating func note(_ stamp: Stamp, of lane: Int, _ buffer: Int, _ index: Int) {
    let segment = memory[buffer].segments[index]
    if segment.read == stamp { return }
    if unordered(segment.read, lane) == nil {
      memory[buffer].segments[index].read = stamp
    } else if case .lane = stamp.meaning,
      let earlier = segment.otherReads.firstIndex(where: { unordered($0, lane) == nil })
    {
      memory[buffer].segments[index].otherReads[earlier] = stamp
    } else {
      memory[buffer].segments[index].otherReads.append(stamp)
    }
  }

  /// The access behind a stamp, unless it happened before the lane's current operation.
  private func unordered(_ stamp: Stamp, _ lane: Int) -> Stamp.Meaning? {
    let meaning = stamp.meaning
    switch meaning {
    case .none: return nil
    case .lane(let other, let epoch):
      return clocks.hasSeen(lane, other, epoch: epoch) ? nil : meaning
    case .put(let number):
      guard let completion = puts[number].completion else { return meaning }
      return clocks.hasSeen(lane, completion.lane, epoch: completion.epoch) ? nil : meaning
    }
  }

  private mutating func contains(
    _ rank: Int, _ place: Location, _ count: Int, by lane: Int
  ) -> Bool {
    guard count >= 0 else {
      report(.bounds, lane: lane, "Its number of elements is \(count).")
      return false
    }
    guard count > 0 else { return true }
    guard Int(place.buffer) < program.buffers.count else {
      report(.bounds, lane: lane, "There is no buffer \(place.buffer).")
      return false
    }
    let buffer = program.buffers[Int(place.buffer)]
    guard place.offset >= 0, count <= buffer.elements, place.offset <= buffer.elements - count
    else {
      report(
        .bounds, lane: lane,
        "\(count) elements from \(place.offset) on are not all in buffer '\(buffer.name)' of "
          + "rank \(rank), which has \(buffer.elements).")
      return false
    }
    return true
  }

  // MARK: - Words

  /// A lane, for a person.
  func name(_ lane: Int) -> String {
    lanesPerRank == 1
      ? "rank \(lane / lanesPerRank)" : "rank \(lane / lanesPerRank) lane \(lane % lanesPerRank)"
  }

  private var subject: String { isCaller ? "The caller" : "It" }

  private func elements(of buffer: Int, _ interval: Int) -> String {
    let (rank, number) = buffer.quotientAndRemainder(dividingBy: program.buffers.count)
    return "elements \(memory[buffer].elements(interval)) of "
      + "'\(program.buffers[number].name)' of rank \(rank)"
  }

  private mutating func reportMixture(
    _ first: Content<Multiset>, _ second: Content<Multiset>, by lane: Int
  ) {
    let text =
      first.call != second.call
      ? "It adds data of call \(first.call) to data of call \(second.call)."
      : "It adds element \(first.shift) of the input to element \(second.shift)."
    report(.mixture, lane: lane, text)
  }

  private mutating func reportRace(
    _ rival: Stamp.Meaning, _ did: String, _ buffer: Int, _ interval: Int, by lane: Int,
    _ does: String
  ) {
    foundRace = true
    if stopsAtRace { hasStopped = true }
    let place = elements(of: buffer, interval)
    switch rival {
    case .none: return
    case .lane(let other, epoch: _):
      report(
        .race, lane: lane,
        "\(subject) \(does) \(place); nothing makes that come after \(name(other)) \(did) them.")
    case .put(let number):
      let action = did == "wrote" ? "into" : "from"
      report(
        .race, lane: lane,
        "\(subject) \(does) \(place); nothing makes that come after the end of a put \(action) them by "
          + "\(name(puts[number].source)).")
    }
  }
}
