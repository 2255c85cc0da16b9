import Testing

@testable import Weft

struct PlanSearchTests {
  /// The rows of all legal plans on one GPU count, each named.
  private func all(
    _ request: PredictionRequest, gpus: Int, timer: inout some CollectiveTimer
  ) throws -> [Prediction] {
    let machine = try GPUAllocation(gpus: gpus, of: request.topology)
    var named = request
    named.gpuCounts = [gpus]
    named.plans = try ParallelPlan.legal(for: request.model, on: machine).map {
      try PlanPattern($0.description)
    }
    return try named.predictions(timer: &timer)
  }

  private func isSame(_ row: Prediction, _ other: Prediction) -> Bool {
    row.plan == other.plan && row.gpus == other.gpus && row.allReduce == other.allReduce
      && row.timing == other.timing && row.memory == other.memory
  }

  private func expectSameFronts(
    _ request: PredictionRequest, timer: inout some CollectiveTimer
  ) throws -> [PlanSearchSummary] {
    let (narrowed, searches) = try request.narrowed(timer: &timer)
    let found = try narrowed.predictions(timer: &timer)
    for gpus in request.gpuCounts {
      let every = try all(request, gpus: gpus, timer: &timer)
      for library in request.libraries {
        let brute = every.filter { $0.allReduce == library }
        let own = found.filter { $0.allReduce == library && $0.gpus == gpus }
        let front = PredictionAnswers.paretoFront(of: own).map { own[$0] }
        let expected = PredictionAnswers.paretoFront(of: brute).map { brute[$0] }
        #expect(front.map(\.plan) == expected.map(\.plan))
        #expect(zip(front, expected).allSatisfy(isSame))
        let search = searches.first { $0.gpus == gpus && $0.allReduce == library }
        #expect(search?.fitting == brute.count(where: \.fits))
      }
    }
    return searches
  }

  /// Long prompts, so that the part of them in a step matters.
  private static let continuous = InferenceEngine(
    name: "continuous", title: "test engine", prefillLaunch: .graph,
    batching: .continuous(chunk: 64),
    head: .vocabularyParallel, hasGrids: false, overlap: 0.3)

  @Test(arguments: [staticEngine, continuous], [1, 12, 40])
  func `the front is that of pricing all plans`(engine: InferenceEngine, decode: Int) throws {
    var timer = CachingTimer(AlphaBetaTimer())
    let dense = try request(
      Llama.small(), plans: ["auto"], gpus: [4, 8], libraries: [.nccl, .nvrar], batch: 4,
      prompt: 256, decode: decode, engine: engine)
    let searches = try expectSameFronts(dense, timer: &timer)
    #expect(searches.count == 4 && searches.allSatisfy { $0.priced <= $0.fitting })
    let mixed = try request(
      Mixture.small(), plans: ["auto"], gpus: [8], batch: 4, prompt: 256, decode: decode,
      engine: engine)
    _ = try expectSameFronts(mixed, timer: &timer)
  }

  @Test func `the front is that of simulating all plans`() throws {
    let dense = try request(Llama.small(), plans: ["auto"], gpus: [16], batch: 4, decode: 32)
    var timer = CachingTimer(SimulatedTimer(topology: dense.topology, profile: dense.profile))
    let search = try #require(try expectSameFronts(dense, timer: &timer).first)
    #expect(search.ruledOut > search.fitting / 2, "\(search)")
  }

  @Test func `plans that are ruled out are not timed`() throws {
    let dense = try request(Llama.middle(), plans: ["auto"], gpus: [64])
    var narrow = CachingTimer(AlphaBetaTimer())
    _ = try dense.narrowed(timer: &narrow)
    var wide = CachingTimer(AlphaBetaTimer())
    _ = try all(dense, gpus: 64, timer: &wide)
    #expect(2 * narrow.base.calls < wide.base.calls)
  }

  @Test func `families of the front are priced on every number of GPUs`() throws {
    let rows = try predict(try request(Llama.middle(), plans: ["auto"], gpus: [8, 16, 32]))
    let families = Set(rows.map(\.family))
    for family in families {
      let fitting = rows.filter { $0.family == family }
      #expect(fitting.first?.speedup == 1 && Set(fitting.map(\.gpus)).count == fitting.count)
    }
    #expect(rows.contains { $0.speedup.map { $0 > 1 } == true })
  }

  @Test func `only engines that have grids get them`() throws {
    func plans(_ engine: InferenceEngine, _ plan: String) throws -> [Prediction] {
      try predict(try request(Llama.small(), plans: [plan], gpus: [4], engine: engine))
    }
    var none = staticEngine
    none.hasGrids = false
    let error = #expect(throws: WorkloadError.self) { try plans(none, "tp2c2") }
    #expect(error?.description.hasPrefix("tp2c2 is a grid, which static does not have") == true)
    #expect(try plans(staticEngine, "tp2c2").first?.fits == true)
    var timer = CachingTimer(AlphaBetaTimer())
    let counts = try [staticEngine, none].map {
      try request(Llama.small(), plans: ["auto"], gpus: [4], engine: $0)
        .narrowed(timer: &timer).searches[0].legal
    }
    // Without grids six ways to split four GPUs; with them tp4 has two more, and each tp2 one.
    #expect(counts == [10, 6])
  }

  @Test func `of plans that do not fit one stands for all that are served`() throws {
    for hasGrids in [true, false] {
      var engine = staticEngine
      engine.hasGrids = hasGrids
      let rows = try predict(
        try request(
          Llama.large(), plans: ["auto"], gpus: [4], libraries: [.nccl, .nvrar], engine: engine))
      for library in AllReduceLibrary.allCases {
        let own = rows.filter { $0.allReduce == library }
        #expect(own.count == 1 && own[0].reason?.hasPrefix("needs ") == true)
        #expect((hasGrids && library == .nccl) || !own[0].plan.contains("c"))
      }
    }
  }

  @Test(arguments: [1, 2, 4], [1, 2, 4])
  func `no simulated collective is faster than its least time`(nodes: Int, ranks: Int) throws {
    guard nodes * ranks > 1 else { return }
    let layout = Layout(nodes: nodes, ranksPerNode: ranks)
    var mesh = a100Nodes()
    mesh.node.scaleUp.kind = .mesh
    var narrow = a100Nodes()
    narrow.node.nics = 2
    for topology in [a100Nodes(), mesh, narrow] {
      var simulated = SimulatedTimer(topology: topology, profile: roundProfile())
      var least = LeastTimer(topology: topology)
      for bytes in [1000, 64 << 10, 3 << 20] {
        var calls: [StepCall] = [
          .exchange(.allGather, bytes: bytes, layout: layout, launch: .graph),
          .exchange(.allToAll, bytes: bytes, layout: layout, launch: .graph),
          .pointToPoint(bytes: bytes, crossesNodes: nodes > 1, pairs: 1, launch: .graph),
        ]
        calls += AllReduceLibrary.allCases.map {
          .allReduce(bytes: bytes, type: .bf16, layout: layout, library: $0, launch: .graph)
        }
        for call in calls {
          let (bound, time) = try (least.time(of: call), simulated.time(of: call))
          #expect(bound.time <= time.time, "\(call)")
        }
      }
    }
  }
}
