/// A ``ChunkProgram`` at a size: arrays of operations behind the cursor that all schedules have.
///
/// A thread block is a lane. A step that waits for a step of another block becomes a `wait`, and
/// that block signals after the step. Signals arrive in the order of steps, as the flag of a block
/// counts its steps; so a block that has waited for a later step waits for no earlier one.
public struct ImportedSchedule: Schedule, Hashable {
  /// The name on the command line stands for all files.
  public static let name = "imported"
  /// What it computes.
  public let collective: Collective
  /// How the ranks lie on nodes.
  public let layout: Layout
  /// The number of blocks of the rank that has most.
  public let lanes: Int
  /// The size in elements.
  public let elements: Int
  /// Input, output and scratch, or one buffer in place and scratch.
  public let buffers: [Buffer]
  /// One kernel, as MSCCL's interpreter is.
  public let kernels: [Kernel]
  /// Nothing is known of a schedule that was written down.
  public var symmetry: Symmetry { .none }
  private let operations: [[Operation]]

  /// Tells apart data from the flags between the lanes of a rank.
  private enum Tag {
    static let data = 0
    static let dependency = 1
  }

  /// Lays a program out.
  ///
  /// - Precondition: the layout has the program's ranks, and its chunks divide the elements.
  public init(_ program: ChunkProgram, layout: Layout, elements: Int) {
    precondition(layout.ranks == program.ranks, "The ranks are those of the program.")
    precondition(
      program.chunks > 0 && elements % program.chunks == 0, "Chunks are of one length.")
    self.layout = layout
    self.elements = elements
    collective = program.collective
    let chunk = elements / program.chunks
    let lanes = max(1, program.blocks.map(\.count).max() ?? 0)
    self.lanes = lanes
    let scratch = program.scratchChunks.max() ?? 0
    buffers =
      Buffer.caller(
        program.collective, elements: elements, ranks: layout.ranks, inPlace: program.inPlace)
      + [Buffer("scratch", .scratch, elements: scratch * chunk)]
    kernels = [Kernel(program.name)]
    let senders = Self.lanes(of: program, \.sendPeer)
    let receivers = Self.lanes(of: program, \.receivePeer)
    var operations = [[Operation]](repeating: [], count: layout.ranks * lanes)
    for (rank, blocks) in program.blocks.enumerated() {
      let awaited = Self.dependencies(of: blocks)
      for (number, block) in blocks.enumerated() {
        // A peer without the other end is left to the verifier: lane -1 is none.
        func port(_ peer: Int?, _ ends: [End: Int]) -> Port {
          guard let peer else { return .none }
          let end = End(rank: peer, peer: rank, channel: block.channel)
          return Port(peer: peer, lane: ends[end] ?? -1, tag: Tag.data)
        }
        let to = port(block.sendPeer, receivers)
        let from = port(block.receivePeer, senders)
        var lane: [Operation] = []
        for (index, step) in block.steps.enumerated() {
          if let after = step.after, awaited[after]?.contains(Waiter(number, index)) == true {
            lane.append(.wait(Port(peer: rank, lane: after.block, tag: Tag.dependency)))
          }
          if step.kind != .nothing {
            lane.append(
              Self.operation(step, of: program, rank: rank, chunk: chunk, to: to, from: from))
          }
          let waiters = awaited[.init(block: number, step: index)] ?? []
          for waiter in waiters {
            lane.append(.signal(Port(peer: rank, lane: waiter.block, tag: Tag.dependency)))
          }
        }
        operations[rank * lanes + number] = lane
      }
    }
    self.operations = operations
  }

  /// A lane's operations, the same in every call.
  public func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(operations: operations[rank * lanes + lane])
  }

  /// The state of a lane: how many operations are behind it.
  public struct Cursor: OperationCursor {
    let operations: [Operation]
    private var position = 0

    init(operations: [Operation]) { self.operations = operations }

    /// The next operation.
    public mutating func next() -> Operation? {
      guard position < operations.count else { return nil }
      defer { position += 1 }
      return operations[position]
    }
  }
}

// MARK: - Translation

extension ImportedSchedule {
  /// One end of a connection between two ranks.
  private struct End: Hashable {
    var rank: Int
    var peer: Int
    var channel: Int
  }

  /// A step that waits for one of another block.
  private struct Waiter: Hashable {
    var block: Int
    var step: Int

    init(_ block: Int, _ step: Int) {
      self.block = block
      self.step = step
    }
  }

  /// The block that holds each end.
  private static func lanes(
    of program: ChunkProgram, _ peer: KeyPath<ChunkProgram.Block, Int?>
  ) -> [End: Int] {
    var lanes: [End: Int] = [:]
    for (rank, blocks) in program.blocks.enumerated() {
      for (number, block) in blocks.enumerated() {
        guard let other = block[keyPath: peer] else { continue }
        lanes[End(rank: rank, peer: other, channel: block.channel)] = number
      }
    }
    return lanes
  }

  /// For every step that others wait for, who does, in the order of blocks.
  private static func dependencies(
    of blocks: [ChunkProgram.Block]
  ) -> [ChunkProgram.Dependency: [Waiter]] {
    var waiters: [ChunkProgram.Dependency: [Waiter]] = [:]
    for (number, block) in blocks.enumerated() {
      // The latest step of every other block that this one has waited for.
      var seen: [Int: Int] = [:]
      for (index, step) in block.steps.enumerated() {
        guard let after = step.after, after.step > seen[after.block] ?? -1 else { continue }
        // What a block did itself it need not wait for.
        if after.block == number, after.step < index { continue }
        seen[after.block] = after.step
        waiters[after, default: []].append(Waiter(number, index))
      }
    }
    return waiters
  }

  private static func operation(
    _ step: ChunkProgram.Step, of program: ChunkProgram, rank: Int, chunk: Int, to: Port,
    from: Port
  ) -> Operation {
    let actions = step.kind.actions
    func location(_ place: ChunkProgram.Place?) -> Location {
      guard let place else { return .none }
      let part = program.chunks / program.ranks * rank
      let (buffer, start): (UInt8, Int) =
        switch (place.space, program.inPlace) {
        case (.input, false): (0, 0)
        case (.output, false): (1, 0)
        case (.scratch, false): (2, 0)
        case (.input, true): (0, program.collective == .allGather ? part : 0)
        case (.output, true): (0, program.collective == .reduceScatter ? part : 0)
        case (.scratch, true): (1, 0)
        }
      return Location(buffer: buffer, offset: (start + place.chunk) * chunk)
    }
    let destination = location(step.destination)
    return Operation(
      .transfer, actions: actions, from: actions.contains(.receive) ? from : .none,
      to: actions.contains(.send) ? to : .none,
      source: step.kind.readsSource ? location(step.source) : .none,
      addend: step.kind == .reduce ? destination : .none,
      destination: actions.contains(.store) ? destination : .none, count: step.count * chunk)
  }
}
