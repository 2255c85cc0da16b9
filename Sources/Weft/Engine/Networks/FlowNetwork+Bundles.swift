// MARK: - Bundles by way

extension FlowNetwork {
  /// The crossings of a bundle.
  mutating func places(of bundle: Int32) -> Range<Int> {
    let first = Int(bundle) << stride
    return first..<first + Int(bundles[bundle].hops)
  }

  /// Puts a flow on the links of ``way``, in the bundle of all that go there.
  mutating func add(_ id: Int32, bytes: Double, limit: Double, at now: SimDuration) {
    let bundle = bundle(limit: limit, at: now)
    advance(bundle, to: now)
    let flow = Flow(end: bundles[bundle].served + bytes, order: order)
    order += 1
    while flows.count <= Int(id) { flows.append(flow) }
    flows[Int(id)] = flow
    let first = bundles[bundle].first
    bundles[bundle].first = first < 0 ? id : merged(first, id)
    // The announced end is another flow's now.
    if bundles[bundle].first == id { bundles[bundle].version = 0 }
    count(1, in: bundle)
  }

  /// Takes the flow that ends first out of its bundle.
  mutating func removeFirst(of bundle: Int32, at now: SimDuration) -> Int32 {
    advance(bundle, to: now)
    let id = bundles[bundle].first
    bundles[bundle].first = mergedChildren(of: id)
    bundles[bundle].version = 0
    count(-1, in: bundle)
    if bundles[bundle].first < 0 { close(bundle) }
    return id
  }

  /// Serves the flows of a bundle at its rate up to now.
  mutating func advance(_ bundle: Int32, to now: SimDuration) {
    let elapsed = (now - bundles[bundle].updated).picoseconds
    guard elapsed > 0 else { return }
    bundles[bundle].served += bundles[bundle].rate * Double(elapsed)
    bundles[bundle].updated = now
  }

  /// The picoseconds until the flow of a bundle ends that ends first, less a thousandth for what
  /// rounding left.
  private mutating func left(_ bundle: Int32) -> Double {
    let end = flows[Int(bundles[bundle].first)].end
    return (end - bundles[bundle].served) / bundles[bundle].rate - 1e-3
  }

  /// Whether the flow that ends first does so now, together with one that has ended.
  mutating func isDue(_ bundle: Int32) -> Bool { bundles[bundle].first >= 0 && left(bundle) <= 0 }

  /// Announces when the first flow of a bundle ends.
  mutating func announce(_ bundle: Int32, at now: SimDuration, queue: inout EventQueue) {
    versions = versions == 0x3FFF_FFFF ? 1 : versions + 1
    bundles[bundle].version = versions
    queue.push(
      Event(.network, bundle, version: versions),
      at: now + SimDuration(rounding: max(0, left(bundle).rounded(.up))))
  }

  private mutating func count(_ change: Int, in bundle: Int32) {
    bundles[bundle].flows += Int32(change)
    for place in places(of: bundle) {
      let link = Int(crossings[place].link)
      links[link].flows += change
      guard !links[link].isDirty else { continue }
      links[link].isDirty = true
      dirty.append(Int32(link))
    }
  }

  // MARK: - Finding

  /// The bundle of ``way`` and a limit, opened if need be.
  private mutating func bundle(limit: Double, at now: SimDuration) -> Int32 {
    let hash = hash(limit)
    var place = home(hash)
    while table[place] >= 0 {
      let bundle = table[place]
      if bundles[bundle].hash == hash && goes(bundle, limit) { return bundle }
      place = (place + 1) & (table.count - 1)
    }
    var slowest = Double.infinity
    for hop in 0..<way.count { slowest = min(slowest, links[Int(way[hop])].capacity) }
    let bundle = bundles.insert(
      Bundle(hash: hash, limit: limit, slowest: slowest, hops: Int32(way.count), updated: now))
    while crossings.count < (Int(bundle) + 1) << stride { crossings.append(Crossing()) }
    for hop in 0..<way.count {
      let place = Int(bundle) << stride + hop
      let link = Int(way[hop])
      let old = links[link].first
      crossings[place] = Crossing(link: way[hop], following: old)
      if old >= 0 { crossings[Int(old)].previous = Int32(place) }
      links[link].first = Int32(place)
    }
    table[place] = bundle
    openBundles += 1
    if 2 * openBundles > table.count { growTable() }
    return bundle
  }

  /// Forgets a bundle without flows.
  private mutating func close(_ bundle: Int32) {
    for place in places(of: bundle) {
      let crossing = crossings[place]
      if crossing.previous >= 0 {
        crossings[Int(crossing.previous)].following = crossing.following
      } else {
        links[Int(crossing.link)].first = crossing.following
      }
      if crossing.following >= 0 {
        crossings[Int(crossing.following)].previous = crossing.previous
      }
    }
    // What was put behind the free place, as its own was taken, moves up.
    let mask = table.count - 1
    var free = home(bundles[bundle].hash)
    while table[free] != bundle { free = (free + 1) & mask }
    var place = (free + 1) & mask
    while table[place] >= 0 {
      let distance = (place - home(bundles[table[place]].hash)) & mask
      if distance >= (place - free) & mask {
        table[free] = table[place]
        free = place
      }
      place = (place + 1) & mask
    }
    table[free] = -1
    openBundles -= 1
    bundles.release(bundle)
  }

  private mutating func growTable() {
    let old = table.count
    var larger = Slab<Int32>(repeating: -1, count: 2 * old)
    for index in 0..<old where table[index] >= 0 {
      var place = Int(truncatingIfNeeded: bundles[table[index]].hash) & (2 * old - 1)
      while larger[place] >= 0 { place = (place + 1) & (2 * old - 1) }
      larger[place] = table[index]
    }
    table = larger
  }

  private mutating func home(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash) & (table.count - 1)
  }

  private mutating func goes(_ bundle: Int32, _ limit: Double) -> Bool {
    guard bundles[bundle].limit == limit && Int(bundles[bundle].hops) == way.count else {
      return false
    }
    for hop in 0..<way.count where crossings[Int(bundle) << stride + hop].link != way[hop] {
      return false
    }
    return true
  }

  /// Fibonacci hashing of the links and the limit, one after the other.
  private mutating func hash(_ limit: Double) -> UInt64 {
    var hash = limit.bitPattern
    for hop in 0..<way.count {
      hash = (hash ^ UInt64(truncatingIfNeeded: way[hop])) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 29
    }
    return hash
  }

  // MARK: - Order of ends

  /// The root of two pairing heaps put together.
  ///
  /// Source: Fredman, Sedgewick, Sleator and Tarjan 1986, doi:10.1007/BF01840439.
  private mutating func merged(_ one: Int32, _ other: Int32) -> Int32 {
    let (a, b) = (flows[Int(one)], flows[Int(other)])
    let oneIsFirst = a.end < b.end || a.end == b.end && a.order < b.order
    let (first, second) = oneIsFirst ? (one, other) : (other, one)
    flows[Int(second)].sibling = flows[Int(first)].child
    flows[Int(first)].child = second
    return first
  }

  /// The root of what is left when the root is taken; -1 if nothing is.
  private mutating func mergedChildren(of root: Int32) -> Int32 {
    pairs.removeAll()
    var next = flows[Int(root)].child
    while next >= 0 {
      let one = next
      let other = flows[Int(one)].sibling
      flows[Int(one)].sibling = -1
      guard other >= 0 else {
        pairs.append(one)
        break
      }
      next = flows[Int(other)].sibling
      flows[Int(other)].sibling = -1
      pairs.append(merged(one, other))
    }
    guard pairs.count > 0 else { return -1 }
    var result = pairs.removeLast()
    while pairs.count > 0 { result = merged(result, pairs.removeLast()) }
    return result
  }
}
