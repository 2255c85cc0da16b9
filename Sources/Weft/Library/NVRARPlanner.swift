/// Plans an all-reduce as NVRAR runs it: six kernels over NVSHMEM.
public struct NVRARPlanner: Sendable {
  /// The launch parameters that NVRAR's tables hold.
  public struct Parameters: Hashable, Sendable {
    /// The thread blocks of the exchange.
    public var blocks: Int
    /// What NVRAR calls chunk bytes: elements of one put, times the ranks of a node.
    public var chunk: Int

    /// Creates launch parameters.
    public init(blocks: Int, chunk: Int) {
      self.blocks = blocks
      self.chunk = chunk
    }

    /// The best of the published tuning runs from 256 KiB on: 16 blocks, 32768.
    public static let standard = Parameters(blocks: 16, chunk: 32768)

    /// The grid that NVRAR's tuner searches by default.
    public static let grid: [Parameters] = [4, 8, 16, 32].flatMap { blocks in
      [1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18].map { Parameters(blocks: blocks, chunk: $0) }
    }
  }

  private let fabric: Fabric
  private let profile: Profile

  /// Creates a planner for all GPUs in use of a fabric.
  public init(fabric: Fabric, profile: Profile) {
    self.fabric = fabric
    self.profile = profile
  }

  /// The plan of a call.
  public func plan(for call: CollectiveCall, parameters: Parameters = .standard) -> Plan {
    let layout = Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode)
    // A chunk is at least 32 cells of 4 bytes of data.
    let leastChunk = 32 * max(1, 4 / call.type.bytes)
    let schedule = NVRAR(
      layout: layout, elements: call.elements, blocks: parameters.blocks,
      chunkElements: max(leastChunk, parameters.chunk / fabric.gpusPerNode),
      inPlace: call.inPlace)
    return Plan(
      algorithm: "nvrar", protocolName: "ll8", channels: schedule.lanes,
      costs: costs(of: schedule, call), schedule: .nvrar(schedule))
  }

  private func costs(of schedule: NVRAR, _ call: CollectiveCall) -> Costs {
    let launch = profile.duration(call.launch == .graph ? .launchGraph : .launchEager)
    let memory = Double(fabric.topology.gpu.memoryBandwidth.bytesPerSecond)
    let device = Bandwidth(
      bytesPerSecond: Int(memory * profile.ratio(.memoryEfficiency)))
    let inNode = profile.bandwidth(.nvshmemLane)
    // A block's rate counts a chunk's wire bytes once; adding reads two cells and writes one.
    let exchange = Bandwidth(
      bytesPerSecond: 3 * profile.bandwidth(.nvrarLane).bytesPerSecond)
    let poll = profile.duration(.nvshmemPoll)
    var costs = Costs(
      elementBytes: call.type.bytes,
      kernels: schedule.kernels.map { kernel in
        let rate = kernel.grid == .device ? device : kernel.name == "exchange" ? exchange : inNode
        // A kernel on its own stream waits for two events more, each about as dear as a launch.
        return Costs.KernelCosts(
          launch: (kernel.hasOwnStream ? 3 : 1) * launch, laneBandwidth: rate)
      },
      slots: .max, wire: (1, 1), receive: Costs.ByMedium(scaleUp: poll, network: poll),
      put: Costs.ByMedium(
        scaleUp: profile.duration(.nvshmemPutScaleUp),
        network: profile.duration(.nvshmemPutNetwork)),
      signalBytes: 8)
    costs.linkEfficiency.network = profile.ratio(.nvshmemNetworkEfficiency)
    let proxy = profile.duration(.nvshmemProxy)
    if proxy > .zero { costs.proxy = Costs.Proxy(perMessage: proxy, perKiB: .zero, most: proxy) }
    return costs
  }
}
