import Glibc

/// What is not as it should be: hardware that is broken or slow, and times that are random.
///
/// A random time is a function of the seed and of what it belongs to, so runs repeat exactly.
public struct Conditions: Hashable, Sendable {
  /// A NIC by its node, as the job numbers nodes, and its number there.
  public struct NIC: Hashable, Sendable {
    /// The node, from 0.
    public var node: Int
    /// The NIC of the node, from 0.
    public var nic: Int

    /// Creates the name of a NIC.
    public init(node: Int, nic: Int) {
      self.node = node
      self.nic = nic
    }
  }

  /// A NIC whose links have a fraction of their rate.
  public struct SlowNIC: Hashable, Sendable {
    /// Which.
    public var nic: NIC
    /// How many times longer a byte takes.
    public var factor: Double

    /// Creates a slow NIC.
    public init(nic: NIC, factor: Double) {
      self.nic = nic
      self.factor = factor
    }
  }

  /// A GPU whose own work and launches take longer.
  public struct SlowGPU: Hashable, Sendable {
    /// The rank that runs on it.
    public var rank: Int
    /// How many times longer everything takes.
    public var factor: Double

    /// Creates a slow GPU.
    public init(rank: Int, factor: Double) {
      self.rank = rank
      self.factor = factor
    }
  }

  /// NICs that carry nothing; the node's others take over.
  public var failedNICs: [NIC]
  /// NICs that carry less.
  public var slowNICs: [SlowNIC]
  /// GPUs that lag behind.
  public var slowGPUs: [SlowGPU]

  /// The mean of what every launch of a kernel takes longer on every rank, exponentially distributed.
  public var launchJitter: SimDuration
  /// The mean of what every message between nodes takes longer, exponentially distributed.
  public var networkJitter: SimDuration
  /// The seed of random times.
  public var seed: UInt64

  /// A sound machine.
  public static let none = Conditions()

  /// Creates conditions.
  public init(
    failedNICs: [NIC] = [], slowNICs: [SlowNIC] = [], slowGPUs: [SlowGPU] = [],
    launchJitter: SimDuration = .zero, networkJitter: SimDuration = .zero, seed: UInt64 = 0
  ) {
    self.failedNICs = failedNICs
    self.slowNICs = slowNICs
    self.slowGPUs = slowGPUs
    self.launchJitter = launchJitter
    self.networkJitter = networkJitter
    self.seed = seed
  }

  /// Whether times are random.
  public var isRandom: Bool { launchJitter > .zero || networkJitter > .zero }

  /// Whether hardware is broken or slow.
  public var hasFaults: Bool {
    !failedNICs.isEmpty || slowNICs.contains { $0.factor > 1 }
      || slowGPUs.contains { $0.factor > 1 }
  }

  /// The same without what slows messages between nodes.
  var insideNodes: Conditions {
    Conditions(slowGPUs: slowGPUs, launchJitter: launchJitter, seed: seed)
  }

  /// What the launch of a kernel takes longer on a rank.
  func launchDelay(rank: Int, call: Int, kernel: Int) -> SimDuration {
    guard launchJitter > .zero else { return .zero }
    return delay(launchJitter, UInt64(rank) << 24 ^ UInt64(call) << 8 ^ UInt64(kernel))
  }

  /// What a message between nodes takes longer, by its lane and how many that one has sent before.
  ///
  /// Every lane's messages have an order of their own, whatever else happens when: so runs that
  /// differ in a cost or a rate draw the same delays.
  func networkDelay(lane: Int, message: Int) -> SimDuration {
    guard networkJitter > .zero else { return .zero }
    return delay(networkJitter, UInt64(lane) << 32 ^ UInt64(message) ^ 1 << 63)
  }

  /// A draw from the exponential distribution, by inversion.
  private func delay(_ mean: SimDuration, _ name: UInt64) -> SimDuration {
    let bits = InteriorLinks.mix(seed ^ InteriorLinks.mix(name))
    let uniform = (Double(bits >> 11) + 0.5) / Double(1 << 53)
    return mean.scaled(by: -log(uniform))
  }

  func hasFailed(_ nic: NIC) -> Bool { !failedNICs.isEmpty && failedNICs.contains(nic) }

  /// How many times longer a byte takes through a NIC.
  func slowdown(of nic: NIC) -> Double {
    slowNICs.reduce(1) { $1.nic == nic ? $0 * $1.factor : $0 }
  }

  /// How many times longer a rank's work takes.
  func slowdown(ofRank rank: Int) -> Double {
    slowGPUs.reduce(1) { $1.rank == rank ? $0 * $1.factor : $0 }
  }

  func check(nodes: Int, nics: Int, ranks: Int) throws(Fabric.SizeError) {
    for nic in failedNICs + slowNICs.map(\.nic) {
      guard (0..<nodes).contains(nic.node) && (0..<nics).contains(nic.nic) else {
        throw .fault(
          "there is no NIC \(nic.nic) of node \(nic.node): \(nodes) nodes have \(nics) each, from 0",
          fix: "name what the job has as NODE.NIC, or give more --nodes")
      }
      guard (0..<nics).contains(where: { !hasFailed(NIC(node: nic.node, nic: $0)) }) else {
        throw .fault(
          "no NIC of node \(nic.node) is left: it has \(nics)",
          fix: "leave one that works, or make it slow instead: --slow-nic \(nic.node).\(nic.nic):10"
        )
      }
    }
    for gpu in slowGPUs where !(0..<ranks).contains(gpu.rank) {
      throw .fault(
        "there is no rank \(gpu.rank): there are \(ranks), from 0",
        fix: "name a rank of the job, or give more --nodes or --gpus-per-node")
    }
  }
}
