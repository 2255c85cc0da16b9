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
/// A monotone radix heap: time never runs backwards, so an event's bucket is the highest bit in
/// which its time differs from the present. Bucket 0 is the present, in order of insertion. When it
/// is empty, the lowest other bucket is dealt out again from its earliest time on; events of equal
/// time stay in order, since they always share a bucket. Source: Ahuja, Mehlhorn, Orlin and Tarjan
/// 1990, doi:10.1145/77600.77615. Chosen over a 4-ary heap by measurement: docs/decisions.md.
///
/// - Complexity: an event moves at most 63 times; simulations of collectives, whose times come in
///   few distinct values, move each about twice.
struct EventQueue: ~Copyable {
  private struct Entry: BitwiseCopyable {
    let time: Int64
    let event: Event
  }

  private var buckets: [64 of Bucket]
  private var occupied: UInt64 = 0
  private var present: Int64 = 0
  private var head = 0
  private(set) var count = 0

  @safe private struct Bucket: BitwiseCopyable {
    var base: UnsafeMutablePointer<Entry>
    var count = 0
    var capacity = 0
  }

  /// Memory that buckets have outgrown, by the logarithm of its capacity; another bucket grows into
  /// it, so that a run asks for memory only while more events are pending than ever before.
  private var spares: [64 of Bucket]

  init() {
    let none = unsafe UnsafeMutablePointer<Entry>(bitPattern: MemoryLayout<Entry>.alignment)
    guard let none = unsafe none else { preconditionFailure("An aligned address is not null.") }
    buckets = [64 of Bucket](repeating: unsafe Bucket(base: none))
    spares = buckets
  }

  deinit {
    for index in buckets.indices {
      if buckets[index].capacity > 0 { unsafe buckets[index].base.deallocate() }
      if spares[index].capacity > 0 { unsafe spares[index].base.deallocate() }
    }
  }

  /// Whether another event of the present moment is pending.
  var hasMoreNow: Bool { head < buckets[0].count }

  /// How many events of the present moment are pending.
  var presentCount: Int { buckets[0].count - head }

  /// An event of the present moment by its place in the order to come, from 0.
  func present(_ place: Int) -> Event { unsafe buckets[0].base[head + place].event }

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
    if head == buckets[0].count {
      guard count > 0 else { return nil }
      advance()
    }
    let entry = unsafe buckets[0].base[head]
    head += 1
    count -= 1
    return (SimDuration(picoseconds: entry.time), entry.event)
  }

  /// Moves the present to the earliest pending time.
  @inline(never)
  private mutating func advance() {
    buckets[0].count = 0
    head = 0
    let index = occupied.trailingZeroBitCount
    let length = buckets[index].count
    let base = unsafe buckets[index].base
    var earliest = Int64.max
    var latest = Int64.min
    for place in 0..<length {
      earliest = unsafe min(earliest, base[place].time)
      latest = unsafe max(latest, base[place].time)
    }
    present = earliest
    occupied &= ~(1 << UInt64(index))
    guard earliest < latest else {
      // Ranks in step: all of the bucket is the present.
      let empty = buckets[0]
      buckets[0] = buckets[index]
      buckets[index] = empty
      return
    }
    // Every entry moves to a lower bucket, so this one is not appended to meanwhile.
    for place in 0..<length { append(unsafe base[place]) }
    buckets[index].count = 0
  }

  @inline(__always)
  private mutating func append(_ entry: Entry) {
    let difference = UInt64(bitPattern: entry.time ^ present)
    let index = 64 - difference.leadingZeroBitCount
    if buckets[index].count == buckets[index].capacity { grow(index) }
    unsafe buckets[index].base[buckets[index].count] = entry
    buckets[index].count += 1
    if index > 0 { occupied |= 1 << UInt64(index) }
  }

  @inline(never)
  private mutating func grow(_ index: Int) {
    let old = buckets[index]
    let capacity = max(64, 2 * old.capacity)
    let size = capacity.trailingZeroBitCount
    if spares[size].capacity > 0 {
      buckets[index] = spares[size]
      spares[size].capacity = 0
    } else {
      unsafe buckets[index] = Bucket(base: .allocate(capacity: capacity))
      buckets[index].capacity = capacity
    }
    unsafe buckets[index].base.update(from: old.base, count: old.count)
    buckets[index].count = old.count
    guard old.capacity > 0 else { return }
    let oldSize = old.capacity.trailingZeroBitCount
    if spares[oldSize].capacity > 0 {
      unsafe old.base.deallocate()
    } else {
      spares[oldSize] = old
    }
  }
}
