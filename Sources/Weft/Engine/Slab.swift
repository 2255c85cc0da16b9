import CPrefetch
import Glibc

/// A growable array that a single owner indexes without bounds checks in release builds.
///
/// The engine's state lives in these: an index is only ever made by the engine itself, and debug
/// builds check every access.
@safe struct Slab<Element>: ~Copyable {
  private var base: UnsafeMutableRawPointer
  private(set) var capacity: Int
  private(set) var count: Int

  /// Small tables begin large enough to seldom grow.
  init(minimumCapacity: Int = 128) {
    capacity = max(1, minimumCapacity)
    unsafe base = Self.allocate(capacity)
    count = 0
  }

  init(repeating element: Element, count: Int) {
    self.init(minimumCapacity: count)
    for index in 0..<count { unsafe place(index).initialize(to: element) }
    self.count = count
  }

  deinit {
    for index in 0..<count { unsafe place(index).deinitialize(count: 1) }
    unsafe base.deallocate()
  }

  /// From one element to the next: large ones begin at a cache line, so that one has no part of a line
  /// more than it needs.
  private static var stride: Int {
    let plain = MemoryLayout<Element>.stride
    return plain > 3 * cacheLine ? (plain + cacheLine - 1) / cacheLine * cacheLine : plain
  }

  @inline(__always)
  private func place(_ index: Int) -> UnsafeMutablePointer<Element> {
    unsafe (base + index &* Self.stride).assumingMemoryBound(to: Element.self)
  }

  subscript(index: Int) -> Element {
    // Addresses, since an accessor that yields would copy large elements to lend them.
    unsafeAddress { unsafe address(index) }
    unsafeMutableAddress { unsafe mutableAddress(index) }
  }

  func address(_ index: Int) -> UnsafePointer<Element> {
    assert(index >= 0 && index < count, "The index is outside the slab.")
    return unsafe UnsafePointer(place(index))
  }

  mutating func mutableAddress(_ index: Int) -> UnsafeMutablePointer<Element> {
    assert(index >= 0 && index < count, "The index is outside the slab.")
    return unsafe place(index)
  }

  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    unsafe place(count).initialize(to: element)
    count += 1
  }

  /// Forgets all elements but keeps the memory.
  mutating func removeAll() {
    for index in 0..<count { unsafe place(index).deinitialize(count: 1) }
    count = 0
  }

  /// Asks memory for the first bytes of an element, or for all of it, and does not wait.
  @inline(__always)
  func prefetch(_ index: Int, bytes: Int = MemoryLayout<Element>.size) {
    let start = unsafe UnsafeRawPointer(address(index))
    var offset = 0
    while offset < bytes - 1 {
      unsafe weft_prefetch(start + offset)
      offset += 64
    }
    // Elements begin anywhere in a line.
    unsafe weft_prefetch(start + (bytes - 1))
  }

  private mutating func grow() {
    let bytes = capacity * 2 * Self.stride
    if bytes >= 4 * Self.huge, let larger = unsafe realloc(base, bytes) {
      // Pages are moved and not copied, and no more than what is used of the new memory is touched,
      // which huge pages would undo: docs/decisions.md.
      unsafe base = larger
    } else {
      let larger = unsafe Self.allocate(capacity * 2)
      unsafe larger.copyMemory(from: base, byteCount: count * Self.stride)
      unsafe base.deallocate()
      unsafe base = larger
    }
    capacity *= 2
  }

  /// The bytes of a huge page.
  private static var huge: Int { 2 << 20 }
  /// The bytes of a cache line: elements of whole lines are not spread over more.
  private static var cacheLine: Int { 64 }

  /// Memory for so many elements; if that is much, in huge pages where the kernel has any.
  ///
  /// Ports and links of a large machine are visited in no order that a table of small pages' places
  /// could follow.
  private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
    let bytes = capacity * Self.stride
    let isLarge = bytes >= 2 * huge
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? huge : Self.cacheLine)
    if isLarge { unsafe madvise(memory, bytes, MADV_HUGEPAGE) }
    return unsafe memory
  }
}

/// A slab whose places are reused once released, so that what is under way sets its size.
struct Pool<Element>: ~Copyable {
  private var places: Slab<Element>
  private var free = Slab<Int32>()

  init(minimumCapacity: Int) {
    places = Slab(minimumCapacity: minimumCapacity)
  }

  subscript(index: Int32) -> Element {
    unsafeAddress { unsafe address(index) }
    unsafeMutableAddress { unsafe mutableAddress(index) }
  }

  func address(_ index: Int32) -> UnsafePointer<Element> { unsafe places.address(Int(index)) }

  mutating func mutableAddress(_ index: Int32) -> UnsafeMutablePointer<Element> {
    unsafe places.mutableAddress(Int(index))
  }

  /// The number of places ever in use at the same time.
  var capacity: Int { places.count }

  mutating func insert(_ element: Element) -> Int32 {
    if free.count > 0 {
      let index = free.removeLast()
      places[Int(index)] = element
      return index
    }
    places.append(element)
    return Int32(places.count - 1)
  }

  /// A place that is free, with whatever it held, or a new one with a blank.
  @inline(__always)
  mutating func take(_ blank: @autoclosure () -> Element) -> Int32 {
    if free.count > 0 { return free.removeLast() }
    places.append(blank())
    return Int32(places.count - 1)
  }

  mutating func release(_ index: Int32) { free.append(index) }

  @inline(__always)
  func prefetch(_ index: Int32) { places.prefetch(Int(index)) }
}

extension Slab where Element: BitwiseCopyable {
  mutating func removeLast() -> Element {
    assert(count > 0, "The slab is empty.")
    count -= 1
    return unsafe place(count).pointee
  }
}
