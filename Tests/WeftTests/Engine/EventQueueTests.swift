import TestSupport
import Testing

@testable import Weft

@Suite struct EventQueueTests {
  @Test(arguments: [1, 2, 3, 10, 1000] as [UInt64])
  func `events come out by time and, at one time, in the order they went in`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var queue = EventQueue()
    var pending: [(time: Int64, number: Int32)] = []
    var number: Int32 = 0
    var now: Int64 = 0
    for _ in 0..<5000 {
      if pending.isEmpty || Bool.random(using: &random) {
        // Few distinct near times make ties, some far ones use the high buckets.
        let ahead = Int64.random(in: 0...9, using: &random) == 0 ? 1 << 40 : Int64(5)
        let time = now + Int64.random(in: 0...ahead, using: &random)
        queue.push(Event(.lane, number), at: SimDuration(picoseconds: time))
        pending.append((time, number))
        number += 1
      } else {
        let first = try #require(
          pending.indices.min { (pending[$0].time, $0) < (pending[$1].time, $1) })
        let expected = pending.remove(at: first)
        let popped = queue.popFirst()
        #expect(popped?.time.picoseconds == expected.time, "seed \(seed)")
        #expect(popped?.event.subject == expected.number, "seed \(seed)")
        now = expected.time
      }
    }
    let left = queue.count
    #expect(left == pending.count)
  }

  @Test func `an event in the past is refused`() async {
    await #expect(processExitsWith: .failure) {
      var queue = EventQueue()
      queue.push(Event(.lane, 0), at: .nanoseconds(2))
      _ = queue.popFirst()
      queue.push(Event(.lane, 0), at: .nanoseconds(1))
    }
  }

  @Test func `an event keeps its kind, subject and version`() {
    let event = Event(.network, 123_456_789, version: 0x3FFF_FFFF)
    #expect(event.kind == .network)
    #expect(event.subject == 123_456_789)
    #expect(event.version == 0x3FFF_FFFF)
  }
}
