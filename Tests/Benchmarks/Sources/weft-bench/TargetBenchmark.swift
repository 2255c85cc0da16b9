import Glibc
@testable import Weft

/// What Weft is meant to reach on one core, and what it does.
enum TargetBenchmark {
  /// A problem with its target in seconds.
  struct Target: Sendable {
    var name: String
    var seconds: Double
    /// Builds machine, schedule and simulation anew.
    var simulate: @Sendable () throws -> SimulationResult
  }

  /// Prints the table; memory is the process's peak so far, so the largest problem comes last.
  static func run() throws {
    print("targets: one all-reduce of 1 MiB by links alone unless said; CPU time of one core")
    print("problem", "messages", "target_s", "seconds", "ratio", "peak_MiB", separator: "\t")
    for target in targets {
      var seconds = Double.infinity
      var messages = 0
      // Long ones once, short ones the best of three.
      for _ in 0..<3 where seconds > 2 || seconds == .infinity || target.seconds < 1 {
        let taken = try Clock.seconds { messages = try target.simulate().messages }
        seconds = min(seconds, taken)
        if taken > 2 { break }
      }
      print(
        target.name, messages, target.seconds, decimals(seconds, 3),
        decimals(seconds / target.seconds, 2), peakMebibytes, separator: "\t")
    }
    print()
    print("queue with a million pending, target 15 million pop-and-push steps per second")
    for times in QueueBenchmark.Times.allCases {
      let delays = QueueBenchmark.delays(times, count: 4_000_000)
      let outcome = QueueBenchmark.radixSteps(pending: 1_000_000, delays)
      print(
        times.rawValue, decimals(Double(delays.count) / outcome.seconds / 1e6, 1), separator: "\t")
    }
  }

  private static let targets: [Target] = [
    Target(name: "ring 1024", seconds: 0.15) { try full(.ring, 1024) },
    Target(name: "ring 512, a quarter of the messages", seconds: 0.0375) { try full(.ring, 512) },
    Target(name: "recursive-doubling 16384", seconds: 0.05) {
      try full(.recursiveDoubling, 16_384)
    },
    Target(name: "2 MiB permutation, fat tree of 1024, ECMP, flow", seconds: 0.1) {
      try permutation(nodes: 1024)
    },
    Target(name: "folded ring 1048576, 2 MiB", seconds: 0.3) { try folded(.ring, 1 << 20) },
    Target(name: "folded recursive-doubling 1048576, 2 MiB", seconds: 0.3) {
      try folded(.recursiveDoubling, 1 << 20)
    },
    Target(name: "folded nvrar 262144 x 4, one block", seconds: 0.3) {
      try nvrar(nodes: 1 << 18, foldAllowed: true)
    },
    Target(name: "nvrar 32768 x 4, one block", seconds: 1.5) {
      try nvrar(nodes: 1 << 15, foldAllowed: false)
    },
    Target(name: "recursive-doubling 1048576", seconds: 4) {
      try full(.recursiveDoubling, 1 << 20)
    },
  ]

  private static func full(_ algorithm: PlainAlgorithm, _ nodes: Int) throws -> SimulationResult {
    try SimulationBenchmark.plain(algorithm, nodes: nodes).simulate()
  }

  private static func folded(_ algorithm: PlainAlgorithm, _ nodes: Int) throws -> SimulationResult {
    // Two bytes for every rank at least: with fewer, ranks do different things.
    let entry = try SimulationBenchmark.plain(algorithm, nodes: nodes, bytes: 2 << 20)
    return try entry.plan.simulate(on: entry.fabric, network: .event, isolated: true)
  }

  /// NVRAR with one block, and one put for the whole shard.
  private static func nvrar(nodes: Int, foldAllowed: Bool) throws -> SimulationResult {
    let entry = try SimulationBenchmark.nvrar(
      nodes: nodes, parameters: NVRARPlanner.Parameters(blocks: 1, chunk: 1 << 30))
    let plan = entry.plan.priced(
      as: "ideal", .ideal(elementBytes: 2, kernels: entry.plan.costs.kernels.count))
    return try plan.simulate(
      on: entry.fabric, network: .event, isolated: true, foldAllowed: foldAllowed)
  }

  /// Every node sends 2 MiB to another one, drawn at random, over links that all share.
  private static func permutation(nodes: Int) throws -> SimulationResult {
    var topology = SimulationBenchmark.topology(gpus: 1)
    topology.network.kind = .fatTree(nodesPerLeaf: 32)
    topology.network.interior = Network.Interior(routing: .ecmp)
    var targets = Array(0..<nodes)
    var state: UInt64 = 1
    // A cycle through all nodes, so that none sends to itself (Sattolo's shuffle).
    for last in stride(from: nodes - 1, to: 0, by: -1) {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      targets.swapAt(last, Int(state >> 33) % last)
    }
    var sources = targets
    for (source, target) in targets.enumerated() { sources[target] = source }
    let start = ChunkProgram.Place(space: .input, chunk: 0)
    let program = ChunkProgram(
      name: "permutation", protocolName: "Simple", collective: .allReduce, inPlace: false,
      chunks: 1, scratchChunks: Array(repeating: 0, count: nodes),
      blocks: (0..<nodes).map { node in
        [
          ChunkProgram.Block(
            sendPeer: targets[node], receivePeer: sources[node], channel: 0,
            steps: [
              ChunkProgram.Step(.send, source: start, count: 1),
              ChunkProgram.Step(
                .receive, destination: ChunkProgram.Place(space: .output, chunk: 0), count: 1),
            ])
        ]
      })
    let call = CollectiveCall(bytes: 2 << 20, type: .bf16, inPlace: false, launch: .graph)
    let plan = try program.plan(for: call, layout: Layout(nodes: nodes, ranksPerNode: 1))
    return try plan.simulate(
      on: Fabric(topology, nodes: nodes), network: .flow, isolated: true, foldAllowed: false)
  }

  private static var peakMebibytes: Int {
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }
}
