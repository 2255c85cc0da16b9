import Testing

@testable import Weft

/// Every builder is proved, for every rank count that people run on one switch, and some beyond.
@Suite struct BuilderProofTests {
  @Test(arguments: BuilderCase.allCases, [false, true])
  func `every rank ends with every contribution once`(builder: BuilderCase, inPlace: Bool) {
    var failures: [String] = []
    for ranks in 1...33 {
      for perNode in [1, 2, 4, 8] where ranks % perNode == 0 {
        // One element, fewer than ranks, a prime with a chunk of one element to spare.
        for elements in [1, max(1, ranks - 1), 131] {
          let layout = Layout(nodes: ranks / perNode, ranksPerNode: perNode)
          let report = Verifier.verify(
            builder.schedule(layout, elements: elements, inPlace: inPlace))
          if report.isProved { continue }
          failures.append(
            "\(layout.nodes) x \(perNode), \(elements) elements: \(report.findings.prefix(2))")
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count) fail, first: \(failures.prefix(2))")
  }

  @Test(arguments: BuilderCase.allCases)
  func `few slots and five calls suffice`(builder: BuilderCase) {
    // A rank of a ring that forwards slices holds one slot more than it has slices in flight.
    let slots = [.slicedRing, .ringGather, .ringScatter].contains(builder) ? 3 : 2
    for layout in [Layout(nodes: 5, ranksPerNode: 1), Layout(nodes: 3, ranksPerNode: 4)] {
      let schedule = builder.schedule(layout, elements: 257, inPlace: true, lanes: 3)
      let report = Verifier.verify(schedule, options: .init(calls: 5, slots: slots))
      #expect(report.isProved, "\(layout): \(report.findings.prefix(2))")
    }
  }

  @Test func `a count of operations is what the cursors give`() {
    func check(_ schedule: some Schedule) -> Int {
      var checked = 0
      for lane in 0..<schedule.lanes {
        guard let count = schedule.operationCount(lane: lane) else { continue }
        for rank in 0..<schedule.layout.ranks {
          var cursor = schedule.cursor(rank: rank, lane: lane, call: 0)
          var operations = 0
          while cursor.next() != nil { operations += 1 }
          #expect(operations == count, "\(schedule) rank \(rank) lane \(lane)")
          checked += 1
        }
      }
      return checked
    }
    var checked = 0
    for builder in BuilderCase.allCases {
      for (nodes, perNode) in [(1, 1), (1, 2), (3, 1), (2, 4)] {
        for elements in [1, 7, 131, 1024] {
          let layout = Layout(nodes: nodes, ranksPerNode: perNode)
          for inPlace in [false, true] {
            checked += check(builder.schedule(layout, elements: elements, inPlace: inPlace))
          }
        }
      }
    }
    #expect(checked > 1000)
  }

  @Test func `lengths cost nothing`() {
    let layout = Layout(nodes: 2, ranksPerNode: 4)
    for elements in [1_000_000_007, 1 << 60] {
      let ring = Ring(layout: layout, elements: elements, channels: 4, inPlace: true)
      #expect(Verifier.verify(ring).isProved)
    }
  }

  @Test func `a ring needs a second slot`() {
    // Every rank has filled its slot and none empties the next one's before it has sent again.
    let ring = Ring(layout: Layout(nodes: 3, ranksPerNode: 1), elements: 9, inPlace: true)
    let report = Verifier.verify(ring, options: .init(slots: 1))
    #expect(report.findings.first?.kind == .deadlock)
    #expect(
      report.findings.first?.text
        == "Lanes wait for each other in a circle: rank 0 -> rank 1 -> rank 2 -> rank 0.")
  }

  @Test(arguments: BuilderCase.allCases)
  func `large ones are proved by fingerprint`(builder: BuilderCase) {
    // Operations grow with the logarithm of the ranks, with the ranks, or with their square.
    let ranks =
      switch builder {
      case .tree, .balancedTree, .spreadTree, .binomialTree, .treeBroadcast, .treeReduce,
        .recursiveDoubling:
        1000
      case .chainBroadcast, .chainReduce: 500
      default: 72
      }
    let layout = Layout(nodes: ranks / 4, ranksPerNode: 4)
    let schedule = builder.schedule(layout, elements: 521, inPlace: false)
    let report = Verifier.verify(schedule)
    #expect(report.isProved, "\(report.findings.prefix(2))")
    #expect(report.mode == .fingerprint && report.mode.errorProbability <= 0x1p-96)
  }
}
