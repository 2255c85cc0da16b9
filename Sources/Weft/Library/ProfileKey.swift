extension Profile {
  /// The parameters of the models, by their path in profile files.
  public enum Key: String, CaseIterable, Sendable {
    // Kernels in a stream.
    /// From the end of a kernel to the start of the next, inside a CUDA graph.
    case launchGraph = "launch.graph"
    /// The same when each kernel is launched by the host.
    case launchEager = "launch.eager"

    // NCCL: start-up of one call and the cost of one step, by algorithm, protocol and medium.
    /// What the host takes to enqueue a call that is not in a graph.
    case ncclEnqueue = "nccl.enqueue"
    case ncclRingLLBase = "nccl.ring.ll.base"
    case ncclRingLLScaleUp = "nccl.ring.ll.scale-up-step"
    case ncclRingLLNetwork = "nccl.ring.ll.network-step"
    case ncclRingLL128Base = "nccl.ring.ll128.base"
    case ncclRingLL128ScaleUp = "nccl.ring.ll128.scale-up-step"
    case ncclRingLL128Network = "nccl.ring.ll128.network-step"
    case ncclRingSimpleBase = "nccl.ring.simple.base"
    case ncclRingSimpleScaleUp = "nccl.ring.simple.scale-up-step"
    case ncclRingSimpleNetwork = "nccl.ring.simple.network-step"
    case ncclTreeLLBase = "nccl.tree.ll.base"
    case ncclTreeLLScaleUp = "nccl.tree.ll.scale-up-step"
    case ncclTreeLLNetwork = "nccl.tree.ll.network-step"
    case ncclTreeLL128Base = "nccl.tree.ll128.base"
    case ncclTreeLL128ScaleUp = "nccl.tree.ll128.scale-up-step"
    case ncclTreeLL128Network = "nccl.tree.ll128.network-step"
    case ncclTreeSimpleBase = "nccl.tree.simple.base"
    case ncclTreeSimpleScaleUp = "nccl.tree.simple.scale-up-step"
    case ncclTreeSimpleNetwork = "nccl.tree.simple.network-step"
    /// The same of NVLS, and what it reaches of the rate that NCCL plans its heads with.
    case ncclNVLSBase = "nccl.nvls.base"
    case ncclNVLSScaleUp = "nccl.nvls.scale-up-step"
    case ncclNVLSNetwork = "nccl.nvls.network-step"
    case ncclNVLSEfficiency = "nccl.nvls.efficiency"
    /// The same of PAT, whose start-up grows with the ranks.
    case ncclPATBase = "nccl.pat.base"
    case ncclPATPerRank = "nccl.pat.per-rank"
    case ncclPATNetwork = "nccl.pat.network-step"
    /// The wire's part of a step, which topologies have as their own latency.
    case ncclScaleUpWire = "nccl.scale-up-step-wire"
    case ncclNetworkWire = "nccl.network-step-wire"
    /// What one thread block (channel) moves, in wire bytes.
    case ncclLLLane = "nccl.ll.channel-bandwidth"
    case ncclLL128Lane = "nccl.ll128.channel-bandwidth"
    case ncclSimpleLane = "nccl.simple.channel-bandwidth"
    /// What every doubling of a call's channels adds to its start-up.
    case ncclChannels = "nccl.per-doubling-of-channels"
    case ncclExchangeChannels = "nccl.send-receive.per-doubling-of-channels"
    /// What a thread block takes for every further pass of its threads over a chunk.
    case ncclLLPass = "nccl.ll.per-pass"
    case ncclLL128Pass = "nccl.ll128.per-pass"

    /// What the proxy of a GPU costs for a message: for any, for every KiB, and at the most.
    case ncclProxyLL = "nccl.proxy.ll.per-message"
    case ncclProxyLLPerKiB = "nccl.proxy.ll.per-kib"
    case ncclProxyLLMost = "nccl.proxy.ll.most"
    /// What a message of LL costs more that does not fit into a command to the NIC, and what one
    /// costs more that both ends have to agree on first; and from how many bytes on.
    case ncclProxyLLFetched = "nccl.proxy.ll.fetched"
    case ncclProxyFetchedFrom = "nccl.proxy.fetched-from"
    case ncclProxyLLRendezvous = "nccl.proxy.ll.rendezvous"
    case ncclProxyRendezvousFrom = "nccl.proxy.rendezvous-from"
    /// The least that a message of a ring costs, with LL and with Simple.
    case ncclProxyRingLLLeast = "nccl.proxy.ll.ring-least"
    case ncclProxyRingSimpleLeast = "nccl.proxy.simple.ring-least"
    // Sends and receives in a group, as an all-to-all is: start-up, and what each peer adds to it.
    case ncclExchangeLLBase = "nccl.send-receive.ll.base"
    case ncclExchangeSimpleBase = "nccl.send-receive.simple.base"
    case ncclExchangePeer = "nccl.send-receive.per-peer"
    case ncclProxyLL128 = "nccl.proxy.ll128.per-message"
    case ncclProxyLL128PerKiB = "nccl.proxy.ll128.per-kib"
    case ncclProxyLL128Most = "nccl.proxy.ll128.most"
    case ncclProxySimple = "nccl.proxy.simple.per-message"
    case ncclProxySimplePerKiB = "nccl.proxy.simple.per-kib"
    case ncclProxySimpleMost = "nccl.proxy.simple.most"
    /// The share of its time that a further child's data or a further send of the same data takes.
    case ncclFurtherPeer = "nccl.further-peer-share"
    /// What NCCL's messages reach of a link's rate.
    case ncclScaleUpEfficiency = "nccl.scale-up-efficiency"
    case ncclNetworkEfficiency = "nccl.network-efficiency"

    // NVSHMEM and NVRAR.
    /// What puts reach of a NIC's rate.
    case nvshmemNetworkEfficiency = "nvshmem.network-efficiency"
    /// How long the CPU proxy of a GPU is busy with a put, which the next one waits for.
    case nvshmemProxy = "nvshmem.proxy.per-message"
    /// From a block's put to the first byte on the NIC: request, CPU proxy, descriptor.
    case nvshmemPutNetwork = "nvshmem.put.network"
    /// The same to a GPU of the node, by direct stores.
    case nvshmemPutScaleUp = "nvshmem.put.scale-up"
    /// From the arrival of a flag to the waiting block's next instruction.
    case nvshmemPoll = "nvshmem.poll"
    /// What the one thread block of an in-node collective reads and writes.
    case nvshmemLane = "nvshmem.block-bandwidth"
    /// What one thread block of the exchange polls and adds, in wire bytes.
    case nvrarLane = "nvrar.block-bandwidth"

    // Weft's own runtime on GPUs.
    /// From the start of a kernel until its blocks act, and from their end to the kernel's.
    case runtimeStart = "runtime.start"
    /// What a kernel's start takes longer when the host has launched it, however far ahead.
    case runtimeEager = "runtime.eager"
    /// What a block takes to turn to an operation of the plan, before it looks for a message.
    case runtimeOperation = "runtime.operation"
    /// A meeting of all lanes of a rank inside a kernel.
    case runtimeMeet = "runtime.meet"
    /// From the arrival of a message until the block acts on it, by wire.
    case runtimeLLStep = "runtime.ll.step"
    case runtimeLL128Step = "runtime.ll128.step"
    case runtimeSimpleStep = "runtime.simple.step"
    /// From a put or signal of a block to its first byte on a link.
    case runtimePut = "runtime.put"
    /// What one thread block moves, in wire bytes, by wire, and of cells with flags.
    case runtimeLLLane = "runtime.ll.block-bandwidth"
    case runtimeLL128Lane = "runtime.ll128.block-bandwidth"
    case runtimeSimpleLane = "runtime.simple.block-bandwidth"
    case runtimeCellsLane = "runtime.cells.block-bandwidth"
    /// What its stores reach of a link's rate, by wire.
    case runtimeLLLink = "runtime.ll.link-efficiency"
    case runtimeLL128Link = "runtime.ll128.link-efficiency"
    case runtimeSimpleLink = "runtime.simple.link-efficiency"

    // Memory-bound kernels and copies.
    case memoryEfficiency = "memory.efficiency"

    // Kernels: the forms stand in Workload/Kernels.
    case gemmComputeEfficiency = "gemm.compute-efficiency"
    case gemmMemoryEfficiency = "gemm.memory-efficiency"
    case gemmFloor = "gemm.floor"
    case gemmSerialK = "gemm.serial-per-1024-k"
    /// What that grows to at the most, as a long k is split among thread blocks.
    case gemmSerialMost = "gemm.serial-most"
    case gemmBlend = "gemm.blend"
    case gemmWaves = "gemm.wave-exponent"

    case decodeAttentionFloor = "attention.decode.floor"
    case decodeAttentionSplit = "attention.decode.per-doubling-of-length"
    case decodeAttentionMemoryEfficiency = "attention.decode.memory-efficiency"
    case decodeAttentionTile = "attention.decode.per-tile"
    case decodeAttentionCache = "attention.decode.cache-size"
    case decodeAttentionCachedShare = "attention.decode.cached-share"
    case prefillAttentionComputeEfficiency = "attention.prefill.compute-efficiency"
    case prefillAttentionFloor = "attention.prefill.floor"
    case prefillAttentionShort = "attention.prefill.share-at-128"

    /// The floor of a small memory-bound kernel (norm, rotary, activation, sampling).
    case smallKernelFloor = "small-kernel.floor"

    // Host and memory.
    /// Host time of a step that no kernel hides, with CUDA graphs.
    case hostStep = "host.step"
    /// Host time of a step for every sequence of the batch.
    case hostSequence = "host.per-sequence"
    /// What an engine loses between kernels and around collectives beyond their own times.
    case stepKernel = "step.per-kernel"
    case stepCollective = "step.per-collective"
    /// An engine's own all-reduce inside a node: start-up, and what it reaches of the links.
    case fusedAllReduceBase = "fused-all-reduce.base"
    case fusedAllReduceEfficiency = "fused-all-reduce.efficiency"
    /// Device memory that libraries and the CUDA context take.
    case memoryReserved = "memory.reserved"

    /// What kind of quantity the parameter is.
    public var dimension: Dimension {
      if let dimension = kernelDimension { return dimension }
      return switch self {
      case .ncclLLLane, .ncclLL128Lane, .ncclSimpleLane, .nvshmemLane, .nvrarLane,
        .runtimeLLLane, .runtimeLL128Lane, .runtimeSimpleLane, .runtimeCellsLane:
        .bandwidth
      case .memoryEfficiency, .gemmComputeEfficiency, .gemmMemoryEfficiency,
        .decodeAttentionMemoryEfficiency, .prefillAttentionComputeEfficiency, .ncclFurtherPeer,
        .ncclScaleUpEfficiency, .ncclNVLSEfficiency, .ncclNetworkEfficiency,
        .nvshmemNetworkEfficiency, .runtimeLLLink, .runtimeLL128Link, .runtimeSimpleLink:
        .ratio
      case .memoryReserved, .ncclProxyFetchedFrom, .ncclProxyRendezvousFrom: .size
      default: .duration
      }
    }

    var index: Int { Self.indices[self] ?? 0 }

    private static let indices = Dictionary(
      uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })
  }
}
