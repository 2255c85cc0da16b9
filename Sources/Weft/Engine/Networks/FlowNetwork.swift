/// Messages as fluid flows that share links max-min fairly.
///
/// A flow has the largest rate that takes nothing from a flow with less: links are filled
/// progressively, and the flows of the link that fills first are fixed at its fair share. Rates are
/// computed again when a flow starts or ends, for the flows that are connected to it through
/// shared links. The last byte arrives the route's latency after it was sent. Source: Bertsekas and
/// Gallager, Data Networks, section 6.5.2; Casanova et al. 2014, doi:10.1016/j.jpdc.2014.06.008.
struct FlowNetwork: NetworkModel, ~Copyable {
  private struct Flow {
    /// The number of its links.
    var hops: Int32
    /// Bytes not yet sent at `updated`.
    var remaining: Double
    /// Bytes per picosecond.
    var rate = 0.0
    let limit: Double
    var updated: SimDuration
    /// Tells the announced end from earlier ones; 0 once the flow has ended.
    var version: UInt32 = 0
    /// The round of sharing in which the flow was last collected, and then fixed.
    var collected: Int32 = -1
    var fixed: Int32 = -1
  }

  /// A flow's place in the list of one of its links; the flow is the number over ``stride``.
  private struct Crossing {
    var link: Int32 = -1
    /// The neighbours in the link's list; -1 at the ends.
    var previous: Int32 = -1
    var following: Int32 = -1
  }

  private struct Link {
    let capacity: Double
    var flows: Int32 = 0
    var first: Int32 = -1
    var left = 0.0
    var unfixed = 0
    var collected: Int32 = -1
    var isDirty = false
  }

  private let fabric: Fabric
  /// Flows have the index of their message, and `1 << stride` crossings each.
  private var flows = Slab<Flow>()
  private var crossings = Slab<Crossing>()
  private let stride: Int32
  private var started = 0
  private var links: Slab<Link>
  private var loads: LinkLoads
  private var dirty = Slab<Int32>()
  private var settling = false
  private var round: Int32 = 0
  private var versions: UInt32 = 0
  private var component = Slab<Int32>()
  private var members = Slab<Int32>()

  init(fabric: Fabric, fold: Fold) {
    self.fabric = fabric
    let count = fold.factor > 1 ? fabric.linksPerNode : fabric.links
    let longest = 2 + (fabric.interior?.longest ?? 0)
    stride = Int32(Int.bitWidth - (longest - 1).leadingZeroBitCount)
    links = Slab(minimumCapacity: count)
    for link in 0..<count {
      links.append(Link(capacity: Double(fabric.bandwidth(ofLink: link).bytesPerSecond) / 1e12))
    }
    loads = LinkLoads(links: count)
  }

  var busiest: (link: Int, bytes: Int) { loads.busiest(on: fabric) }

  mutating func start(
    _ id: Int32, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
  ) -> Bool {
    let route = messages[id].route
    let bytes = messages[id].bytes
    messages[id].head = now + route.latency
    guard bytes > 0 else {
      messages[id].arrive(at: now + route.latency, slowestLink: .zero)
      return true
    }
    let sourceRate = messages[id].sourceRate
    let flow = Flow(
      hops: 0, remaining: Double(bytes),
      limit: sourceRate == .max ? .infinity : Double(sourceRate) / 1e12, updated: now)
    while flows.count < messages.capacity {
      flows.append(flow)
      for _ in 0..<1 << stride { crossings.append(Crossing()) }
    }
    flows[Int(id)] = flow
    cross(Int(route.first), id, bytes)
    if messages[id].crossesNodes {
      started += 1
      // What a way costs is how many share its links.
      let way = fabric.interiorPath(from: route.first, to: route.last, message: started) {
        Int64(1 + links[$0].flows)
      }
      if let way {
        messages[id].route.latency = way.latency
        messages[id].head = now + way.latency
        for hop in 0..<way.path.count { cross(Int(way.path.links[hop]), id, bytes) }
      }
    }
    if route.last >= 0 { cross(Int(route.last), id, bytes) }
    requestSettling(at: now, queue: &queue)
    return false
  }

  mutating func handle(
    _ event: Event, at now: SimDuration, messages: inout Pool<MessageState>, queue: inout EventQueue
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
    let id = event.subject
    guard flows[Int(id)].version == event.version else { return -1 }
    var slowest = Double.infinity
    for place in places(of: id) {
      let link = Int(crossings[place].link)
      slowest = min(slowest, links[link].capacity)
      remove(place)
      markDirty(link)
    }
    flows[Int(id)].version = 0
    requestSettling(at: now, queue: &queue)
    let linkTime = (Double(messages[id].bytes) / slowest).rounded(.up)
    let alone = max(linkTime, Double(messages[id].bytes) / flows[Int(id)].limit)
    messages[id].arrive(
      at: now + messages[id].route.latency, slowestLink: SimDuration(rounding: linkTime),
      sourceLimit: SimDuration(rounding: alone - linkTime))
    return id
  }

  private mutating func requestSettling(at now: SimDuration, queue: inout EventQueue) {
    guard !settling else { return }
    settling = true
    queue.push(Event(.settle, 0), at: now)
  }

  private mutating func markDirty(_ link: Int) {
    guard !links[link].isDirty else { return }
    links[link].isDirty = true
    dirty.append(Int32(link))
  }
}

// MARK: - Lists of flows

extension FlowNetwork {
  /// The crossings of a flow.
  private func places(of id: Int32) -> Range<Int> {
    let first = Int(id) << Int(stride)
    return first..<first + Int(flows[Int(id)].hops)
  }

  /// Puts a flow on a further link.
  private mutating func cross(_ link: Int, _ id: Int32, _ bytes: Int) {
    let place = Int(id) << Int(stride) + Int(flows[Int(id)].hops)
    flows[Int(id)].hops += 1
    loads.add(bytes, to: link)
    let old = links[link].first
    crossings[place] = Crossing(link: Int32(link), following: old)
    if old >= 0 { crossings[Int(old)].previous = Int32(place) }
    links[link].first = Int32(place)
    links[link].flows += 1
    markDirty(link)
  }

  private mutating func remove(_ place: Int) {
    let crossing = crossings[place]
    if crossing.previous >= 0 {
      crossings[Int(crossing.previous)].following = crossing.following
    } else {
      links[Int(crossing.link)].first = crossing.following
    }
    if crossing.following >= 0 { crossings[Int(crossing.following)].previous = crossing.previous }
    links[Int(crossing.link)].flows -= 1
  }
}

// MARK: - Sharing

extension FlowNetwork {
  /// Computes rates again for every flow connected to a link that changed.
  private mutating func settle(at now: SimDuration, queue: inout EventQueue) {
    round &+= 1
    for index in 0..<dirty.count {
      let link = Int(dirty[index])
      links[link].isDirty = false
      guard links[link].collected != round && links[link].first >= 0 else { continue }
      collect(from: link)
      share(at: now, queue: &queue)
    }
    dirty.removeAll()
  }

  /// Gathers the links and flows that are connected to a link, breadth first.
  private mutating func collect(from link: Int) {
    component.removeAll()
    members.removeAll()
    take(link)
    var next = 0
    while next < component.count {
      var place = links[Int(component[next])].first
      next += 1
      while place >= 0 {
        let id = place >> stride
        let index = Int(id)
        if flows[index].collected != round {
          flows[index].collected = round
          members.append(id)
          for crossing in places(of: id) {
            let other = Int(crossings[crossing].link)
            if links[other].collected != round { take(other) }
            links[other].unfixed += 1
          }
        }
        place = crossings[Int(place)].following
      }
    }
  }

  private mutating func take(_ link: Int) {
    links[link].collected = round
    links[link].left = links[link].capacity
    links[link].unfixed = 0
    component.append(Int32(link))
  }

  /// Fills the collected links progressively and sets the rates of the collected flows.
  private mutating func share(at now: SimDuration, queue: inout EventQueue) {
    var unfixed = members.count
    while unfixed > 0 {
      var level = Double.infinity
      for index in 0..<component.count {
        let link = Int(component[index])
        if links[link].unfixed > 0 {
          level = min(level, links[link].left / Double(links[link].unfixed))
        }
      }
      var limited = false
      for index in 0..<members.count where flows[Int(members[index])].fixed != round {
        limited = limited || flows[Int(members[index])].limit <= level
      }
      // A flow that asks for less than the level gets that, and the rest is shared again. The
      // tolerance fixes links of equal share together in spite of rounding.
      let threshold = level * (1 + 1e-12)
      for index in 0..<members.count where flows[Int(members[index])].fixed != round {
        let id = members[index]
        let limit = flows[Int(id)].limit
        if limited {
          if limit <= level { unfixed -= fix(id, at: limit, now: now, queue: &queue) }
        } else if isOnFullLink(id, threshold) {
          unfixed -= fix(id, at: level, now: now, queue: &queue)
        }
      }
    }
  }

  private func isOnFullLink(_ id: Int32, _ threshold: Double) -> Bool {
    for place in places(of: id) {
      let link = Int(crossings[place].link)
      if links[link].left <= threshold * Double(links[link].unfixed) { return true }
    }
    return false
  }

  /// Fixes a flow's rate for this round and announces its end if the rate is new; gives 1.
  private mutating func fix(
    _ id: Int32, at rate: Double, now: SimDuration, queue: inout EventQueue
  ) -> Int {
    let index = Int(id)
    flows[index].fixed = round
    for place in places(of: id) {
      let link = Int(crossings[place].link)
      links[link].left = max(0, links[link].left - rate)
      links[link].unfixed -= 1
    }
    let old = flows[index].rate
    guard abs(rate - old) > 1e-12 * rate else { return 1 }
    let elapsed = Double((now - flows[index].updated).picoseconds)
    flows[index].remaining = max(0, flows[index].remaining - old * elapsed)
    flows[index].rate = rate
    flows[index].updated = now
    versions = versions == 0x3FFF_FFFF ? 1 : versions + 1
    flows[index].version = versions
    // A millionth of a picosecond absorbs the rounding of the division.
    let left = (flows[index].remaining / rate - 1e-6).rounded(.up)
    queue.push(
      Event(.network, id, version: versions),
      at: now + max(.zero, SimDuration(rounding: left)))
    return 1
  }
}
