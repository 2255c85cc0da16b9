/// The channels that NCCL's graph search finds on a machine, for rings, trees and NVLS.
///
/// ``NCCLGraph/init(_:version:crossesNICs:)`` computes them by the search's rules; a graph can also
/// be written down as a log shows it.
public struct NCCLGraph: Hashable, Sendable {
  /// Speeds of one pattern, in NCCL's GB/s per channel and direction, and its worst paths.
  public struct Pattern: Hashable, Sendable {
    /// Between GPUs of a node.
    public var intra: Double
    /// Between nodes.
    public var inter: Double
    /// The worst path between GPUs of a node.
    public var intraPath: NCCLPath
    /// The worst path between a GPU and a NIC.
    public var interPath: NCCLPath

    /// Creates a pattern.
    public init(intra: Double, inter: Double, intraPath: NCCLPath, interPath: NCCLPath) {
      self.intra = intra
      self.inter = inter
      self.intraPath = intraPath
      self.interPath = interPath
    }
  }

  /// Which GPUs of a node a tree's links to other nodes end on.
  public enum TreeShape: String, Sendable {
    /// The links to parent and second child on the first GPU, to the first child on the second.
    case balanced
    /// All on the first GPU, which costs 15 % in NCCL's model.
    case plain
  }

  /// What NVLS has: GPUs that reduce their part of the data in the NVSwitch.
  public struct NVLS: Hashable, Sendable {
    /// The number of head GPUs, one per channel of the search.
    public var heads: Int
    /// The speed of a head's traffic inside the node.
    public var intra: Double
    /// The speed of a head's traffic between nodes.
    public var inter: Double
    /// The thread blocks that run it.
    public var channels: Int

    /// Creates the heads of a node.
    public init(heads: Int, intra: Double, inter: Double, channels: Int) {
      self.heads = heads
      self.intra = intra
      self.inter = inter
      self.channels = channels
    }
  }

  /// How a ring's channel pairs its NIC in and its NIC out, as `crossNic` in NCCL's graph files.
  public enum NICPairing: Int, Sendable {
    /// The same NIC in and out: each channel stays on its rail.
    case same
    /// Different NICs without regard to rails.
    case any
    /// Different NICs, and odd nodes exchange the rings of two channels: channels stay on rails.
    case alternating
  }

  /// The number of channels the search finds, the same for rings and trees.
  public var searchChannels: Int
  /// The channels of a communicator: the search's, doubled once or twice.
  public var channels: Int
  /// The channels of a ring.
  public var ring: Pattern
  /// The channels of a tree.
  public var tree: Pattern
  /// Where a tree's links between nodes end.
  public var treeShape: TreeShape
  /// How rings pair NICs.
  public var nicPairing: NICPairing
  /// Whether all channels of the ring visit GPUs and NICs in the same order.
  public var hasSameChannels: Bool
  /// What NVLS has; nil where the machine has no NVLS.
  public var nvls: NVLS?

  /// Writes a graph down, as NCCL's log shows it.
  public init(
    searchChannels: Int, channels: Int, ring: Pattern, tree: Pattern, treeShape: TreeShape,
    nicPairing: NICPairing, hasSameChannels: Bool, nvls: NVLS?
  ) {
    self.searchChannels = searchChannels
    self.channels = channels
    self.ring = ring
    self.tree = tree
    self.treeShape = treeShape
    self.nicPairing = nicPairing
    self.hasSameChannels = hasSameChannels
    self.nvls = nvls
  }
}
