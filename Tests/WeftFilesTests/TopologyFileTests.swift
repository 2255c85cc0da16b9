import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct TopologyFileTests {
  let data = DataDirectory(path: repositoryRoot)
  let folder: TemporaryFolder
  let good = """
    name: two
    title: A small machine
    gpu: h100
    node:
      gpus: 2
      nics: 2
      cpu: amd
      scale_up: {kind: switch, bandwidth: 450 GB/s, latency: 0.8 us}
      nic_path: {kind: pcie-switch, bandwidth: 20 GB/s}
    network:
      kind: switch
      bandwidth: 25 GB/s
      latency: 2 us
    sources:
      node.gpus: test
      node.nics: test
      node.scale_up.bandwidth: test
      node.scale_up.latency: test
      node.nic_path.bandwidth: test
      network.bandwidth: test
      network.latency: test
    """

  init() throws { folder = try TemporaryFolder() }

  func load(_ text: String, _ overrides: String...) throws -> TopologyFile {
    let path = try folder.write(text, to: "two.yaml")
    return try data.topology(path, overrides: try overrides.map { try Override(parsing: $0) })
  }

  @Test(arguments: ["perlmutter", "dgx-h100", "h100-infiniband", "flat", "alps"])
  func `a variant is what reading with the same values gives`(name: String) throws {
    let file = try data.topology(name)
    let values = [
      ("network.latency", "3.5 us"), ("network.hop_latency", "0.2 us"),
      ("network.bandwidth", "12.345 GB/s"), ("node.scale_up.latency", "0.9 us"),
      ("node.scale_up.bandwidth", "123 GB/s"), ("node.nic_path.bandwidth", "21 GB/s"),
      ("network.latency", "2000 s"), ("network.bandwidth", "fast"), ("node.nics", "1"),
      ("gpu.memory", "12 GiB"), ("network.latency", "null"),
    ].map { Override(path: $0.0, value: $0.1) }
    func outcome(_ read: () throws -> Topology) -> Result<Topology, InputError> {
      Result(catching: read).mapError { error in
        guard let error = error as? InputError else { preconditionFailure("\(error)") }
        return error
      }
    }
    let sets = values.map { [$0] } + [Array(values[0..<3]), Array(values[1..<6])]
    for overrides in sets {
      #expect(
        outcome { try file.topology(overriding: overrides) }
          == outcome { try data.topology(name, overrides: overrides).topology },
        "\(overrides.map(\.flag))")
    }
  }

  @Test func `a file of one's own loads, and a switch has defaults`() throws {
    let file = try load(good)
    #expect(file.topology.node.gpus == 2)
    #expect(file.topology.network.hopLatency == .zero)
    #expect(file.topology.network.maxNodes == 1 << 21)
    let hop = file.entries.first { $0.path == "network.hop_latency" }
    #expect(hop?.source == "default")
    let fabric = try Fabric(file.topology, nodes: 2)
    #expect(fabric.bandwidth(ofLink: fabric.linksPerNode - 1) == .gigabytesPerSecond(20))
  }

  @Test(arguments: [
    (
      "bandwidth: 25 GB/s", "bandwidth: 25", 12,
      "network.bandwidth: '25' has no unit"
    ),
    (
      "bandwidth: 25 GB/s", "bandwidth: 25 us", 12,
      "network.bandwidth: '25 us' has the unknown unit 'us'"
    ),
    ("bandwidth: 25 GB/s", "bandwidth: 0 GB/s", 12, "network.bandwidth: '0 GB/s' is out of range"),
    ("latency: 2 us", "latency: -2 us", 13, "network.latency: '-2 us' is not a time"),
    ("latency: 2 us", "latency: 2000 s", 13, "network.latency: '2000 s' is out of range"),
    ("  gpus: 2", "  gpus: -2", 5, "node.gpus: '-2' is out of range"),
    ("  gpus: 2", "  gpus: 2.5", 5, "node.gpus: '2.5' is not a whole number"),
    ("  nics: 2", "  nic: 2", 5, "'node' lacks the key 'nics'"),
    ("  cpu: amd", "  cpu: amd\n  cores: 64", 8, "unknown key 'node.cores'"),
    ("kind: switch\n", "kind: ring\n", 11, "network.kind: 'ring' is not known"),
    (
      "kind: switch\n",
      "kind: rail\n  hop_latency: 0 us\n  interconnect: ideal\n  max_nodes: 4\n", 11,
      "'network' lacks the key 'nodes_per_leaf'"
    ),
    // Several at once are told together.
    (
      "kind: switch\n", "kind: rail\n", 1,
      "the file lacks the keys 'network.nodes_per_leaf', 'network.hop_latency', "
        + "'network.interconnect', 'network.max_nodes'"
    ),
    (
      "  cpu: amd\n  scale_up: {kind: switch, bandwidth: 450 GB/s, latency: 0.8 us}\n",
      "  scale_up: {kind: switch}\n", 1,
      "the file lacks the keys 'node.cpu', 'node.scale_up.bandwidth', 'node.scale_up.latency'"
    ),
    (
      "  network.bandwidth: test\n  network.latency: test", "", 12,
      "2 numbers have no source: network.bandwidth, network.latency"
    ),
    ("gpu: h100", "gpu: h300", 3, "gpu: 'h300' is not known"),
    ("  network.latency: test", "", 13, "network.latency: '2 us' has no source"),
    (
      "  network.latency: test", "  network.latency: test\n  network.width: x", 22,
      "sources: there is no number at 'network.width'"
    ),
    ("title: A small machine\n", "", 1, "the file lacks the key 'title'"),
  ])
  func `a bad file names line, text and problem`(
    old: String, new: String, line: Int, problem: String
  ) throws {
    let text = good.replacing(old, with: new)
    #expect(text != good)
    let error = #expect(throws: InputError.self) { try load(text) }
    #expect(error?.kind == .badContent)
    #expect(error?.place == "\(folder.path)/two.yaml:\(line)")
    #expect(error?.problem == problem)
    #expect(error?.fix?.isEmpty == false)
  }

  @Test func `groups of a dragonfly hold whole switches`() throws {
    let text = good.replacing(
      "kind: switch\n",
      with: "kind: dragonfly\n  nodes_per_switch: 4\n  nodes_per_group: 10\n  hop_latency: 0 us\n"
        + "  interconnect: ideal\n  max_nodes: 40\n")
    let error = #expect(throws: InputError.self) { try load(text) }
    #expect(
      error?.problem == "network.nodes_per_group: 10 is no multiple of nodes_per_switch, 4")
  }

  @Test func `set changes a value, its source, and defaults too`() throws {
    let file = try load(
      good, "network.bandwidth=50 GB/s", "network.hop_latency=100 ns", "node.gpus=4")
    #expect(file.topology.network.bandwidth == .gigabytesPerSecond(50))
    #expect(file.topology.network.hopLatency == .nanoseconds(100))
    #expect(file.topology.node.gpus == 4)
    let entry = file.entries.first { $0.path == "network.bandwidth" }
    #expect(entry?.source == "--set network.bandwidth=50 GB/s")
  }

  @Test func `set changes the GPU and then its numbers`() throws {
    let gpu = try load(good, "gpu.memory=60 GiB", "gpu=h200").topology.gpu
    #expect(gpu.name == "h200")
    #expect(gpu.memory == .gib(60))
    #expect(gpu.memoryBandwidth == .gigabytesPerSecond(4800))
  }

  @Test(arguments: [
    (
      "network.bandwith=3 GB/s",
      "--set network.bandwith=3 GB/s: error: there is no value at 'network.bandwith' to set\n"
        + "  fix: the nearest: network.bandwidth, "
    ),
    (
      "network=3",
      "--set network=3: error: there is no value at 'network' to set\n  fix: the nearest: "
    ),
    (
      "network.bandwidth=3",
      "--set network.bandwidth=3: error: network.bandwidth: '3' has no unit\n  fix: a bandwidth"
    ),
    (
      "node.gpus=0",
      "--set node.gpus=0: error: node.gpus: '0' is out of range\n  fix: write a whole number"
    ),
    ("gpu=h300", "--set gpu=h300: error: gpu: 'h300' is not known\n  fix: did you mean 'h"),
    ("sources.x=1", "--set sources.x=1: error: there is no value at 'sources.x' to set\n"),
  ])
  func `a bad set is wrong usage and names the flag`(argument: String, message: String) {
    let error = #expect(throws: InputError.self) { try load(good, argument) }
    #expect(error?.kind == .usage)
    #expect(error?.description.hasPrefix(message) == true, "\(String(describing: error))")
  }

  @Test(arguments: ["x", "=3", "a=", ""])
  func `a set without path or value is wrong usage`(argument: String) {
    let error = #expect(throws: InputError.self) { try Override(parsing: argument) }
    #expect(error?.kind == .usage)
    #expect(error?.problem == "this is not 'path=value'")
  }

  @Test func `more GPUs in a node without links need the links`() {
    let error = #expect(throws: InputError.self) {
      try data.topology("vista", overrides: [try Override(parsing: "node.gpus=2")])
    }
    #expect(error?.problem == "'node' lacks the key 'scale_up'")
  }

  @Test func `an unknown name lists the nearest and what there is`() {
    let error = #expect(throws: InputError.self) { try data.topology("perlmuter") }
    #expect(error?.kind == .missing)
    #expect(error?.problem == "there is no topology 'perlmuter'")
    #expect(
      error?.fix
        == "did you mean 'perlmutter'? shipped are alps, dgx-a100, dgx-b200, dgx-h100, dgx-h200, "
        + "flat, gb200-nvl72, h100-infiniband, h100-pair, h200-pair, hgx-groups, perlmutter, "
        + "polaris, vista; or give the path of a file")
  }
}
