/// Messages as fluid flows that share links max-min fairly.
///
/// A flow has the largest rate that takes nothing from a flow with less: links are filled
/// progressively, and the flows of the link that fills first are fixed at its fair share. Rates are
/// computed again when a flow starts or ends, for the flows that are connected to it through
/// shared links. The last byte arrives the route's latency after it was sent. Source: Bertsekas and
/// Gallager, Data Networks, section 6.5.2; Casanova et al. 2014, doi:10.1016/j.jpdc.2014.06.008.
///
/// Flows of the same way have the same rate, so they are shared out as one bundle: a computation
/// takes time by the ways in use, not by the flows, and only the flow of a bundle that ends first has
/// an event.
///
/// What a lane posts whole to another lane goes one message after the other, as through a queue pair:
/// the connection is what shares links. A lane that feeds a message in itself does one at a time, and
/// what a proxy posts goes side by side (docs/decisions.md).
struct FlowNetwork: NetworkModel, ~Copyable {
  /// A message under way; it has the index of the message.
  struct Flow {
    /// What its bundle will have served when its last byte is sent.
    let end: Double
    /// The order of starting, which decides between flows that end together.
    let order: Int
    /// Its place in the bundle's pairing heap: the first flow below it, and the next beside it.
    var child: Int32 = -1
    var sibling: Int32 = -1
  }

  /// A message's place among those that were posted to its connection.
  struct Posted: BitwiseCopyable {
    /// The connection while the message is under way; -1 if it is in no such order.
    var connection: Int32 = -1
    /// The message that goes when this one has gone; -1 if there is none.
    var behind: Int32 = -1
  }

  /// The flows of one way and one limit.
  struct Bundle {
    let hash: UInt64
    /// What its flows' senders feed in at most, in bytes per picosecond.
    let limit: Double
    /// The capacity of its slowest link.
    let slowest: Double
    /// The number of its links.
    let hops: Int32
    var flows: Int32 = 0
    /// The flow that ends first.
    var first: Int32 = -1
    /// Bytes per picosecond of each flow.
    var rate = 0.0
    /// The bytes that a flow would have sent that was there from the bundle's start to `updated`.
    var served = 0.0
    var updated: SimDuration
    /// Tells the announced end from earlier ones; 0 if none is announced.
    var version: UInt32 = 0
    /// The round of sharing in which the bundle was last collected, and then fixed.
    var collected: Int32 = -1
    var fixed: Int32 = -1
  }

  /// A bundle's place in the list of one of its links; the bundle is the number over ``stride``.
  struct Crossing {
    var link: Int32 = -1
    /// The neighbours in the link's list; -1 at the ends.
    var previous: Int32 = -1
    var following: Int32 = -1
  }

  struct Link {
    let capacity: Double
    var flows = 0
    var first: Int32 = -1
    var left = 0.0
    var unfixed = 0
    var collected: Int32 = -1
    var isDirty = false
  }

  private let fabric: Fabric
  private var loads: LinkLoads
  private var settling = false
  /// By first link, how many messages have set out from it, where links between switches can fill.
  private var started: Slab<UInt32>
  /// The links of the message that starts.
  var way = Slab<Int32>()

  /// By connection, how many messages are posted and under way, and the last of them.
  private var connections = PortTable(lanes: 16)
  private var posted = Slab<Posted>()

  var flows = Slab<Flow>()
  /// The number of flows so far.
  var order = 0
  var bundles = Pool<Bundle>(minimumCapacity: 16)
  /// Every bundle has `1 << stride` crossings.
  var crossings = Slab<Crossing>()
  let stride: Int
  /// The bundles by their hash: open addressing, -1 where free.
  var table = Slab<Int32>(repeating: -1, count: 64)
  var openBundles = 0
  /// The children of a flow that ends, while its bundle's heap is put together again.
  var pairs = Slab<Int32>()

  var links: Slab<Link>
  var dirty = Slab<Int32>()
  var round: Int32 = 0
  var versions: UInt32 = 0
  /// The links and bundles whose rates are computed, and the steps of their levels.
  var component = Slab<Int32>()
  var members = Slab<Int32>()
  var ladder = Ladder()

  init(fabric: Fabric, fold: Fold) {
    self.fabric = fabric
    let count = fold.factor > 1 ? fabric.linksPerNode : fabric.links
    let longest = 2 + (fabric.interior?.longest ?? 0)
    stride = Int.bitWidth - (longest - 1).leadingZeroBitCount
    links = Slab(minimumCapacity: count)
    for link in 0..<count {
      links.append(Link(capacity: Double(fabric.bandwidth(ofLink: link).bytesPerSecond) / 1e12))
    }
    loads = LinkLoads(links: count)
    started = Slab(repeating: 0, count: fabric.interior == nil ? 0 : count)
  }

  var busiest: (link: Int, bytes: Int) { loads.busiest(on: fabric) }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Bool {
    guard messages[way: id].bytes > 0 else {
      let end = now + messages[way: id].route.latency
      messages.arrive(id, Passage(head: end, arrival: end, slowestLink: .zero))
      return true
    }
    guard !messages[way: id].isQueued || isNext(id, key: messages[id].key) else {
      return false
    }
    begin(id, at: now, messages: &messages)
    requestSettling(at: now, queue: &queue)
    return false
  }

  /// Posts a message to its connection; false if another one goes first.
  private mutating func isNext(_ id: Int32, key: UInt64) -> Bool {
    while posted.count <= Int(id) { posted.append(Posted()) }
    let connection = connections.port(key)
    posted[Int(id)] = Posted(connection: connection)
    let before = connections[connection].used > 0 ? connections[connection].last : -1
    connections[connection].used += 1
    connections[connection].last = id
    guard before >= 0 else { return true }
    posted[Int(before)].behind = id
    return false
  }

  /// The message that goes after one that has gone; -1 if there is none.
  private mutating func next(after id: Int32) -> Int32 {
    guard posted.count > Int(id), case let own = posted[Int(id)], own.connection >= 0 else {
      return -1
    }
    connections[own.connection].used -= 1
    posted[Int(id)] = Posted()
    return own.behind
  }

  /// Puts a message on the links of its way.
  private mutating func begin(
    _ id: Int32, at now: SimDuration, messages: inout MessageTable
  ) {
    let route = messages[way: id].route
    let bytes = messages[way: id].bytes
    messages[way: id].head = now + route.latency
    way.removeAll()
    way.append(route.first)
    if messages[id].crossesNodes && started.count > 0 {
      started[Int(route.first)] &+= 1
      let number = Int(started[Int(route.first)])
      // What a way costs is how many share its links.
      let chosen = fabric.interiorPath(from: route.first, to: route.last, message: number) {
        Int64(1 + links[$0].flows)
      }
      if let chosen {
        messages[way: id].route.latency = chosen.latency
        messages[way: id].head = now + chosen.latency
        for hop in 0..<chosen.path.count { way.append(chosen.path.links[hop]) }
      }
    }
    if route.last >= 0 { way.append(route.last) }
    for hop in 0..<way.count { loads.add(bytes, to: Int(way[hop])) }
    let sourceRate = messages[way: id].sourceRate
    add(
      id, bytes: Double(bytes), limit: sourceRate == .max ? .infinity : Double(sourceRate) / 1e12,
      at: now)
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout MessageTable, queue: inout EventQueue
  ) -> Int32 {
    if event.kind == .settle {
      if queue.hasMoreNow {
        queue.push(event, at: now)
      } else {
        settling = false
        settle(at: now, queue: &queue)
      }
      return -1
    }
    let bundle = event.subject
    guard bundles[bundle].version == event.version else { return -1 }
    let (slowest, limit) = (bundles[bundle].slowest, bundles[bundle].limit)
    let id = removeFirst(of: bundle, at: now)
    requestSettling(at: now, queue: &queue)
    // One that ends at the same moment does so before rates are computed again.
    if isDue(bundle) { announce(bundle, at: now, queue: &queue) }
    let linkTime = (Double(messages[way: id].bytes) / slowest).rounded(.up)
    let alone = max(linkTime, Double(messages[way: id].bytes) / limit)
    messages.arrive(
      id,
      Passage(
        head: messages[way: id].head ?? now, arrival: now + messages[way: id].route.latency,
        slowestLink: SimDuration(rounding: linkTime),
        sourceLimit: SimDuration(rounding: alone - linkTime)))
    let following = next(after: id)
    if following >= 0 { begin(following, at: now, messages: &messages) }
    return id
  }

  private mutating func requestSettling(at now: SimDuration, queue: inout EventQueue) {
    guard !settling else { return }
    settling = true
    queue.push(Event(.settle, 0), at: now)
  }
}
