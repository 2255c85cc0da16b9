import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct CalibratedProfileTests {
  private static let calibration = Calibration(
    topology: "alps",
    parameters: [
      .init(name: "nccl.ll.network-latency", value: 3.5e-6, standardError: 0.25e-6),
      .init(name: "nccl.network-efficiency", value: 0.875, standardError: 0.0125),
    ],
    correlations: [[1, -0.25], [-0.25, 1]], coverageFactor: 1.9875,
    residuals: [.init(window: .all, calls: 30, median: 0.0625, halfWidth: 0.25)],
    sizes: 8...1024, nodes: 2...32, measured: ["all-reduce by nccl:ring/ll"],
    scope: .init(
      ranksPerNode: [2, 4], typeBits: [16], tuners: ["2.27.0"], ratesInNode: ["450 GB/s"],
      ratesBetweenNodes: ["4 x 25 GB/s"], launches: ["eager", "graph"]),
    held: [.init(name: "nccl.enqueue", reason: "it \"trades\" with\nsomething")])

  private static func written() -> CalibratedProfile {
    var profile = Profile(names: ["mine"])
    profile[.ncclRingLLNetwork] = .init(value: 5.5e-6, source: "fitted")
    profile[.ncclNetworkEfficiency] = .init(value: 0.875, source: "fitted")
    profile[.launchGraph] = .init(value: 1e-6, source: "nominal")
    var identity = CalibratedProfile.Identity(
      name: "mine", title: "A \"test\": yes", gpu: "gh200")
    identity.interconnect = "slingshot-11"
    identity.library = "nccl"
    identity.date = "2026-03-31"
    var written = CalibratedProfile(
      identity: identity, profile: profile,
      keys: [(.ncclRingLLNetwork, 0), (.ncclNetworkEfficiency, 1)], calibration: calibration,
      data: [(file: "a b.csv", rows: 30)])
    written.sample = RowSample(of: rows)
    return written
  }

  private static let rows = (0..<200).map { "row \($0)" }

  @Test func `rows are known again by a sample of them, in any order and among others`() throws {
    let folder = try TemporaryFolder()
    let file = try ProfileFile(path: try folder.write(Self.written().text, to: "p.yaml"))
    let sample = try #require(file.sample)
    #expect(sample.hashes.count == 16 && sample == RowSample(of: Self.rows.reversed()))
    #expect(sample.share(in: Self.rows + ["more"]) == 1 && sample.share(in: ["more"]) == 0)
    let half = sample.share(in: Array(Self.rows.prefix(100)))
    #expect(half > 0.1 && half < 0.9)
    #expect(RowSample(of: ["a", "b"]).share(in: ["b", "c"]) == 0.5)
  }

  @Test func `what is written is read again, the fitted keys alone`() throws {
    let folder = try TemporaryFolder()
    let file = try ProfileFile(path: try folder.write(Self.written().text, to: "p.yaml"))
    #expect(file.profile.calibration == Self.calibration)
    #expect(file.gpus == ["gh200"] && file.interconnects == ["slingshot-11"])
    #expect(file.title == "A \"test\": yes" && file.date == "2026-03-31")
    #expect(file.profile[.ncclRingLLNetwork]?.value == 5.5e-6)
    #expect(file.profile[.ncclRingLLNetwork]?.standardError == 0.25e-6)
    #expect(file.profile[.launchGraph] == nil)
    let topologies = try DataDirectory.find(option: nil)
    let alps = try topologies.topology("alps").topology
    let vista = try topologies.topology("vista").topology
    #expect(file.transfer(to: alps) == nil && file.mismatch(with: alps) == nil)
    #expect((file.mismatch(with: vista) ?? file.transfer(to: vista)) != nil)
  }

  /// Without what the fit started from, predictions with the file would not be those of the fit.
  @Test func `what a fit started from is kept`() throws {
    var written = Self.written()
    var base = Profile(names: ["base"])
    base[.ncclRingLLNetwork] = .init(value: 9e-6, source: "earlier")
    base[.launchEager] = .init(value: 7e-6, standardError: 5e-7, source: "earlier")
    written.base = base
    let folder = try TemporaryFolder()
    let file = try ProfileFile(path: try folder.write(written.text, to: "p.yaml"))
    #expect(file.profile[.ncclRingLLNetwork]?.value == 5.5e-6)
    #expect(file.profile[.launchEager] == base[.launchEager])
  }

  private static let steps = StepCalibration(
    model: "llama-3.1-8b", engine: "torch-graph", topology: "h200-pair",
    parameters: [
      .init(name: "host.step", value: 3.5e-4, standardError: 0.25e-4),
      .init(name: "step.per-collective", value: 8e-6, standardError: 5e-7),
    ],
    correlations: [[1, -0.5], [-0.5, 1]], coverageFactor: 2.25, steps: 12, median: 0.015625,
    halfWidth: 0.0625, gpus: 1...2, batches: 1...32, nodes: 2, weights: "bf16", keyValues: "fp8")

  private static func stepsWritten(_ calibration: StepCalibration) -> CalibratedProfile {
    var profile = Profile(names: ["mine"])
    profile.stepCalibration = calibration
    profile[.hostStep] = .init(value: 3.5e-4, standardError: 0.25e-4, source: "fitted")
    profile[.stepKernel] = .init(value: 0, standardError: 0, source: "fitted")
    return CalibratedProfile(
      identity: .init(name: "mine", title: "steps", gpu: "h200"), profile: profile,
      keys: [(.hostStep, 0), (.stepKernel, 0)], calibration: nil,
      data: [(file: "s.csv", rows: 12)])
  }

  @Test func `a calibration on steps is read again, one without terms too`() throws {
    let folder = try TemporaryFolder()
    var calibration = Self.steps
    for _ in 0..<2 {
      let file = try ProfileFile(
        path: try folder.write(Self.stepsWritten(calibration).text, to: "p.yaml"))
      #expect(file.profile.stepCalibration == calibration && file.profile.calibration == nil)
      #expect(file.profile[.hostStep]?.standardError == 0.25e-4)
      #expect(file.profile[.stepKernel]?.value == 0)
      calibration.parameters = []
      calibration.correlations = []
    }
  }

  @Test(arguments: [
    ("gpus: [1, 2]", "gpus: [2, 1]", "no list of a least and a largest number"),
    ("half_width: 0.0625", "half_width: -1", "out of range"),
    ("name: host.step", "name: host.stp", "there is no parameter 'host.stp'"),
    ("correlations: [-0.5]", "correlations: []", "no list of 1 numbers"),
  ])
  func `what makes no sense of steps is refused`(from: String, to: String, problem: String) throws {
    let folder = try TemporaryFolder()
    let text = Self.stepsWritten(Self.steps).text
    #expect(text.contains(from))
    let path = try folder.write(text.replacing(from, with: to, maxReplacements: 1), to: "p.yaml")
    let error = #expect(throws: InputError.self) { try ProfileFile(path: path) }
    #expect(error?.problem.contains(problem) == true, "\(String(describing: error))")
  }

  @Test(arguments: [
    ("sizes: [8, 1024]", "sizes: [8]", "no list of a least and a largest number"),
    ("sizes: [8, 1024]", "sizes: [9, 8]", "no list of a least and a largest number"),
    ("coverage_factor: 1.9875", "coverage_factor: nan", "calibration.coverage_factor"),
    ("correlations: [-0.25]", "correlations: []", "no list of 1 numbers"),
    ("correlations: [-0.25]", "correlations: [2]", "no list of 1 numbers"),
    ("ranks_per_node: [2, 4]", "ranks_per_node: [two]", "no list of whole numbers"),
    ("  ranks_per_node: [2, 4]\n", "", "at least one of these"),
    ("measured: [\"all-reduce by nccl:ring/ll\"]", "measured: []", "at least one of these"),
    ("launches: [", "launches: [] # [", "at least one of these"),
    ("fitted_rows: [\"", "fitted_rows: [\"x", "no list of hashes"),
    ("window: all", "window: some", "'some' is not known"),
    ("value: 0.875", "value: -1", "out of range"),
  ])
  func `what makes no sense is refused`(from: String, to: String, problem: String) throws {
    let folder = try TemporaryFolder()
    let text = Self.written().text
    #expect(text.contains(from))
    let path = try folder.write(text.replacing(from, with: to, maxReplacements: 1), to: "p.yaml")
    let error = #expect(throws: InputError.self) { try ProfileFile(path: path) }
    #expect(error?.problem.contains(problem) == true, "\(String(describing: error))")
  }
}
