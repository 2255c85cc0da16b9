import Testing

@testable import Weft

struct PredictionTests {
  private func timing(_ request: PredictionRequest) throws -> Prediction.Timing {
    try #require(try predict(request).first?.timing)
  }

  @Test(arguments: ["tp", "tp4xpp", "tp2xpp", "tp8xdp2"])
  func `breakdowns sum to their phases, and phases to the latency`(plan: String) throws {
    let timing = try timing(try request(Llama.small(), plans: [plan]))
    let decode = try #require(timing.decode)
    for (ledger, time) in [(timing.prefill, timing.ttft), (decode, decode.total)] {
      #expect(CostCategory.allCases.map { ledger[$0] }.reduce(.zero, +) == time)
      #expect(CostCategory.allCases.allSatisfy { ledger[$0] >= .zero })
    }
    #expect(timing.latency == timing.ttft + 127 * decode.total)
  }

  @Test func `a step reads every weight and every key once`() throws {
    let model = try Llama.middle()
    for (plan, gpus) in [("tp", 16), ("tp", 32), ("tp4xpp", 16), ("tp4xpp", 32)] {
      let timing = try timing(try request(model, plans: [plan], gpus: [gpus]))
      // The embedding is looked up, not read; with a pipeline the stages read in turn.
      let tensor = plan == "tp" ? gpus : 4
      let matrices = model.parameters - model.vocabulary * model.hiddenSize
      let bytes = 2 * Double(matrices) / Double(tensor)
      #expect(try #require(timing.tpot).seconds >= bytes / 1555e9)
    }
  }

  @Test func `prefill takes its arithmetic`() throws {
    let model = try Llama.small()
    let timing = try timing(try request(model, gpus: [4], prompt: 2048))
    let matrices = model.parameters - 2 * model.vocabulary * model.hiddenSize
    let operations = 2 * Double(matrices) * 8 * 2048
    #expect(timing.ttft.seconds >= operations / (4 * 312e12))
    #expect(timing.prefill[.gemm].seconds >= operations / (4 * 312e12 * 0.8))
  }

  @Test func `a step on one GPU is the sum of its kernels by hand`() throws {
    let model = try ModelConfiguration(
      name: "tiny", hiddenSize: 1024, layers: 2, heads: 8, keyValueHeads: 8,
      intermediateSize: 2048, vocabulary: 1000, tiedEmbeddings: false, maxPositions: 1000)
    let timing = try timing(
      try request(model, gpus: [1], batch: 1, prompt: 255, decode: 2))
    let decode = try #require(timing.decode)
    // Four products and the head: floor 1 us, 1 us per 1024 of k, bytes over 0.8 x 1555 GB/s.
    let elements: [(n: Int, k: Int, count: Int)] = [
      (3072, 1024, 2), (1024, 1024, 2), (4096, 1024, 2), (1024, 2048, 2), (1000, 1024, 1),
    ]
    let products = elements.map { n, k, count in
      Double(count)
        * (1e-6 + Double(k) / 1024 * 1e-6 + Double(2 * (k + n * k + n)) / (0.8 * 1555e9))
    }.reduce(0, +)
    // 256 keys and values: one doubling beyond 128.
    let attention = 2 * (2e-6 + 256 * 4096 / (0.8 * 1555e9))
    // Two norms, rotary and activation per layer; embedding, final norm and sampling.
    let others = Double(2 * 4 + 3) * 1e-6
    // The whole floor of every kernel is start-up here.
    let kernels = 2 * 9 + 4
    #expect(decode[.launch] == .microseconds(Double(kernels)))
    #expect(decode[.host] == .microseconds(1))
    let expected = products + attention + others + 1e-6
    #expect(abs(decode.total.seconds / expected - 1) < 1e-5)
    #expect(decode[.allReduce] == .zero && decode[.pointToPoint] == .zero)
  }

  @Test func `a step has two all-reduces per layer of batch x hidden`() throws {
    let timing = try timing(try request(Llama.middle(), batch: 8))
    // 16 ranks: 15 x 5 us and 2 x 128 KiB at 25 GB/s, 160 times.
    let each = 75 + 2 * 131.072 / 25
    let decode = try #require(timing.decode)
    #expect(abs(decode[.allReduce].microseconds - 160 * each) < 0.1)
    #expect(decode.bottleneck == .latency)
    #expect(timing.bottleneck == .latency)
  }

  @Test func `time grows with the batch and falls with bandwidth`() throws {
    var last = SimDuration.zero
    for batch in [1, 2, 4, 8, 16, 32] {
      let tpot = try #require(try timing(try request(Llama.middle(), batch: batch)).tpot)
      #expect(tpot > last)
      last = tpot
    }
    let fast = a100Nodes(memoryBandwidth: .gigabytesPerSecond(3000))
    let quick = try timing(try request(Llama.middle(), topology: fast))
    #expect(try #require(quick.tpot) < (try #require(try timing(try request(Llama.middle())).tpot)))
  }

  @Test func `the mean over sampled steps is the mean over all`() throws {
    // 16 steps are priced one by one; of 640 one in 40.
    func tpots(prompt: Int, decode: Int) throws -> Double {
      try #require(
        try timing(try request(Llama.small(), prompt: prompt, decode: decode)).tpot
      ).seconds
    }
    let parts = try (0..<40).map { try tpots(prompt: 100 + 16 * $0, decode: 17) }
    let mean = parts.reduce(0, +) / 40
    #expect(abs(try tpots(prompt: 100, decode: 641) / mean - 1) < 1e-4)
  }

  @Test func `one token is a prefill alone`() throws {
    let timing = try timing(try request(Llama.small(), decode: 1))
    #expect(timing.tpot == nil && timing.latency == timing.ttft)
    #expect(timing.tokensPerSecond == 8 / timing.ttft.seconds)
  }

  @Test func `skinny products gain nothing from a pipeline`() throws {
    // Without collectives' cost a pipeline of four reads the weights at the pace of four GPUs.
    let tensor = try timing(try request(Llama.middle(), plans: ["tp"], gpus: [16], batch: 4))
    let hybrid = try timing(try request(Llama.middle(), plans: ["tp4xpp"], gpus: [16], batch: 4))
    let tensorGEMM = try #require(tensor.decode)[.gemm].seconds
    let decode = try #require(hybrid.decode)
    #expect(decode[.gemm].seconds + decode[.bubble].seconds > 3 * tensorGEMM)
  }

  @Test func `eager prefill of short prompts waits for the host`() throws {
    let profile = roundProfile([.launchEager: 100e-6])
    let timing = try timing(
      try request(Llama.small(), gpus: [1], batch: 1, prompt: 1, profile: profile))
    // Nine kernels in each of 32 layers, embedding, final norm, head, sampling.
    #expect(timing.ttft == .microseconds(Double(100 * (9 * 32 + 4))))
    #expect(timing.prefill[.host] > .zero)
    #expect(timing.prefill.bottleneck == .host)
  }

  @Test func `NVRAR serves decode and copies its result, prefill stays`() throws {
    let rows = try predict(try request(Llama.middle(), libraries: [.nccl, .nvrar]))
    let timings = try rows.map { try #require($0.timing) }
    #expect(rows.map(\.allReduce) == [.nccl, .nvrar])
    #expect(timings[0].prefill == timings[1].prefill)
    let decodes = try timings.map { try #require($0.decode) }
    // One copy kernel, all start-up at this profile, behind each of 160 all-reduces.
    #expect(decodes[1].total - decodes[0].total == .microseconds(160))
  }

  @Test func `a timer is asked each question once`() throws {
    var timer = CachingTimer(AlphaBetaTimer())
    _ = try request(Llama.middle(), plans: ["tp"]).predictions(timer: &timer)
    // One size in prefill, one in decode.
    #expect(timer.base.calls == 2)
  }

  @Test func `stages send what the next one needs, and tokens go back`() throws {
    var timer = RecordingTimer()
    _ = try request(Llama.small(), plans: ["tp2xpp"], gpus: [8], batch: 1, prompt: 16, decode: 2)
      .predictions(timer: &timer)
    let activations = 4096 * 2
    #expect(
      timer.sends == [
        // Four stages of two GPUs on nodes of four: the middle send leaves the node.
        .init(bytes: 16 * activations, crossesNodes: false, launch: .eager),
        .init(bytes: 16 * activations, crossesNodes: true, launch: .eager),
        .init(bytes: activations, crossesNodes: false, launch: .graph),
        .init(bytes: activations, crossesNodes: true, launch: .graph),
        .init(bytes: 8, crossesNodes: true, launch: .graph),
      ])
  }
}

/// A timer that keeps the sends it is asked about and takes no time.
private struct RecordingTimer: CollectiveTimer {
  struct Send: Hashable {
    var bytes: Int
    var crossesNodes: Bool
    var launch: StepLaunch
  }

  var sends: [Send] = []

  mutating func allReduce(
    bytes: Int, type: DataType, layout: Layout, library: AllReduceLibrary, launch: StepLaunch
  ) throws -> CollectiveTime {
    #expect(type == .bf16 && layout == Layout(nodes: 1, ranksPerNode: 2))
    return AlphaBetaTimer.time(latency: .zero, bytes: .zero)
  }

  mutating func exchange(
    _ collective: Collective, bytes: Int, layout: Layout, launch: StepLaunch
  ) throws -> CollectiveTime { AlphaBetaTimer.time(latency: .zero, bytes: .zero) }

  mutating func pointToPoint(
    bytes: Int, crossesNodes: Bool, pairs: Int, launch: StepLaunch
  ) throws -> CollectiveTime {
    #expect(pairs == 2)
    let send = Send(bytes: bytes, crossesNodes: crossesNodes, launch: launch)
    if !sends.contains(send) { sends.append(send) }
    return AlphaBetaTimer.time(latency: .zero, bytes: .zero)
  }
}
