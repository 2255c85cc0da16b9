extension ChunkProgram {
  /// Why a schedule does not fit the form.
  public struct Misfit: Error, Hashable, Sendable {
    /// What does not fit.
    public let problem: String
    /// What to do about it.
    public let fix: String
  }

  /// Writes a schedule down.
  ///
  /// A lane with several peers becomes several blocks, which wait for each other so that its
  /// operations keep their order. Chunks are as long as all offsets and lengths allow.
  /// - Throws: ``Misfit`` if the schedule does more than sends, receives, sums and copies, differs
  ///   from call to call, or exceeds ``Limits``.
  public init(exporting schedule: some Schedule, name: String) throws(Misfit) {
    let source = try ExportSource(schedule)
    let channels = source.channels
    var blocks: [[Block]] = []
    for rank in 0..<schedule.layout.ranks {
      var builder = BlockBuilder(source, rank: rank, channels: channels)
      for lane in 0..<schedule.lanes { try builder.add(source.operations(rank, lane), lane: lane) }
      try builder.check()
      blocks.append(builder.blocks)
    }
    self.init(
      name: name, protocolName: "Simple", collective: schedule.collective,
      inPlace: source.inPlace, chunks: max(1, schedule.elements / source.unit),
      scratchChunks: Array(repeating: source.scratchChunks, count: blocks.count), blocks: blocks)
  }
}

/// The operations of a schedule that can be written down, and the lengths they have in common.
private struct ExportSource {
  let buffers: [Buffer]
  let collective: Collective
  let inPlace: Bool
  /// The elements of a chunk.
  let unit: Int
  private let lanes: Int
  private let all: [[Operation]]
  /// Where every buffer begins in its space: those of the schedule's own follow each other.
  private let starts: [Int]

  /// The most operations that a file of this form is of use for.
  private static let operationLimit = 1 << 20

  init(_ schedule: some Schedule) throws(ChunkProgram.Misfit) {
    buffers = schedule.buffers
    collective = schedule.collective
    lanes = schedule.lanes
    inPlace = buffers.contains { $0.role == .inPlace }
    var all: [[Operation]] = []
    var left = Self.operationLimit
    for rank in 0..<schedule.layout.ranks {
      for lane in 0..<schedule.lanes {
        let first = Self.operations(schedule, rank, lane, call: 0, &left)
        let second = Self.operations(schedule, rank, lane, call: 1, &left)
        guard left > 0 else {
          throw ChunkProgram.Misfit(
            problem: "it has more than \(Self.operationLimit) operations",
            fix: "export it for fewer ranks")
        }
        if let other = first.first(where: { $0.kind != .transfer }) {
          throw ChunkProgram.Misfit(
            problem: "it has a \(other.kind) on rank \(rank), and the format has none",
            fix: "export a schedule of sends and receives, such as ring or all-pairs")
        }
        guard first == second else {
          throw ChunkProgram.Misfit(
            problem: "its calls differ, and the format holds one",
            fix: "export a schedule whose calls are alike")
        }
        all.append(first.filter { $0.count > 0 })
      }
    }
    self.all = all
    var starts: [Int] = []
    var scratch = 0
    for buffer in buffers {
      starts.append(buffer.role == .scratch ? scratch : 0)
      if buffer.role == .scratch { scratch += buffer.elements }
    }
    self.starts = starts
    scratchElements = scratch
    var unit = schedule.elements
    if collective.hasParts { unit = gcd(unit, schedule.elements / schedule.layout.ranks) }
    for start in starts { unit = gcd(unit, start) }
    for operation in all.joined() {
      unit = gcd(unit, operation.count)
      let kind = operation.actions
      if kind.contains(.store) { unit = gcd(unit, operation.destination.offset) }
      if !kind.contains(.receive) || kind.contains(.reduce) {
        unit = gcd(unit, operation.source.offset)
        if !kind.contains(.receive), kind.contains(.reduce) {
          unit = gcd(unit, operation.addend.offset)
        }
      }
    }
    self.unit = max(1, unit)
  }

  private let scratchElements: Int

  var scratchChunks: Int { (scratchElements + unit - 1) / unit }

  func operations(_ rank: Int, _ lane: Int) -> [Operation] { all[rank * lanes + lane] }

  func place(_ location: Location) -> ChunkProgram.Place {
    let buffer = Int(location.buffer)
    let space: ChunkProgram.Space =
      switch buffers[buffer].role {
      case .input: .input
      case .output: .output
      case .inPlace: collective == .allGather ? .output : .input
      case .scratch: .scratch
      }
    return ChunkProgram.Place(space: space, chunk: (starts[buffer] + location.offset) / unit)
  }

  /// A channel per receiving lane and tag that is in use, in that order.
  var channels: [ChannelKey: Int] {
    var keys = Set<ChannelKey>()
    for (index, operations) in all.enumerated() {
      for operation in operations {
        if operation.actions.contains(.send) { keys.insert(ChannelKey(to: operation.to)) }
        if operation.actions.contains(.receive) {
          keys.insert(ChannelKey(from: operation.from, lane: index % lanes))
        }
      }
    }
    let sorted = keys.sorted { ($0.lane, $0.tag) < ($1.lane, $1.tag) }
    return Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1, $0) })
  }

  private static func operations(
    _ schedule: some Schedule, _ rank: Int, _ lane: Int, call: Int, _ left: inout Int
  ) -> [Operation] {
    var operations: [Operation] = []
    var cursor = schedule.cursor(rank: rank, lane: lane, call: call)
    while left > 0, let operation = cursor.next() {
      left -= 1
      operations.append(operation)
    }
    return operations
  }
}

/// The blocks of one rank, as its lanes are dealt to them.
private struct BlockBuilder {
  private(set) var blocks: [ChunkProgram.Block] = []
  private let source: ExportSource
  private let rank: Int
  private let channels: [ChannelKey: Int]

  init(_ source: ExportSource, rank: Int, channels: [ChannelKey: Int]) {
    self.source = source
    self.rank = rank
    self.channels = channels
  }

  mutating func add(_ operations: [Operation], lane: Int) throws(ChunkProgram.Misfit) {
    guard !operations.isEmpty else { return }
    let plan = try LanePlan(operations, rank: rank, lane: lane)
    let first = blocks.count
    for group in plan.groups {
      let key = group.to.map(ChannelKey.init(to:)) ?? group.from.map { .init(from: $0, lane: lane) }
      blocks.append(
        ChunkProgram.Block(
          sendPeer: group.to.map { Int($0.peer) }, receivePeer: group.from.map { Int($0.peer) },
          channel: key.flatMap { channels[$0] } ?? 0, steps: []))
    }
    var last: ChunkProgram.Dependency?
    for (operation, group) in zip(operations, plan.assignment) {
      var steps = try steps(of: operation)
      let number = first + group
      if let last, last.block != number { steps[0].after = last }
      blocks[number].steps += steps
      last = .init(block: number, step: blocks[number].steps.count - 1)
    }
  }

  /// The step or two that an operation is.
  private func steps(of operation: Operation) throws(ChunkProgram.Misfit) -> [ChunkProgram.Step] {
    typealias Step = ChunkProgram.Step
    let count = operation.count / source.unit
    guard count <= ChunkProgram.Limits.count else {
      throw ChunkProgram.Misfit(
        problem: "an operation moves \(count) chunks, and a step at most "
          + "\(ChunkProgram.Limits.count)",
        fix: "export a size that all ranks and channels share evenly")
    }
    let actions = operation.actions
    let from = source.place(operation.source)
    let to = source.place(operation.destination)
    if actions == [.reduce, .store] {
      // The format adds to the destination only, so another operand is copied there first.
      let addend = source.place(operation.addend)
      if addend == to { return [Step(.reduce, source: from, destination: to, count: count)] }
      if from == to { return [Step(.reduce, source: addend, destination: to, count: count)] }
      return [
        Step(.copy, source: addend, destination: to, count: count),
        Step(.reduce, source: from, destination: to, count: count),
      ]
    }
    if actions == [.store, .send] {
      return [
        Step(.copy, source: from, destination: to, count: count),
        Step(.send, source: from, count: count),
      ]
    }
    guard let kind = Step.Kind.allCases.first(where: { $0.actions == actions && $0 != .nothing })
    else {
      throw ChunkProgram.Misfit(
        problem: "rank \(rank) has an operation for which the format has no step",
        fix: "export another schedule")
    }
    return [
      Step(
        kind, source: kind.readsSource ? from : nil,
        destination: kind.writesDestination ? to : nil, count: count)
    ]
  }

  /// Holds the rank to what the format can say and the interpreter can hold.
  func check() throws(ChunkProgram.Misfit) {
    typealias Limits = ChunkProgram.Limits
    let longest = blocks.map(\.steps.count).max() ?? 0
    let perChannel = Dictionary(grouping: blocks, by: \.channel).values.map(\.count).max() ?? 0
    for (count, limit, what) in [
      (longest, Limits.steps, "steps in a thread block"),
      (blocks.count, Limits.blocks, "thread blocks"),
      (perChannel, Limits.blocksPerChannel, "thread blocks on a channel"),
    ] where count > limit {
      throw ChunkProgram.Misfit(
        problem: "rank \(rank) needs \(count) \(what), and MSCCL has at most \(limit)",
        fix: "export it for fewer ranks")
    }
    for peer in [\ChunkProgram.Block.sendPeer, \.receivePeer] {
      var seen = Set<[Int]>()
      for block in blocks {
        guard let other = block[keyPath: peer] else { continue }
        guard seen.insert([other, block.channel]).inserted else {
          throw ChunkProgram.Misfit(
            problem: "rank \(rank) has two connections with rank \(other) on one channel",
            fix: "export another schedule")
        }
      }
    }
  }
}

/// The greatest common divisor; of zero and a number, the number.
func gcd(_ first: Int, _ second: Int) -> Int {
  var (larger, smaller) = (first, second)
  while smaller != 0 { (larger, smaller) = (smaller, larger % smaller) }
  return larger
}
