import Testing

@testable import Weft

struct SweepTests {
  @Test func `an illegal plan is a row in a sweep and an error alone`() throws {
    let rows = try predict(
      try request(Llama.middle(), plans: ["tp", "tp4xpp"], gpus: [6, 64, 128]))
    #expect(rows.map(\.gpus) == [6, 6, 64, 64, 128, 128])
    #expect(rows.map(\.plan) == ["tp", "tp4xpp", "tp64", "tp4xpp16", "tp128", "tp4xpp32"])
    #expect(rows.map(\.nodes) == [nil, nil, 16, 16, 32, 32])
    #expect(rows.map(\.fits) == [false, false, true, true, false, true])
    #expect(rows[4].reason?.contains("nearest legal plan: tp64xpp2") == true)
    #expect(rows[4].memory == nil && rows[4].speedup == nil)
    #expect(throws: WorkloadError.self) { try predict(try request(Llama.middle(), gpus: [128])) }
  }

  @Test func `a plan that does not fit says by how much`() throws {
    let row = try #require(try predict(try request(Llama.large(), gpus: [16])).first)
    #expect(!row.fits && row.speedup == nil)
    #expect(
      row.reason
        == "needs 56.3 GiB of 40 GiB per GPU: weights 55.1, KV 0.1, activations 0.1, reserved 1")
    let memory = try #require(row.memory)
    // Sixteenths of the layers, the embedding and the head whole; key-value heads held twice.
    let whole = 2.0 * 128256 * 16384
    let layers = Double(try Llama.large().parameters) - whole
    let repeated = 126.0 * 16384 * 2 * 64
    #expect(abs(memory.weights / (2 * (layers / 16 + whole + repeated)) - 1) < 1e-3)
    #expect(abs(memory.total - (memory.gib * 1_073_741_824)) < 1)
  }

  @Test func `speedup is against the smallest machine of the family that fits`() throws {
    let rows = try predict(
      try request(
        Llama.middle(), plans: ["tp", "tp4xpp"], gpus: [2, 8, 16, 32], libraries: [.nccl, .nvrar]))
    for library in AllReduceLibrary.allCases {
      for plan in ["tp", "tp4xpp"] {
        let family = rows.filter { $0.requested == plan && $0.allReduce == library }
        let fitting = family.filter(\.fits)
        #expect(!family[0].fits && fitting.count == 3)
        #expect(fitting[0].speedup == 1 && fitting[0].efficiency == 1)
        let speedup = try #require(fitting[2].speedup)
        let ratio =
          try #require(fitting[0].timing).latency.seconds
          / (try #require(fitting[2].timing)).latency.seconds
        #expect(abs(speedup / ratio - 1) < 1e-12)
        #expect(fitting[2].efficiency == speedup / 4)
      }
    }
  }

  @Test func `replicas multiply tokens and nothing else`() throws {
    let one = try #require(try predict(try request(Llama.small(), plans: ["tp4"], gpus: [4])).first)
    let two = try #require(
      try predict(try request(Llama.small(), plans: ["tp4xdp2"], gpus: [8])).first)
    let (single, double) = (try #require(one.timing), try #require(two.timing))
    #expect(single.tpot == double.tpot && single.ttft == double.ttft)
    #expect(double.tokensPerSecond == 2 * single.tokensPerSecond)
  }

  @Test func `auto gives what fits, or the plan that needs least`() throws {
    let rows = try predict(try request(Llama.middle(), plans: ["auto"], gpus: [2, 16]))
    #expect(rows.map(\.gpus).filter { $0 == 2 }.count == 1)
    #expect(rows.first?.reason?.hasPrefix("needs ") == true)
    #expect(rows.dropFirst().allSatisfy { $0.fits && $0.requested == "auto" })
    #expect(rows.count > 2)
  }

  @Test func `what makes no sense as a whole is an error in a sweep too`() throws {
    func refusal(_ request: PredictionRequest) -> String? {
      let error = #expect(throws: WorkloadError.self) { try predict(request) }
      return error?.description
    }
    #expect(
      refusal(try request(Llama.small(), gpus: [16, 0]))
        == "0 GPUs cannot run a model; give at least 1")
    #expect(
      refusal(try request(Llama.small(), gpus: [8, 16], prompt: 131072))?.contains(
        "longer than the 131072 positions") == true)
    #expect(
      refusal(try request(Llama.small(), gpus: [8, 16], weights: .fp8))
        == "a100 has no matrix products of fp8; use one of fp32, fp16, bf16, int8")
    for counts in [(-1, 1, 1), (1, 0, 1), (1, 1, -5), (1 << 40, 1, 1)] {
      #expect(throws: WorkloadError.self) {
        try InferenceWorkload(batch: counts.0, prompt: counts.1, decode: counts.2)
      }
    }
  }

  @Test func `narrow weights take less room and time, all-reduces stay`() throws {
    let wide = try #require(try predict(try request(Llama.middle())).first)
    let narrow = try #require(try predict(try request(Llama.middle(), weights: .int8)).first)
    // The embedding, the last norm and the head stay as they are.
    let tables = 2.0 * (2 * 128256 + 1) * 8192
    let (whole, less) = (try #require(wide.memory).weights, try #require(narrow.memory).weights)
    #expect((less - tables) * 2 == whole - tables)
    let (narrowStep, wideStep) = (narrow.timing?.decode, wide.timing?.decode)
    #expect(try #require(narrowStep)[.allReduce] == (try #require(wideStep))[.allReduce])
    #expect(try #require(narrowStep)[.gemm] < (try #require(wideStep))[.gemm])
  }

  @Test func `what a library cannot serve is a reason, other failures end the sweep`() throws {
    var unable = FailingTimer(error: WorkloadError("no such rank count", fix: nil))
    let rows = try request(Llama.small(), gpus: [1, 4]).predictions(timer: &unable)
    #expect(rows.map(\.fits) == [true, false])
    #expect(rows[1].reason == "no such rank count")
    var broken = FailingTimer(error: FailingTimer.Broken())
    #expect(throws: FailingTimer.Broken.self) {
      try request(Llama.small(), gpus: [1, 4]).predictions(timer: &broken)
    }
  }
}

/// A timer that never has an answer.
private struct FailingTimer: CollectiveTimer {
  struct Broken: Error {}

  var error: any Error

  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime { throw error }

  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime { throw error }

  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime { throw error }
}
