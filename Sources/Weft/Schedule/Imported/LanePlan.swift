/// What tells apart the connections between two ranks: the lane that receives, and the tag.
struct ChannelKey: Hashable {
  var lane: Int16
  var tag: Int16

  init(to port: Port) {
    lane = port.lane
    tag = port.tag
  }

  init(from port: Port, lane: Int) {
    self.lane = Int16(lane)
    tag = port.tag
  }
}

/// Which operations of a lane go to which block: those that share a peer go together.
struct LanePlan {
  struct Group {
    var to: Port?
    var from: Port?
  }

  private(set) var groups: [Group] = []
  /// The group of every operation.
  private(set) var assignment: [Int] = []

  init(_ operations: [Operation], rank: Int, lane: Int) throws(ChunkProgram.Misfit) {
    var open: [Group] = []
    for operation in operations {
      let to = operation.actions.contains(.send) ? operation.to : nil
      let from = operation.actions.contains(.receive) ? operation.from : nil
      guard to != nil || from != nil else { continue }
      let known = open.indices.filter { index in
        (to != nil && open[index].to == to) || (from != nil && open[index].from == from)
      }
      var group = Group(to: to, from: from)
      for index in known.reversed() {
        let other = open.remove(at: index)
        guard group.to == nil || other.to == nil || group.to == other.to,
          group.from == nil || other.from == nil || group.from == other.from
        else {
          throw ChunkProgram.Misfit(
            problem: "rank \(rank) lane \(lane) forwards between more than one pair of peers",
            fix: "export a schedule whose lanes forward between two peers, such as ring")
        }
        group.to = group.to ?? other.to
        group.from = group.from ?? other.from
      }
      open.insert(group, at: known.first ?? open.count)
    }
    groups = Self.paired(open, lane: lane)
    if groups.isEmpty { groups = [Group()] }
    var current: Int?
    for operation in operations {
      if let own = group(of: operation) { current = own }
      assignment.append(current ?? operations.lazy.compactMap(group(of:)).first ?? 0)
    }
  }

  /// Joins each group that only sends with one that only receives: with that of the same peer, or
  /// else the next one there is.
  private static func paired(_ open: [Group], lane: Int) -> [Group] {
    var groups = open.filter { $0.to != nil && $0.from != nil }
    let senders = open.filter { $0.from == nil }
    var receivers = open.filter { $0.to == nil }
    for sender in senders {
      let fitting = receivers.indices.filter { index in
        guard let to = sender.to, let from = receivers[index].from else { return false }
        return ChannelKey(to: to) == ChannelKey(from: from, lane: lane)
      }
      let same = fitting.first { receivers[$0].from?.peer == sender.to?.peer }
      let from = (same ?? fitting.first).map { receivers.remove(at: $0).from } ?? nil
      groups.append(Group(to: sender.to, from: from))
    }
    return groups + receivers
  }

  private func group(of operation: Operation) -> Int? {
    if operation.actions.contains(.send) {
      return groups.firstIndex { $0.to == operation.to }
    }
    if operation.actions.contains(.receive) {
      return groups.firstIndex { $0.from == operation.from }
    }
    return nil
  }
}
