import ArgumentParser
import Weft
import WeftFiles

/// The options that name a schedule: its ranks, collective and size.
struct ScheduleOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "The number of ranks; a file says it itself.")
  var ranks: Int?

  @Option(parsing: .unconditional, help: "The number of ranks on a node.")
  var gpusPerNode = 1

  @Option(help: "The collective: all-reduce unless a file says otherwise.")
  var collective: String?

  @Option(parsing: .unconditional, help: "Channels of a ring or tree, blocks of nvrar.")
  var channels: Int?

  @Option(
    parsing: .unconditional,
    help: "The size: bytes of 2-byte elements, or with K, M, G; 1M unless said.")
  var size: String?

  @Flag(help: "Use one buffer for input and output.")
  var inPlace = false

  /// The schedule that an algorithm's name or a file stands for, with these options.
  func subject(
    _ algorithm: String, type: DataType = .bf16,
    elements standard: (Layout) -> Int = { _ in 1 << 19 }
  ) throws -> VerificationCase {
    // What NCCL runs depends on more than a schedule's size and ranks.
    let known = AlgorithmName.known.filter { $0 != "nccl" && !$0.hasPrefix("nccl:") }
    let name = try SimulateCommand.parseAlgorithm(algorithm, among: known).value
    var program: ChunkProgram?
    if case .imported(let file) = name { program = file }
    let layout = try layout(of: program, algorithm)
    if let channels, !(1...1000).contains(channels) {
      throw Failure(.usage, "--channels \(channels) is not 1 to 1000", fix: "give that many")
    }
    return VerificationCase(
      algorithm: name,
      collective: try collective.map { text throws(Failure) in try Collective(parsing: text) }
        ?? program?.collective ?? .allReduce,
      layout: layout,
      elements: try size.map { text throws(Failure) in try Self.elements(text, type) }
        ?? program?.chunks ?? standard(layout),
      channels: channels, inPlace: program?.inPlace ?? inPlace)
  }

  private func layout(of program: ChunkProgram?, _ algorithm: String) throws(Failure) -> Layout {
    guard let ranks = ranks ?? program?.ranks else {
      throw Failure(.usage, "how many ranks is not said", fix: "give --ranks R")
    }
    if let program, program.ranks != ranks {
      throw Failure(
        .usage, "--ranks \(ranks): \(algorithm) is a schedule for \(program.ranks) ranks",
        fix: "leave --ranks out")
    }
    guard ranks >= 1 && ranks <= 1 << 20 else {
      throw Failure(.usage, "--ranks \(ranks) is not 1 to \(1 << 20)", fix: "give that many")
    }
    guard gpusPerNode >= 1 && ranks % gpusPerNode == 0 else {
      throw Failure(
        .usage, "--gpus-per-node \(gpusPerNode) does not divide \(ranks) ranks into whole nodes",
        fix: "give a divisor of \(ranks)")
    }
    return Layout(nodes: ranks / gpusPerNode, ranksPerNode: gpusPerNode)
  }

  private static func elements(_ size: String, _ type: DataType) throws(Failure) -> Int {
    do {
      let bytes = try Quantity.messageSize(size).bytes
      if bytes >= type.bytes && bytes <= 1 << 40 { return bytes / type.bytes }
    } catch {
      throw Failure(.usage, "--size: \(error.problem)", fix: error.fix)
    }
    throw Failure(
      .usage, "--size \(size) is not \(type.bytes) bytes to 1 TiB", fix: "give that much")
  }
}

extension Collective {
  /// Parses a collective's name.
  init(parsing text: String) throws(Failure) {
    guard let name = Collective(rawValue: text) else {
      let known = Self.allCases.map(\.rawValue)
      throw Failure(.usage, "unknown collective '\(text)'", fix: Failure.suggestion(text, known))
    }
    self = name
  }
}

extension Failure {
  /// Does something with a schedule; one that there is not is wrong usage.
  static func planned<Result>(_ work: () throws(PlanError) -> Result) throws(Failure) -> Result {
    do {
      return try work()
    } catch {
      throw Failure(.usage, error.problem, fix: error.fix)
    }
  }
}
