import Testing

@testable import Weft

struct AnswersTests {
  private func tpot(_ request: PredictionRequest) throws -> SimDuration {
    try #require(try predict(request).first?.timing?.tpot)
  }

  @Test(arguments: [
    ("network.latency", "not 'path=change'"), ("=5%", "not 'path=change'"),
    ("network.latncy=-5%", "nearest: network.latency"), ("gpu.peak=-100%", "no change"),
    ("network.latency=5", "no unit"), ("host-costs=5 us", "percentage"),
    ("all-reduce=mpi", "use one of nccl, nvrar"), ("dtype=q4", "bf16"),
    ("launch=lazy", "graph, eager"), ("gemm.blend=2", "no ratio"),
  ])
  func `a change that makes no sense is refused`(text: String, reason: String) {
    let error = #expect(throws: WorkloadError.self) { try WhatIf(text) }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test func `changes reach the machine, the profile and the question`() throws {
    let base = try request(Llama.small(), gpus: [4])
    func changed(_ text: String) throws -> PredictionRequest {
      try WhatIf(text).applied(to: base)
    }
    #expect(try changed("network.latency=-50%").topology.network.latency == .microseconds(1))
    #expect(
      try changed("network.bandwidth=50 GB/s").topology.network.bandwidth
        == .gigabytesPerSecond(50))
    #expect(try changed("gpu.peak=+100%").topology.gpu.peak.bf16 == 624e12)
    #expect(try changed("gpu.memory=80 GiB").topology.gpu.memory == .gib(80))
    #expect(
      try changed("host.step=3 us").profile.duration(.hostStep) == .microseconds(3))
    #expect(
      try changed("kernel-floors=-10%").profile.duration(.gemmFloor) == .microseconds(0.9))
    #expect(try changed("all-reduce=nvrar").libraries == [.nvrar])
    #expect(try changed("launch=eager").engine.decodeLaunch == .eager)
    #expect(try changed("dtype=int8").weights == .int8)
    #expect(try changed("gemm.memory-efficiency=+90%").profile.ratio(.gemmMemoryEfficiency) == 1)
  }

  @Test func `every sensitivity is an improvement`() throws {
    let base = try request(Llama.middle(), gpus: [16])
    let before = try tpot(base)
    let changes = try WhatIf.sensitivities()
    #expect(changes.count == 9)
    for change in changes {
      #expect(try tpot(change.applied(to: base)) <= before, "\(change.text)")
    }
    #expect(try tpot(WhatIf("gpu.memory_bandwidth=+10%").applied(to: base)) < before)
    #expect(try tpot(WhatIf("kernel-floors=-10%").applied(to: base)) < before)
  }

  @Test func `plans cross over where their order turns`() throws {
    let rows = try predict(
      try request(Llama.middle(), plans: ["tp", "tp4xpp"], gpus: [8, 16, 32, 64], decode: 32))
    let crossovers = PredictionAnswers.crossovers(of: rows)
    func latency(_ plan: String, _ gpus: Int) -> SimDuration? {
      rows.first { $0.requested == plan && $0.gpus == gpus }?.timing?.latency
    }
    // By the two-constant timer tensor parallelism pays 5 us per rank, so it wins when small.
    let turn = try #require(crossovers.first)
    #expect(crossovers.count == 1 && turn.first == "tp" && turn.second == "tp4xpp")
    #expect(
      try #require(latency("tp", turn.before)) < (try #require(latency("tp4xpp", turn.before))))
    #expect(
      try #require(latency("tp", turn.after)) > (try #require(latency("tp4xpp", turn.after))))
  }

  @Test func `the front holds what no other row beats`() throws {
    let plans = ["tp", "tp2xpp", "tp1xpp", "tp2xdp", "tp1xdp", "tp1xpp2xdp"]
    let rows = try predict(try request(Llama.small(), plans: plans, gpus: [4, 8]))
    let front = PredictionAnswers.paretoFront(of: rows)
    func point(_ index: Int) throws -> (Double, Double) {
      let timing = try #require(rows[index].timing)
      let tpot = try #require(timing.tpot).seconds
      return (tpot, timing.tokensPerSecond / Double(rows[index].gpus))
    }
    #expect(!front.isEmpty && front.count < rows.count)
    for index in rows.indices where rows[index].fits {
      let (tpot, yield) = try point(index)
      let beaten = try front.contains { member in
        let (fast, rich) = try point(member)
        return fast <= tpot && rich >= yield
      }
      #expect(beaten, "\(rows[index].plan)")
    }
  }

  @Test func `a library is worth naming where it gains`() throws {
    let rows = try predict(
      try request(Llama.middle(), plans: ["tp"], gpus: [16], libraries: [.nccl, .nvrar]))
    let choice = try #require(PredictionAnswers.allReduceChoices(of: rows).first)
    // By the same timer NVRAR only adds copies.
    #expect(choice.best == .nccl && choice.gain > 1 && choice.plan == "tp16")
  }
}
