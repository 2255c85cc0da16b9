/// Where NVRAR's exchange keeps its cells: a stride per version of the running sum, and a stride
/// per message that arrives, so that nothing is overwritten within a call.
///
/// With rows for sums and rows for arrivals apart, a put may still be reading a sum while the next
/// arrival lands; the handshake between calls protects the rest.
struct CellRows: Sendable {
  let rowLength: Int
  let group: DoublingGroup
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
  // Every lane keeps one, so these stand in an order that leaves no gaps.
  let ranks: RankGroup
  /// The place in the folded exchange; a send and a receive of one step interleave chunk by chunk, so
  /// they are one here.
  private var position: Int32 = 0
  let rows: CellRows
  let lane: Int16
  let tag: Int16
  // What follows from the position, worked out once for all chunks.
  private var peer: Int32 = 0
  private var sumRow: UInt8 = 0
  private var arrivalRow: UInt8 = 0
  private var nextRow: UInt8 = 0
  private var first = Part.put
  private var last = Part.put
  private var part = Part.put
  private var isDone = false
  /// The block's run of elements within a row.
  let run: Region
  let chunk: Int
  /// Where the chunk begins in the run.
  private var start = 0

  /// What is done with a chunk; an exchange has some of these, one after the other.
  private enum Part: UInt8 { case put, wait, add }

  init(ranks: RankGroup, rows: CellRows, run: Region, chunk: Int, lane: Int, tag: Int) {
    self.ranks = ranks
    self.rows = rows
    self.run = run
    self.chunk = chunk
    self.lane = Int16(lane)
    self.tag = Int16(tag)
    if run.count > 0 { enter() } else { isDone = true }
  }

  @inline(__always)
  mutating func next() -> Operation? {
    if isDone { return nil }
    let offset = run.offset &+ start
    let count = min(chunk, run.count &- start)
    let port = Port(peer: Int(peer), lane: Int(lane), tag: Int(tag))
    let sum = rows.sum(Int(sumRow), offset)
    let arrival = rows.arrival(Int(arrivalRow), offset)
    let result = rows.sum(Int(nextRow), offset)
    let now = part
    if now == last { advance() } else { part = now == .put ? .wait : .add }
    switch now {
    case .put: return .put(sum, to: arrival, count, at: port)
    case .wait: return .wait(port)
    case .add: return .add(arrival, sum, into: result, count)
    }
  }

  /// Moves on to the next chunk, or the next exchange.
  @inline(__always)
  private mutating func advance() {
    part = first
    start &+= chunk
    guard start >= run.count else { return }
    start = 0
    position += 1
    enter()
  }

  /// Works out what is done at a place of the folded exchange.
  @inline(never)
  private mutating func enter() {
    var action = rows.group.action(at: Int(position))
    if case .receive = action {
      position += 1
      action = rows.group.action(at: Int(position))
    }
    switch action {
    case .foldOut(let peer):
      set(peer, .put, .put, sumRow: 0)
    case .foldIn(let peer):
      set(peer, .wait, .add, sumRow: 0, nextRow: 1)
    case .send(let peer, let step):
      set(
        peer, .put, .add, sumRow: rows.sumRow(beforeStep: step), arrivalRow: step + 1,
        nextRow: rows.sumRow(beforeStep: step + 1))
    case .handBack(let peer):
      set(peer, .put, .put, sumRow: rows.sumRow(beforeStep: rows.group.steps))
    case .takeResult(let peer):
      set(peer, .wait, .wait, sumRow: 0)
    case .receive, .alone, .done:
      isDone = true
    }
  }

  private mutating func set(
    _ member: Int, _ first: Part, _ last: Part, sumRow: Int, arrivalRow: Int = 0, nextRow: Int = 0
  ) {
    peer = Int32(ranks[member])
    self.first = first
    self.last = last
    part = first
    self.sumRow = UInt8(sumRow)
    self.arrivalRow = UInt8(arrivalRow)
    self.nextRow = UInt8(nextRow)
  }
}
