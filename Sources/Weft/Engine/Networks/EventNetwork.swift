/// Links as first-in-first-out servers of whole messages, with cut-through between them.
///
/// A message holds a link from its head's arrival, or from when the link is free, until its tail
/// has passed: at the link's own rate, but no faster than its bytes arrive. Its head reaches the
/// next link a latency after it entered this one. Buffers between links are unbounded.
struct EventNetwork: NetworkModel, ~Copyable {
  /// A message on its way between switches.
  private struct Transit {
    var path = InteriorLinks.Path()
    /// The links of the path behind it.
    var passed = 0
    /// When its tail has passed the link before.
    var tail = SimDuration.zero
    /// What it takes on the slowest link so far, were it alone.
    var slowest = SimDuration.zero
  }

  private let fabric: Fabric
  private var freeAt: Slab<SimDuration>
  private var loads: LinkLoads
  /// By message; used where links between switches can fill.
  private var transits = Slab<Transit>()
  private let hasInterior: Bool
  /// What messages that have chosen a link will take on it, until they reach it.
  private var booked: Slab<SimDuration>
  private var started = 0
  /// The last transfer time worked out: messages of a schedule are mostly of one size.
  private var known = (bytes: -1, rate: 0, time: SimDuration.zero)

  init(fabric: Fabric, fold: Fold) {
    self.fabric = fabric
    hasInterior = fabric.interior != nil
    let links = fold.factor > 1 ? fabric.linksPerNode : fabric.links
    freeAt = Slab(repeating: .zero, count: links)
    loads = LinkLoads(links: links)
    booked = Slab(repeating: .zero, count: fabric.interior?.count ?? 0)
  }

  var busiest: (link: Int, bytes: Int) { loads.busiest(on: fabric) }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Bool {
    let route = messages[id].route
    let bytes = messages[id].bytes
    let first = Int(route.first)
    let passing = serialization(bytes, on: first, atMost: messages[id].sourceRate)
    let begin = max(now, freeAt[first])
    freeAt[first] = begin + passing
    loads.add(bytes, to: first)
    if route.last < 0 {
      messages[id].head = begin + route.latency
      let own = serialization(bytes, on: first, atMost: .max)
      messages[id].arrive(
        at: begin + passing + route.latency, slowestLink: own, sourceLimit: passing - own)
      return true
    }
    if hasInterior && messages[id].crossesNodes {
      setOut(id, begin: begin, passing: passing, messages: &messages, queue: &queue)
    } else {
      queue.push(Event(.network, id), at: begin + route.latency)
    }
    return false
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Int32 {
    let id = event.subject
    let last = Int(messages[id].route.last)
    let bytes = messages[id].bytes
    if hasInterior && messages[id].crossesNodes {
      return pass(id, at: now, messages: &messages, queue: &queue)
    }
    let feed = serialization(
      bytes, on: Int(messages[id].route.first), atMost: messages[id].sourceRate)
    let passing = serialization(bytes, on: last, atMost: .max)
    messages[id].head = max(now, freeAt[last])
    // The head is here now, so the tail is here after what it takes to feed the message in.
    let tail = max(max(now, freeAt[last]) + passing, now + feed)
    freeAt[last] = tail
    loads.add(bytes, to: last)
    let own =
      messages[id].sourceRate == .max
      ? max(passing, feed)
      : max(passing, serialization(bytes, on: Int(messages[id].route.first), atMost: .max))
    messages[id].arrive(
      at: tail, slowestLink: own, sourceLimit: max(.zero, feed - own))
    return id
  }

  private mutating func serialization(
    _ bytes: Int, on link: Int, atMost rate: Int
  ) -> SimDuration {
    let rate = min(fabric.bandwidth(ofLink: link).bytesPerSecond, rate)
    if bytes != known.bytes || rate != known.rate {
      known = (bytes, rate, Bandwidth(bytesPerSecond: rate).time(toMove: bytes))
    }
    return known.time
  }
}

// MARK: - Between switches

extension EventNetwork {
  /// Chooses a message's way between switches, by how long its links are still busy.
  private mutating func setOut(
    _ id: Int32, begin: SimDuration, passing: SimDuration, messages: inout Pool<MessageState>,
    queue: inout EventQueue
  ) {
    let route = messages[id].route
    let bytes = messages[id].bytes
    started += 1
    var transit = Transit()
    let base = fabric.interior?.base ?? 0
    let way = fabric.interiorPath(from: route.first, to: route.last, message: started) { link in
      let wait = max(SimDuration.zero, freeAt[link] - begin) + booked[link - base]
      return (wait + fabric.bandwidth(ofLink: link).time(toMove: bytes)).picoseconds
    }
    if let way {
      for hop in 0..<way.path.count {
        let link = Int(way.path.links[hop])
        booked[link - base] += fabric.bandwidth(ofLink: link).time(toMove: bytes)
      }
      transit.path = way.path
      messages[id].route.latency = way.latency
    }
    transit.tail = begin + passing
    transit.slowest = serialization(bytes, on: Int(route.first), atMost: .max)
    while transits.count < messages.capacity { transits.append(Transit()) }
    transits[Int(id)] = transit
    queue.push(Event(.network, id), at: begin + fabric.topology.network.latency)
  }

  /// Takes a message through the link that its head has reached; gives it if that was the last.
  private mutating func pass(
    _ id: Int32, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Int32 {
    let bytes = messages[id].bytes
    let index = Int(id)
    let hop = transits[index].passed
    let isLast = hop == transits[index].path.count
    let link = isLast ? Int(messages[id].route.last) : Int(transits[index].path.links[hop])
    let latency =
      hop == 0 ? fabric.topology.network.latency : fabric.topology.network.hopLatency
    let passing = serialization(bytes, on: link, atMost: .max)
    let begin = max(now, freeAt[link])
    let tail = max(begin + passing, transits[index].tail + latency)
    freeAt[link] = tail
    loads.add(bytes, to: link)
    transits[index].slowest = max(transits[index].slowest, passing)
    guard isLast else {
      booked[link - (fabric.interior?.base ?? 0)] -= passing
      transits[index].passed = hop + 1
      transits[index].tail = tail
      queue.push(Event(.network, id), at: begin + fabric.topology.network.hopLatency)
      return -1
    }
    messages[id].head = begin
    let own = transits[index].slowest
    let feed = serialization(
      bytes, on: Int(messages[id].route.first), atMost: messages[id].sourceRate)
    messages[id].arrive(at: tail, slowestLink: own, sourceLimit: max(.zero, feed - own))
    return id
  }
}
