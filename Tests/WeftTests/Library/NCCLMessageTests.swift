import Testing

@testable import Weft

/// The messages of NCCL's plans: chunks, slices, loops and what they take on the wire.
@Suite struct NCCLMessageTests {
  /// Two nodes of four GPUs with eight channels: what a rank sends per loop, and each message.
  static let plans:
    [(
      NCCLTuner.Algorithm, NCCLTuner.ProtocolName, kib: Int, loops: Int, slices: Int, wire: Int
    )] =
      [
        (.tree, .ll, 64, 1, 1, 16 << 10), (.ring, .ll, 64, 1, 1, 8 << 10),
        (.ring, .ll, 256, 1, 1, 8 << 10), (.tree, .simple, 1024, 1, 1, 128 << 10),
        (.ring, .ll128, 1024, 1, 1, 18_432), (.ring, .simple, 16384, 1, 2, 128 << 10),
        (.ring, .ll128, 16384, 1, 1, 280_576), (.ring, .simple, 262_144, 2, 2, 1 << 20),
      ]

  /// The payloads that one rank's channel sends in a call.
  private struct Sends: AnySchedule.Visitor {
    let lanes: [Int]

    func visit(_ schedule: some Schedule) -> [Int] {
      var counts: [Int] = []
      for lane in lanes {
        var cursor = schedule.cursor(rank: 1, lane: lane, call: 0)
        while let operation = cursor.next() {
          if operation.actions.contains(.send) { counts.append(operation.count) }
        }
      }
      return counts
    }
  }

  @Test(arguments: plans.indices)
  func `the worked example's messages are NCCL's`(index: Int) throws {
    let row = Self.plans[index]
    var topology = Machine.flat(gpus: 4, nics: 4, kind: .mesh)
    // Near NICs, as LL128 needs them on Ampere.
    topology.node.nicPath.gpusPerSwitch = 2
    let planner = NCCLPlanner(fabric: try Fabric(topology, nodes: 2), profile: .test)
    let call = CollectiveCall(
      bytes: row.kib << 10, type: .fp32, inPlace: false, launch: .graph)
    let plan = try #require(planner.plan(for: call, algorithm: row.0, protocolName: row.1))
    let isRing = row.0 == .ring
    // A tree's second group of threads, which passes results down, is a lane of its own.
    let sends = plan.schedule.open(Sends(lanes: isRing ? [0] : [0, 1]))
    if isRing {
      // 2 (R - 1) chunks in every loop.
      #expect(sends.count == 14 * row.loops * row.slices)
    } else {
      #expect(!sends.isEmpty)
    }
    for count in sends { #expect(plan.costs.wireBytes(payload: 4 * count) == row.wire) }
  }

  @Test func `lines and warps are sent whole`() throws {
    let planner = NCCLPlanner(fabric: try Fabric(Machine.flat(), nodes: 2), profile: .test)
    let call = CollectiveCall(bytes: 8, type: .fp32, inPlace: false, launch: .graph)
    func wire(_ name: NCCLTuner.ProtocolName, _ payload: Int) -> Int {
      planner.costs(for: call, .ring, name, threads: 512).wireBytes(payload: payload)
    }
    #expect(wire(.ll, 1) == 16 && wire(.ll, 8) == 16 && wire(.ll, 4096) == 8192)
    #expect(wire(.ll128, 8) == 2048 && wire(.ll128, 1920) == 2048 && wire(.ll128, 1921) == 4096)
    #expect(wire(.ll128, 576_000) == 614_400)
    #expect(wire(.simple, 0) == 0 && wire(.simple, 7) == 7 && wire(.ll, 0) == 0)
  }
}
