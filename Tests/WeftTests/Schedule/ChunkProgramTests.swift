import Testing

@testable import Weft

/// Schedules written down as chunks and thread blocks, and read back.
@Suite struct ChunkProgramTests {
  /// Sizes that ranks, channels and the largest power of two of ranks share evenly.
  private func elements(_ ranks: Int) -> Int {
    ranks * 2 * (1 << (ranks.bitWidth - 1 - ranks.leadingZeroBitCount))
  }

  private func operations(_ schedule: some Schedule, rank: Int, lane: Int) -> [Weft.Operation] {
    var cursor = schedule.cursor(rank: rank, lane: lane, call: 0)
    var operations: [Weft.Operation] = []
    while let operation = cursor.next() { operations.append(operation) }
    return operations
  }

  private static let exportable: [BuilderCase] = [
    .ring, .tree, .recursiveDoubling, .halvingDoubling, .binomialTree, .allPairs,
    .hierarchicalRing, .chainBroadcast, .chainReduce, .treeBroadcast, .treeReduce,
    .doublingGather, .halvingScatter, .directGather, .directScatter, .directAllToAll,
  ]

  @Test(arguments: exportable, [false, true])
  func `what is written down and read back is proved and does the same`(
    builder: BuilderCase, inPlace: Bool
  ) throws {
    for layout in [
      Layout(nodes: 1, ranksPerNode: 2), Layout(nodes: 3, ranksPerNode: 1),
      Layout(nodes: 2, ranksPerNode: 4), Layout(nodes: 3, ranksPerNode: 2),
    ] {
      let size = elements(layout.ranks)
      func check(_ schedule: some Schedule) throws {
        let program = try ChunkProgram(exporting: schedule, name: "test")
        #expect(program.collective == schedule.collective && program.inPlace == inPlace)
        let imported = ImportedSchedule(program, layout: layout, elements: size)
        let report = Verifier.verify(imported)
        #expect(report.isProved, "\(layout): \(report.findings.prefix(2))")
        // To keep what one sends is one operation here and two steps there.
        if builder == .chainBroadcast, !inPlace { return }
        for rank in 0..<layout.ranks {
          let mine = (0..<schedule.lanes).flatMap { operations(schedule, rank: rank, lane: $0) }
          let theirs = (0..<imported.lanes).flatMap { operations(imported, rank: rank, lane: $0) }
            .filter { $0.kind == .transfer }
          #expect(Set(mine.map(Work.init)) == Set(theirs.map(Work.init)), "rank \(rank)")
          #expect(mine.filter { $0.count > 0 }.count == theirs.count)
        }
        // Written down once more it stays as it is, where nothing had to be kept in order.
        if builder == .ring {
          #expect(try ChunkProgram(exporting: imported, name: "test") == program)
        }
      }
      let schedule = builder.schedule(layout, elements: size, inPlace: inPlace)
      try check(schedule)
    }
  }

  /// What an operation does, whichever lane does it.
  private struct Work: Hashable {
    let actions: Weft.Operation.Actions
    let places: [Location]
    let peers: [Int32]
    let count: Int

    init(_ operation: Weft.Operation) {
      actions = operation.actions
      count = operation.count
      places = [operation.operand, operation.secondOperand, operation.result].compactMap { $0 }
      peers = [operation.origin, operation.target].compactMap { $0?.peer }
    }
  }

  @Test func `a ring comes back operation by operation`() throws {
    let layout = Layout(nodes: 2, ranksPerNode: 4)
    let ring = Ring(layout: layout, elements: 64, channels: 2, inPlace: false)
    let program = try ChunkProgram(exporting: ring, name: "ring")
    let imported = ImportedSchedule(program, layout: layout, elements: 6400)
    let larger = Ring(layout: layout, elements: 6400, channels: 2, inPlace: false)
    for rank in 0..<8 {
      for lane in 0..<2 {
        let pairs = zip(
          operations(larger, rank: rank, lane: lane), operations(imported, rank: rank, lane: lane))
        for (mine, theirs) in pairs {
          #expect(mine.verbs == theirs.verbs && mine.count == theirs.count)
          #expect(mine.origin == theirs.origin && mine.target == theirs.target)
          #expect(mine.operand == theirs.operand && mine.result == theirs.result)
        }
      }
    }
  }

  @Test func `what does not fit says why`() {
    func problem(_ schedule: some Schedule) -> String {
      do {
        _ = try ChunkProgram(exporting: schedule, name: "test")
        return "fits"
      } catch {
        return error.problem
      }
    }
    let node = Layout(nodes: 1, ranksPerNode: 4)
    let large = Layout(nodes: 1, ranksPerNode: 200)
    #expect(
      problem(TwoShotAllReduce(layout: node, elements: 16, inPlace: true)).contains("has a put"))
    #expect(
      problem(Ring(layout: large, elements: 200, inPlace: true)).contains("399 steps"))
    #expect(
      problem(RecursiveDoubling(layout: large, elements: 7, inPlace: true)) == "fits")
    #expect(
      problem(Ring(layout: node, elements: 4001, inPlace: true)).contains("chunks, and a step"))
    #expect(
      problem(AllPairs(layout: large, elements: 200, inPlace: true))
        .contains("thread blocks on a channel"))
  }

  // MARK: - Dependencies

  /// Two ranks exchange in one block, a second block adds; `after` are the steps it waits for.
  private func exchange(after: [ChunkProgram.Dependency?]) -> ChunkProgram {
    typealias Step = ChunkProgram.Step
    let input = ChunkProgram.Place(space: .input, chunk: 0)
    let scratch = ChunkProgram.Place(space: .scratch, chunk: 0)
    let waits = after.dropLast().map { Step(.nothing, after: $0) }
    let blocks = (0..<2).map { rank in
      [
        ChunkProgram.Block(
          sendPeer: 1 - rank, receivePeer: 1 - rank, channel: 0,
          steps: [
            Step(.send, source: input, count: 1), Step(.receive, destination: scratch, count: 1),
          ]),
        ChunkProgram.Block(
          sendPeer: nil, receivePeer: nil, channel: 0,
          steps: waits + [
            Step(
              .reduce, source: scratch, destination: input, count: 1, after: after.last ?? nil)
          ]),
      ]
    }
    return ChunkProgram(
      name: "exchange", protocolName: "LL", collective: .allReduce, inPlace: true, chunks: 1,
      scratchChunks: [1, 1], blocks: blocks)
  }

  private func verify(_ program: ChunkProgram) -> VerificationReport {
    let layout = Layout(nodes: 1, ranksPerNode: 2)
    return Verifier.verify(ImportedSchedule(program, layout: layout, elements: 5))
  }

  @Test func `dependencies order blocks, in any order and however often`() {
    let (sent, received) = (
      ChunkProgram.Dependency(block: 0, step: 0), ChunkProgram.Dependency(block: 0, step: 1)
    )
    #expect(verify(exchange(after: [received])).isProved)
    #expect(verify(exchange(after: [sent, received])).isProved)
    #expect(verify(exchange(after: [received, sent])).isProved)
    #expect(verify(exchange(after: [received, received, nil])).isProved)
    #expect(verify(exchange(after: [sent])).findings.contains { $0.kind == .race })
    #expect(!verify(exchange(after: [nil])).isProved)
  }

  @Test func `a circle of dependencies deadlocks`() {
    var program = exchange(after: [.init(block: 0, step: 1)])
    program.blocks[1][0].steps[0].after = .init(block: 1, step: 0)
    let report = verify(program)
    #expect(report.findings.first?.kind == .deadlock)
    #expect(report.findings.first?.text.contains("circle") == true)
  }

  @Test func `a missing step or peer is found, not trapped on`() {
    #expect(!verify(exchange(after: [.init(block: 0, step: 7)])).isProved)
    #expect(!verify(exchange(after: [.init(block: 9, step: 0)])).isProved)
    var program = exchange(after: [.init(block: 0, step: 1)])
    program.blocks[1][0].channel = 1
    #expect(verify(program).findings.first?.kind == .address)
  }

  @Test func `a dependency takes no time and no message`() throws {
    let program = exchange(after: [.init(block: 0, step: 0), .init(block: 0, step: 1)])
    let fabric = try Fabric(Machine.flat(gpus: 2), nodes: 1)
    let call = CollectiveCall(bytes: 1 << 20, type: .bf16, inPlace: true, launch: .graph)
    let layout = Layout(nodes: 1, ranksPerNode: 2)
    for network in Plan.Network.simulated {
      let imported = try program.plan(for: call, layout: layout)
        .simulate(on: fabric, network: network, isolated: true)
      let plain = try PlainAlgorithm.recursiveDoubling.plan(for: call, layout: layout)
        .simulate(on: fabric, network: network, isolated: true)
      #expect(imported.time == plain.time)
      #expect(imported.messages == 2 && imported.wireBytes == 2 << 20)
    }
  }

  @Test func `a program serves its ranks, collective, placement and multiples of its chunks`() {
    let program = exchange(after: [.init(block: 0, step: 1)])
    func problem(_ call: CollectiveCall, ranks: Int = 2) -> String? {
      do {
        _ = try program.plan(for: call, layout: Layout(nodes: 1, ranksPerNode: ranks))
        return nil
      } catch {
        return error.problem
      }
    }
    func call(
      _ collective: Collective = .allReduce, bytes: Int = 8, inPlace: Bool = true
    ) -> CollectiveCall {
      CollectiveCall(collective, bytes: bytes, type: .bf16, inPlace: inPlace, launch: .graph)
    }
    #expect(problem(call()) == nil)
    #expect(problem(call(), ranks: 3)?.contains("for 2 ranks, not for 3") == true)
    #expect(problem(call(.reduce))?.contains("for all-reduce, not for reduce") == true)
    #expect(problem(call(inPlace: false))?.contains("in place only") == true)
    #expect(problem(call(bytes: 1))?.contains("1 equal chunks") == true)
  }
}
