/// Links as first-in-first-out servers of whole messages, with cut-through between them.
///
/// A message holds a link from its head's arrival, or from when the link is free, until its tail
/// has passed: at the link's own rate, but no faster than its bytes arrive. Its head reaches the
/// next link a latency after it entered this one. Buffers between links are unbounded.
struct EventNetwork: NetworkModel, ~Copyable {
  private let fabric: Fabric
  private let links: Int
  private var freeAt: Slab<SimDuration>
  private var loads: LinkLoads

  init(fabric: Fabric, fold: Fold) {
    self.fabric = fabric
    links = fabric.links / fold.factor
    freeAt = Slab(repeating: .zero, count: links)
    loads = LinkLoads(links: links)
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
    queue.push(Event(.network, id), at: begin + route.latency)
    return false
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Int32 {
    let id = event.subject
    let last = Int(messages[id].route.last)
    let bytes = messages[id].bytes
    let feed = serialization(
      bytes, on: Int(messages[id].route.first), atMost: messages[id].sourceRate)
    let passing = serialization(bytes, on: last, atMost: .max)
    messages[id].head = max(now, freeAt[last])
    // The head is here now, so the tail is here after what it takes to feed the message in.
    let tail = max(max(now, freeAt[last]) + passing, now + feed)
    freeAt[last] = tail
    loads.add(bytes, to: last)
    let own = max(
      passing, serialization(bytes, on: Int(messages[id].route.first), atMost: .max))
    messages[id].arrive(
      at: tail, slowestLink: own, sourceLimit: max(.zero, feed - own))
    return id
  }

  private func serialization(_ bytes: Int, on link: Int, atMost rate: Int) -> SimDuration {
    let own = fabric.bandwidth(ofLink: link).bytesPerSecond
    return Bandwidth(bytesPerSecond: min(own, rate)).time(toMove: bytes)
  }
}
