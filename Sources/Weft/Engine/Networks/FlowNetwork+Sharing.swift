// MARK: - Sharing

extension FlowNetwork {
  /// Computes rates again for every bundle connected to a link that changed.
  mutating func settle(at now: SimDuration, queue: inout EventQueue) {
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

  /// Gathers the links and bundles that are connected to a link, breadth first.
  private mutating func collect(from link: Int) {
    component.removeAll()
    members.removeAll()
    take(link)
    var next = 0
    while next < component.count {
      var place = links[Int(component[next])].first
      next += 1
      while place >= 0 {
        let bundle = place >> Int32(stride)
        if bundles[bundle].collected != round {
          bundles[bundle].collected = round
          members.append(bundle)
          for crossing in places(of: bundle) {
            let other = Int(crossings[crossing].link)
            if links[other].collected != round { take(other) }
          }
        }
        place = crossings[Int(place)].following
      }
    }
  }

  private mutating func take(_ link: Int) {
    links[link].collected = round
    links[link].left = links[link].capacity
    links[link].unfixed = links[link].flows
    component.append(Int32(link))
  }

  /// Fills the collected links progressively and sets the rates of the collected bundles.
  ///
  /// Links stand on a ladder by the share that they leave each flow. Fixing a flow at the lowest
  /// share leaves the others no less, so a link's step is at most too low, and is set right when the
  /// link's turn comes. A limit is a step of its own.
  private mutating func share(at now: SimDuration, queue: inout EventQueue) {
    for index in 0..<component.count {
      let link = Int(component[index])
      ladder.insert(
        Ladder.Step(share: links[link].left / Double(links[link].unfixed), item: Int32(link)))
    }
    for index in 0..<members.count where bundles[members[index]].limit < .infinity {
      ladder.insert(Ladder.Step(share: bundles[members[index]].limit, item: ~members[index]))
    }
    var unfixed = members.count
    var level = 0.0
    while unfixed > 0, let step = ladder.removeFirst() {
      guard step.item >= 0 else {
        if bundles[~step.item].fixed != round {
          fix(~step.item, at: step.share, now: now, queue: &queue)
          unfixed -= 1
        }
        continue
      }
      let link = Int(step.item)
      guard links[link].unfixed > 0 else { continue }
      let share = links[link].left / Double(links[link].unfixed)
      guard share <= step.share * (1 + 1e-12) else {
        ladder.insert(Ladder.Step(share: share, item: step.item))
        continue
      }
      // Links of equal share are fixed at the same rate in spite of rounding.
      if share > level * (1 + 1e-12) { level = share }
      var place = links[link].first
      while place >= 0 {
        let bundle = place >> Int32(stride)
        if bundles[bundle].fixed != round {
          fix(bundle, at: level, now: now, queue: &queue)
          unfixed -= 1
        }
        place = crossings[Int(place)].following
      }
    }
    ladder.removeAll()
  }

  /// Fixes a bundle's rate for this round, and announces its next end if that is new.
  private mutating func fix(
    _ bundle: Int32, at rate: Double, now: SimDuration, queue: inout EventQueue
  ) {
    bundles[bundle].fixed = round
    let count = Int(bundles[bundle].flows)
    for place in places(of: bundle) {
      let link = Int(crossings[place].link)
      links[link].left = max(0, links[link].left - rate * Double(count))
      links[link].unfixed -= count
    }
    let isNew = abs(rate - bundles[bundle].rate) > 1e-12 * rate
    guard isNew || bundles[bundle].version == 0 else { return }
    advance(bundle, to: now)
    if isNew { bundles[bundle].rate = rate }
    announce(bundle, at: now, queue: &queue)
  }
}

/// The least of links' shares and flows' limits, first in, first out among equals: a binary heap.
struct Ladder: ~Copyable {
  struct Step: BitwiseCopyable {
    /// Bytes per picosecond.
    var share: Double
    /// A link, or the complement of a bundle.
    var item: Int32
    /// The order of insertion.
    var order: Int32 = 0

    func isBelow(_ other: Step) -> Bool {
      share < other.share || share == other.share && order < other.order
    }
  }

  private var steps = Slab<Step>()
  private var inserted: Int32 = 0

  mutating func insert(_ new: Step) {
    var step = new
    step.order = inserted
    inserted &+= 1
    var hole = steps.count
    steps.append(step)
    while hole > 0 {
      let parent = (hole - 1) / 2
      guard step.isBelow(steps[parent]) else { break }
      steps[hole] = steps[parent]
      hole = parent
    }
    steps[hole] = step
  }

  mutating func removeFirst() -> Step? {
    guard steps.count > 0 else { return nil }
    let first = steps[0]
    let last = steps.removeLast()
    let count = steps.count
    guard count > 0 else { return first }
    var hole = 0
    while true {
      var child = 2 * hole + 1
      guard child < count else { break }
      if child + 1 < count && steps[child + 1].isBelow(steps[child]) { child += 1 }
      guard steps[child].isBelow(last) else { break }
      steps[hole] = steps[child]
      hole = child
    }
    steps[hole] = last
    return first
  }

  mutating func removeAll() {
    steps.removeAll()
    inserted = 0
  }
}
