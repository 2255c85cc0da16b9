/// A growable array that a single owner indexes without bounds checks in release builds.
///
/// The engine's state lives in these: an index is only ever made by the engine itself, and debug
/// builds check every access.
@safe struct Slab<Element>: ~Copyable {
  private var base: UnsafeMutablePointer<Element>
  private(set) var capacity: Int
  private(set) var count: Int

  init(minimumCapacity: Int = 16) {
    capacity = max(1, minimumCapacity)
    unsafe base = .allocate(capacity: capacity)
    count = 0
  }

  init(repeating element: Element, count: Int) {
    self.init(minimumCapacity: count)
    unsafe base.initialize(repeating: element, count: count)
    self.count = count
  }

  deinit {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  subscript(index: Int) -> Element {
    _read {
      assert(index >= 0 && index < count, "The index is outside the slab.")
      yield unsafe base[index]
    }
    _modify {
      assert(index >= 0 && index < count, "The index is outside the slab.")
      yield unsafe &base[index]
    }
  }

  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    unsafe (base + count).initialize(to: element)
    count += 1
  }

  /// Forgets all elements but keeps the memory.
  mutating func removeAll() {
    unsafe base.deinitialize(count: count)
    count = 0
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
    unsafe larger.moveInitialize(from: base, count: count)
    unsafe base.deallocate()
    unsafe base = larger
    capacity *= 2
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
    _read { yield places[Int(index)] }
    _modify { yield &places[Int(index)] }
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

  mutating func release(_ index: Int32) { free.append(index) }
}

extension Slab where Element: BitwiseCopyable {
  mutating func removeLast() -> Element {
    assert(count > 0, "The slab is empty.")
    count -= 1
    return unsafe base[count]
  }
}
