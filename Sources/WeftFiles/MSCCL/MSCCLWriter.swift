public import Weft

extension MSCCLFile {
  /// What is written where a program has no upper limit: the runtime takes 0 for never.
  private static let noLimit = 1 << 40

  /// A program as an XML text; the same program gives the same text.
  public static func text(_ program: ChunkProgram) -> String {
    let name =
      collectives.first { $0.collective == program.collective }?.name
      ?? program.collective.rawValue
    let head: [(String, String)] = [
      ("name", program.name), ("proto", program.protocolName),
      ("nchannels", "\(program.channels)"), ("nchunksperloop", "\(program.chunks)"),
      ("ngpus", "\(program.ranks)"), ("coll", name), ("inplace", program.inPlace ? "1" : "0"),
      ("outofplace", program.inPlace ? "0" : "1"), ("minBytes", "\(program.minBytes)"),
      ("maxBytes", "\(program.maxBytes ?? noLimit)"),
    ]
    var text = "<algo\(attributes(head))>\n"
    for rank in 0..<program.ranks { text += gpu(program, rank) }
    return text + "</algo>\n"
  }

  private static func gpu(_ program: ChunkProgram, _ rank: Int) -> String {
    // In place one buffer stands for both, and steps name only that one.
    let isGather = program.collective == .allGather
    func chunks(_ space: ChunkProgram.Space, isNamed: Bool) -> String {
      "\(isNamed || !program.inPlace ? program.length(of: space, rank: rank) : 0)"
    }
    let head = [
      ("id", "\(rank)"), ("i_chunks", chunks(.input, isNamed: !isGather)),
      ("o_chunks", chunks(.output, isNamed: isGather)),
      ("s_chunks", "\(program.scratchChunks[rank])"),
    ]
    let blocks = program.blocks[rank]
    let awaited = Set(blocks.flatMap(\.steps).compactMap(\.after))
    var text = "  <gpu\(attributes(head))>\n"
    for (number, block) in blocks.enumerated() {
      let head = [
        ("id", "\(number)"), ("send", "\(block.sendPeer ?? -1)"),
        ("recv", "\(block.receivePeer ?? -1)"), ("chan", "\(block.channel)"),
      ]
      text += "    <tb\(attributes(head))>\n"
      for (index, step) in block.steps.enumerated() {
        let isAwaited = awaited.contains(.init(block: number, step: index))
        text += line(step, index, isAwaited: isAwaited)
      }
      text += "    </tb>\n"
    }
    return text + "  </gpu>\n"
  }

  private static func line(
    _ step: ChunkProgram.Step, _ index: Int, isAwaited: Bool
  ) -> String {
    // A side that the step does not use is written like the other, as the tools do.
    let source = step.source ?? step.destination
    let destination = step.destination ?? step.source
    let fields = [
      ("s", "\(index)"), ("type", step.kind.rawValue),
      ("srcbuf", (source?.space ?? .input).rawValue), ("srcoff", "\(source?.chunk ?? -1)"),
      ("dstbuf", (destination?.space ?? .output).rawValue),
      ("dstoff", "\(destination?.chunk ?? -1)"), ("cnt", "\(step.count)"),
      ("depid", "\(step.after?.block ?? -1)"), ("deps", "\(step.after?.step ?? -1)"),
      ("hasdep", isAwaited ? "1" : "0"),
    ]
    return "      <step\(attributes(fields))/>\n"
  }

  private static func attributes(_ fields: [(String, String)]) -> String {
    fields.map { " \($0)=\"\(escaped($1))\"" }.joined()
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
