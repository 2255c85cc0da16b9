/// A message, put or signal on its way, or arrived and not yet taken.
struct MessageState {
  /// What it is, so that a wait never takes data sent to a slot.
  var isFlag: Bool
  /// Whether it goes to another node.
  var crossesNodes: Bool
  /// The bytes on the wire.
  var bytes: Int
  /// The rate at which the sender feeds it in, in bytes per second; `Int.max` if not limited.
  var sourceRate: Int
  var route: Route
  /// When it entered its first link.
  var injected: SimDuration
  /// When its first byte arrives; nil while that is not known.
  var head: SimDuration?
  /// When its last byte arrives; nil while that is not known.
  var arrival: SimDuration?
  /// Whether its sender is still at work on it, so that its last byte cannot have left.
  var isOpen = false
  /// Where the time up to its arrival went, along the path that made it so late.
  var path: TimeBreakdown
  /// Where the time up to its departure went, which is what its first byte was late by.
  let departure: TimeBreakdown
  /// The lane that has done its part on the message and awaits the last byte; -1 if none.
  var drainer: Int32 = -1
  /// The port it goes through.
  var port: Int32
  /// The next message of the port.
  var next: Int32 = -1

  /// Whether it is known when all of it is there.
  var isSettled: Bool { arrival != nil && !isOpen }

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

  var isIdle: Bool { used == 0 && first < 0 && receiver < 0 && sender < 0 }
}

/// The ports that are in use, found by their two lanes and tag.
///
/// Idle ports stay until the table fills up and are then swept out, so memory follows the number
/// of open ports and not the number of pairs that ever met.
struct PortTable: ~Copyable {
  private var states: Pool<PortState>
  private var slots: Slab<Int32>
  private var keys: Slab<UInt64>
  private var mask: Int
  private var filled = 0

  init(lanes: Int) {
    var size = 64
    while size < 4 * lanes { size *= 2 }
    states = Pool(minimumCapacity: 2 * lanes)
    slots = Slab(repeating: -1, count: size)
    keys = Slab(repeating: 0, count: size)
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
    while slots[place] >= 0 {
      if keys[place] == key { return slots[place] }
      place = (place + 1) & mask
    }
    if 2 * filled >= mask {
      sweep()
      return port(key)
    }
    let state = states.insert(PortState(key: key))
    keys[place] = key
    slots[place] = state
    filled += 1
    return state
  }

  /// Drops idle ports, and doubles the table if that leaves it more than a quarter full.
  private mutating func sweep() {
    var open: [(UInt64, Int32)] = []
    for place in 0..<slots.count where slots[place] >= 0 {
      if states[slots[place]].isIdle {
        states[slots[place]].key = .max
        states.release(slots[place])
      } else {
        open.append((keys[place], slots[place]))
      }
    }
    let size = 4 * open.count > mask ? 2 * slots.count : slots.count
    slots = Slab(repeating: -1, count: size)
    keys = Slab(repeating: 0, count: size)
    mask = size - 1
    filled = open.count
    for (key, state) in open {
      var place = Self.hash(key) & mask
      while slots[place] >= 0 { place = (place + 1) & mask }
      keys[place] = key
      slots[place] = state
    }
  }

  /// Fibonacci hashing: the high bits of the key times 2^64 over the golden ratio.
  private static func hash(_ key: UInt64) -> Int {
    let product = (key ^ (key >> 32)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: product >> 20)
  }
}
