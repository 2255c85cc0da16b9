import Testing

@testable import Weft

/// What lanes are sent before they ask for it.
@Suite struct InboxTests {
  private static let senders = 24
  private static let messages = 3
  private static let bytes = 150_000
  /// What an answer takes: longer than everything else.
  private static let answer = 100

  /// The microseconds until rank 0 has taken so many messages of each sender, the senders in an
  /// order of its own.
  ///
  /// Every other rank sends three messages at once, which take turns on the one link to rank 0: the
  /// first of all, the second of all, the third of all, a microsecond each. An answer to one of
  /// them shows when the messages were taken; rank 0 takes the others after it.
  private func time(
    _ order: [Int], taking count: @escaping @Sendable (Int) -> Int
  ) throws -> Double {
    @Sendable func take(_ count: Int, from sender: Int) -> [Weft.Operation] {
      Array(
        repeating: .receive(At.output(), Self.bytes, from: Port(peer: sender)), count: count)
    }
    let script = Script(ranks: Self.senders + 1) { rank, _, _ in
      guard rank == 0 else {
        return Array(
          repeating: .send(At.input(), Self.bytes, to: Port(peer: 0)), count: Self.messages)
          + (rank == 1
            ? [.receive(At.output(), Self.answer * Self.bytes, from: Port(peer: 0))] : [])
      }
      return order.flatMap { take(count($0), from: $0) }
        + [.send(At.input(), Self.answer * Self.bytes, to: Port(peer: 1))]
        + (1...Self.senders).flatMap { sender in
          take(Self.messages - (order.contains(sender) ? count(sender) : 0), from: sender)
        }
    }
    let fabric = try Fabric(Machine.flat(gpus: Self.senders + 1), nodes: 1)
    let end = try Simulation<Script, EventNetwork>(
      script, on: fabric, costs: .ideal(elementBytes: 1, kernels: 1), calls: 1, foldAllowed: false
    ).run().time
    return end.microseconds - Double(1 + Self.answer)
  }

  /// When a message of a sender is there, both counted from 1: after the latency, and those before
  /// it on both links.
  private func arrival(_ message: Int, of sender: Int) -> Double {
    Double(1 + (message - 1) * Self.senders + sender)
  }

  @Test(arguments: 2...24)
  func `a message is found behind any number of others`(sender: Int) throws {
    // When the first is there, all others have set out.
    #expect(try time([1, sender]) { $0 == 1 ? 1 : 3 } == arrival(3, of: sender))
  }

  @Test(arguments: [1, 2, 3])
  func `messages of a connection are taken in the order sent`(count: Int) throws {
    for order in [Array(1...Self.senders), Array((1...Self.senders).reversed())] {
      #expect(try time(order) { _ in count } == arrival(count, of: Self.senders))
      #expect(try time(order) { $0 == 5 ? 3 : 1 } == arrival(3, of: 5))
    }
  }
}
