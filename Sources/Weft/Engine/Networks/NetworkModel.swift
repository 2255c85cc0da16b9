/// How messages share links.
///
/// The simulation gives a model each message once, at the moment it enters its first link, in order
/// of time. The model sets ``MessageState/head`` and ``MessageState/arrival`` then or at a later event
/// of its own, the head no later than the arrival.
protocol NetworkModel: ~Copyable {
  init(fabric: Fabric, fold: Fold)

  /// Takes a message that enters its first link now through all of its way, if when it arrives is known
  /// at once; nil, with nothing done, if it is not, or if the model keeps messages under way.
  mutating func pass(
    _ bytes: Int, over route: Route, crossesNodes: Bool, sourceRate: Int, at now: SimDuration
  ) -> Passage?

  /// Takes a message that enters its first link now and did not pass; true if its arrival is already
  /// known.
  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Bool

  /// Handles an event of the model's own; gives the message whose arrival it settled, or -1.
  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32

  /// Whether messages between the same two lanes arrive in the order in which they set out.
  var keepsOrder: Bool { get }

  /// Whether every event of the model's own is about a message.
  static var eventsAreMessages: Bool { get }

  /// Asks memory for the state of the links of a route, that a message will soon need.
  mutating func prefetch(_ route: Route)

  /// The busiest link and the bytes it carried.
  var busiest: (link: Int, bytes: Int) { get }
}

extension NetworkModel where Self: ~Copyable {
  static var eventsAreMessages: Bool { false }

  var keepsOrder: Bool { false }

  mutating func prefetch(_ route: Route) {}

  mutating func pass(
    _ bytes: Int, over route: Route, crossesNodes: Bool, sourceRate: Int, at now: SimDuration
  ) -> Passage? { nil }
}

/// What messages take on links of one rate; the last answer is kept, since messages of a schedule are
/// mostly of one size.
struct TransferTime {
  private var bytes = -1
  private var rate = 0
  private var time = SimDuration.zero

  init() {}

  mutating func callAsFunction(_ bytes: Int, _ rate: Int) -> SimDuration {
    if bytes != self.bytes || rate != self.rate {
      self.bytes = bytes
      self.rate = rate
      time = Bandwidth(bytesPerSecond: rate).time(toMove: bytes)
    }
    return time
  }
}

/// The bytes that each link carried, for checking a run against the links' rates.
struct LinkLoads: ~Copyable {
  private var bytes: Slab<Int>

  init(links: Int) { bytes = Slab(repeating: 0, count: links) }

  mutating func add(_ count: Int, to link: Int) { bytes[link] += count }

  /// The link that takes longest for what it carried.
  func busiest(on fabric: Fabric) -> (link: Int, bytes: Int) {
    fabric.busiestLink(0..<bytes.count) { bytes[$0] }
  }
}

extension Fabric {
  /// The link that takes longest for what it carried.
  func busiestLink(_ links: Range<Int>, carried: (Int) -> Int) -> (link: Int, bytes: Int) {
    var worst = (link: 0, bytes: 0)
    var longest = -1.0
    for link in links {
      let bytes = carried(link)
      guard bytes > 0 else { continue }
      let time = Double(bytes) / Double(bandwidth(ofLink: link).bytesPerSecond)
      if time > longest {
        longest = time
        worst = (link, bytes)
      }
    }
    return worst
  }
}
