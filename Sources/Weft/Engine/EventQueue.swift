/// What happens at a moment, in eight bytes: a kind, the thing it happens to, and a version.
struct Event: BitwiseCopyable {
  enum Kind: UInt32 {
    /// A lane goes on.
    case lane
    /// A message enters its first link.
    case inject
    /// The network has something to do for a message.
    case network
    /// The network has something to do once everything else of this moment is done.
    case settle
  }

  let subject: Int32
  private let bits: UInt32

  /// Creates an event; of the version, which tells a stale event, 30 bits are kept.
  init(_ kind: Kind, _ subject: Int32, version: UInt32 = 0) {
    self.subject = subject
    bits = version << 2 | kind.rawValue
  }

  var kind: Kind { Kind(rawValue: bits & 3) ?? .lane }
  var version: UInt32 { bits >> 2 }
}

/// Pending events by time, then by insertion: a run is a function of its inputs and nothing else.
///
/// A monotone radix heap: time never runs backwards, so an event's bucket is that of the highest
/// digit, of six bits, in which its time differs from the present, and of this digit's value. The
/// present has a bucket of its own, in order of insertion. When it is empty, the lowest other bucket is
/// dealt out again from its earliest time on; events of equal time stay in order, since they always
/// share a bucket.
/// Source: Ahuja, Mehlhorn, Orlin and Tarjan 1990, doi:10.1145/77600.77615. Chosen over a 4-ary heap,
/// and digits over bits, by measurement: docs/decisions.md.
///
/// Buckets are chains of chunks of one table, so a run asks for memory only while more events are
/// pending than ever before.
///
/// - Complexity: an event moves at most eleven times; simulations of collectives, whose times come in few
///   distinct values, move each about twice.
struct EventQueue: ~Copyable {
  /// A pending event, or a link.
  ///
  /// Not private, or Swift 6.3 refuses its own code for slabs of it in debug builds.
  struct Entry: BitwiseCopyable {
    /// The time; of the place behind a chunk's entries, where the next chunk begins.
    var time: Int64 = 0
    var event = Event(.lane, 0)
  }

  /// A chain of chunks, all full but the last.
  private struct Bucket: BitwiseCopyable {
    /// Where its first chunk begins in the table; -1 if it is empty.
    var first: Int32 = -1
    var last: Int32 = 0
    /// The entries of the last chunk; as if it were full in an empty bucket, whose next entry takes a
    /// chunk then.
    var count: Int32 = 63
  }

  /// The bits of a digit.
  private static var bits: Int { 6 }
  /// The places of a chunk, the last of them for the link.
  private static var chunk: Int32 { 64 }

  private var entries = Slab<Entry>()
  /// Where the first free chunk begins; -1 if none is free.
  private var free: Int32 = -1
  /// The present moment's events.
  private var now = Bucket()
  /// By digit and value.
  private var buckets = [704 of Bucket](repeating: Bucket())
  /// By bits, the digits that have events, the lowest first, and of each its values.
  private var occupiedLevels: UInt32 = 0
  private var occupied = [11 of UInt64](repeating: 0)
  private var present: Int64 = 0
  /// How many events of the present moment are pending.
  private(set) var presentCount = 0
  /// The first of them in its chunk.
  private var head: Int32 = 0
  private(set) var count = 0
  /// Whether the event that was taken last was the first of its moment.
  private(set) var isFirstOfMoment = false

  init() {}

  /// Whether another event of the present moment is pending.
  var hasMoreNow: Bool { presentCount > 0 }

  /// An event of the present moment by its place in the order to come, from 0, at most a chunk ahead.
  @inline(__always)
  mutating func present(_ place: Int) -> Event { entries[position(ofPresent: place)].event }

  /// Asks memory for an event of the present moment by its place, at most a chunk ahead.
  @inline(__always)
  mutating func prefetch(_ place: Int) {
    entries.prefetch(position(ofPresent: place), bytes: 1)
  }

  /// Where an event of the present moment lies in the table.
  @inline(__always)
  private mutating func position(ofPresent place: Int) -> Int {
    let index = head &+ Int32(truncatingIfNeeded: place)
    guard index >= Self.chunk - 1 else { return Int(now.first &+ index) }
    return Int(following(now.first) &+ index &- (Self.chunk - 1))
  }

  /// Adds an event.
  ///
  /// - Precondition: the time is not before that of the last event taken.
  @inline(__always)
  mutating func push(_ event: Event, at time: SimDuration) {
    precondition(time.picoseconds >= present, "An event lies in the past.")
    append(Entry(time: time.picoseconds, event: event))
    count += 1
  }

  /// Takes the earliest event, the first inserted of those at the same time.
  @inline(__always)
  mutating func popFirst() -> (time: SimDuration, event: Event)? {
    isFirstOfMoment = presentCount == 0
    if isFirstOfMoment {
      guard count > 0 else { return nil }
      advance()
    }
    let event = entries[Int(now.first &+ head)].event
    head += 1
    presentCount -= 1
    count -= 1
    if head == Self.chunk - 1 { dropHead() }
    return (SimDuration(picoseconds: present), event)
  }

  /// Moves the present to the earliest pending time.
  @inline(never)
  private mutating func advance() {
    if now.first >= 0 { release(now.first) }
    now = Bucket()
    head = 0
    let level = occupiedLevels.trailingZeroBitCount
    let value = occupied[level].trailingZeroBitCount
    let index = level << Self.bits + value
    occupied[level] &= ~(1 << UInt64(value))
    if occupied[level] == 0 { occupiedLevels &= ~(1 << UInt32(level)) }
    let bucket = buckets[index]
    buckets[index] = Bucket()
    var earliest = Int64.max
    var latest = Int64.min
    var length = 0
    var chunk = bucket.first
    while true {
      let end = chunk == bucket.last ? bucket.count : Self.chunk - 1
      for place in Int(chunk)..<Int(chunk + end) {
        earliest = min(earliest, entries[place].time)
        latest = max(latest, entries[place].time)
      }
      length += Int(end)
      if chunk == bucket.last { break }
      chunk = following(chunk)
    }
    present = earliest
    guard earliest < latest else {
      // Ranks in step: all of the bucket is the present.
      now = bucket
      presentCount = length
      return
    }
    chunk = bucket.first
    while true {
      let isLast = chunk == bucket.last
      let end = isLast ? bucket.count : Self.chunk - 1
      // Every entry moves to a lower bucket, so this chunk is not appended to meanwhile.
      for place in Int(chunk)..<Int(chunk + end) { append(entries[place]) }
      let next = following(chunk)
      release(chunk)
      if isLast { return }
      chunk = next
    }
  }

  /// Where the chunk after one begins.
  private mutating func following(_ chunk: Int32) -> Int32 {
    Int32(truncatingIfNeeded: entries[Int(chunk + Self.chunk - 1)].time)
  }

  @inline(__always)
  private mutating func append(_ entry: Entry) {
    let difference = UInt64(bitPattern: entry.time ^ present)
    guard difference > 0 else {
      if now.count == Self.chunk - 1 { now = extended(now) }
      entries[Int(now.last &+ now.count)] = entry
      now.count &+= 1
      presentCount &+= 1
      return
    }
    let level = (63 &- difference.leadingZeroBitCount) / Self.bits
    let value = Int(truncatingIfNeeded: entry.time >> (level &* Self.bits)) & (1 << Self.bits - 1)
    let index = level << Self.bits &+ value
    if buckets[index].count == Self.chunk - 1 {
      buckets[index] = extended(buckets[index])
      occupied[level] |= 1 << UInt64(truncatingIfNeeded: value)
      occupiedLevels |= 1 << UInt32(truncatingIfNeeded: level)
    }
    entries[Int(buckets[index].last &+ buckets[index].count)] = entry
    buckets[index].count &+= 1
  }

  /// A bucket with another chunk.
  @inline(never)
  private mutating func extended(_ bucket: Bucket) -> Bucket {
    var chunk = free
    if chunk >= 0 {
      free = following(chunk)
    } else {
      chunk = Int32(entries.count)
      for _ in 0..<Self.chunk { entries.append(Entry()) }
    }
    if bucket.first >= 0 { entries[Int(bucket.last + Self.chunk - 1)].time = Int64(chunk) }
    return Bucket(first: bucket.first < 0 ? chunk : bucket.first, last: chunk, count: 0)
  }

  /// Frees the first chunk of the present, whose events have all been taken.
  @inline(never)
  private mutating func dropHead() {
    let chunk = now.first
    head = 0
    if chunk == now.last {
      now = Bucket()
    } else {
      now.first = following(chunk)
    }
    release(chunk)
  }

  private mutating func release(_ chunk: Int32) {
    entries[Int(chunk + Self.chunk - 1)].time = Int64(free)
    free = chunk
  }
}
