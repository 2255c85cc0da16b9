import Testing

@testable import WeftCalibration

/// What is fitted when there are fewer calls than terms.
@Suite struct TermSelectionTests {
  @Test func `what calls answer to most comes first, and what says the same again never`() throws {
    let columns = [
      [0.1, 0, 0, 0], [3, 3, 0, 0], [6, 6, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1e-3],
    ]
    #expect(try TermSelection.mostIndependent(columns, count: 2) == [2, 4])
    // What is left of the others: 0.07 of the first, 1e-3 of the fourth, nothing of the second.
    #expect(try TermSelection.mostIndependent(columns, count: 5) == [2, 4, 0, 3])
  }

  @Test func `the first of equals comes first, and nothing comes of nothing`() throws {
    #expect(try TermSelection.mostIndependent([[0, 1], [1, 0], [1, 1]], count: 3).count == 2)
    #expect(try TermSelection.mostIndependent([[1, 0], [0, 1]], count: 2) == [0, 1])
    #expect(try TermSelection.mostIndependent([[0, 0], [0, 0]], count: 2) == [])
    #expect(try TermSelection.mostIndependent([[1], [2], [3]], count: 2) == [2])
    #expect(try TermSelection.mostIndependent([], count: 3) == [])
  }
}
