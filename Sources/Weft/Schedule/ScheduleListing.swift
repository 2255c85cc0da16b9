/// The operations of a schedule's first call, for people to read.
public struct ScheduleListing: Sendable {
  /// An operation and its place.
  public struct Row: Sendable {
    /// The rank.
    public var rank: Int
    /// The lane.
    public var lane: Int
    /// The number of the operation in the call.
    public var step: Int
    /// What is done.
    public var operation: Operation
  }

  /// The operations, rank by rank and lane by lane.
  public let rows: [Row]
  /// Whether the limit left operations out.
  public let isCut: Bool
  /// The buffers that the operations name.
  public let buffers: [Buffer]
  /// The size in elements.
  public let elements: Int
  /// The number of lanes of every rank.
  public let lanes: Int
  /// What it computes.
  public let collective: Collective

  /// Lists the operations of some ranks, up to a limit in all.
  public init(_ schedule: some Schedule, ranks: Range<Int>, limit: Int) {
    var rows: [Row] = []
    var isCut = false
    for rank in ranks {
      for lane in 0..<schedule.lanes {
        var cursor = schedule.cursor(rank: rank, lane: lane, call: 0)
        var step = 0
        while let operation = cursor.next() {
          if rows.count == limit {
            isCut = true
            break
          }
          rows.append(Row(rank: rank, lane: lane, step: step, operation: operation))
          step += 1
        }
      }
    }
    self.rows = rows
    self.isCut = isCut
    buffers = schedule.buffers
    elements = schedule.elements
    lanes = schedule.lanes
    collective = schedule.collective
  }
}

extension Operation {
  /// What is done in a few words, without places: `receive, add, store, send`.
  public var verbs: String {
    guard kind == .transfer else { return kind == .kernel ? "kernel \(count)" : "\(kind)" }
    var verbs: [String] = []
    if actions.contains(.receive) { verbs.append("receive") }
    if actions.contains(.reduce) { verbs.append("add") }
    if actions.contains(.store) { verbs.append(actions == .store ? "copy" : "store") }
    if actions.contains(.send) { verbs.append("send") }
    return verbs.joined(separator: ", ")
  }

  /// The port that something comes from, if something does.
  public var origin: Port? {
    kind == .wait || actions.contains(.receive) ? from : nil
  }

  /// The port that something goes to, if something does.
  public var target: Port? {
    kind == .put || kind == .signal || actions.contains(.send) ? to : nil
  }

  /// The local operand that is read, if one is.
  public var operand: Location? {
    if kind == .put { return source }
    guard kind == .transfer, count > 0 else { return nil }
    return actions.contains(.receive) && !actions.contains(.reduce) ? nil : source
  }

  /// The second local operand that is read, if one is.
  public var secondOperand: Location? {
    kind == .transfer && actions.contains(.reduce) && !actions.contains(.receive) ? addend : nil
  }

  /// Where something is written, for a put in the memory of the peer, if something is.
  public var result: Location? {
    kind == .put || (kind == .transfer && actions.contains(.store)) ? destination : nil
  }
}
