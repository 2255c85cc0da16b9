/// A schedule written down call by call, as the runtime executes it.
///
/// It is what the simulation would run: the same operations, slots and buffers. Calls of a series
/// may differ at first and then repeat, as those of NVRAR (no handshake before the first call) and
/// of one-shot puts (two halves of scratch that take turns) do; each different one is a body.
public struct RuntimePlan: Hashable, Sendable {
  /// What runs, for example `nccl:ring`.
  public let algorithm: String
  /// The protocol that the plan is for, for example `ll` or `ideal`.
  public let protocolName: String
  /// What it computes.
  public let collective: Collective
  /// The type of the elements.
  public let type: DataType
  /// How the ranks lie on nodes.
  public let layout: Layout
  /// The number of lanes of every rank.
  public let lanes: Int
  /// The size in elements, as ``Collective`` counts it.
  public let elements: Int
  /// The size in bytes that was asked for.
  public let bytes: Int
  /// The messages of one connection that may be sent and not yet taken; it was proved with them.
  public let slots: Int
  /// The number of channels or blocks as the library counts them.
  public let channels: Int
  /// The buffers of every rank.
  public let buffers: [Buffer]
  /// The kernels of a call.
  public let kernels: [Kernel]
  /// How many of the last bodies repeat.
  public let period: Int
  /// For every call body, the operations of rank 0's lanes, of rank 1's, and so on.
  public let bodies: [[[Operation]]]

  /// What a plan is called and made for, beyond its schedule.
  struct Labels {
    var algorithm: String
    var protocolName: String
    var type: DataType
    var bytes: Int
    var channels: Int
    /// The slots of the protocol; fewer are used where messages are large.
    var slots: Int
  }

  /// The most operations that a plan holds: 4 million, a file of 224 MiB.
  static let operationLimit = 1 << 22
  /// The most slots of a connection, as NCCL's protocols have.
  static let mostSlots = 8
  /// Slots of all connections of a rank take no more memory than this, down to two slots each.
  static let slotBytes = 256 << 20

  /// Proves a schedule with the slots and calls that will run, and writes it down.
  ///
  /// - Throws: ``PlanError`` if the proof fails, calls do not repeat, or there are too many
  ///   operations.
  init(_ schedule: some Schedule, _ labels: Labels) throws(PlanError) {
    algorithm = labels.algorithm
    protocolName = labels.protocolName
    type = labels.type
    bytes = labels.bytes
    channels = labels.channels
    collective = schedule.collective
    layout = schedule.layout
    lanes = schedule.lanes
    elements = schedule.elements
    buffers = schedule.buffers
    kernels = schedule.kernels
    guard [.fp32, .fp16, .bf16, .int32].contains(labels.type) else {
      throw PlanError(
        problem: "the runtime does not add \(labels.type.rawValue)",
        fix: "use one of fp32, fp16, bf16, int32")
    }
    let (prefix, period) = try Self.repetition(of: schedule)
    self.period = period
    var bodies: [[[Operation]]] = []
    var left = Self.operationLimit
    for call in 0..<(prefix + period) {
      bodies.append(try Self.operations(of: schedule, call: call, &left))
    }
    self.bodies = bodies
    let perSlot = Self.bytesPerSlot(bodies, lanes: schedule.lanes) * labels.type.bytes
    // A power of two, so that a slot is found without a division.
    slots = Self.powerOfTwo(upTo: max(2, min(labels.slots, Self.slotBytes / max(1, perSlot))))
    let options = Verifier.Options(calls: max(2, prefix + 2 * period), slots: slots)
    let report = Verifier.verify(schedule, options: options)
    guard report.isProved else {
      let reason = report.findings.first.map { ": \($0)" } ?? ", its order of accesses is unknown"
      throw PlanError(
        problem: "\(labels.algorithm) is not proved\(reason)",
        fix: report.findings.isEmpty
          ? "run it on fewer ranks" : "weft verify shows all that is wrong")
    }
  }
}

// MARK: - Calls

extension RuntimePlan {
  private static func powerOfTwo(upTo limit: Int) -> Int {
    1 << (Int.bitWidth - 1 - limit.leadingZeroBitCount)
  }

  /// After how many calls a series begins to repeat, and every how many calls it does.
  private static func repetition(
    of schedule: some Schedule
  ) throws(PlanError) -> (prefix: Int, period: Int) {
    for (prefix, period) in [(0, 1), (1, 1), (0, 2), (1, 2), (2, 1), (2, 2), (0, 4), (1, 3)] {
      let end = prefix + period
      let isSo = (end..<(end + 2 * period + 1)).allSatisfy { call in
        areAlike(schedule, call, prefix + (call - prefix) % period)
      }
      if isSo { return (prefix, period) }
    }
    throw PlanError(
      problem: "its calls do not repeat after a few", fix: "run another schedule")
  }

  private static func areAlike(_ schedule: some Schedule, _ first: Int, _ second: Int) -> Bool {
    for rank in 0..<schedule.layout.ranks {
      for lane in 0..<schedule.lanes {
        var one = schedule.cursor(rank: rank, lane: lane, call: first)
        var other = schedule.cursor(rank: rank, lane: lane, call: second)
        var left = operationLimit
        while left > 0 {
          let operation = one.next()
          guard operation == other.next() else { return false }
          guard operation != nil else { break }
          left -= 1
        }
      }
    }
    return true
  }

  private static func operations(
    of schedule: some Schedule, call: Int, _ left: inout Int
  ) throws(PlanError) -> [[Operation]] {
    var all: [[Operation]] = []
    for rank in 0..<schedule.layout.ranks {
      for lane in 0..<schedule.lanes {
        var operations: [Operation] = []
        var cursor = schedule.cursor(rank: rank, lane: lane, call: call)
        while let operation = cursor.next() {
          operations.append(operation)
          left -= 1
          guard left > 0 else {
            throw PlanError(
              problem: "a plan of it has more than \(operationLimit) operations",
              fix: "use fewer ranks, a smaller size or larger chunks")
          }
        }
        all.append(operations)
      }
    }
    return all
  }

  private struct Channel: Hashable {
    var source: Int
    var to: Port
  }

  /// The elements of one slot of every connection, summed over those into the rank with most.
  private static func bytesPerSlot(_ bodies: [[[Operation]]], lanes: Int) -> Int {
    var longest: [Channel: Int] = [:]
    for body in bodies {
      for (lane, operations) in body.enumerated() {
        for operation in operations where operation.actions.contains(.send) {
          longest[Channel(source: lane, to: operation.to), default: 0].raise(to: operation.count)
        }
      }
    }
    var perRank: [Int32: Int] = [:]
    for (channel, count) in longest { perRank[channel.to.peer, default: 0] += count }
    return perRank.values.max() ?? 0
  }
}

extension Int {
  /// Makes the number at least as large as another.
  fileprivate mutating func raise(to other: Int) { self = Swift.max(self, other) }
}

// MARK: - Where plans come from

extension Plan {
  /// The plan of a call as the runtime executes it, proved.
  ///
  /// - Throws: ``PlanError`` as ``RuntimePlan`` says.
  public func runtimePlan(for call: CollectiveCall) throws(PlanError) -> RuntimePlan {
    let labels = RuntimePlan.Labels(
      algorithm: algorithm, protocolName: protocolName, type: call.type, bytes: call.bytes,
      channels: channels, slots: runtimeSlots)
    return try schedule.open(Recording(labels: labels))
  }
}

extension VerificationCase {
  /// The schedule as the runtime executes it, proved.
  ///
  /// - Throws: ``PlanError`` if there is no such schedule, or as ``RuntimePlan`` says.
  public func runtimePlan(
    name: String, type: DataType, slots: Int
  ) throws(PlanError) -> RuntimePlan {
    let schedule = try schedule()
    let isNVRAR = if case .nvrar = algorithm { true } else { false }
    let labels = RuntimePlan.Labels(
      algorithm: name, protocolName: isNVRAR ? "ll8" : "simple", type: type,
      bytes: elements * type.bytes, channels: channels ?? 1, slots: slots)
    return try schedule.open(Recording(labels: labels))
  }
}

/// Writes a schedule of any type down.
private struct Recording: AnySchedule.Visitor {
  let labels: RuntimePlan.Labels

  func visit(_ schedule: some Schedule) throws(PlanError) -> RuntimePlan {
    try RuntimePlan(schedule, labels)
  }
}
