/// When an access to memory is over: at an epoch of a lane, or with the completion of a put.
struct Stamp: Equatable, Sendable {
  /// A lane, or one of the two marks below.
  private var lane: Int32
  /// The epoch of the lane, or the number of the put.
  private var number: UInt32

  /// No access.
  static let none = Stamp(lane: -1, number: 0)

  private init(lane: Int32, number: UInt32) {
    self.lane = lane
    self.number = number
  }

  /// An access by a lane.
  init(lane: Int, epoch: UInt32) { self.init(lane: Int32(lane), number: epoch) }

  /// An access by a put, over when its `wait` has passed.
  init(put: Int) { self.init(lane: -2, number: UInt32(put)) }

  enum Meaning {
    case none
    case lane(Int, epoch: UInt32)
    case put(Int)
  }

  var meaning: Meaning {
    switch lane {
    case -1: .none
    case -2: .put(Int(number))
    default: .lane(Int(lane), epoch: number)
    }
  }
}

/// What a lane knew when it sent, raised a flag or freed a slot.
struct Snapshot: Sendable {
  var lane: Int32
  var epoch: UInt32
  var known: [UInt32]

  static let empty = Snapshot(lane: -1, epoch: 0, known: [])
}

/// How what lanes of one rank know carries over to lanes of another.
enum ClockRoute: Sendable {
  /// Nothing that the receiver follows.
  case nothing
  /// Both follow the same ranks.
  case everything
  /// The ranks that both follow, by their places in the sender's and the receiver's lists.
  case pairs([(from: Int32, to: Int32)])

  /// Whether there is anything to carry over.
  var carries: Bool { if case .nothing = self { false } else { true } }
}

/// Vector clocks: for every lane, the latest epoch of other lanes that happened before its next
/// operation.
///
/// A lane's epoch ends when it sends, signals or frees a slot, so an access at epoch `e` happened
/// before all that knows of `e`. The lanes of a rank follow the lanes of some ranks only. Following
/// fewer can lose an order that exists but never invents one: what is found ordered is ordered.
/// Following all ranks decides.
struct Clocks: Sendable {
  /// For every rank, the ranks it follows in ascending order, itself among them; empty if off.
  let followed: [[Int32]]
  let ranks: Int
  let lanes: Int
  private var known: [[UInt32]] = []
  private var epochs: [UInt32] = []

  /// Creates clocks in which nobody knows anything; without `followed` they are off.
  init(ranks: Int, lanes: Int, followed: [[Int32]]) {
    self.followed = followed
    self.ranks = ranks
    self.lanes = lanes
    guard isOn else { return }
    epochs = Array(repeating: 1, count: ranks * lanes)
    known.reserveCapacity(ranks * lanes)
    for rank in 0..<ranks {
      let nothing = [UInt32](repeating: 0, count: followed[rank].count * lanes)
      for _ in 0..<lanes { known.append(nothing) }
    }
  }

  /// Whether the order of events is followed at all.
  var isOn: Bool { !followed.isEmpty }

  /// The stamp of an access that a lane makes now.
  func now(_ lane: Int) -> Stamp {
    isOn ? Stamp(lane: lane, epoch: epochs[lane]) : .none
  }

  /// The epoch of a lane.
  func epoch(_ lane: Int) -> UInt32 { isOn ? epochs[lane] : 1 }

  /// Whether what `other` did at an epoch happened before the next operation of `lane`.
  func hasSeen(_ lane: Int, _ other: Int, epoch: UInt32) -> Bool {
    if lane == other { return true }
    guard let place = place(of: other / lanes, at: lane / lanes) else { return false }
    return known[lane][place * lanes + other % lanes] >= epoch
  }

  /// The route of what a message carries.
  func route(from source: Int, to destination: Int) -> ClockRoute {
    guard isOn else { return .nothing }
    let (sent, taken) = (followed[source], followed[destination])
    if sent == taken { return .everything }
    var pairs: [(from: Int32, to: Int32)] = []
    var (from, to) = (0, 0)
    while from < sent.count, to < taken.count {
      if sent[from] == taken[to] { pairs.append((Int32(from), Int32(to))) }
      let advances = (sent[from] <= taken[to], taken[to] <= sent[from])
      if advances.0 { from += 1 }
      if advances.1 { to += 1 }
    }
    return pairs.isEmpty ? .nothing : .pairs(pairs)
  }

  /// Ends the lane's epoch and returns all that happened before.
  mutating func release(_ lane: Int, along route: ClockRoute) -> Snapshot {
    if case .nothing = route { return .empty }
    defer { epochs[lane] += 1 }
    return Snapshot(lane: Int32(lane), epoch: epochs[lane], known: known[lane])
  }

  /// Lets a lane know what a snapshot knew.
  mutating func acquire(_ snapshot: Snapshot, by lane: Int, along route: ClockRoute) {
    switch route {
    case .nothing: return
    case .everything: Self.raise(&known[lane], to: snapshot.known)
    case .pairs(let pairs):
      for (from, to) in pairs {
        for index in 0..<lanes {
          let seen = snapshot.known[Int(from) * lanes + index]
          let mine = Int(to) * lanes + index
          if seen > known[lane][mine] { known[lane][mine] = seen }
        }
      }
    }
    let sender = Int(snapshot.lane)
    if let place = place(of: sender / lanes, at: lane / lanes) {
      let mine = place * lanes + sender % lanes
      known[lane][mine] = max(known[lane][mine], snapshot.epoch)
    }
  }

  /// Lets all lanes of a rank meet: each then knows what any knew.
  mutating func meet(_ rank: Int) {
    guard isOn, lanes > 1, let own = place(of: rank, at: rank) else { return }
    let first = rank * lanes
    var joint = known[first]
    for lane in (first + 1)..<(first + lanes) { Self.raise(&joint, to: known[lane]) }
    for index in 0..<lanes {
      joint[own * lanes + index] = epochs[first + index]
      epochs[first + index] += 1
    }
    for lane in first..<(first + lanes) { known[lane] = joint }
  }

  private func place(of rank: Int, at follower: Int) -> Int? {
    let list = followed[follower]
    if list.count == ranks { return rank }
    var (low, high) = (0, list.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(list[middle]) < rank { low = middle + 1 } else { high = middle }
    }
    return low < list.count && Int(list[low]) == rank ? low : nil
  }

  /// The larger of each two numbers; by pointers, as this is where a complete check spends its time.
  private static func raise(_ mine: inout [UInt32], to other: [UInt32]) {
    unsafe mine.withUnsafeMutableBufferPointer { mine in
      unsafe other.withUnsafeBufferPointer { other in
        for index in 0..<min(mine.count, other.count) {
          unsafe mine[index] = max(mine[index], other[index])
        }
      }
    }
  }
}
