import Testing

@testable import Weft

/// What lanes are sent before they ask for it.
@Suite struct InboxTests {
  private static let senders = 24
  private static let bytes = 150_000

  /// Every other rank sends three messages at once, which take turns on the one link to rank 0: the
  /// first of all, the second of all, the third of all, a microsecond each.
  ///
  /// Rank 0 takes so many of each, the senders in an order of its own.
  private func time(_ order: [Int], taking count: @escaping @Sendable (Int) -> Int) throws
    -> SimDuration
  {
    let script = Script(ranks: Self.senders + 1) { rank, _, _ in
      guard rank == 0 else {
        return (0..<3).map { _ in .send(At.input(), Self.bytes, to: Port(peer: 0)) }
      }
      return order.flatMap { sender in
        (0..<count(sender)).map { _ in
          .receive(At.output(), Self.bytes, from: Port(peer: sender))
        }
      }
    }
    let fabric = try Fabric(Machine.flat(gpus: Self.senders + 1), nodes: 1)
    return try Simulation<Script, EventNetwork>(
      script, on: fabric, costs: .ideal(elementBytes: 1, kernels: 1), calls: 1, foldAllowed: false
    ).run().time
  }

  @Test(arguments: 2...24)
  func `a message is found behind any number of others`(sender: Int) throws {
    // When the first is there, all others have set out.
    let time = try time([1, sender]) { $0 == 1 ? 1 : 3 }
    #expect(time == .microseconds(Double(2 + 2 * Self.senders + sender - 1)))
  }

  @Test(arguments: [1, 2, 3])
  func `messages of a connection are taken in the order sent`(count: Int) throws {
    let last = count * Self.senders - 1
    for order in [Array(1...Self.senders), Array((1...Self.senders).reversed())] {
      #expect(try time(order) { _ in count } == .microseconds(Double(2 + last)))
      // The third of one sender comes after the first of all, and before the third of later ones.
      let time = try time(order) { $0 == 5 ? 3 : 1 }
      #expect(time == .microseconds(Double(2 + 2 * Self.senders + 4)))
    }
  }
}
