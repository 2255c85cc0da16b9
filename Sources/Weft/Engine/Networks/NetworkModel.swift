/// How messages share links.
///
/// The simulation gives a model each message once, at the moment it enters its first link, in order
/// of time. The model sets ``MessageState/head`` and ``MessageState/arrival`` then or at a later event
/// of its own, the head no later than the arrival.
protocol NetworkModel: ~Copyable {
  init(fabric: Fabric, fold: Fold)

  /// Takes a message that enters its first link now; true if its arrival is already known.
  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Bool

  /// Handles an event of the model's own; gives the message whose arrival it settled, or -1.
  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Int32

  /// The busiest link and the bytes it carried.
  var busiest: (link: Int, bytes: Int) { get }
}

/// The bytes that each link carried, for checking a run against the links' rates.
struct LinkLoads: ~Copyable {
  private var bytes: Slab<Int>

  init(links: Int) { bytes = Slab(repeating: 0, count: links) }

  mutating func add(_ count: Int, to link: Int) { bytes[link] += count }

  /// The link that takes longest for what it carried.
  func busiest(on fabric: Fabric) -> (link: Int, bytes: Int) {
    var worst = (link: 0, bytes: 0)
    var longest = SimDuration.zero
    for link in 0..<bytes.count where bytes[link] > 0 {
      let time = fabric.bandwidth(ofLink: link).time(toMove: bytes[link])
      if time > longest {
        longest = time
        worst = (link, bytes[link])
      }
    }
    return worst
  }
}
