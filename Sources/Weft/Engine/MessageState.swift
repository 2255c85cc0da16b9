/// A message, put or signal on its way, or arrived and not yet taken.
struct MessageState {
  // What taking it touches comes first, close together.

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
  /// Whether its sender is still at work on it, so that its last byte cannot have left.
  var isOpen = false
  /// The lane that has done its part on the message and awaits the last byte; -1 if none.
  var drainer: Int32 = -1
  var route = Route.none
  /// When it entered its first link.
  var injected = SimDuration.zero
  private var firstByte = SimDuration(picoseconds: -1)
  /// The bytes on the wire.
  var bytes = 0
  /// The rate at which the sender feeds it in, in bytes per second; `Int.max` if not limited.
  var sourceRate = 0

  /// Makes it a new message, but for where its time went: in its place, since one that is made
  /// elsewhere would be copied there.
  @inline(__always)
  mutating func renew(_ departure: Departure, injected: SimDuration) {
    isFlag = departure.isFlag
    crossesNodes = departure.crossesNodes
    bytes = departure.bytes
    sourceRate = departure.sourceRate
    route = departure.route
    self.injected = injected
    isOpen = departure.isOpen
    port = departure.port
    key = departure.key
    firstByte = SimDuration(picoseconds: -1)
    lastByte = SimDuration(picoseconds: -1)
    drainer = -1
    next = -1
  }

  /// When its first byte arrives; nil while that is not known.
  var head: SimDuration? {
    get { firstByte < .zero ? nil : firstByte }
    set { firstByte = newValue ?? SimDuration(picoseconds: -1) }
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

  /// Notes that the sender has done its last byte.
  ///
  /// It cannot arrive before the latency after that, however fast the links.
  mutating func close(at time: SimDuration, path senderPath: TimeBreakdown) {
    isOpen = false
    guard let known = arrival, known < time + route.latency else { return }
    path = senderPath
    path.latency += route.latency
    arrival = time + route.latency
  }

  /// Notes the arrival and adds the time since injection to the path.
  @inline(__always)
  mutating func arrive(_ passage: Passage) {
    path.add(passage, since: injected, latency: route.latency, crossesNodes: crossesNodes)
    firstByte = passage.head
    lastByte = passage.arrival
  }
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
