import Weft

/// Whole simulations of all-reduces in which every rank is simulated.
enum SimulationBenchmark {
  /// A plan and the machine it runs on.
  struct Case {
    var name: String
    var plan: Plan
    var fabric: Fabric

    /// Simulates one call.
    func simulate(_ network: Plan.Network = .event) throws -> SimulationResult {
      try plan.simulate(on: fabric, network: network, isolated: true, foldAllowed: false)
    }
  }

  /// A ring of 1024 ranks: 2.1 million messages.
  static func ring(nodes: Int = 1024) throws -> Case { try plain(.ring, nodes: nodes) }

  /// Prints a table of seconds and messages per second.
  static func run() throws {
    print("simulation: one all-reduce of 1 MiB, all ranks, event network; CPU time, best of 3 runs")
    print("schedule", "messages", "events", "seconds", "million messages/s", separator: "\t")
    for entry in [try ring(), try plain(.recursiveDoubling, nodes: 16_384), try nvrar()] {
      var seconds = Double.infinity
      var result: SimulationResult?
      for _ in 0..<3 {
        seconds = min(seconds, try Clock.seconds { result = try entry.simulate() })
      }
      guard let result else { continue }
      let rate = decimals(Double(result.messages) / seconds / 1e6, 2)
      print(
        entry.name, result.messages, result.events, decimals(seconds, 3), rate, separator: "\t")
    }
  }

  private static func call(_ bytes: Int = 1 << 20) -> CollectiveCall {
    CollectiveCall(bytes: bytes, type: .bf16, inPlace: true, launch: .graph)
  }

  static func plain(
    _ algorithm: PlainAlgorithm, on machine: Topology? = nil, nodes: Int, bytes: Int = 1 << 20
  ) throws -> Case {
    let fabric = try Fabric(machine ?? topology(gpus: 1), nodes: nodes)
    let layout = Layout(nodes: nodes, ranksPerNode: fabric.gpusPerNode)
    return Case(
      name: "\(algorithm.rawValue) \(nodes)",
      plan: try algorithm.plan(for: call(bytes), layout: layout),
      fabric: fabric)
  }

  static func nvrar(
    nodes: Int = 1024, parameters: NVRARPlanner.Parameters = .standard
  ) throws -> Case {
    let fabric = try Fabric(topology(gpus: 4), nodes: nodes)
    let planner = NVRARPlanner(fabric: fabric, profile: profile)
    guard let plan = planner.plan(for: call(), parameters: parameters) else {
      preconditionFailure("NVRAR's own phases run on every machine.")
    }
    return Case(
      name: "nvrar \(nodes) x 4", plan: plan,
      fabric: fabric)
  }

  /// Nodes on one ideal switch, 25 GB/s and 2 us between them.
  static func topology(gpus: Int) -> Topology {
    Topology(
      name: "bench", title: "benchmark machine",
      gpu: GPU(
        name: "bench", title: "benchmark GPU", computeCapability: 80, memory: .gib(40),
        memoryBandwidth: .gigabytesPerSecond(1555), l2: .mib(40), multiprocessors: 108,
        nvlinkGeneration: 3, peak: GPU.Peak(bf16: 312e12, fp8: nil, int8: nil, fp32: 19.5e12)),
      node: Node(
        gpus: gpus, nics: gpus,
        scaleUp: Node.ScaleUp(
          kind: .switch, bandwidth: .gigabytesPerSecond(300), latency: .nanoseconds(1000)),
        nicPath: .unlimited, cpu: .amd),
      network: Network(
        kind: .switch, interconnect: .ideal, bandwidth: .gigabytesPerSecond(25),
        latency: .nanoseconds(2000),
        hopLatency: .zero, maxNodes: 1 << 20))
  }

  /// Round numbers of the right order: the cost of simulating does not depend on them.
  private static var profile: Profile {
    var profile = Profile(names: ["bench"])
    for key in Profile.Key.allCases {
      let value =
        switch key.dimension {
        case .duration: 1e-6
        case .bandwidth: 20e9
        case .size: 1e9
        case .ratio: 0.8
        }
      profile[key] = Profile.Parameter(value: value, source: "a round number")
    }
    return profile
  }
}
