import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct ProfileFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func load(_ parameters: String, gpus: String = "[h100]") throws -> ProfileFile {
    let text = "name: mine\ntitle: A test\ngpus: \(gpus)\nparameters:\n" + parameters
    return try ProfileFile(path: try folder.write(text, to: "p.yaml"))
  }

  @Test func `values, errors and sources are kept in base units`() throws {
    let profile = try load(
      """
        launch.graph: {value: 0.8 us, standard_error: 10 ns, source: measured}
        memory.reserved: {value: 2 GiB, source: guessed}
        nvrar.block-bandwidth: {value: 8.9 GB/s, standard_error: 0 B/s, source: fitted}
      """
    ).profile
    #expect(
      profile[.launchGraph]
        == Profile.Parameter(value: 0.8e-6, standardError: 1e-8, source: "measured"))
    #expect(profile.size(.memoryReserved) == .gib(2))
    #expect(profile.bandwidth(.nvrarLane) == .gigabytesPerSecond(8.9))
    #expect(profile.missing.count == Profile.Key.allCases.count - 3)
  }

  @Test(arguments: [
    ("  launch.graf: {value: 1 us, source: s}", "unknown key 'parameters.launch.graf'"),
    (
      "  launch.graph: {value: 1 GB/s, source: s}",
      "parameters.launch.graph.value: '1 GB/s' has the unknown unit 'GB/s'"
    ),
    (
      "  launch.graph: {value: 1, source: s}",
      "parameters.launch.graph.value: '1' has no unit"
    ),
    (
      "  launch.graph: {value: 1 us}", "'parameters.launch.graph' lacks the key 'source'"
    ),
    (
      "  memory.efficiency: {value: 1.5, source: s}",
      "parameters.memory.efficiency.value: '1.5' is out of range"
    ),
    (
      "  memory.efficiency: {value: 0, source: s}",
      "parameters.memory.efficiency.value: '0' is out of range"
    ),
    (
      "  memory.efficiency: {value: 0.5, sorce: s}",
      "'parameters.memory.efficiency' lacks the key 'source'"
    ),
  ])
  func `a bad parameter is refused in its line`(parameter: String, problem: String) {
    let error = #expect(throws: InputError.self) { try load(parameter) }
    #expect(error?.problem == problem)
    #expect(error?.place == "\(folder.path)/p.yaml:5")
    #expect(error?.kind == .badContent)
  }

  @Test func `a profile of another GPU is a mismatch`() throws {
    let data = DataDirectory(path: repositoryRoot)
    let h200 = try data.topology("dgx-h200").topology
    let parameter = "  launch.graph: {value: 1 us, source: s}"
    #expect(
      try load(parameter).mismatch(with: h200)
        == "the profile 'mine' belongs to h100, not to h200")
    #expect(try load(parameter, gpus: "[h100, h200]").mismatch(with: h200) == nil)
    #expect(try load(parameter, gpus: "[]").mismatch(with: h200) == nil)
  }

  @Test func `a GPU that no profile covers is reported with what lacks`() throws {
    let data = DataDirectory(path: repositoryRoot)
    var machine = try data.topology("dgx-h200").topology
    machine.gpu.name = "x100"
    let error = #expect(throws: InputError.self) { try data.nominalProfile(for: machine) }
    #expect(error?.kind == .missing)
    #expect(error?.problem.hasPrefix("no profile for 'x100' gives launch.graph, ") == true)
  }
}
