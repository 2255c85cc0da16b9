import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct EngineFileTests {
  private let data = DataDirectory(path: repositoryRoot)
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private let sound = """
    name: mine
    title: A test
    launch: {prefill: eager, decode: graph}
    batching: {kind: continuous, chunk: 512}
    head: vocabulary-parallel
    fused_all_reduce_limit: 1 MiB
    copies_result_of: [nvrar]
    overlap: 0.25
    memory_share: 0.9
    parameters:
      host.step: {value: 1 ms, source: measured}
    """

  private func load(_ text: String) throws -> EngineFile {
    try EngineFile(path: try folder.write(text, to: "mine.yaml"))
  }

  @Test(arguments: DataDirectory(path: repositoryRoot).engineNames)
  func `a shipped engine loads and bears its file's name`(name: String) throws {
    let file = try data.engine(name)
    #expect(file.engine.name == name && !file.engine.title.isEmpty)
  }

  @Test func `five engines are shipped`() {
    #expect(data.engineNames == ["sglang", "torch-graph", "trtllm", "vllm", "yalis"])
  }

  @Test func `everything a file says is kept`() throws {
    let file = try load(sound)
    #expect(file.engine.batching == .continuous(chunk: 512))
    #expect(file.engine.prefillLaunch == .eager && file.engine.decodeLaunch == .graph)
    #expect(file.engine.head == .vocabularyParallel && file.engine.copiedLibraries == [.nvrar])
    #expect(file.engine.fusedAllReduceLimit == .mib(1))
    #expect(!file.engine.hasGrids)
    #expect(try load(sound + "\ngrids: true").engine.hasGrids)
    #expect(file.engine.overlap == 0.25 && file.engine.memoryShare == 0.9)
    #expect(file.profile.duration(.hostStep) == .microseconds(1000))
    #expect(file.profile.missing.count == Profile.Key.allCases.count - 1)
  }

  @Test(arguments: [
    ("decode: graph", "decode: grph", 3, "'grph' is not known"),
    ("kind: continuous", "kind: paged", 4, "'paged' is not known"),
    ("chunk: 512", "chunk: 0", 4, "'0' is out of range"),
    ("head: vocabulary-parallel", "head: half", 5, "'half' is not known"),
    ("1 MiB", "1", 6, "has no unit"),
    ("[nvrar]", "[mpi]", 7, "'mpi' is not known"),
    ("overlap: 0.25", "overlap: 2", 8, "'2' is out of range"),
    ("host.step", "host.stp", 11, "unknown key"),
  ])
  func `what is wrong is refused in its line`(
    right: String, wrong: String, line: Int, problem: String
  ) {
    let error = #expect(throws: InputError.self) {
      try load(sound.replacing(right, with: wrong))
    }
    #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
    #expect(error?.place == "\(folder.path)/mine.yaml:\(line)")
  }
}
