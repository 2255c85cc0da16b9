/// The event queue to beat: a 4-ary heap of 16-byte keys, time above sequence above event.
///
/// A pop moves the hole at the root down to a leaf, always to the least child, and the last key
/// from there back up: one compare less per level than stopping on the way, since the last key
/// nearly always belongs near the leaves (Wegener 1993, doi:10.1016/0304-3975(93)90364-Y). The
/// four children of a key are one cache line.
@safe struct FourAryHeap: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private let keys: UnsafeMutablePointer<UInt128>
  private let capacity: Int
  private(set) var count = 0

  /// Creates an empty heap for so many keys at most.
  init(capacity: Int) {
    self.capacity = capacity
    // Key 1, the first of a group of four, starts a cache line.
    let skipped = 3
    unsafe memory = .allocate(
      byteCount: (skipped + capacity) * MemoryLayout<UInt128>.stride, alignment: 64)
    unsafe keys = memory.bindMemory(to: UInt128.self, capacity: skipped + capacity) + skipped
  }

  deinit { unsafe memory.deallocate() }

  /// The key of an event: 64 bits of time, 32 of sequence and 32 of event.
  static func key(time: Int64, sequence: UInt32, event: UInt32) -> UInt128 {
    UInt128(UInt64(bitPattern: time)) << 64 | UInt128(UInt64(sequence) << 32 | UInt64(event))
  }

  // Not inlined, as the methods of a queue from another module are not.
  @inline(never)
  mutating func push(_ key: UInt128) {
    precondition(count < capacity, "The heap is full.")
    moveUp(key, from: count)
    count += 1
  }

  @inline(never)
  mutating func popFirst() -> UInt128? {
    guard count > 0 else { return nil }
    let first = unsafe keys[0]
    count -= 1
    var hole = 0
    var child = 1
    while child &+ 3 < count {
      // Which child is least is a coin toss to a branch predictor, so it is arithmetic instead.
      let left = unsafe child &+ bit(keys[child &+ 1] < keys[child])
      let right = unsafe child &+ 2 &+ bit(keys[child &+ 3] < keys[child &+ 2])
      let least = unsafe left &+ (right &- left) & (0 &- bit(keys[right] < keys[left]))
      unsafe keys[hole] = keys[least]
      hole = least
      child = 4 &* hole &+ 1
    }
    if child < count {
      var least = child
      for other in child + 1..<count where unsafe keys[other] < keys[least] { least = other }
      unsafe keys[hole] = keys[least]
      hole = least
    }
    if hole != count { moveUp(unsafe keys[count], from: hole) }
    return first
  }

  @inline(__always)
  private func bit(_ condition: Bool) -> Int { condition ? 1 : 0 }

  @inline(__always)
  private mutating func moveUp(_ key: UInt128, from leaf: Int) {
    var hole = leaf
    while hole > 0 {
      let parent = (hole &- 1) >> 2
      guard unsafe key < keys[parent] else { break }
      unsafe keys[hole] = keys[parent]
      hole = parent
    }
    unsafe keys[hole] = key
  }
}
