import Testing
import Weft
import WeftFiles

/// The channels found on machines, against what NCCL 2.30.7's own search finds on their XML.
@Suite struct NCCLGraphTests {
  /// What a graph is compared by: `channels x intra/inter paths` of ring and tree, and the rest.
  struct Summary: Equatable, CustomStringConvertible {
    var ring: String
    var tree: String
    var shape: NCCLGraph.TreeShape
    var channels: Int
    var nvls: String?

    init(
      _ ring: String, _ tree: String, _ shape: NCCLGraph.TreeShape, _ channels: Int,
      nvls: String? = nil
    ) {
      (self.ring, self.tree, self.shape, self.channels) = (ring, tree, shape, channels)
      self.nvls = nvls
    }

    init(_ graph: NCCLGraph) {
      func text(_ pattern: NCCLGraph.Pattern) -> String {
        "\(graph.searchChannels) x \(Int(pattern.intra))/\(Int(pattern.inter)) "
          + "\(pattern.intraPath.name)/\(pattern.interPath.name)"
      }
      self.init(
        text(graph.ring), text(graph.tree), graph.treeShape, graph.channels,
        nvls: graph.nvls.map { "\($0.heads) x \(Int($0.intra))/\(Int($0.inter)), \($0.channels)" })
    }

    var description: String {
      "ring \(ring), tree \(tree) \(shape), \(channels) channels, NVLS \(nvls ?? "none")"
    }
  }

  private func graph(
    _ name: String, nodes: Int, gpusPerNode: Int? = nil, crossesNICs: Bool = false,
    _ overrides: [String] = []
  ) throws -> NCCLGraph {
    let topology = try DataDirectory.find(option: nil)
      .topology(name, overrides: try overrides.map { try Override(parsing: $0) }).topology
    return NCCLGraph(
      try Fabric(topology, nodes: nodes, gpusPerNode: gpusPerNode), crossesNICs: crossesNICs)
  }

  static let machines: [(String, Int, [String], Summary)] = [
    (
      "perlmutter", 2, [],
      Summary("4 x 24/24 NVL/PHB", "4 x 48/24 NVL/SYS", .balanced, 8)
    ),
    (
      "perlmutter", 8, ["node.nic_path.kind=pcie-switch"],
      Summary("4 x 24/24 NVL/PXN", "4 x 48/24 NVL/SYS", .balanced, 8)
    ),
    (
      "perlmutter", 1, [],
      Summary("12 x 20/20 NVL/LOC", "12 x 20/20 NVL/LOC", .balanced, 24)
    ),
    (
      "dgx-a100", 2, [],
      Summary("8 x 24/24 NVL/PIX", "8 x 30/24 NVL/PIX", .balanced, 16)
    ),
    (
      "dgx-a100", 1, [],
      Summary("12 x 20/20 NVL/LOC", "12 x 20/20 NVL/LOC", .balanced, 24)
    ),
    (
      "dgx-h100", 4, [],
      Summary("8 x 48/48 NVL/PIX", "8 x 48/48 NVL/PIX", .plain, 16, nvls: "8 x 40/48, 16")
    ),
    (
      "h100-infiniband", 2, [],
      Summary("8 x 48/48 NVL/PIX", "8 x 48/48 NVL/PIX", .plain, 16, nvls: "8 x 40/48, 16")
    ),
    (
      "dgx-h100", 1, [],
      Summary("12 x 30/30 NVL/LOC", "12 x 30/30 NVL/LOC", .balanced, 24, nvls: "8 x 40/60, 16")
    ),
    // Four H100 in a mesh of six NVLinks per pair, four adapters of 400 Gb/s.
    (
      "alps", 2,
      [
        "gpu=h100", "node.cpu=intel", "node.nic_path.kind=pcie-switch",
        "node.nic_path.bandwidth=63 GB/s", "network.bandwidth=50 GB/s",
      ],
      Summary("8 x 24/24 NVL/PXN", "8 x 48/24 NVL/PIX", .plain, 16)
    ),
    ("alps", 4, [], Summary("4 x 24/24 NVL/PXN", "4 x 48/24 NVL/P2C", .plain, 8)),
    ("alps", 1, [], Summary("12 x 30/30 NVL/LOC", "12 x 30/30 NVL/LOC", .balanced, 24)),
    ("vista", 8, [], Summary("2 x 24/24 LOC/P2C", "2 x 48/24 LOC/P2C", .plain, 4)),
    (
      "vista", 8, ["network.bandwidth=25 GB/s"],
      Summary("1 x 24/24 LOC/P2C", "1 x 48/24 LOC/P2C", .plain, 2)
    ),
  ]

  @Test(arguments: machines.indices)
  func `channels, speeds, paths and shapes are those of NCCL's search`(index: Int) throws {
    let (name, nodes, overrides, expected) = Self.machines[index]
    let summary = Summary(try graph(name, nodes: nodes, overrides))
    #expect(summary == expected, "\(name) x \(nodes)")
  }

  @Test func `rings pair their NICs as NCCL's do`() throws {
    #expect(try graph("perlmutter", nodes: 2).nicPairing == .alternating)
    let forced = try graph("perlmutter", nodes: 2, crossesNICs: true)
    #expect(forced.nicPairing == .any && forced.ring.interPath == .hostBridge)
    let switched = ["node.nic_path.kind=pcie-switch"]
    #expect(try graph("perlmutter", nodes: 2, switched).nicPairing == .same)
    let both = try graph("perlmutter", nodes: 2, crossesNICs: true, switched)
    #expect(both.nicPairing == .any && both.ring.interPath == .pcieSwitch)
    #expect(both.tree.interPath == .system)
    #expect(try graph("dgx-a100", nodes: 2).nicPairing == .same)
    #expect(try graph("dgx-h100", nodes: 2).nicPairing == .alternating)
    #expect(try graph("alps", nodes: 2).nicPairing == .same)
    #expect(try graph("vista", nodes: 2).nicPairing == .same)
  }

  @Test func `few fast channels between nodes are doubled again on Hopper`() throws {
    // Six channels of 48 GB/s are not split, and 12 are fewer than 16.
    let six = try graph("dgx-h100", nodes: 2, gpusPerNode: 6)
    #expect(six.searchChannels == 6 && six.ring.intra == 48 && six.channels == 24)
    // Four are split in two and slower then.
    let four = try graph("dgx-h100", nodes: 2, gpusPerNode: 4)
    #expect(four.searchChannels == 8 && four.ring.intra == 24 && four.channels == 16)
  }

  @Test func `a part of a mesh has a part of its NVLinks`() throws {
    let pair = try graph("perlmutter", nodes: 1, gpusPerNode: 2)
    #expect(pair.searchChannels == 4 && pair.ring.intra == 20)
    #expect(pair.hasSameChannels)
    #expect(try !graph("perlmutter", nodes: 1).hasSameChannels)
    #expect(try graph("dgx-a100", nodes: 1).hasSameChannels)
  }

  @Test func `NCCL reckons with less of PCIe than its rate`() throws {
    // 31.5 GB/s of PCIe 4.0 are 24 to NCCL, whatever the network has.
    let graph = try graph("perlmutter", nodes: 2, ["network.bandwidth=50 GB/s"])
    #expect(graph.searchChannels == 4 && graph.ring.inter == 24)
  }

  @Test func `channels stay within NCCL's limits on a rack of 72 GPUs`() throws {
    for nodes in [1, 2] {
      let rack = try graph("gb200-nvl72", nodes: nodes)
      #expect((1...32).contains(rack.searchChannels) && rack.channels <= 64)
      let traffic = Double(rack.searchChannels) * rack.ring.intra
      // 18 NVLinks of 40.1 GB/s, of which a ring through 72 GPUs leaves one out.
      let limit: Double = 18 * 40.1 * 72 / 71
      #expect(traffic <= limit)
      #expect(rack.nvls?.heads == 32)
    }
    #expect(try graph("dgx-b200", nodes: 2).nvls?.channels == 32)
    #expect(try graph("dgx-b200", nodes: 1).nvls?.channels == 24)
  }

  @Test func `two NICs make two channels on Polaris`() throws {
    let polaris = try graph("polaris", nodes: 2)
    #expect(
      Summary(polaris) == Summary("2 x 24/24 NVL/PHB", "2 x 48/24 NVL/SYS", .balanced, 4))
  }
}
