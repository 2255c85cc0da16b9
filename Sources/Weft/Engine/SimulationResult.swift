/// Where a call's time went, read off the critical path; the parts sum to the time.
public struct TimeBreakdown: Hashable, Sendable {
  /// Starting kernels.
  public var launch = SimDuration.zero
  /// Heads of messages travelling: wires and switches.
  public var latency = SimDuration.zero
  /// Bytes passing the slowest link inside a node, were it not shared.
  public var scaleUpSerialization = SimDuration.zero
  /// Bytes passing the slowest link between nodes, were it not shared.
  public var networkSerialization = SimDuration.zero
  /// Waiting for links inside a node that others use.
  public var scaleUpQueueing = SimDuration.zero
  /// Waiting for links between nodes that others use.
  public var networkQueueing = SimDuration.zero
  /// GPUs reading, adding and copying data.
  public var reduction = SimDuration.zero
  /// Flags, barriers and credits.
  public var synchronization = SimDuration.zero
  /// Processors that post messages one by one.
  public var posting = SimDuration.zero

  /// Creates a breakdown without any time in it.
  public init() {}

  /// Adds the way of a message: what its route's latency, its slowest link and beyond that a slow
  /// sender explain is named so; the rest is queueing.
  @inline(__always)
  mutating func add(
    _ passage: Passage, since start: SimDuration, latency wire: SimDuration, crossesNodes: Bool
  ) {
    let behind = passage.arrival &- start &- wire
    let serialization = min(passage.slowestLink, behind)
    let feeding = min(passage.sourceLimit, behind &- serialization)
    latency &+= wire
    reduction &+= feeding
    if crossesNodes {
      networkSerialization &+= serialization
      networkQueueing &+= behind &- serialization &- feeding
    } else {
      scaleUpSerialization &+= serialization
      scaleUpQueueing &+= behind &- serialization &- feeding
    }
  }

  /// The sum of all parts.
  public var total: SimDuration {
    launch + latency + scaleUpSerialization + networkSerialization + scaleUpQueueing
      + networkQueueing + reduction + synchronization + posting
  }
}

/// What stops a result from being faster.
public enum Bottleneck: String, CaseIterable, Sendable {
  case launch, latency
  case scaleUpBandwidth = "scale-up-bandwidth"
  case networkBandwidth = "network-bandwidth"
  case messageRate = "message-rate"
  case reduction, memory, compute, host, bubble
}

/// The time of a collective and what it is made of.
public struct SimulationResult: Sendable {
  /// The steady-state period of back-to-back calls, or the time of one isolated call.
  public var time: SimDuration
  /// Where ``time`` went.
  public var breakdown: TimeBreakdown
  /// Messages of one call on the whole machine, puts and signals included.
  public var messages: Int
  /// Wire bytes of one call on the whole machine, each message counted once.
  public var wireBytes: Int
  /// Events that the engine handled, over all simulated calls.
  public var events: Int
  /// How many ranks each simulated rank stands for; 1 if none was folded.
  public var foldedNodes: Int
  /// The busiest link with its bytes of a call; nil for closed forms.
  var busiest: (link: Int, bytes: Int)?
  /// What the busiest link takes for its bytes at the rate of its data sheet, which no call can beat;
  /// nil for closed forms.
  public internal(set) var least: SimDuration?

  /// The part of the machine that takes most of the time.
  public var bottleneck: Bottleneck {
    let parts: [(SimDuration, Bottleneck)] = [
      (breakdown.launch, .launch),
      (breakdown.latency + breakdown.synchronization, .latency),
      (breakdown.scaleUpSerialization + breakdown.scaleUpQueueing, .scaleUpBandwidth),
      (breakdown.networkSerialization + breakdown.networkQueueing, .networkBandwidth),
      (breakdown.posting, .messageRate),
      (breakdown.reduction, .reduction),
    ]
    return parts.max { $0.0 < $1.0 }?.1 ?? .latency
  }
}

extension SimulationResult {
  /// Holds the time of one call against what its bytes take if all links out of GPUs and NICs share
  /// them, which nothing can beat.
  func checkBounds(on fabric: Fabric) throws(SimulationError) {
    let node = fabric.topology.node
    let rates =
      Double(node.gpus) * Double(node.scaleUp.bandwidth.bytesPerSecond)
      + Double(node.nics) * Double(fabric.networkRate.bytesPerSecond)
    let least = SimDuration.seconds(Double(wireBytes) / (rates * Double(fabric.nodes)))
    guard time >= least - SimDuration(picoseconds: 1) else {
      throw .timeBelowBound(time, least: least)
    }
  }
}
