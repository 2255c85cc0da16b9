import TestSupport
import Testing

@testable import Weft

/// Every fault in every operation of some ranks is caught.
@Suite struct MutantTests {
  /// One node, several, folded nodes, and node counts that are no power of two with such nodes.
  private static let layouts = [
    Layout(nodes: 1, ranksPerNode: 4), Layout(nodes: 2, ranksPerNode: 2),
    Layout(nodes: 3, ranksPerNode: 2), Layout(nodes: 5, ranksPerNode: 1),
  ]

  @Test(arguments: BuilderCase.allCases, [false, true])
  func `every mutant is caught`(builder: BuilderCase, inPlace: Bool) {
    var tried = [Fault: Int]()
    var escaped: [String] = []
    var kinds: Set<Fault> = [
      .droppedStep, .swappedPeer, .wrongSource, .wrongDestination,
    ]
    for layout in Self.layouts {
      let schedule = builder.schedule(layout, elements: 50, inPlace: inPlace)
      if schedule.collective.reduces { kinds.formUnion([.doubledAdd, .missingAdd]) }
      func check(_ base: some Schedule) {
        for rank in 0..<layout.ranks {
          mutate(base, rank: rank, &tried, &escaped)
        }
      }
      check(schedule)
    }
    let counts = Fault.allCases.map { "\($0) \(tried[$0, default: 0])" }.joined(separator: ", ")
    let count = tried.values.reduce(0, +)
    print(
      "mutants of \(builder)\(inPlace ? " in place" : ""): \(count - escaped.count) of \(count) "
        + "caught (\(counts))")
    // Every kind of fault that the builder's operations allow was made.
    if builder.hasFlags { kinds.insert(.droppedFlag) }
    #expect(kinds.isSubset(of: tried.keys), "none of \(kinds.subtracting(tried.keys))")
    #expect(builder.hasFlags == (tried[.droppedFlag] != nil))
    #expect(escaped.isEmpty, "\(escaped.count) escaped: \(escaped.prefix(5))")
  }

  /// Tries all faults of a rank in the second of three calls: there is one before and one after.
  ///
  /// In the first call a dropped `wait` can be no fault: each later one then takes the flag before,
  /// as in a handshake that spares the first call, and where the flag only protects from the next
  /// call that may be enough.
  private func mutate(
    _ base: some Schedule, rank: Int, _ tried: inout [Fault: Int], _ escaped: inout [String]
  ) {
    let options = Verifier.Options(calls: 3, maxFindings: 1)
    for lane in 0..<base.lanes {
      var cursor = base.cursor(rank: rank, lane: lane, call: 1)
      var step = 0
      while let operation = cursor.next() {
        for fault in Fault.allCases where fault.applies(to: operation, lanes: base.lanes) {
          let mutant = Mutant(
            of: base, fault, at: .init(rank: rank, lane: lane, call: 1, step: step))
          tried[fault, default: 0] += 1
          if Verifier.verify(mutant, options: options).findings.isEmpty {
            escaped.append(
              "\(fault) at rank \(rank) of \(base.layout.nodes) x \(base.layout.ranksPerNode), "
                + "lane \(lane), step \(step): \(operation)")
          }
        }
        step += 1
      }
    }
  }
}
