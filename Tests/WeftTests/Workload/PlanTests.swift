import Testing

@testable import Weft

struct PlanTests {
  private func plans(
    _ text: String, gpus: Int, nodeGPUs: Int = 4, model: ModelConfiguration? = nil
  ) throws -> [String] {
    let machine = try GPUAllocation(gpus: gpus, of: a100Nodes(gpus: nodeGPUs))
    return try PlanPattern(text).plans(for: try model ?? Llama.middle(), on: machine)
      .map(\.description)
  }

  private func refusal(
    _ text: String, gpus: Int, nodeGPUs: Int = 4, model: ModelConfiguration? = nil
  ) -> String? {
    let error = #expect(throws: WorkloadError.self) {
      try plans(text, gpus: gpus, nodeGPUs: nodeGPUs, model: model)
    }
    return error?.description
  }

  @Test(arguments: [
    ("tp", 16, "tp16"), ("tp8", 8, "tp8"), ("tp4xpp4", 16, "tp4xpp4"), ("tp4xpp", 32, "tp4xpp8"),
    ("tp4xpp", 4, "tp4"), ("tp4xdp2", 8, "tp4xdp2"), ("tp8xpp2xdp2", 32, "tp8xpp2xdp2"),
    ("pp", 4, "tp1xpp4"), ("dp2xtp", 8, "tp4xdp2"), ("tp2", 2, "tp2"),
  ])
  func `a plan resolves against the number of GPUs`(text: String, gpus: Int, plan: String) throws {
    #expect(try plans(text, gpus: gpus) == [plan])
  }

  @Test func `auto is every legal plan`() throws {
    #expect(
      try plans("auto", gpus: 4) == [
        "tp4", "tp2c2", "tp1c4", "tp2xpp2", "tp1c2xpp2", "tp2xdp2", "tp1c2xdp2", "tp1xpp4",
        "tp1xpp2xdp2", "tp1xdp4",
      ]
    )
    // 128 GPUs of 80 layers: no tensor degree of one, and 64 heads leave out 128.
    let whole = try plans("auto", gpus: 128).filter { !$0.contains("dp") && !$0.contains("c") }
    #expect(
      whole == ["tp64xpp2", "tp32xpp4", "tp16xpp8", "tp8xpp16", "tp4xpp32", "tp2xpp64"])
  }

  @Test(arguments: [
    ("tp4xep4", 4, "tp4xep4"), ("tp2xdpxep", 8, "tp2xdp4xep8"), ("tp4xep", 4, "tp4xep4"),
    ("tp2xpp2xdp2xep4", 8, "tp2xpp2xdp2xep4"), ("tp4", 4, "tp4"),
  ])
  func `experts spread over ranks that are there`(text: String, gpus: Int, plan: String) throws {
    #expect(try plans(text, gpus: gpus, model: try Mixture.small()) == [plan])
  }

  @Test func `experts have to share out`() throws {
    let mixture = try Mixture.small()
    #expect(
      refusal("tp4xep3", gpus: 4, model: mixture)?.hasPrefix(
        "the 8 experts do not divide over ep3; nearest legal plan: tp4xep4") == true)
    #expect(
      refusal("tp4xep8", gpus: 4, model: mixture)?.hasPrefix(
        "ep8 neither divides tp4 nor gathers whole tensor groups of the 1 replicas") == true)
    #expect(refusal("tp4xep4", gpus: 4)?.hasPrefix("llama-3.1-70b is dense") == true)
  }

  @Test func `a grid splits heads over rows and the residual over columns`() throws {
    #expect(try plans("tp4c2", gpus: 8) == ["tp4c2"])
    #expect(refusal("tp4c2", gpus: 4)?.hasPrefix("tp4c2 takes 8 GPUs, not 4") == true)
    #expect(
      refusal("tp2c2", gpus: 4, model: try Mixture.small())?.hasPrefix("two-dimensional") == true)
    let machine = try GPUAllocation(gpus: 16, of: a100Nodes())
    let grid = ParallelPlan(tensor: 16, columns: 4)
    #expect(machine.layout(of: .rows, grid) == Layout(nodes: 1, ranksPerNode: 4))
    #expect(machine.layout(of: .columns, grid) == Layout(nodes: 4, ranksPerNode: 1))
    let wide = ParallelPlan(tensor: 16, columns: 8)
    #expect(machine.layout(of: .columns, wide) == Layout(nodes: 4, ranksPerNode: 2))
  }

  @Test func `the nearest plan fits if any does`() throws {
    let machine = try GPUAllocation(gpus: 16, of: a100Nodes())
    func refusal(_ fits: (ParallelPlan) -> Bool) -> String? {
      let error = #expect(throws: WorkloadError.self) {
        try PlanPattern("tp8").plans(for: try Llama.middle(), on: machine, fits: fits)
      }
      return error?.fix
    }
    #expect(refusal { _ in true } == "nearest legal plan: tp8xpp2")
    #expect(refusal { $0.tensor == 4 && $0.data == 1 } == "nearest legal plan: tp4xpp4")
    #expect(
      refusal { _ in false } == "nearest legal plan: tp8xpp2, which does not fit into memory")
  }

  @Test func `degrees beyond all machines are refused`() throws {
    #expect(
      refusal("tp1000000c1000000xpp1000000xdp1000000", gpus: 4)?.contains("far more than 4 GPUs")
        == true)
  }

  @Test(arguments: [
    ("", "is not a plan"), ("tp4x", "is not a plan"), ("tp-4", "is not a plan"),
    ("xp4", "is not a plan"), ("tp4pp4", "is not a plan"), ("tp4xtp2", "gives tp twice"),
    ("tpxpp", "leaves two degrees open"), ("tp0", "give a degree from"),
    ("tp99999999999999999999", "give a degree from"), ("tp4c", "is not a plan"),
    ("tpc4", "is not a plan"), ("tp4c0", "is not a plan"),
  ])
  func `a text that is no plan is refused`(text: String, reason: String) {
    let error = #expect(throws: WorkloadError.self) { try PlanPattern(text) }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test func `an illegal plan comes with its reason and the nearest legal one`() throws {
    #expect(
      refusal("tp8", gpus: 16) == "tp8 takes 8 GPUs, not 16; nearest legal plan: tp8xpp2")
    #expect(
      refusal("tp", gpus: 128)
        == "the 64 query heads do not divide over tp128; nearest legal plan: tp64xpp2")
    #expect(
      refusal("tp3xpp", gpus: 16)
        == "16 GPUs do not divide by the 3 that tp3xpp fixes; nearest legal plan: tp4xpp4")
  }

  @Test func `a tensor group divides a node or fills whole nodes`() throws {
    #expect(
      refusal("tp4xpp", gpus: 12, nodeGPUs: 6)?.hasPrefix(
        "tp4 neither divides a node of 6 GPUs nor fills whole nodes; nearest legal plan:") == true)
    #expect(try plans("tp2xpp", gpus: 12, nodeGPUs: 6) == ["tp2xpp6"])
  }

  @Test func `heads, widths and layers have to share out`() throws {
    let odd = try ModelConfiguration(
      name: "odd", hiddenSize: 96, layers: 2, heads: 24, keyValueHeads: 6, headDimension: 4,
      intermediateSize: 100, vocabulary: 10, tiedEmbeddings: false, maxPositions: 10)
    #expect(refusal("tp", gpus: 4, model: odd)?.contains("6 key-value heads neither") == true)
    #expect(ParallelPlan(tensor: 3).problem(with: odd)?.contains("MLP's width 100") == true)
    #expect(refusal("pp", gpus: 4, model: odd)?.hasPrefix("2 layers cannot fill pp4") == true)
    #expect(ParallelPlan(tensor: 2, pipeline: 2).problem(with: odd) == nil)
  }

  @Test func `GPUs are part of one node or whole nodes`() throws {
    let part = try GPUAllocation(gpus: 3, of: a100Nodes())
    #expect(part.nodes == 1 && part.gpusPerNode == 3)
    let error = #expect(throws: WorkloadError.self) { try GPUAllocation(gpus: 6, of: a100Nodes()) }
    #expect(
      error?.description == "6 GPUs are no whole number of a100x4's nodes of 4; use 4 or 8")
    #expect(throws: WorkloadError.self) { try GPUAllocation(gpus: 0, of: a100Nodes()) }
    let many = #expect(throws: WorkloadError.self) {
      try GPUAllocation(gpus: 1024, of: a100Nodes())
    }
    #expect(
      many?.description
        == "1024 GPUs are 256 nodes, but a100x4 has 64; ask for at most 256 GPUs")
    let absurd = #expect(throws: WorkloadError.self) {
      try GPUAllocation(gpus: 9_999_999_999, of: a100Nodes())
    }
    #expect(absurd?.fix == "ask for at most 256 GPUs")
  }

  @Test func `groups lie on nodes as ranks are numbered`() throws {
    let machine = try GPUAllocation(gpus: 16, of: a100Nodes())
    #expect(
      machine.layout(of: .tensor, ParallelPlan(tensor: 16)) == Layout(nodes: 4, ranksPerNode: 4))
    let pairs = ParallelPlan(tensor: 2, pipeline: 8)
    #expect(machine.layout(of: .tensor, pairs) == Layout(nodes: 1, ranksPerNode: 2))
    #expect(
      machine.stageCrossings(of: pairs) == [false, true, false, true, false, true, false])
  }

  @Test func `families join plans of one shape`() throws {
    let auto = try PlanPattern("auto")
    #expect(auto.family(of: ParallelPlan(tensor: 16)) == "tp")
    #expect(auto.family(of: ParallelPlan(tensor: 4, pipeline: 4)) == "tp4xpp")
    let own = try PlanPattern("tp4xpp")
    #expect(own.family(of: ParallelPlan(tensor: 4)) == "tp4xpp")
  }

  @Test func `auto deals experts in every way`() throws {
    let plans = try plans("auto", gpus: 4, model: try Mixture.small())
    #expect(
      plans.filter { $0.hasPrefix("tp2") } == [
        "tp2xpp2", "tp2xpp2xep2", "tp2xdp2", "tp2xdp2xep2", "tp2xdp2xep4",
      ])
  }

  @Test func `grids of one number of columns are a family`() throws {
    let auto = try PlanPattern("auto")
    #expect(auto.family(of: ParallelPlan(tensor: 16, columns: 2)) == "tpc2")
    #expect(auto.family(of: ParallelPlan(tensor: 16, columns: 2, pipeline: 4)) == "tp8c2xpp")
    #expect(auto.family(of: ParallelPlan(tensor: 4, columns: 4, data: 2)) == "tp1c4xdp")
  }

  @Test func `experts in a tensor group and over replicas are two families`() throws {
    let auto = try PlanPattern("auto")
    let whole = auto.family(of: ParallelPlan(tensor: 4, data: 2))
    let inGroup = auto.family(of: ParallelPlan(tensor: 4, data: 2, expert: 4))
    let overAll = auto.family(of: ParallelPlan(tensor: 4, data: 2, expert: 8))
    #expect([whole, inGroup, overAll] == ["tp4xdp", "tp4xdpxep4", "tp4xdpxep"])
    #expect(auto.family(of: ParallelPlan(tensor: 4, data: 4, expert: 4)) == inGroup)
    #expect(auto.family(of: ParallelPlan(tensor: 4, data: 4, expert: 16)) == overAll)
    #expect(auto.family(of: ParallelPlan(tensor: 8, expert: 8)) == "tpxep")
  }
}
