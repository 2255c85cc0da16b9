extension ChunkProgram {
  /// The plan of a call that is priced by its links alone.
  ///
  /// - Throws: ``PlanError`` if the program is for other ranks, another collective, the other
  ///   placement, or cannot cut the size into its chunks.
  public func plan(for call: CollectiveCall, layout: Layout) throws(PlanError) -> Plan {
    try check(call.collective, layout: layout)
    guard call.inPlace == inPlace else {
      throw PlanError(
        problem: "\(name) works \(inPlace ? "in place" : "out of place") only",
        fix: inPlace ? "give --in-place" : "leave --in-place out")
    }
    guard call.elements > 0, call.elements % chunks == 0 else {
      throw PlanError(
        problem: "\(name) cuts the data into \(chunks) equal chunks, and \(call.bytes) bytes are "
          + "\(call.elements) elements",
        fix: "give sizes that are multiples of \(chunks * call.type.bytes) bytes")
    }
    return Plan(
      algorithm: name, protocolName: "ideal", channels: channels,
      costs: .ideal(elementBytes: call.type.bytes, kernels: 1),
      schedule: .imported(ImportedSchedule(self, layout: layout, elements: call.elements)))
  }

  /// The schedule with so many elements, rounded up to whole chunks.
  func schedule(
    _ collective: Collective, layout: Layout, elements: Int
  ) throws(PlanError) -> AnySchedule {
    try check(collective, layout: layout)
    let whole = max(1, (elements + chunks - 1) / chunks) * chunks
    return .imported(ImportedSchedule(self, layout: layout, elements: whole))
  }

  private func check(_ collective: Collective, layout: Layout) throws(PlanError) {
    guard layout.ranks == ranks else {
      throw PlanError(
        problem: "\(name) is a schedule for \(ranks) ranks, not for \(layout.ranks)",
        fix: "give nodes and GPUs that make \(ranks) ranks")
    }
    guard collective == self.collective else {
      throw PlanError(
        problem: "\(name) is a schedule for \(self.collective.rawValue), not for "
          + collective.rawValue,
        fix: "ask for \(self.collective.rawValue)")
    }
  }
}
