/// A message, put or signal on its way, or arrived and not yet taken: what taking it touches.
///
/// A million ranks may have several million of these, so what is of use on the way alone is a
/// ``MessageWay``.
struct MessageState {
  /// Where the time up to its arrival went, along the path that made it so late.
  var path = TimeBreakdown()
  private var lastByte = SimDuration(picoseconds: -1)
  /// The connection it goes through.
  var key: UInt64 = 0
  /// The next message of its inbox or port.
  var next: Int32 = -1
  /// The port whose slot it takes; -1 if none does.
  var port: Int32 = -1
  /// What it is, so that a wait never takes data sent to a slot.
  var isFlag = false
  /// Whether it goes to another node.
  var crossesNodes = false
  /// Whether it is of a lane of the same rank.
  var isOwn = false
  /// Whether its sender is still at work on it, so that its last byte cannot have left.
  var isOpen = false

  /// Makes it a new message, but for where its time went: in its place, since one that is made
  /// elsewhere would be copied there.
  @inline(__always)
  mutating func renew(_ departure: Departure) {
    isFlag = departure.isFlag
    crossesNodes = departure.crossesNodes
    isOwn = departure.route.first < 0
    isOpen = departure.isOpen
    port = departure.port
    key = departure.key
    lastByte = SimDuration(picoseconds: -1)
    next = -1
  }

  /// When its last byte arrives; nil while that is not known.
  var arrival: SimDuration? {
    get { lastByte < .zero ? nil : lastByte }
    set { lastByte = newValue ?? SimDuration(picoseconds: -1) }
  }

  /// Whether it is known when all of it is there.
  var isSettled: Bool { lastByte >= .zero && !isOpen }

  /// The lane it goes to.
  var receiver: Int { PortTable.target(ofKey: key) }
}

/// What the networks, and lanes that work on a message while it comes, know of it besides.
struct MessageWay {
  var route = Route.none
  /// When it entered its first link.
  var injected = SimDuration.zero
  private var firstByte = SimDuration(picoseconds: -1)
  /// The bytes on the wire.
  var bytes = 0
  /// The rate at which the sender feeds it in, in bytes per second; `Int.max` if not limited.
  var sourceRate = 0
  /// The lane that has done its part on the message and awaits the last byte; -1 if none.
  var drainer: Int32 = -1
  /// Whether it goes after what its lane has posted to the same lane before.
  var isQueued = false

  init() {}

  @inline(__always)
  init(_ departure: Departure, injected: SimDuration) {
    route = departure.route
    self.injected = injected
    bytes = departure.bytes
    sourceRate = departure.sourceRate
  }

  /// When its first byte arrives; nil while that is not known.
  var head: SimDuration? {
    get { firstByte < .zero ? nil : firstByte }
    set { firstByte = newValue ?? SimDuration(picoseconds: -1) }
  }
}

/// The messages under way, or arrived and not yet taken.
struct MessageTable: ~Copyable {
  private var states: Pool<MessageState>
  /// By message; of those that passed at once, what an earlier one has left.
  private var ways = Slab<MessageWay>()

  init(minimumCapacity: Int) { states = Pool(minimumCapacity: minimumCapacity) }

  subscript(id: Int32) -> MessageState {
    unsafeAddress { unsafe states.address(id) }
    unsafeMutableAddress { unsafe states.mutableAddress(id) }
  }

  /// The way of a message that did not pass at once.
  subscript(way id: Int32) -> MessageWay {
    unsafeAddress { unsafe ways.address(Int(id)) }
    unsafeMutableAddress { unsafe ways.mutableAddress(Int(id)) }
  }

  /// The number of messages ever at the same time.
  var capacity: Int { states.capacity }

  /// A message with whatever another has left in its place.
  @inline(__always)
  mutating func take() -> Int32 { states.take(MessageState()) }

  mutating func release(_ id: Int32) { states.release(id) }

  /// Makes a message new that sets out without passing at once.
  @inline(__always)
  mutating func renew(_ id: Int32, _ departure: Departure, injected: SimDuration) {
    self[id].renew(departure)
    if ways.count <= Int(id) { growWays(to: id) }
    ways[Int(id)] = MessageWay(departure, injected: injected)
  }

  @inline(never)
  private mutating func growWays(to id: Int32) {
    while ways.count <= Int(id) { ways.append(MessageWay()) }
  }

  /// Notes the arrival of a message and adds the time since injection to its path.
  @inline(__always)
  mutating func arrive(_ id: Int32, _ passage: Passage) {
    self[id].path.add(
      passage, since: self[way: id].injected, latency: self[way: id].route.latency,
      crossesNodes: self[id].crossesNodes)
    self[id].arrival = passage.arrival
    self[way: id].head = passage.head
  }

  /// Notes that the sender has done a message's last byte.
  ///
  /// It cannot arrive before the latency after that, however fast the links.
  mutating func close(_ id: Int32, at time: SimDuration, path senderPath: TimeBreakdown) {
    self[id].isOpen = false
    let latency = self[way: id].route.latency
    guard let known = self[id].arrival, known < time + latency else { return }
    self[id].path = senderPath
    self[id].path.latency += latency
    self[id].arrival = time + latency
  }

  /// Asks memory for a message.
  @inline(__always)
  func prefetch(_ id: Int32) { states.prefetch(id) }

  /// Asks memory for the way of a message.
  @inline(__always)
  func prefetch(way id: Int32) { ways.prefetch(Int(id)) }
}

/// A message that a lane lets out.
struct Departure {
  /// The connection.
  var key: UInt64
  var route: Route
  /// The bytes on the wire.
  var bytes: Int
  /// The moment.
  var time: SimDuration
  /// The rate at which the sender feeds it in, in bytes per second; `Int.max` if not limited.
  var sourceRate: Int
  /// From the moment until it enters its first link.
  var overhead = SimDuration.zero
  /// The port whose slot it takes; -1 if none does.
  var port: Int32 = -1
  var isFlag: Bool
  var crossesNodes: Bool
  /// Whether its sender is still at work on it.
  var isOpen: Bool
}

/// When a message passes its last link.
struct Passage {
  /// When its first byte arrives.
  var head: SimDuration
  /// When its last byte arrives.
  var arrival: SimDuration
  /// What it takes on its slowest link, were that not shared.
  var slowestLink: SimDuration
  /// What a slow sender adds to that.
  var sourceLimit = SimDuration.zero
}
