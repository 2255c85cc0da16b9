/// Where NVRAR's exchange keeps its cells: a stride per version of the running sum, and a stride
/// per message that arrives, so that nothing is overwritten within a call.
///
/// With rows for sums and rows for arrivals apart, a put may still be reading a sum while the next
/// arrival lands; the handshake between calls protects the rest.
struct CellRows: Sendable {
  let group: DoublingGroup
  let rowLength: Int
  let sums: UInt8
  let arrivals: UInt8

  /// The rows of sums: the own data, one if there is an extra to fold in, one per step.
  static func sumRows(members: Int) -> Int {
    let core = DoublingGroup(members: members, me: 0)
    return 2 + core.steps
  }

  /// The rows of arrivals: one from the folded member or stand-in, one per step.
  static func arrivalRows(members: Int) -> Int {
    1 + DoublingGroup(members: members, me: 0).steps
  }

  /// The row of the sum before a step; row 1 is the sum with the extra's data.
  func sumRow(beforeStep step: Int) -> Int {
    step > 0 ? step + 1 : (group.folded != nil && !group.isExtra ? 1 : 0)
  }

  /// Where the result stands at the end of the exchange.
  var result: (buffer: UInt8, row: Int) {
    group.isExtra ? (arrivals, 0) : (sums, sumRow(beforeStep: group.steps))
  }

  func sum(_ row: Int, _ offset: Int) -> Location {
    Location(buffer: sums, offset: row * rowLength + offset)
  }

  func arrival(_ row: Int, _ offset: Int) -> Location {
    Location(buffer: arrivals, offset: row * rowLength + offset)
  }
}

/// Recursive doubling between nodes as one block of NVRAR's kernel runs it.
///
/// In every step the block exchanges its whole run of cells with the same block of the partner,
/// chunk by chunk: put a chunk, wait for the partner's, add. So each chunk exposes one latency.
struct FlaggedDoubling: OperationCursor {
  let ranks: RankGroup
  let rows: CellRows
  /// The block's run of elements within a row.
  let run: Region
  let chunk: Int
  let lane: Int16
  let tag: Int16
  private var exchange = FoldedExchange()
  private var part: UInt8 = 0
  private var current = FoldedExchange.Action.done
  private var start = 0

  init(ranks: RankGroup, rows: CellRows, run: Region, chunk: Int, lane: Int, tag: Int) {
    self.ranks = ranks
    self.rows = rows
    self.run = run
    self.chunk = chunk
    self.lane = Int16(lane)
    self.tag = Int16(tag)
    // A send and a receive of one step interleave chunk by chunk, so they advance as one.
    if run.count > 0 { current = exchange.advance(rows.group) }
  }

  mutating func next() -> Operation? {
    while true {
      let offset = run.offset + start
      let count = min(chunk, run.count - start)
      switch current {
      case .foldOut(let peer):
        return then(
          last: 0, .put(rows.sum(0, offset), to: rows.arrival(0, offset), count, at: port(peer)))
      case .foldIn(let peer):
        if part == 0 { return then(last: 1, .wait(port(peer))) }
        return then(
          last: 1,
          .add(rows.arrival(0, offset), rows.sum(0, offset), into: rows.sum(1, offset), count))
      case .send(let peer, let step):
        let row = rows.sumRow(beforeStep: step)
        switch part {
        case 0:
          return then(
            last: 2,
            .put(
              rows.sum(row, offset), to: rows.arrival(step + 1, offset), count, at: port(peer)))
        case 1: return then(last: 2, .wait(port(peer)))
        default:
          return then(
            last: 2,
            .add(
              rows.arrival(step + 1, offset), rows.sum(row, offset),
              into: rows.sum(rows.sumRow(beforeStep: step + 1), offset), count))
        }
      case .receive:
        current = exchange.advance(rows.group)
      case .handBack(let peer):
        let row = rows.sumRow(beforeStep: rows.group.steps)
        return then(
          last: 0, .put(rows.sum(row, offset), to: rows.arrival(0, offset), count, at: port(peer)))
      case .takeResult(let peer):
        return then(last: 0, .wait(port(peer)))
      case .alone, .done:
        return nil
      }
    }
  }

  /// Moves on to the next part of the chunk, the next chunk, or the next exchange.
  private mutating func then(last: UInt8, _ operation: Operation) -> Operation {
    part += 1
    if part > last {
      part = 0
      start += chunk
      if start >= run.count {
        start = 0
        current = exchange.advance(rows.group)
      }
    }
    return operation
  }

  private func port(_ member: Int) -> Port {
    Port(peer: ranks[member], lane: Int(lane), tag: Int(tag))
  }
}
