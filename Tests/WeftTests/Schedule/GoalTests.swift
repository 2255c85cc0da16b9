import Testing

@testable import Weft

/// What the verifier says of schedules that compute something else than their collective.
@Suite struct GoalTests {
  /// Two ranks, six elements, with the operations of rank 0 and of rank 1.
  private func words(
    _ collective: Collective, inPlace: Bool = false, fingerprint: Bool = false,
    _ operations: @escaping @Sendable (_ rank: Int) -> [Weft.Operation]
  ) -> String? {
    var script = Script(elements: 6) { rank, _, _ in operations(rank) }
    script.collective = collective
    script.buffers = Buffer.caller(collective, elements: 6, ranks: 2, inPlace: inPlace)
    var options = Verifier.Options()
    if fingerprint { options.exactUpTo = 0 }
    let report = Verifier.verify(script, options: options)
    return report.isProved ? nil : report.findings.first?.description ?? "not proved"
  }

  private func exchange(_ rank: Int) -> Port { Port(peer: 1 - rank) }

  @Test func `every goal accepts what it asks for, in place and out of place`() {
    #expect(words(.allGather, inPlace: true) { self.gather($0, At.input(3 * $0)) } == nil)
    #expect(words(.broadcast, inPlace: true) { self.broadcast($0) } == nil)
    #expect(words(.reduce, inPlace: true) { self.reduce($0, into: At.input()) } == nil)
    #expect(words(.reduce) { self.reduce($0, into: At.output()) } == nil)
    #expect(
      words(.reduceScatter, inPlace: true) { self.scatter($0, into: At.input(3 * $0)) } == nil)
    #expect(words(.reduceScatter) { self.scatter($0, into: At.output()) } == nil)
  }

  private func gather(_ rank: Int, _ own: Location) -> [Weft.Operation] {
    [
      .send(own, 3, to: exchange(rank)),
      .receive(Location(buffer: own.buffer, offset: 3 * (1 - rank)), 3, from: exchange(rank)),
    ]
  }

  private func broadcast(_ rank: Int) -> [Weft.Operation] {
    rank == 0
      ? [.send(At.input(), 6, to: exchange(rank))]
      : [.receive(At.input(), 6, from: exchange(rank))]
  }

  private func reduce(_ rank: Int, into sum: Location) -> [Weft.Operation] {
    rank == 1
      ? [.send(At.input(), 6, to: exchange(rank))]
      : [.receiveReduce(adding: At.input(), into: sum, 6, from: exchange(rank))]
  }

  private func scatter(_ rank: Int, into sum: Location) -> [Weft.Operation] {
    [
      .send(At.input(3 * (1 - rank)), 3, to: exchange(rank)),
      .receiveReduce(adding: At.input(3 * rank), into: sum, 3, from: exchange(rank)),
    ]
  }

  @Test(arguments: [false, true])
  func `a part of the wrong rank is named`(fingerprint: Bool) {
    let text = words(.allGather, fingerprint: fingerprint) { rank in
      // Rank 1 keeps its own part twice.
      let other: Weft.Operation =
        rank == 0
        ? .receive(At.output(3), 3, from: exchange(rank))
        : .copy(At.input(), to: At.output(), 3)
      return (rank == 1 ? [.send(At.input(), 3, to: exchange(rank))] : [])
        + [.copy(At.input(), to: At.output(3 * rank), 3), other]
    }
    #expect(
      text
        == "rank 1, call 0: The result in elements 0..<3 lacks rank 0 and holds rank 1 without need."
    )
  }

  @Test func `an all-to-all of the wrong parts is refuted`() {
    let text = words(.allToAll) { rank in
      [
        .send(At.input(3 * rank), 3, to: exchange(rank)),
        .copy(At.input(3 * rank), to: At.output(3 * rank), 3),
        .receive(At.output(3 * (1 - rank)), 3, from: exchange(rank)),
      ]
    }
    #expect(text?.contains("is that of elements 3 ") == true, "\(text ?? "")")
  }

  @Test func `only the root of a broadcast brings data`() {
    let text = words(.broadcast) { rank in
      rank == 0
        ? [.receive(At.output(), 6, from: exchange(rank))]
        : [.send(At.input(), 6, to: exchange(rank))]
    }
    #expect(text?.contains("which nobody has written") == true, "\(text ?? "")")
  }

  @Test func `only the root of a reduce has an output`() {
    let text = words(.reduce) { rank in
      [
        .send(At.input(), 6, to: exchange(rank)),
        .receiveReduce(adding: At.input(), into: At.output(), 6, from: exchange(rank)),
      ]
    }
    #expect(text?.contains("only rank 0 of a reduce has one") == true, "\(text ?? "")")
  }

  @Test func `what ranks cannot share is no size`() {
    var script = Script(elements: 5) { _, _, _ in [] }
    script.collective = .allToAll
    let finding = Verifier.verify(script).findings.first
    #expect(finding?.kind == .malformed)
    #expect(finding?.text == "Its 5 elements are no equal parts for 2 ranks.")
  }

  // MARK: - Lanes of a rank

  /// Lane 0 exchanges, lane 1 copies the sum; with or without a signal from one to the other.
  private func lanes(_ signals: Bool) -> VerificationReport {
    let script = Script(lanes: 2, scratch: 4) { rank, lane, _ in
      let own = Port(peer: rank, lane: 1 - lane, tag: 1)
      guard lane == 0 else {
        return (signals ? [.wait(own)] : []) + [.copy(At.scratch(), to: At.output(), 4)]
      }
      return [
        .send(At.input(), 4, to: Port(peer: 1 - rank)),
        .receiveReduce(adding: At.input(), into: At.scratch(), 4, from: Port(peer: 1 - rank)),
      ] + (signals ? [.signal(own)] : [])
    }
    return Verifier.verify(script)
  }

  @Test func `a signal orders the lanes of a rank, and nothing else does`() {
    #expect(lanes(true).isProved)
    #expect(lanes(false).findings.contains { $0.kind == .race || $0.kind == .unwritten })
  }

  @Test func `nothing but signals goes to oneself`() {
    let toOwnLane = Script(lanes: 2) { rank, lane, _ in
      let own = Port(peer: rank, lane: 1 - lane)
      return lane == 0 ? [.signal(own), .send(At.input(), 1, to: own)] : [.wait(own)]
    }
    #expect(Verifier.verify(toOwnLane).findings.first?.kind == .address)
    let toItself = Script { rank, _, _ in
      [.signal(Port(peer: rank)), .wait(Port(peer: rank))]
    }
    #expect(Verifier.verify(toItself).findings.first?.kind == .address)
  }
}
