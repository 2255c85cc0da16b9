public import Weft

/// Schedules as the XML files of MSCCL, which its tools write and its runtime reads.
public enum MSCCLFile {
  /// Reads a schedule.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` with the line of
  ///   what is missing, unknown, out of bounds or beyond what the runtime holds.
  public static func read(path: String) throws(InputError) -> ChunkProgram {
    try parse(try TextFile.read(path), file: path)
  }

  /// Parses a schedule; `file` is what errors name.
  ///
  /// - Throws: ``InputError`` as ``read(path:)`` does.
  public static func parse(_ text: String, file: String) throws(InputError) -> ChunkProgram {
    try MSCCLReader(try XMLTree.parse(text, file: file)).program
  }

  /// The names of collectives; the first is written, all are read.
  static let collectives: [(name: String, collective: Collective)] = [
    ("allreduce", .allReduce), ("allgather", .allGather), ("reduce_scatter", .reduceScatter),
    ("reducescatter", .reduceScatter), ("broadcast", .broadcast), ("reduce", .reduce),
    ("alltoall", .allToAll),
  ]
}

/// Turns a tree of elements into a program, checking what a file alone can be held to.
///
/// Whether messages meet, and the result is right, is the verifier's to say.
private struct MSCCLReader {
  private(set) var program: ChunkProgram
  private let gpus: [XMLTree]

  init(_ root: XMLTree) throws(InputError) {
    guard root.name == "algo" else {
      throw root.error(
        "the root is <\(root.name)>", fix: "give an MSCCL file, whose root is <algo>")
    }
    let ranks = try root.integer("ngpus", in: 1...65536)
    let collective = try Self.collective(root)
    let chunks = try root.integer("nchunksperloop", in: 1...(1 << 24))
    guard !collective.hasParts || chunks % ranks == 0 else {
      throw root.error(
        "nchunksperloop=\"\(chunks)\" is not divisible by the \(ranks) GPUs",
        fix: "every rank's part is a whole number of chunks")
    }
    gpus = try root.children(named: "gpu")
    guard gpus.count == ranks else {
      throw root.error(
        "ngpus=\"\(ranks)\", but there are \(gpus.count) <gpu>", fix: "write one for each GPU")
    }
    let most = try root.integer("maxBytes", in: 0...(.max), default: 0)
    program = ChunkProgram(
      name: try root.text("name"), protocolName: try Self.protocolName(root),
      collective: collective, inPlace: try root.integer("inplace", in: 0...1, default: 0) == 1,
      minBytes: try root.integer("minBytes", in: 0...(.max), default: 0),
      maxBytes: most == 0 ? nil : most, chunks: chunks, scratchChunks: [], blocks: [])
    let channels = try root.integer("nchannels", in: 1...1024)
    for (rank, gpu) in gpus.enumerated() {
      guard try gpu.integer("id", in: 0...65535) == rank else {
        throw gpu.error("this GPU has another id than \(rank)", fix: "number GPUs 0, 1, 2 in order")
      }
      program.scratchChunks.append(try gpu.integer("s_chunks", in: 0...(1 << 24)))
      program.blocks.append(try blocks(gpu, rank: rank, ranks: ranks, channels: channels))
    }
    for rank in 0..<ranks {
      try checkBuffers(rank)
      try checkPeers(rank)
      try checkDependencies(rank)
    }
  }

  private static func collective(_ root: XMLTree) throws(InputError) -> Collective {
    let text = try root.text("coll")
    guard let known = MSCCLFile.collectives.first(where: { $0.name == text }) else {
      throw root.error(
        "coll=\"\(text)\" is no collective that has a goal to check",
        fix: "use one of " + MSCCLFile.collectives.map(\.name).joined(separator: ", "))
    }
    return known.collective
  }

  private static func protocolName(_ root: XMLTree) throws(InputError) -> String {
    let text = try root.text("proto")
    guard ["Simple", "LL", "LL128"].contains(text) else {
      throw root.error("unknown protocol proto=\"\(text)\"", fix: "use one of Simple, LL, LL128")
    }
    return text
  }

  // MARK: - Blocks and steps

  private func blocks(
    _ gpu: XMLTree, rank: Int, ranks: Int, channels: Int
  ) throws(InputError) -> [ChunkProgram.Block] {
    typealias Limits = ChunkProgram.Limits
    let elements = try gpu.children(named: "tb")
    guard elements.count <= Limits.blocks else {
      throw gpu.error(
        "GPU \(rank) has \(elements.count) thread blocks", fix: "use at most \(Limits.blocks)")
    }
    var blocks: [ChunkProgram.Block] = []
    var perChannel: [Int: Int] = [:]
    for (number, element) in elements.enumerated() {
      guard try element.integer("id", in: 0...65535) == number else {
        throw element.error(
          "this thread block has another id than \(number)", fix: "number them 0, 1, 2 in order")
      }
      func peer(_ name: String) throws(InputError) -> Int? {
        let peer = try element.integer(name, in: -1...(ranks - 1))
        if peer == rank {
          throw element.error("\(name)=\"\(peer)\" is the GPU itself", fix: "use a cpy step")
        }
        return peer < 0 ? nil : peer
      }
      let channel = try element.integer("chan", in: 0...(channels - 1))
      perChannel[channel, default: 0] += 1
      guard perChannel[channel, default: 0] <= Limits.blocksPerChannel else {
        throw element.error(
          "GPU \(rank) has more than \(Limits.blocksPerChannel) thread blocks on channel \(channel)",
          fix: "use more channels")
      }
      var block = ChunkProgram.Block(
        sendPeer: try peer("send"), receivePeer: try peer("recv"), channel: channel, steps: [])
      let steps = try element.children(named: "step")
      guard steps.count <= Limits.steps else {
        throw element.error(
          "a thread block has \(steps.count) steps", fix: "use at most \(Limits.steps)")
      }
      for (index, step) in steps.enumerated() {
        block.steps.append(try self.step(step, index, of: block))
      }
      blocks.append(block)
    }
    return blocks
  }

  private func step(
    _ element: XMLTree, _ index: Int, of block: ChunkProgram.Block
  ) throws(InputError) -> ChunkProgram.Step {
    typealias Kind = ChunkProgram.Step.Kind
    guard try element.integer("s", in: 0...65535) == index else {
      throw element.error(
        "this step has another number s than \(index)", fix: "number steps 0, 1, 2 in order")
    }
    let name = try element.text("type")
    guard let kind = Kind(rawValue: name) else {
      throw element.error(
        "type=\"\(name)\" is no step that MSCCL runs",
        fix: "use one of " + Kind.allCases.map(\.rawValue).joined(separator: ", "))
    }
    if kind.actions.contains(.send), block.sendPeer == nil {
      throw element.error(
        "a step of type \(name) in a thread block with send=\"-1\"", fix: "give it a peer")
    }
    if kind.actions.contains(.receive), block.receivePeer == nil {
      throw element.error(
        "a step of type \(name) in a thread block with recv=\"-1\"", fix: "give it a peer")
    }
    let isEmpty = kind == .nothing
    let count = try element.integer(
      "cnt", in: (isEmpty ? 0 : 1)...ChunkProgram.Limits.count)
    let source = try place(element, "src", isUsed: kind.readsSource)
    let destination = try place(element, "dst", isUsed: kind.writesDestination)
    let block = try element.integer("depid", in: -1...65535)
    let step = try element.integer("deps", in: -1...65535)
    guard (block < 0) == (step < 0) else {
      throw element.error(
        "depid=\"\(block)\" with deps=\"\(step)\" is half a dependency",
        fix: "give both, or -1 for both")
    }
    return ChunkProgram.Step(
      kind, source: source, destination: destination, count: isEmpty ? 0 : count,
      after: block < 0 ? nil : .init(block: block, step: step))
  }

  private func place(
    _ element: XMLTree, _ side: String, isUsed: Bool
  ) throws(InputError) -> ChunkProgram.Place? {
    let text = try element.text("\(side)buf")
    guard let space = ChunkProgram.Space(rawValue: text) else {
      throw element.error(
        "\(side)buf=\"\(text)\" is no buffer", fix: "use i (input), o (output) or s (scratch)")
    }
    let chunk = try element.integer("\(side)off", in: (isUsed ? 0 : -1)...(1 << 24))
    return isUsed ? ChunkProgram.Place(space: space, chunk: chunk) : nil
  }

  // MARK: - Checks of a GPU

  private func steps(_ rank: Int) -> [(element: XMLTree, block: Int, step: Int)] {
    gpus[rank].children.enumerated().flatMap { block, element in
      element.children.enumerated().map { ($1, block, $0) }
    }
  }

  private func checkBuffers(_ rank: Int) throws(InputError) {
    for (name, space) in [("i_chunks", ChunkProgram.Space.input), ("o_chunks", .output)] {
      let given = try gpus[rank].integer(name, in: 0...(1 << 24))
      let length = program.length(of: space, rank: rank)
      // 0 stands for a buffer that no step names, as the tools write it.
      guard given == 0 || given == length else {
        throw gpus[rank].error(
          "\(name)=\"\(given)\" does not go with nchunksperloop=\"\(program.chunks)\"",
          fix: "write \(length), or 0 if no step names the buffer")
      }
    }
    for (element, block, index) in steps(rank) {
      let step = program.blocks[rank][block].steps[index]
      for place in [step.source, step.destination] {
        guard let place else { continue }
        let length = program.length(of: place.space, rank: rank)
        guard place.chunk + step.count <= length else {
          throw element.error(
            "chunks \(place.chunk) to \(place.chunk + step.count - 1) of buffer "
              + "'\(place.space.rawValue)', which has \(length)",
            fix: "check the offset and cnt")
        }
      }
    }
  }

  private func checkPeers(_ rank: Int) throws(InputError) {
    typealias Block = ChunkProgram.Block
    let sides: [(String, KeyPath<Block, Int?>, KeyPath<Block, Int?>, Operation.Actions, String)] = [
      ("send", \.sendPeer, \.receivePeer, .send, "receives"),
      ("recv", \.receivePeer, \.sendPeer, .receive, "sends"),
    ]
    for (name, mine, theirs, action, verb) in sides {
      var seen = Set<[Int]>()
      for (number, block) in program.blocks[rank].enumerated() {
        guard let peer = block[keyPath: mine] else { continue }
        let element = gpus[rank].children[number]
        guard seen.insert([peer, block.channel]).inserted else {
          throw element.error(
            "two thread blocks with \(name)=\"\(peer)\" on channel \(block.channel)",
            fix: "use another channel")
        }
        let isMet = program.blocks[peer].contains {
          $0[keyPath: theirs] == rank && $0.channel == block.channel
        }
        guard isMet || !block.steps.contains(where: { $0.kind.actions.contains(action) }) else {
          throw element.error(
            "\(name)=\"\(peer)\", but no thread block of GPU \(peer) \(verb) on channel "
              + "\(block.channel) \(name == "send" ? "from" : "to") GPU \(rank)",
            fix: "give that GPU such a thread block, or correct the peer")
        }
      }
    }
  }

  private func checkDependencies(_ rank: Int) throws(InputError) {
    let blocks = program.blocks[rank]
    var awaited = Set<ChunkProgram.Dependency>()
    for (element, number, index) in steps(rank) {
      let step = blocks[number].steps[index]
      let next = index + 1 < blocks[number].steps.count ? blocks[number].steps[index + 1] : nil
      if step.kind == .nothing, next.map({ $0.after == nil }) ?? true {
        throw element.error(
          "a nop is not followed by a step that waits too",
          fix: "let the chain of nops end in a step with the last depid and deps")
      }
      guard let after = step.after else { continue }
      guard after.block < blocks.count, after.step < blocks[after.block].steps.count else {
        throw element.error(
          "depid=\"\(after.block)\" deps=\"\(after.step)\" is no step of GPU \(rank)",
          fix: "name a step that there is")
      }
      guard after.block != number || after.step < index else {
        throw element.error("a step waits for itself or a later one", fix: "correct depid and deps")
      }
      if after.block != number { awaited.insert(after) }
    }
    for (element, number, index) in steps(rank) {
      let isMarked = try element.integer("hasdep", in: 0...1) == 1
      guard isMarked || !awaited.contains(.init(block: number, step: index)) else {
        throw element.error(
          "another step waits for this one, which has hasdep=\"0\"", fix: "write hasdep=\"1\"")
      }
    }
  }
}
