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

  /// A link: when it is free, and what it has carried.
  struct Link {
    var freeAt = SimDuration.zero
    var bytes = 0
  }

  static var eventsAreMessages: Bool { true }

  // They go the same way, through links that serve the first that comes.
  var keepsOrder: Bool { setsOutInOrder && !hasInterior }

  private let fabric: Fabric
  private var links: Slab<Link>
  /// By message; used where links between switches can fill.
  private var transits = Slab<Transit>()
  private let hasInterior: Bool
  /// Whether heads reach every link in the order in which they set out, as all ways to it are of one
  /// length: then a message goes through its last link when it sets out, without an event of its own.
  private let setsOutInOrder: Bool
  /// What messages that have chosen a link will take on it, until they reach it.
  private var booked: Slab<SimDuration>
  /// By first link, how many messages have set out from it for another switch's nodes.
  private var started: Slab<UInt32>
  private var timeInNode = TransferTime()
  private var timeBetween = TransferTime()

  init(fabric: Fabric, fold: Fold) {
    self.fabric = fabric
    hasInterior = fabric.interior != nil
    setsOutInOrder = fabric.hasEqualLatencies
    let count = fold.factor > 1 ? fabric.linksPerNode : fabric.links
    links = Slab(repeating: Link(), count: count)
    booked = Slab(repeating: .zero, count: fabric.interior?.count ?? 0)
    started = Slab(repeating: 0, count: hasInterior ? count : 0)
  }

  var busiest: (link: Int, bytes: Int) {
    fabric.busiestLink(0..<links.count) { links[$0].bytes }
  }

  @inline(__always)
  mutating func prefetch(_ route: Route) {
    links.prefetch(Int(route.first))
    if route.last >= 0 { links.prefetch(Int(route.last)) }
  }

  @inline(__always)
  mutating func pass(
    _ bytes: Int, over route: Route, crossesNodes: Bool, sourceRate: Int, at now: SimDuration
  ) -> Passage? {
    let first = Int(route.first)
    let begin = max(now, links[first].freeAt)
    let isEnd = route.last < 0
    guard isEnd || begin == now && setsOutInOrder && !(hasInterior && crossesNodes) else {
      return nil
    }
    let passing = enter(first, bytes, crossesNodes, sourceRate, at: begin)
    guard isEnd else {
      return reach(
        bytes, over: route, crossesNodes, sourceRate, at: now + route.latency, feed: passing)
    }
    let head = begin + route.latency
    let own = serialization(bytes, on: first, crossesNodes, atMost: .max)
    return Passage(
      head: head, arrival: head + passing, slowestLink: own, sourceLimit: passing &- own)
  }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Bool {
    let bytes = messages[way: id].bytes
    let first = Int(messages[way: id].route.first)
    let crosses = messages[id].crossesNodes
    let begin = max(now, links[first].freeAt)
    let passing = enter(first, bytes, crosses, messages[way: id].sourceRate, at: begin)
    // The event comes when the message goes on from its first link.
    if hasInterior && crosses {
      setOut(id, begin: begin, passing: passing, messages: &messages, queue: &queue)
    } else {
      let latency = setsOutInOrder ? .zero : messages[way: id].route.latency
      queue.push(Event(.network, id), at: begin + latency)
    }
    return false
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32 {
    let id = event.subject
    if hasInterior && messages[id].crossesNodes {
      return pass(id, at: now, messages: &messages, queue: &queue)
    }
    let feed = serialization(
      messages[way: id].bytes, on: Int(messages[way: id].route.first), messages[id].crossesNodes,
      atMost: messages[way: id].sourceRate)
    let moment = setsOutInOrder ? now + messages[way: id].route.latency : now
    messages.arrive(
      id,
      reach(
        messages[way: id].bytes, over: messages[way: id].route, messages[id].crossesNodes,
        messages[way: id].sourceRate, at: moment, feed: feed))
    return id
  }

  /// Takes a message through its first link; how long it holds that.
  @inline(__always)
  private mutating func enter(
    _ link: Int, _ bytes: Int, _ crosses: Bool, _ sourceRate: Int, at begin: SimDuration
  ) -> SimDuration {
    let passing = serialization(bytes, on: link, crosses, atMost: sourceRate)
    links[link].freeAt = begin + passing
    links[link].bytes &+= bytes
    return passing
  }

  /// Takes a message through its last link, which its head reaches at a moment; its sender and its
  /// first link have fed it in within a time.
  @inline(__always)
  private mutating func reach(
    _ bytes: Int, over route: Route, _ crosses: Bool, _ sourceRate: Int, at moment: SimDuration,
    feed: SimDuration
  ) -> Passage {
    let last = Int(route.last)
    var passing = feed
    var own = feed
    if sourceRate != .max || crosses && !fabric.hasEqualNICs {
      passing = serialization(bytes, on: last, crosses, atMost: .max)
      own =
        sourceRate == .max
        ? max(passing, feed)
        : max(passing, serialization(bytes, on: Int(route.first), crosses, atMost: .max))
    }
    let begin = max(moment, links[last].freeAt)
    // The tail is here no earlier than the head and what it takes to feed the message in.
    let tail = max(begin + passing, moment + feed)
    links[last].freeAt = tail
    links[last].bytes &+= bytes
    return Passage(
      head: begin, arrival: tail, slowestLink: own, sourceLimit: max(.zero, feed &- own))
  }

  /// What a message takes on a link of a node, fed in at a rate.
  @inline(__always)
  private mutating func serialization(
    _ bytes: Int, on link: Int, _ crossesNodes: Bool, atMost rate: Int
  ) -> SimDuration {
    guard crossesNodes else {
      return timeInNode(bytes, min(fabric.scaleUpRate.bytesPerSecond, rate))
    }
    let own = fabric.hasEqualNICs ? fabric.networkRate : fabric.bandwidth(ofLink: link)
    return timeBetween(bytes, min(own.bytesPerSecond, rate))
  }
}

// MARK: - Between switches

extension EventNetwork {
  /// Chooses a message's way between switches, by how long its links are still busy.
  private mutating func setOut(
    _ id: Int32, begin: SimDuration, passing: SimDuration, messages: inout MessageTable,
    queue: inout EventQueue
  ) {
    let route = messages[way: id].route
    let bytes = messages[way: id].bytes
    started[Int(route.first)] &+= 1
    let number = Int(started[Int(route.first)])
    var transit = Transit()
    let base = fabric.interior?.base ?? 0
    let way = fabric.interiorPath(from: route.first, to: route.last, message: number) { link in
      let wait = max(SimDuration.zero, links[link].freeAt - begin) + booked[link - base]
      return (wait + fabric.bandwidth(ofLink: link).time(toMove: bytes)).picoseconds
    }
    if let way {
      for hop in 0..<way.path.count {
        let link = Int(way.path.links[hop])
        booked[link - base] += fabric.bandwidth(ofLink: link).time(toMove: bytes)
      }
      transit.path = way.path
      messages[way: id].route.latency = way.latency
    }
    transit.tail = begin + passing
    transit.slowest = serialization(bytes, on: Int(route.first), true, atMost: .max)
    while transits.count < messages.capacity { transits.append(Transit()) }
    transits[Int(id)] = transit
    queue.push(Event(.network, id), at: begin + fabric.topology.network.latency)
  }

  /// Takes a message through the link that its head has reached; gives it if that was the last.
  private mutating func pass(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32 {
    let bytes = messages[way: id].bytes
    let index = Int(id)
    let hop = transits[index].passed
    let isLast = hop == transits[index].path.count
    let link = isLast ? Int(messages[way: id].route.last) : Int(transits[index].path.links[hop])
    let latency =
      hop == 0 ? fabric.topology.network.latency : fabric.topology.network.hopLatency
    let passing =
      isLast
      ? serialization(bytes, on: link, true, atMost: .max)
      : fabric.bandwidth(ofLink: link).time(toMove: bytes)
    let begin = max(now, links[link].freeAt)
    let tail = max(begin + passing, transits[index].tail + latency)
    links[link].freeAt = tail
    links[link].bytes &+= bytes
    transits[index].slowest = max(transits[index].slowest, passing)
    guard isLast else {
      booked[link - (fabric.interior?.base ?? 0)] -= passing
      transits[index].passed = hop + 1
      transits[index].tail = tail
      queue.push(Event(.network, id), at: begin + fabric.topology.network.hopLatency)
      return -1
    }
    let own = transits[index].slowest
    let feed = serialization(
      bytes, on: Int(messages[way: id].route.first), true, atMost: messages[way: id].sourceRate)
    messages.arrive(
      id,
      Passage(
        head: begin, arrival: tail, slowestLink: own, sourceLimit: max(.zero, feed - own)))
    return id
  }
}
