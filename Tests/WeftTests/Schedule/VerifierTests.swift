import Testing

@testable import Weft

/// Schedules with one known fault each, and what the verifier says of them.
@Suite struct VerifierTests {
  private func kinds(
    _ script: Script, _ options: Verifier.Options = .init()
  ) -> Set<Finding.Kind> {
    Set(Verifier.verify(script, options: options).findings.map(\.kind))
  }

  /// The first finding as a person reads it.
  private func words(_ script: Script, _ options: Verifier.Options = .init()) -> String {
    Verifier.verify(script, options: options).findings.first?.description ?? ""
  }

  @Test func `an exchange of two ranks is proved`() {
    let report = Verifier.verify(Script.exchange)
    #expect(report.isProved)
    #expect(report.mode == .exact && report.mode.errorProbability == 0)
    #expect(report.operations == 8 && report.messages == 4)
    #expect(report.ranks == 2 && report.lanes == 1 && report.calls == 2)
  }

  // MARK: - Values

  @Test func `a missing contribution is named with its rank`() {
    let script = Script { rank, _, _ in
      rank == 0
        ? Script.exchange(0)
        : [
          .send(At.input(), 4, to: Port(peer: 0)),
          .receive(At.output(), 4, from: Port(peer: 0)),
        ]
    }
    #expect(words(script) == "rank 1, call 0: The result in elements 0..<4 lacks rank 1.")
    var options = Verifier.Options()
    options.exactUpTo = 0
    #expect(Verifier.verify(script, options: options).mode == .fingerprint)
    #expect(words(script, options) == "rank 1, call 0: The result in elements 0..<4 lacks rank 1.")
  }

  @Test func `a doubled contribution is named with its elements`() {
    let script = Script { rank, _, _ in
      let again = Weft.Operation.add(At.input(2), At.output(2), into: At.output(2), 2)
      return Script.exchange(rank) + (rank == 0 ? [again] : [])
    }
    let text = "rank 0, call 0: The result in elements 2..<4 holds rank 0 more than once."
    #expect(words(script) == text)
    var options = Verifier.Options()
    options.exactUpTo = 0
    #expect(words(script, options) == text)
  }

  @Test func `a result at the wrong place is no result`() {
    let script = Script { rank, _, _ in
      Script.exchange(rank)
        + (rank == 1 ? [.copy(At.output(2), to: At.output(0), 2)] : [])
    }
    #expect(
      words(script)
        == "rank 1, call 0: The result in elements 0..<2 is that of elements 2 further on.")
  }

  @Test func `elements of different positions are not added`() {
    let script = Script { rank, _, _ in
      [
        .send(At.input(2), 2, to: Port(peer: 1 - rank)),
        .receiveReduce(adding: At.input(), into: At.output(), 2, from: Port(peer: 1 - rank)),
      ]
    }
    #expect(kinds(script).contains(.mixture))
    #expect(words(script).contains("adds element 2 of the input to element 0"))
  }

  @Test func `what nobody wrote is not read`() {
    let script = Script(scratch: 4) { rank, _, _ in
      Script.exchange(rank) + [.copy(At.scratch(), to: At.output(), 4)]
    }
    #expect(words(script).contains("reads elements 0..<4 of 'scratch' of rank"))
    #expect(kinds(Script { _, _, _ in [] }) == [.unwritten])
  }

  @Test func `data of the call before is found out`() {
    // The second call adds what the first left in scratch.
    let script = Script(scratch: 4) { rank, _, call in
      let port = Port(peer: 1 - rank)
      let fetch: [Weft.Operation] = [
        .send(At.input(), 4, to: port), .receive(At.scratch(), 4, from: port),
      ]
      return (call == 0 ? fetch : []) + [.add(At.scratch(), At.input(), into: At.output(), 4)]
    }
    #expect(kinds(script, .init(calls: 1)) == [])
    #expect(words(script).contains("call 1, step 0: It adds data of call 0 to data of call 1."))
    let idle = Script { rank, _, call in call == 0 ? Script.exchange(rank) : [] }
    #expect(words(idle).contains("The result in elements 0..<4 is the result of call 0."))
  }

  // MARK: - Deadlock

  @Test func `a circle of receives is a deadlock with its circle`() {
    let script = Script(ranks: 3) { rank, _, _ in
      let (next, previous) = ((rank + 1) % 3, (rank + 2) % 3)
      return [
        .receive(At.output(), 4, from: Port(peer: previous, tag: 7)),
        .send(At.input(), 4, to: Port(peer: next, tag: 7)),
      ]
    }
    let findings = Verifier.verify(script).findings
    #expect(findings.count == 4 && findings.allSatisfy { $0.kind == .deadlock })
    #expect(findings.first?.text.contains("rank 0 -> rank 2 -> rank 1 -> rank 0") == true)
    #expect(
      findings.last?.description
        == "rank 2, lane 0, call 0, step 0: It waits for ever for a message from rank 1 (tag 7), "
        + "which is at step 0 of call 0.")
  }

  @Test func `whether a deadlock is there depends on the slots`() {
    let script = Script { rank, _, _ in
      let port = Port(peer: 1 - rank)
      return [
        .send(At.input(), 2, to: port), .send(At.input(2), 2, to: port),
        .receiveReduce(adding: At.input(), into: At.output(), 2, from: port),
        .receiveReduce(adding: At.input(2), into: At.output(2), 2, from: port),
      ]
    }
    #expect(Verifier.verify(script, options: .init(slots: 2)).isProved)
    #expect(kinds(script, .init(slots: 1)) == [.deadlock])
    let text = Verifier.verify(script, options: .init(slots: 1)).findings.last?.text
    #expect(text?.contains("for a free slot on the way to rank 0") == true)
  }

  @Test func `lanes that miss each other at barriers are found`() {
    let barrier = Weft.Operation(.barrier)
    let ended = Script(lanes: 2) { rank, lane, _ in
      lane == 0 ? Script.exchange(rank) + [barrier] : []
    }
    let report = Verifier.verify(ended)
    #expect(report.findings.first?.kind == .deadlock)
    #expect(report.findings.first?.text.contains("meeting of all lanes for lane 1") == true)
    let mixed = Script(lanes: 2) { rank, lane, _ in
      lane == 0 ? Script.exchange(rank) + [barrier] : [.kernel(0)]
    }
    #expect(kinds(mixed) == [.barrier])
  }

  // MARK: - Order

  @Test func `puts with a handshake are proved and without one race in the second call`() {
    #expect(Verifier.verify(Script.puts(handshake: true)).isProved)
    let bare = Script.puts(handshake: false)
    #expect(kinds(bare, .init(calls: 1)) == [])
    #expect(kinds(bare) == [.race])
    #expect(words(bare).contains("call 1, step 0: It writes elements 0..<4 of 'scratch' of rank"))
  }

  @Test func `what a put wrote is read only after its wait`() {
    let script = Script(scratch: 4) { rank, _, _ in
      let port = Port(peer: 1 - rank)
      return rank == 0
        ? [.put(At.input(), to: At.scratch(), 4, at: port)]
        : [.add(At.scratch(), At.input(), into: At.output(), 4), .wait(port)]
    }
    #expect(kinds(script, .init(calls: 1)).contains(.race))
  }

  @Test func `the source of a put stays until the peer has waited`() {
    let script = Script(scratch: 8) { rank, _, _ in
      let port = Port(peer: 1 - rank)
      return [
        .copy(At.input(), to: At.scratch(), 4),
        .put(At.scratch(), to: At.scratch(4), 4, at: port),
        .copy(At.input(), to: At.scratch(), 4),
        .wait(port), .add(At.scratch(4), At.input(), into: At.output(), 4),
      ]
    }
    #expect(words(script, .init(calls: 1)).contains("after the end of a put from them by rank"))
  }

  @Test func `lanes of a rank are ordered by barriers and through other ranks`() {
    // Lane 0 fetches, lane 1 adds: in order only if something makes it so.
    func script(_ between: [[Weft.Operation]]) -> Script {
      Script(lanes: 2, scratch: 4) { rank, lane, _ in
        let port = Port(peer: 1 - rank)
        return lane == 0
          ? [.send(At.input(), 4, to: port), .receive(At.scratch(), 4, from: port)] + between[0]
          : between[1] + [.add(At.scratch(), At.input(), into: At.output(), 4)]
      }
    }
    #expect(Verifier.verify(script([[.init(.barrier)], [.init(.barrier)]])).isProved)
    // Without order lane 1 may even come first and find nothing.
    #expect(!Verifier.verify(script([[], []])).isProved)
    let detour = Script(ranks: 2, lanes: 2, scratch: 4) { rank, lane, _ in
      let peer = 1 - rank
      let data = Port(peer: peer)
      // Lane 0 tells lane 1 of the peer, which tells lane 1 here by its own lane 1.
      return lane == 0
        ? [
          .send(At.input(), 4, to: data), .receive(At.scratch(), 4, from: data),
          .signal(Port(peer: peer, lane: 1, tag: 1)),
        ]
        : [
          .wait(Port(peer: peer, lane: 0, tag: 1)),
          .signal(Port(peer: peer, lane: 1, tag: 2)), .wait(Port(peer: peer, lane: 1, tag: 2)),
          .add(At.scratch(), At.input(), into: At.output(), 4),
        ]
    }
    #expect(Verifier.verify(detour).isProved)
  }

  @Test func `too many clocks are not kept and the report says so`() {
    let report = Verifier.verify(
      Script.puts(handshake: true), options: .init(clockLimit: 1))
    #expect(report.findings.isEmpty && !report.racesChecked && !report.isProved)
  }

  // MARK: - Form

  @Test func `messages of other lengths and kinds are found`() {
    let port = Port(peer: 1)
    let back = Port(peer: 0)
    let short = Script { rank, _, _ in
      rank == 0 ? [.send(At.input(), 3, to: port)] : [.receive(At.output(), 4, from: back)]
    }
    #expect(kinds(short).contains(.mismatch))
    let waits = Script { rank, _, _ in
      rank == 0 ? [.send(At.input(), 4, to: port)] : [.wait(back)]
    }
    #expect(kinds(waits).contains(.mismatch))
    let receives = Script { rank, _, _ in
      rank == 0 ? [.signal(port)] : [.receive(At.output(), 4, from: back)]
    }
    #expect(kinds(receives).contains(.mismatch))
  }

  @Test func `messages and flags that nobody takes are found`() {
    let extra = Script { rank, _, call in
      Script.exchange(rank)
        + (rank == 0 && call == 1 ? [.send(At.input(), 4, to: Port(peer: 1))] : [])
    }
    #expect(kinds(extra) == [.unmatched])
    // A handshake's last signals wait for a call to come; two per connection do not.
    let signals = Script { rank, _, _ in
      Script.exchange(rank) + [.signal(Port(peer: 1 - rank, tag: 1))]
    }
    #expect(kinds(signals) == [.unmatched])
    #expect(words(signals).contains("Nobody takes its signal to rank"))
  }

  @Test func `places that do not exist are found`() {
    let cases: [(Weft.Operation, Finding.Kind)] = [
      (.copy(At.input(1), to: At.output(), 4), .bounds),
      (.copy(At.input(-1), to: At.output(), 1), .bounds),
      (.copy(At.input(), to: At.output(Int.max), 4), .bounds),
      (.copy(At.input(), to: At.output(), -1), .bounds),
      (.copy(At.input(), to: At.output(), Int.max), .bounds),
      (.copy(At.scratch(), to: At.output(), 1), .bounds),
      (.copy(At.output(), to: At.input(), 4), .readOnly),
      (.put(At.input(), to: At.input(), 4, at: Port(peer: 1)), .readOnly),
      (.send(At.input(), 4, to: Port(peer: 2)), .address),
      (.send(At.input(), 4, to: Port(peer: 0)), .address),
      (.send(At.input(), 4, to: Port(peer: -1)), .address),
      (.receive(At.output(), 4, from: Port(peer: 1, lane: 1)), .address),
      (.wait(Port(peer: 1, lane: -1)), .address),
      (.signal(.none), .address),
      (.kernel(1), .address),
    ]
    for (operation, kind) in cases {
      let script = Script { rank, _, _ in
        Script.exchange(rank) + (rank == 0 ? [operation] : [])
      }
      #expect(kinds(script, .init(maxFindings: 1)) == [kind], "\(operation)")
    }
  }

  @Test func `a schedule that cannot be run is refused`() {
    var script = Script.exchange
    script.buffers.removeLast()
    #expect(kinds(script) == [.malformed])
    script = Script.exchange
    script.lanes = 0
    #expect(kinds(script) == [.malformed])
    script.lanes = Int.max
    #expect(kinds(script) == [.malformed])
    script = Script.exchange
    script.buffers[1].elements = 3
    #expect(kinds(script) == [.malformed])
    script = Script.exchange
    script.buffers.append(Buffer("scratch", .scratch, elements: -1))
    #expect(kinds(script) == [.malformed])
  }

  @Test func `a lane without end is stopped`() {
    let endless = Script { rank, _, call in
      Array(repeating: .signal(Port(peer: 1 - rank)), count: 1001)
    }
    #expect(kinds(endless, .init(operationLimit: 1000)) == [.malformed])
    let later = Script { rank, _, call in
      call == 0
        ? Script.exchange(rank)
        : Array(repeating: .signal(Port(peer: 1 - rank)), count: 1001)
    }
    #expect(kinds(later, .init(operationLimit: 1000)) == [.malformed])
  }

  @Test func `no more findings than asked for`() {
    let script = Script(ranks: 32) { _, _, _ in [] }
    #expect(Verifier.verify(script, options: .init(maxFindings: 3)).findings.count == 3)
  }
}
