/// Plans an all-reduce as NVRAR runs it: six kernels over NVSHMEM.
public struct NVRARPlanner: Sendable {
  /// What NVSHMEM's reduce-scatter and all-gather inside a node run on, which its build decides.
  ///
  /// Source: NVSHMEM 3.5.1, src/host/coll and src/device/coll.
  public enum InNode: String, CaseIterable, Sendable {
    /// NCCL's collectives, as where NVSHMEM is built with NCCL and finds no multicast.
    case nccl
    /// NVSHMEM's own kernels that put parts into each other's memory.
    case oneShot = "one-shot"
    /// The same with sums and copies made by the NVSwitch.
    case nvls
  }

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

    /// The part of the grid that a call may use: NVRAR's kernel deals whole cells of 4 bytes of data
    /// to its blocks and leaves what remains undone.
    ///
    /// - Returns: The launch parameters; those of the standard if no number of blocks fits.
    public static func grid(for call: CollectiveCall, gpusPerNode: Int) -> [Parameters] {
      let fitting = grid.filter { $0.dealsAll(of: call, gpusPerNode: gpusPerNode) }
      return fitting.isEmpty ? [.standard] : fitting
    }

    /// Whether NVRAR's kernel deals every cell of a call to its blocks.
    public func dealsAll(of call: CollectiveCall, gpusPerNode: Int) -> Bool {
      let cells = call.elements / gpusPerNode / max(1, 4 / call.type.bytes)
      return cells > 0 && cells.isMultiple(of: blocks)
    }
  }

  private let fabric: Fabric
  private let profile: Profile
  private let ncclVersion: NCCLVersion

  /// Creates a planner for all GPUs in use of a fabric, with the NCCL that NVSHMEM may find.
  public init(fabric: Fabric, profile: Profile, ncclVersion: NCCLVersion = .latest) {
    self.fabric = fabric
    self.profile = profile
    self.ncclVersion = ncclVersion
  }

  /// What runs in the node where NVSHMEM is built without NCCL: multicast if the node has it.
  public func ownKernels(for call: CollectiveCall) -> InNode {
    hasMulticast(for: call) ? .nvls : .oneShot
  }

  /// Whether the NVSwitch adds up a shard: from Hopper on, of an even number of elements of two
  /// bytes, or any of four, for an even number of GPUs, in whole words.
  public func hasMulticast(for call: CollectiveCall) -> Bool {
    let gpus = fabric.gpusPerNode
    let shard = call.elements / gpus
    return fabric.topology.node.scaleUp.kind == .switch
      && fabric.topology.gpu.computeCapability >= 90 && gpus > 1
      && (call.type.bytes == 4
        || call.type.bytes == 2 && shard.isMultiple(of: 2) && gpus.isMultiple(of: 2))
      && (shard * call.type.bytes).isMultiple(of: 4)
  }

  /// The plan of a call.
  ///
  /// - Parameters:
  ///   - call: An all-reduce.
  ///   - parameters: The launch parameters of the exchange.
  ///   - inNode: What runs in the node; nil for NVSHMEM's own choice without NCCL.
  /// - Returns: The plan; nil if the machine has no multicast for the call where that is asked for.
  public func plan(
    for call: CollectiveCall, parameters: Parameters = .standard, inNode: InNode? = nil
  ) -> Plan? {
    let layout = Layout(nodes: fabric.nodes, ranksPerNode: fabric.gpusPerNode)
    let phases = inNode ?? ownKernels(for: call)
    guard phases != .nvls || hasMulticast(for: call) else { return nil }
    let rings = phases == .nccl && fabric.gpusPerNode > 1 ? inNodeRings(for: call) : nil
    // A chunk is at least 32 cells of 4 bytes of data.
    let leastChunk = 32 * max(1, 4 / call.type.bytes)
    let schedule = NVRAR(
      layout: layout, elements: call.elements, blocks: parameters.blocks,
      chunkElements: max(leastChunk, parameters.chunk / fabric.gpusPerNode),
      inNode: rings?.phases ?? (phases == .nvls ? .switchedPuts : .puts),
      inPlace: call.inPlace)
    var costs = costs(of: schedule, call)
    if let rings { costs.take(rings.costs, inKernels: [0, schedule.kernels.count - 1]) }
    return Plan(
      algorithm: inNode.map { "nvrar:\($0.rawValue)" } ?? "nvrar", protocolName: "ll8",
      channels: schedule.blocks, costs: costs, schedule: .nvrar(schedule))
  }

  /// NCCL's reduce-scatter and all-gather in the node, for both of which its tuner picks alike.
  private func inNodeRings(for call: CollectiveCall) -> (phases: NVRAR.InNode, costs: Costs)? {
    guard let node = try? Fabric(fabric.topology, nodes: 1, gpusPerNode: fabric.gpusPerNode) else {
      preconditionFailure("A machine has every one of its nodes.")
    }
    let nccl = NCCLPlanner(fabric: node, profile: profile, version: ncclVersion)
    return nccl.groupRings(for: call)
  }

  private func costs(of schedule: NVRAR, _ call: CollectiveCall) -> Costs {
    let launch = profile.duration(call.launch == .graph ? .launchGraph : .launchEager)
    let memory = Double(fabric.topology.gpu.memoryBandwidth.bytesPerSecond)
    let device = Bandwidth(
      bytesPerSecond: Int(memory * profile.ratio(.memoryEfficiency)))
    let inNode = inNodeRates(schedule, call)
    // A block's rate counts a chunk's wire bytes once; adding reads two cells and writes one.
    let exchange = Bandwidth(
      bytesPerSecond: 3 * profile.bandwidth(.nvrarLane).bytesPerSecond)
    let poll = profile.duration(.nvshmemPoll)
    var costs = Costs(
      elementBytes: call.type.bytes,
      kernels: schedule.kernels.map { kernel in
        let rate =
          switch kernel.name {
          case "reduce-scatter": inNode.scatter
          case "exchange": exchange
          case "all-gather": inNode.gather
          default: kernel.grid == .device ? device : inNode.scatter
          }
        // A kernel on its own stream waits for two events more, each about as dear as a launch.
        return Costs.KernelCosts(
          launch: (kernel.hasOwnStream ? 3 : 1) * launch, laneBandwidth: rate)
      },
      slots: .max, framing: .none, receive: Costs.ByMedium(scaleUp: poll, network: poll),
      put: Costs.ByMedium(
        scaleUp: profile.duration(.nvshmemPutScaleUp),
        network: profile.duration(.nvshmemPutNetwork)),
      signalBytes: 8)
    costs.linkEfficiency.network = profile.ratio(.nvshmemNetworkEfficiency)
    let proxy = profile.duration(.nvshmemProxy)
    if proxy > .zero { costs.proxy = Costs.Proxy(perMessage: proxy, perKiB: .zero, most: proxy) }
    return costs
  }

  /// What the blocks of an in-node kernel move, counted as one-shot puts and adds are.
  ///
  /// One-shot kernels have one block. With multicast a block loads a sum and stores it, and stores a
  /// part once for all, so what the schedule counts for every other GPU is one pass; from 1 MiB on it
  /// is shared by 16 blocks, and 32 over the GPUs for the gathering. Source: NVSHMEM 3.5.1,
  /// src/host/coll.
  private func inNodeRates(
    _ schedule: NVRAR, _ call: CollectiveCall
  ) -> (scatter: Bandwidth, gather: Bandwidth) {
    let block = profile.bandwidth(.nvshmemLane)
    guard schedule.inNode == .switchedPuts else { return (block, block) }
    let others = fabric.gpusPerNode - 1
    let isLarge = call.bytes >= 1 << 20
    let blocks = isLarge ? (16, max(1, 32 / fabric.gpusPerNode)) : (1, 1)
    return (
      // A put and an add, four times the part in all, for a load and a store of it.
      block.scaled(by: Double(2 * others * blocks.0)), block.scaled(by: Double(others * blocks.1))
    )
  }
}

extension Costs {
  /// Takes another library's costs of messages within a node, and its kernels in these places.
  ///
  /// The kernel of another library starts as that library starts it.
  fileprivate mutating func take(_ other: Costs, inKernels places: [Int]) {
    for place in places { kernels[place] = other.kernels[0] }
    slots = other.slots
    framing = other.framing
    receive.scaleUp = other.receive.scaleUp
    streamGrain = other.streamGrain
    grainOverhead = other.grainOverhead
    looksWhenFree = other.looksWhenFree
    linkEfficiency.scaleUp = other.linkEfficiency.scaleUp
  }
}
