/// A message, put or signal on its way, or arrived and not yet taken.
struct MessageState {
  /// What it is, so that a wait never takes data sent to a slot.
  var isFlag = false
  /// Whether it goes to another node.
  var crossesNodes = false
  /// The bytes on the wire.
  var bytes = 0
  /// The rate at which the sender feeds it in, in bytes per second; `Int.max` if not limited.
  var sourceRate = 0
  var route = Route.none
  /// When it entered its first link.
  var injected = SimDuration.zero
  private var firstByte = SimDuration(picoseconds: -1)
  private var lastByte = SimDuration(picoseconds: -1)
  /// Whether its sender is still at work on it, so that its last byte cannot have left.
  var isOpen = false
  /// Where the time up to its arrival went, along the path that made it so late.
  var path = TimeBreakdown()
  /// The lane that has done its part on the message and awaits the last byte; -1 if none.
  var drainer: Int32 = -1
  /// The port it goes through.
  var port: Int32 = -1
  /// The next message of the port.
  var next: Int32 = -1

  /// Makes it a new message, but for where its time went: in its place, since one that is made
  /// elsewhere would be copied there.
  @inline(__always)
  mutating func renew(
    isFlag: Bool, crossesNodes: Bool, bytes: Int, sourceRate: Int, route: Route,
    injected: SimDuration, isOpen: Bool, port: Int32
  ) {
    self.isFlag = isFlag
    self.crossesNodes = crossesNodes
    self.bytes = bytes
    self.sourceRate = sourceRate
    self.route = route
    self.injected = injected
    self.isOpen = isOpen
    self.port = port
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

  /// Reads something of every cache line.
  func touch() -> Int64 {
    Int64(bytes) &+ path.launch.picoseconds &+ path.posting.picoseconds
  }

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
  ///
  /// What the route's latency, its slowest link and beyond that a slow sender explain is named so;
  /// the rest is queueing.
  mutating func arrive(
    at time: SimDuration, slowestLink: SimDuration, sourceLimit: SimDuration = .zero
  ) {
    let travel = time - injected
    let serialization = min(slowestLink, travel - route.latency)
    let feeding = min(sourceLimit, travel - route.latency - serialization)
    let queueing = travel - route.latency - serialization - feeding
    path.latency += route.latency
    path.reduction += feeding
    if crossesNodes {
      path.networkSerialization += serialization
      path.networkQueueing += queueing
    } else {
      path.scaleUpSerialization += serialization
      path.scaleUpQueueing += queueing
    }
    arrival = time
  }
}

/// A connection with messages under way or lanes waiting at it.
struct PortState {
  /// Which connection it is; all ones once it was swept out.
  var key: UInt64
  /// The oldest message not yet taken; -1 if there is none.
  var first: Int32 = -1
  var last: Int32 = -1
  /// Messages sent whose slot is not free again.
  var used: Int32 = 0
  /// The lane that waits for a message; -1 if none does.
  var receiver: Int32 = -1
  /// The lane that waits for a free slot; -1 if none does.
  var sender: Int32 = -1
  /// The way of its messages, once one was sent, and whether it leads to another node.
  var route = Route.none
  var crossesNodes = false

  var isIdle: Bool { used == 0 && first < 0 && receiver < 0 && sender < 0 }
}

/// The ports that are in use, found by their two lanes and tag.
///
/// Idle ports stay until the table fills up and are then swept out, so memory follows the number
/// of open ports and not the number of pairs that ever met.
struct PortTable: ~Copyable {
  private var states: Pool<PortState>
  /// A place of the table, free if it has no state.
  ///
  /// Not private, or Swift 6.3 refuses its own code for slabs of it in debug builds.
  struct Entry: BitwiseCopyable {
    var key: UInt64 = 0
    var state: Int32 = -1
  }

  private var entries: Slab<Entry>
  private var mask: Int
  private var filled = 0

  init(lanes: Int) {
    var size = 64
    while size < 4 * lanes { size *= 2 }
    states = Pool(minimumCapacity: 2 * lanes)
    entries = Slab(repeating: Entry(), count: size)
    mask = size - 1
  }

  subscript(port: Int32) -> PortState {
    _read { yield states[port] }
    _modify { yield &states[port] }
  }

  /// The key of the connection between two lanes of simulated ranks.
  static func key(source: Int, target: Int, tag: Int16) -> UInt64 {
    UInt64(truncatingIfNeeded: source) << 34 | UInt64(truncatingIfNeeded: target) << 4
      | UInt64(truncatingIfNeeded: tag)
  }

  /// The port with a key, opened if need be.
  mutating func port(_ key: UInt64) -> Int32 {
    var place = Self.hash(key) & mask
    while entries[place].state >= 0 {
      if entries[place].key == key { return entries[place].state }
      place = (place + Self.stride) & mask
    }
    if 2 * filled >= mask {
      sweep()
      return port(key)
    }
    let state = states.insert(PortState(key: key))
    entries[place] = Entry(key: key, state: state)
    filled += 1
    return state
  }

  /// Drops idle ports, and doubles the table if that leaves it more than a quarter full.
  private mutating func sweep() {
    var open: [Entry] = []
    for place in 0..<entries.count where entries[place].state >= 0 {
      let entry = entries[place]
      if states[entry.state].isIdle {
        states[entry.state].key = .max
        states.release(entry.state)
      } else {
        open.append(entry)
      }
    }
    if 4 * open.count > mask {
      let size = 2 * entries.count
      // What is old goes first, so that the two do not lie side by side in memory.
      entries = Slab()
      entries = Slab(repeating: Entry(), count: size)
      mask = size - 1
    } else {
      for place in 0..<entries.count { entries[place] = Entry() }
    }
    filled = open.count
    for entry in open {
      var place = Self.hash(entry.key) & mask
      while entries[place].state >= 0 { place = (place + Self.stride) & mask }
      entries[place] = entry
    }
  }

  /// A place in a group of eight by the target's last three bits; the group by all else.
  ///
  /// Eight neighbours that receive from eight neighbours, in whatever order that an exclusive or makes,
  /// lie in one group, so ranks that do the same thing one after the other find theirs in the cache.
  /// Groups are scattered by Fibonacci hashing: the high bits of a product with 2^64 over the golden
  /// ratio.
  private static func hash(_ key: UInt64) -> Int {
    let within = key >> 4 & 7
    let group = (key ^ within << 34) & ~(7 << 4)
    let product = (group ^ (group >> 32)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: (product >> 20) << 3 | within)
  }

  /// To the same place of the next group, and one further, so that every place is tried in the end.
  private static let stride = 9
}
