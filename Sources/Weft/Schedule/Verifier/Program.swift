/// A schedule without its type: the verifier's machine reads operations from here.
///
/// The machine is specialised by how contributions are counted; one virtual call per operation keeps
/// it from being compiled once more for every schedule.
class Program {
  let collective: Collective
  let layout: Layout
  let lanes: Int
  let elements: Int
  let buffers: [Buffer]
  let kernels: Int

  init(_ schedule: some Schedule) {
    collective = schedule.collective
    layout = schedule.layout
    lanes = schedule.lanes
    elements = schedule.elements
    buffers = schedule.buffers
    kernels = schedule.kernels.count
  }

  /// Puts a lane at the beginning of a call.
  func begin(lane: Int, call: Int) {}

  /// The lane's next operation; nil when its call is done.
  func next(lane: Int) -> Operation? { nil }

  /// What makes it impossible to run the schedule at all.
  func malformation() -> String? {
    guard (1...Int(Int16.max)).contains(lanes) else { return "It has \(lanes) lanes." }
    guard layout.ranks <= (1 << 24) / lanes else {
      return "It has more than 2^24 lanes on all ranks: \(layout.ranks) x \(lanes)."
    }
    guard elements >= 0 else { return "It has \(elements) elements." }
    guard buffers.count <= Int(UInt8.max) + 1 else { return "It has \(buffers.count) buffers." }
    if let bad = buffers.first(where: { $0.elements < 0 }) {
      return "Buffer '\(bad.name)' has \(bad.elements) elements."
    }
    guard elements == collective.wholeElements(elements, ranks: layout.ranks) else {
      return "Its \(elements) elements are no equal parts for \(layout.ranks) ranks."
    }
    for buffer in buffers {
      let length =
        switch buffer.role {
        case .input: collective.inputElements(elements, ranks: layout.ranks)
        case .output: collective.outputElements(elements, ranks: layout.ranks)
        case .inPlace: elements
        case .scratch: buffer.elements
        }
      guard buffer.elements == length else {
        return "Buffer '\(buffer.name)' has \(buffer.elements) elements in place of \(length)."
      }
    }
    let callers = buffers.map(\.role).filter { $0 != .scratch }
    guard callers == [.inPlace] || callers == [.input, .output] || callers == [.output, .input]
    else { return "It needs one input and one output, or one buffer in place." }
    return nil
  }
}

/// A ``Program`` with the cursors of a schedule.
final class ScheduleProgram<S: Schedule>: Program {
  private let schedule: S
  private var cursors: [S.Cursor?]

  init(_ schedule: S) {
    self.schedule = schedule
    cursors = []
    super.init(schedule)
    if malformation() == nil {
      cursors = Array(repeating: nil, count: schedule.lanes * schedule.layout.ranks)
    }
  }

  override func begin(lane: Int, call: Int) {
    cursors[lane] = schedule.cursor(rank: lane / lanes, lane: lane % lanes, call: call)
  }

  override func next(lane: Int) -> Operation? { cursors[lane]?.next() }
}

/// A first look at the operations of a call: how many wait, and who writes into whose memory.
struct Survey {
  /// For every rank, itself and the ranks with which it shares puts, in ascending order.
  private(set) var neighbours: [[Int32]]
  /// For every rank, the operations of a call that learn something from another rank.
  private(set) var acquisitions: [Int]
  /// A lane that did not come to an end.
  private(set) var endless: Int?

  init(_ program: Program, limit: Int) {
    let ranks = program.layout.ranks
    acquisitions = Array(repeating: 0, count: ranks)
    var peers = (0..<ranks).map { Set([Int32($0)]) }
    for lane in 0..<(ranks * program.lanes) {
      let rank = lane / program.lanes
      var steps = 0
      program.begin(lane: lane, call: 0)
      while let operation = program.next(lane: lane) {
        steps += 1
        if steps > limit {
          endless = lane
          neighbours = []
          return
        }
        if operation.kind != .signal { acquisitions[rank] += 1 }
        let peer = Int(operation.to.peer)
        if operation.kind == .put, (0..<ranks).contains(peer) {
          peers[rank].insert(Int32(peer))
          peers[peer].insert(Int32(rank))
        }
      }
    }
    neighbours = peers.map { $0.sorted() }
  }

  /// Whether clocks that follow these ranks are affordable in memory and time.
  func affords(_ followed: [[Int32]], lanes: Int, calls: Int, words: Int) -> Bool {
    var memory = 0.0
    var work = 0.0
    for (rank, list) in followed.enumerated() {
      let clock = Double(list.count) * Double(lanes)
      memory += clock * Double(lanes)
      work += clock * Double(acquisitions[rank]) * Double(calls)
    }
    // A few hundred joins per word of memory is what a proof of seconds to a minute costs.
    return memory <= Double(words) && work <= Double(words) * 500
  }
}
