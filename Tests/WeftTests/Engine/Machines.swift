@testable import Weft

/// Small machines for tests, without files.
enum Machine {
  /// Identical nodes on one ideal switch, 25 GB/s and 2 us between, 150 GB/s and 1 us inside.
  static func flat(
    gpus: Int = 1, nics: Int = 1, kind: Node.ScaleUp.Kind = .switch, network: Double = 25,
    latency: SimDuration = .nanoseconds(2000)
  ) -> Topology {
    Topology(
      name: "flat", title: "test machine", gpu: gpu,
      node: Node(
        gpus: gpus, nics: nics,
        scaleUp: Node.ScaleUp(
          kind: kind, bandwidth: .gigabytesPerSecond(150), latency: .nanoseconds(1000)),
        nicPath: .unlimited, cpu: .amd),
      network: Network(
        kind: .switch, interconnect: .ideal, bandwidth: .gigabytesPerSecond(network),
        latency: latency,
        hopLatency: .zero, maxNodes: 1 << 21))
  }

  static let gpu = GPU(
    name: "test", title: "test GPU", computeCapability: 80, memory: .gib(40),
    memoryBandwidth: .gigabytesPerSecond(1555), l2: .mib(40), multiprocessors: 108,
    nvlinkGeneration: 3,
    peak: GPU.Peak(bf16: 312e12, fp8: nil, int8: 624e12, fp32: 19.5e12))
}

extension Plan {
  /// A plain all-reduce priced by its links, once.
  static func microseconds(
    _ algorithm: PlainAlgorithm, bytes: Int, nodes: Int, on topology: Topology,
    network: Plan.Network = .event, foldAllowed: Bool = true
  ) throws -> Double {
    let fabric = try Fabric(topology, nodes: nodes)
    let call = CollectiveCall(bytes: bytes, type: .bf16, inPlace: true, launch: .graph)
    let layout = Layout(nodes: nodes, ranksPerNode: fabric.gpusPerNode)
    return try algorithm.plan(for: call, layout: layout)
      .simulate(on: fabric, network: network, isolated: true, foldAllowed: foldAllowed)
      .time.microseconds
  }
}

extension Profile {
  /// Round costs, complete.
  static let test: Profile = {
    var profile = Profile(names: ["test"])
    for key in Key.allCases {
      let value =
        switch key.dimension {
        case .duration: 2e-6
        case .bandwidth: 20e9
        case .size: 1e9
        case .ratio: 0.8
        }
      profile[key] = Parameter(value: value, source: "test")
    }
    profile[.launchEager] = Parameter(value: 5e-6, source: "test")
    // Closed forms leave it out, and so does the nominal profile.
    profile[.nvshmemProxy] = Parameter(value: 0, source: "test")
    // Further passes and other paths of the transport have tests of their own.
    for key in [Key.ncclLLPass, .ncclLL128Pass, .ncclProxyLLFetched, .ncclProxyLLRendezvous] {
      profile[key] = Parameter(value: 0, source: "test")
    }
    return profile
  }()
}

extension Plan {
  /// The last period of so many back-to-back calls.
  func period(calls: Int, on fabric: Fabric) throws -> SimDuration {
    try simulate(on: fabric, network: .flow, calls: calls, foldAllowed: true).time
  }
}
