/// What it costs to run a schedule's operations, beyond what links take.
///
/// A planner fills it in from a protocol and a ``Profile``; the engine only applies it.
public struct Costs: Hashable, Sendable {
  /// One value for messages inside a node and one for messages between nodes.
  public struct ByMedium<Value: Sendable>: Sendable {
    /// The value inside a node.
    public var scaleUp: Value
    /// The value between nodes.
    public var network: Value

    /// Creates a pair of values.
    public init(scaleUp: Value, network: Value) {
      self.scaleUp = scaleUp
      self.network = network
    }
  }

  /// What one kernel costs.
  public struct KernelCosts: Hashable, Sendable {
    /// The time from the end of what came before to the kernel's start.
    public var launch: SimDuration
    /// What one lane moves per second: the wire bytes of a message it sends, receives or forwards,
    /// or all bytes that a local operation reads and writes; nil if it takes no time.
    public var laneBandwidth: Bandwidth?
    /// The same for what is neither a message nor in cells: puts and sums of plain data; nil if they
    /// are no different.
    public var plainBandwidth: Bandwidth?

    /// Creates the costs of a kernel.
    public init(launch: SimDuration, laneBandwidth: Bandwidth?) {
      self.launch = launch
      self.laneBandwidth = laneBandwidth
    }
  }

  /// A processor of every GPU that posts its messages to the NIC, one after the other.
  public struct Proxy: Hashable, Sendable {
    /// What a message costs, however small.
    public var perMessage: SimDuration
    /// What it costs besides, for every 1024 wire bytes.
    public var perKiB: SimDuration
    /// The most that a message costs: large ones are handed over in one piece.
    public var most: SimDuration
    /// The least that a message costs.
    public var least: SimDuration
    /// What messages of so many wire bytes and more cost besides, as a transport handles them by
    /// another path.
    public var paths: [Path] = []

    /// A path of the transport.
    public struct Path: Hashable, Sendable {
      /// The fewest wire bytes of its messages.
      public var bytes: Int
      /// What a message costs more than on the path for shorter ones.
      public var extra: SimDuration

      /// Creates a path.
      public init(bytes: Int, extra: SimDuration) {
        self.bytes = bytes
        self.extra = extra
      }
    }

    /// Creates the costs of a proxy.
    public init(
      perMessage: SimDuration, perKiB: SimDuration, most: SimDuration, least: SimDuration = .zero
    ) {
      self.perMessage = perMessage
      self.perKiB = perKiB
      self.most = most
      self.least = least
    }

    /// How long the proxy is busy with a message of so many wire bytes before it enters the NIC.
    func service(_ bytes: Int) -> SimDuration {
      let plain = max(least, min(most, perMessage + perKiB.scaled(by: Double(bytes) / 1024)))
      return paths.reduce(plain) { bytes >= $1.bytes ? $0 + $1.extra : $0 }
    }
  }

  /// How a protocol frames what it sends: in units of payload with their flags.
  public struct Framing: Hashable, Sendable {
    /// The payload bytes of a unit.
    public var payload: Int
    /// What a unit takes on the wire.
    public var wire: Int

    /// Creates units.
    ///
    /// - Precondition: a unit has payload.
    public init(payload: Int, wire: Int) {
      precondition(payload > 0, "A unit without payload sends nothing.")
      self.payload = payload
      self.wire = wire
    }

    /// Payload alone.
    public static let none = Framing(payload: 1, wire: 1)
  }

  /// The size of an element in bytes.
  public var elementBytes: Int
  /// What each kernel of a call costs.
  public var kernels: [KernelCosts]
  /// The number of messages of one port that may be under way or unread at a time.
  public var slots: Int
  /// How sent messages are framed; puts and signals are what their buffers hold.
  public var framing: Framing
  /// From the arrival of a message's last byte until the receiver acts on it.
  public var receive: ByMedium<SimDuration>
  /// From a put or signal until its first byte enters the first link.
  public var put: ByMedium<SimDuration>
  /// The wire bytes of a signal.
  public var signalBytes: Int
  /// The wire bytes after which a lane starts on a longer message from a GPU of its node, to pass
  /// the rest on as it comes; nil if it waits for the whole message, as it does for shorter ones.
  public var streamGrain: Int?
  /// What a lane takes for every further grain of a message, beyond the bytes: its threads handle one
  /// line each and come back for the next, so they wait for a load once more.
  public var grainOverhead = SimDuration.zero
  /// Whether a lane looks for a message when it is free, and not before.
  ///
  /// Then ``receive`` passes after its last operation as well, however early the message came.
  /// Flags are not looked for so.
  public var looksWhenFree = false
  /// Whether ``KernelCosts/laneBandwidth`` counts all bytes that a message's operation reads and
  /// writes, as memory does, and not the message's wire bytes alone.
  public var countsAccesses = false
  /// What a lane takes to turn to an operation, before it looks for a message or flag.
  public var operation = SimDuration.zero
  /// What the host takes to enqueue a call: calls do not start faster than one after the other.
  public var enqueue = SimDuration.zero
  /// What posts messages sent to other nodes; nil if nothing stands between lane and NIC.
  public var proxy: Proxy?
  /// What messages reach of the links' rates.
  public var linkEfficiency = ByMedium(scaleUp: 1.0, network: 1.0)
  /// The share of its time that an operation takes which goes on with the elements at hand: a
  /// further child's data to add, or the same data sent to a further child.
  public var furtherPeerShare = 1.0

  /// Whether what a lane did last decides about what it does next.
  var remembersOperations: Bool { furtherPeerShare < 1 || looksWhenFree }

  /// Whether lanes take time for what they do.
  var takesLaneTime: Bool { streamGrain != nil || kernels.contains { $0.laneBandwidth != nil } }

  /// Whether neither taking, putting nor turning to an operation costs time, and no proxy does.
  var costsTimeOnLinksAlone: Bool {
    [receive.scaleUp, receive.network, put.scaleUp, put.network, operation]
      .allSatisfy { $0 == .zero } && proxy == nil
  }

  init(
    elementBytes: Int, kernels: [KernelCosts], slots: Int, framing: Framing,
    receive: ByMedium<SimDuration>, put: ByMedium<SimDuration>, signalBytes: Int
  ) {
    self.elementBytes = elementBytes
    self.kernels = kernels
    self.slots = slots
    self.framing = framing
    self.receive = receive
    self.put = put
    self.signalBytes = signalBytes
  }

  /// Links alone: nothing but latency and bandwidth takes time, and slots never run out.
  public static func ideal(elementBytes: Int, kernels: Int) -> Costs {
    Costs(
      elementBytes: elementBytes,
      kernels: Array(repeating: KernelCosts(launch: .zero, laneBandwidth: nil), count: kernels),
      slots: .max, framing: .none, receive: ByMedium(scaleUp: .zero, network: .zero),
      put: ByMedium(scaleUp: .zero, network: .zero), signalBytes: 8)
  }

  /// How long a lane handles so many bytes: at its rate, and an overhead for every further grain.
  func work(_ bytes: Int, at rate: Bandwidth) -> SimDuration {
    let time = rate.time(toMove: bytes)
    guard let grain = streamGrain, grainOverhead > .zero, bytes > 0 else { return time }
    return time + (bytes - 1) / grain * grainOverhead
  }

  /// The bytes on the wire for a sent message of so many payload bytes, in whole units.
  func wireBytes(payload: Int) -> Int {
    guard framing.payload > 1 else { return payload * framing.wire }
    return (payload + framing.payload - 1) / framing.payload * framing.wire
  }
}

extension Costs.ByMedium: Equatable where Value: Equatable {}
extension Costs.ByMedium: Hashable where Value: Hashable {}
