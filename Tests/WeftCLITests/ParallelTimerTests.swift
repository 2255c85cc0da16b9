import Foundation
import TestSupport
import Testing
import Weft
import WeftFiles

@testable import WeftCLI

@Suite struct SharedTimerTests {
  private static let data = DataDirectory(
    path: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path)

  @Test(arguments: [("perlmutter", "yalis"), ("dgx-h100", "vllm")])
  func `threads that share a timer predict what one does alone`(
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
    for _ in 0..<3 {
      var shared = SharedTimer(topology: topology, profile: profile)
      let endHelp = shared.askAhead([request, request])
      defer { endHelp() }
      #expect(try request.predictions(timer: &shared).map { Record($0) } == expected)
    }
  }
}
