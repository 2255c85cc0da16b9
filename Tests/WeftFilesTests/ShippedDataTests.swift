import Foundation
import Testing
import Weft
import WeftFiles

@Suite struct ShippedDataTests {
  let data = DataDirectory(path: repositoryRoot)

  @Test func `the issue's topologies are all shipped`() {
    #expect(
      data.topologyNames == [
        "alps", "dgx-a100", "dgx-b200", "dgx-h100", "dgx-h200", "flat", "gb200-nvl72",
        "h100-infiniband", "h100-pair", "h200-pair", "hgx-groups", "perlmutter", "polaris", "vista",
      ])
  }

  @Test(arguments: DataDirectory(path: repositoryRoot).topologyNames)
  func `a shipped topology loads, bears its file's name, and sources every number`(
    name: String
  ) throws {
    let file = try data.topology(name)
    #expect(file.topology.name == name)
    #expect(file.entries.filter { $0.value.first?.isNumber == true && $0.source.isEmpty } == [])
    _ = try Fabric(file.topology, nodes: 1)
    _ = try Fabric(file.topology, nodes: file.topology.network.maxNodes)
  }

  @Test func `flat has the textbook numbers`() throws {
    let flat = try data.topology("flat").topology
    #expect(flat.network.bandwidth == .gigabytesPerSecond(25))
    #expect(flat.network.latency == .microseconds(2))
    #expect(flat.network.hopLatency == .zero)
    #expect(flat.node.gpus == 1)
    #expect(flat.node.scaleUp.bandwidth == .gigabytesPerSecond(150))
    #expect(flat.node.scaleUp.latency == .microseconds(1))
    let fabric = try Fabric(flat, nodes: 2)
    #expect(fabric.bandwidth(ofLink: fabric.linksPerNode - 1) == .gigabytesPerSecond(25))
  }

  @Test func `perlmutter is a mesh of four A100 on a dragonfly`() throws {
    let machine = try data.topology("perlmutter").topology
    #expect(machine.gpu.name == "a100-40gb")
    #expect(machine.gpu.memory == .gib(40))
    #expect(machine.node.scaleUp.kind == .mesh)
    #expect(machine.network.kind == .dragonfly(nodesPerSwitch: 16, nodesPerGroup: 128))
  }

  @Test func `the other machines are what their documentation says`() throws {
    let alps = try data.topology("alps").topology
    #expect(alps.node.scaleUp.bandwidth == .gigabytesPerSecond(450))
    #expect(alps.node.nics == 4 && alps.network.bandwidth == .gigabytesPerSecond(25))
    let polaris = try data.topology("polaris").topology
    #expect(polaris.node.gpus == 4 && polaris.node.nics == 2)
    let rack = try data.topology("gb200-nvl72").topology
    #expect(rack.node.gpus == 72 && rack.gpu.computeCapability == 100)
    #expect(try data.topology("dgx-a100").topology.node.nicPath.gpusPerSwitch == 2)
  }

  @Test func `a pair without a network has one node`() throws {
    let machine = try data.topology("h200-pair").topology
    #expect(machine.network == .none)
    #expect(throws: Fabric.SizeError.nodes(asked: 2, available: 1)) {
      try Fabric(machine, nodes: 2)
    }
  }

  @Test(
    arguments: ["a100-40gb", "a100-80gb", "h100", "h200", "gh200", "b200", "gb200"],
    Network.Interconnect.allCases)
  func `every GPU has a complete nominal profile on every fabric`(
    gpu: String, interconnect: Network.Interconnect
  ) throws {
    let machine = try data.topology(
      "flat",
      overrides: [
        Override(parsing: "gpu=\(gpu)"),
        Override(parsing: "network.interconnect=\(interconnect.rawValue)"),
      ]
    ).topology
    let profile = try data.nominalProfile(for: machine)
    #expect(profile.missing.isEmpty)
    #expect(profile.names.count == 7)
    for key in Profile.Key.allCases {
      #expect(profile[key]?.source.isEmpty == false, "\(key.rawValue)")
    }
  }

  @Test func `no GPU is left untested`() throws {
    #expect(
      try data.gpus().names
        == ["a100-40gb", "a100-80gb", "h100", "h200", "gh200", "b200", "gb200"])
  }

  @Test func `NCCL's start-up is that of its tuning model`() throws {
    let profile = try data.nominalProfile(for: try data.topology("dgx-h100").topology)
    #expect(profile.duration(.ncclRingLLBase) == .microseconds(6.6))
    #expect(profile.duration(.ncclTreeSimpleNetwork) == .microseconds(14))
  }

  @Test func `what is known of one machine alone holds there and not on its like`() throws {
    let polaris = try data.nominalProfile(for: try data.topology("polaris").topology)
    let perlmutter = try data.nominalProfile(for: try data.topology("perlmutter").topology)
    #expect(polaris.duration(.ncclProxyRingLLLeast) == .microseconds(12.6))
    #expect(perlmutter.duration(.ncclProxyRingLLLeast) == .zero)
    #expect(polaris.ratio(.ncclNetworkEfficiency) == 0.75)
    #expect(perlmutter.ratio(.ncclNetworkEfficiency) == 0.91)
    #expect(polaris.duration(.ncclProxyLL) == perlmutter.duration(.ncclProxyLL))
    let file = try ProfileFile(path: repositoryRoot + "/topologies/profiles/nccl-polaris.yaml")
    #expect(
      file.mismatch(with: try data.topology("perlmutter").topology)
        == "the profile 'nccl-polaris' belongs to polaris, not to perlmutter")
  }

  @Test func `puts by the GPU itself are an option, not the rule`() throws {
    let file = try ProfileFile(
      path: repositoryRoot + "/topologies/profiles/optional/nvrar-ibgda.yaml")
    let vista = try data.topology("vista").topology
    #expect(file.mismatch(with: vista) == nil)
    let usual = try data.nominalProfile(for: vista)
    let posted = usual.replacing(with: file.profile)
    #expect(posted.duration(.nvshmemPutNetwork) < usual.duration(.nvshmemPutNetwork))
    #expect(file.mismatch(with: try data.topology("perlmutter").topology) != nil)
  }

  @Test func `models are found by name, by path, or not at all`() throws {
    #expect(
      try data.modelPath("llama-3.1-70b") == repositoryRoot
        + "/topologies/models/llama-3.1-70b.json")
    #expect(try data.modelPath("/my/config.json") == "/my/config.json")
    let error = #expect(throws: InputError.self) { try data.modelPath("llama-3.1-7b") }
    #expect(error?.kind == .missing)
    #expect(error?.problem == "there is no model 'llama-3.1-7b'")
  }
}

/// The folder of the package, found from this file.
let repositoryRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path
