import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct StepFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(_ text: String) throws -> StepFile {
    try StepFile(path: try folder.write(text, to: "steps.csv"))
  }

  @Test func `decode steps and serving runs are read, other rows are named`() throws {
    let steps = try load(
      """
      what,model,tp,batch,context_or_bytes,time_us
      decode_step,m,2,8,1024,4117.04
      all_reduce_x100,m,2,8,65536,1705.9
      """)
    #expect(
      steps.rows.map(\.measurement) == [
        StepMeasurement(
          tensor: 2, workload: try InferenceWorkload(batch: 8, prompt: 1023, decode: 2),
          time: .microseconds(4117.04))
      ])
    #expect(steps.rows[0].line == 2 && steps.rows[0].cells["model"] == "m")
    #expect(
      steps.unusable == [
        UnusableRow(
          file: folder.path + "/steps.csv", line: 3, reason: "'all_reduce_x100' is no decode step")
      ])
    let serving = try load(
      "tpot_ms,tensor_parallel,concurrency,prompt_tokens,output_tokens\n12.5,4.0,16.0,1024,8192\n")
    #expect(
      serving.rows.map(\.measurement) == [
        StepMeasurement(
          tensor: 4, workload: try InferenceWorkload(batch: 16, prompt: 1024, decode: 8192),
          time: .microseconds(12500))
      ])
  }

  @Test(arguments: [
    ("a,b\n1,2\n", 1, "the columns are not those"),
    ("tp,batch,context_or_bytes,time_us\n2,x,128,5\n", 2, "batch: 'x' is no number above zero"),
    (
      "tp,batch,context_or_bytes,time_us\n2,1,128,-5\n", 2,
      "time_us '-5' is not a time above zero and below 1e10 us"
    ),
    (
      "tp,batch,context_or_bytes,time_us\n2,1,128,1e10\n", 2,
      "time_us '1e10' is not a time above zero and below 1e10 us"
    ),
    ("tp,batch,context_or_bytes,time_us\n2,1,128,4,5\n", 2, "the row has 5 cells, the header 4"),
    ("tp,batch,context_or_bytes,time_us\n2,1\n", 2, "context_or_bytes: '' is no number above zero"),
  ])
  func `a bad row is refused in its line`(text: String, line: Int, problem: String) {
    let error = #expect(throws: InputError.self) { try load(text) }
    #expect(error?.problem.hasPrefix(problem) == true, "\(error?.problem ?? "")")
    #expect(error?.place == "\(folder.path)/steps.csv:\(line)")
  }

  @Test(arguments: [
    ("8,1.5,1024,8192,12.5", "concurrency: '1.5' is no whole number"),
    ("0,16,1024,8192,12.5", "tensor_parallel: '0' is no number above zero"),
    ("2.5,16,1024,8192,12.5", "tensor_parallel: '2.5' is no whole number"),
    ("8,16,1024,8192,nan", "tpot_ms 'nan' is not a time above zero and below 1e7 ms"),
    ("8,16,1024,8192,1e7", "tpot_ms '1e7' is not a time above zero and below 1e7 ms"),
    ("8,16,1024", "output_tokens: '' is no number above zero"),
  ])
  func `a bad row is left out of the others`(row: String, reason: String) throws {
    let header = "tensor_parallel,concurrency,prompt_tokens,output_tokens,tpot_ms\n"
    let file = try load(header + "8,16,1024,8192,12.5\n" + row + "\n")
    #expect(file.rows.map(\.line) == [2] && file.rows[0].isServing)
    #expect(file.unusable.map(\.line) == [3] && file.unusable.map(\.reason) == [reason])
    let error = #expect(throws: InputError.self) { try load(header + row + "\n") }
    #expect(error?.place == "\(folder.path)/steps.csv:2" && error?.problem == reason)
  }

  @Test func `lacking columns are named with what the header has`() throws {
    let error = #expect(throws: InputError.self) {
      try load("tensor_parallel,concurrency,prompt_tokens,tokens,tpot\n1,1,1,1,1\n")
    }
    #expect(
      error?.problem
        == "the file has times of a serving engine, but the header lacks the columns "
        + "'output_tokens', 'tpot_ms'; it has tensor_parallel,concurrency,prompt_tokens,tokens,tpot"
    )
    #expect(error?.fix?.hasPrefix("give the columns tensor_parallel,concurrency,") == true)
  }

  @Test func `files of steps are told by their header`() throws {
    let steps = try folder.write("tp,batch,context_or_bytes,time_us,what\n", to: "s.csv")
    let calls = try folder.write("size_bytes,time_us\n8,1\n", to: "c.csv")
    #expect(StepFile.isStepFile(steps) && !StepFile.isStepFile(calls))
    let other = try folder.write(
      "tp,batch,context_or_bytes,time_ms\n1,1,128,4.8\n", to: "ms.csv")
    #expect(StepFile.isStepFile(other))
    let error = #expect(throws: InputError.self) { try StepFile(path: other) }
    #expect(
      error?.fix
        == "'time_ms' is of milliseconds: multiply its times by 1000 and name the column time_us")
    #expect(!StepFile.isStepFile(folder.path + "/none.csv"))
  }

  @Test func `the shipped study names machines, models and claims`() throws {
    let data = DataDirectory(path: repositoryRoot)
    let study = try data.study("nvrar-paper")
    #expect(study.machines.map(\.topology) == ["perlmutter", "vista"])
    #expect(study.gpus == [8, 16, 32, 64, 128] && study.headlines.count == 7)
    for machine in study.machines { _ = try data.topology(machine.topology) }
    for model in study.models { _ = try data.model(model) }
    let names = study.workloads.map(\.name)
    for headline in study.headlines {
      switch headline.kind {
      case .allReduceGain(let topology, _):
        #expect(study.machines.contains { $0.topology == topology })
      case .latencyGain(_, let model, let workload, _, _):
        #expect(study.models.contains(model) && names.contains(workload))
      case .order(let workload, _), .allReduceBinds(let workload):
        #expect(names.contains(workload))
      }
    }
    let error = #expect(throws: InputError.self) { try data.study("nvrar") }
    #expect(error?.kind == .missing)
  }

  @Test(arguments: [
    ("kind: headlines", "kind: sweep", "'sweep' is no study of predictions"),
    ("[8]", "[none]", "'none' is not a number of GPUs"),
    ("faster: tensor", "faster: both", "'both' is not known"),
    ("kind: order", "kind: rank", "'rank' is not known"),
    ("batch: 8", "batch: 0", "'0' is out of range"),
  ])
  func `a bad study is refused`(right: String, wrong: String, problem: String) throws {
    let sound = """
      kind: headlines
      name: mine
      title: A test
      engine: yalis
      gpus: [8]
      models: [m]
      all_reduce: [nccl]
      machines: [{topology: t, hybrid: tp4xpp}]
      workloads: [{name: w, batch: 8, prompt: 1, decode: 2}]
      headlines: [{claim: c, kind: order, workload: w, faster: tensor}]
      """
    _ = try HeadlineStudyFile(path: try folder.write(sound, to: "study.yaml"))
    let error = #expect(throws: InputError.self) {
      try HeadlineStudyFile(
        path: try folder.write(sound.replacing(right, with: wrong), to: "study.yaml"))
    }
    #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
  }
}
