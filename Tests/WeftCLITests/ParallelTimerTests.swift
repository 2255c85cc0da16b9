import Foundation
import TestSupport
import Testing
import WeftFiles

@testable import Weft
@testable import WeftCLI

@Suite struct ParallelTimerTests {
  private static let data = DataDirectory(
    path: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path)

  @Test(arguments: [("perlmutter", "yalis"), ("dgx-h100", "vllm")])
  func `cores that share a sweep predict what one does alone`(
    topology: String, engine: String
  ) throws {
    let topology = try Self.data.topology(topology).topology
    let engine = try Self.data.engine(engine)
    let profile = try Self.data.nominalProfile(for: topology).adding(engine, beneath: nil)
    let request = PredictionRequest(
      model: try Self.data.model("llama-3.1-8b").model, topology: topology, profile: profile,
      gpuCounts: [4, 8, 16], plans: [try PlanPattern("auto"), try PlanPattern("tp3")],
      libraries: [.nccl, .nvrar],
      workload: try InferenceWorkload(batch: 4, prompt: 256, decode: 32), engine: engine.engine)
    var alone = CachingTimer(SimulatedTimer(topology: topology, profile: profile))
    let rows = try request.predictions(timer: &alone)
    let expected = rows.map { Record($0) }
    #expect(rows.count > 10 && rows.contains { $0.reason != nil })
    var parallel = ParallelTimer(topology: topology, profile: profile)
    #expect(try request.predictions(timer: &parallel).map { Record($0) } == expected)
  }

  @Test func `a call that cannot be served fails when it is asked for`() throws {
    let topology = try Self.data.topology("perlmutter").topology
    var timer = ParallelTimer(
      topology: topology, profile: try Self.data.nominalProfile(for: topology))
    let calls = [1, 9].map { ranks in
      StepCall.allReduce(
        bytes: 1024, type: .bf16, layout: Layout(nodes: 2, ranksPerNode: ranks), library: .nccl,
        launch: .graph)
    }
    timer.prepare(calls + calls)
    #expect(try timer.time(of: calls[0]).time > .zero)
    #expect(throws: Fabric.SizeError.self) { try timer.time(of: calls[1]) }
  }

  /// The bound that a search rests on, where switches add up and NICs are shared out.
  @Test(arguments: ["perlmutter", "dgx-h100", "gb200-nvl72", "vista"], [1, 2, 3])
  func `no simulated collective is faster than its least time`(name: String, nodes: Int) throws {
    let topology = try Self.data.topology(name).topology
    var simulated = SimulatedTimer(
      topology: topology, profile: try Self.data.nominalProfile(for: topology))
    var least = LeastTimer(topology: topology)
    for ranks in [1, 2, 3, min(8, topology.node.gpus)]
    where nodes * ranks > 1 && ranks <= topology.node.gpus {
      let layout = Layout(nodes: nodes, ranksPerNode: ranks)
      for bytes in [512, 100_000, 2_000_000] {
        let calls: [StepCall] = [
          .allReduce(bytes: bytes, type: .bf16, layout: layout, library: .nccl, launch: .eager),
          .allReduce(bytes: bytes, type: .bf16, layout: layout, library: .nvrar, launch: .graph),
          .exchange(.allGather, bytes: bytes, layout: layout, launch: .graph),
          .exchange(.allToAll, bytes: bytes, layout: layout, launch: .graph),
        ]
        for call in calls {
          let (bound, time) = try (least.time(of: call), simulated.time(of: call))
          #expect(bound.time <= time.time, "\(call)")
        }
      }
    }
  }
}
