/// A connection with slots in use, a lane waiting for one, or untaken messages put away.
struct PortState {
  /// Which connection it is; all ones once it was swept out.
  var key: UInt64
  /// The oldest message put away and not yet taken; -1 if there is none.
  var first: Int32 = -1
  var last: Int32 = -1
  /// Messages sent whose slot is not free again.
  var used: Int32 = 0
  /// The lane that waits for a free slot; -1 if none does.
  var sender: Int32 = -1

  var isIdle: Bool { used == 0 && first < 0 && sender < 0 }
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

  /// The lane that a connection leads to.
  static func target(ofKey key: UInt64) -> Int { Int(truncatingIfNeeded: key >> 4 & 0x3FFF_FFFF) }

  /// The port with a key; -1 if there is none.
  mutating func find(_ key: UInt64) -> Int32 {
    var place = Self.hash(key) & mask
    while entries[place].state >= 0 {
      if entries[place].key == key { return entries[place].state }
      place = (place + Self.stride) & mask
    }
    return -1
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
