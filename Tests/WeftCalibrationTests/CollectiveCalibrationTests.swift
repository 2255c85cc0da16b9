import Glibc
import Testing
import Weft
import WeftCalibration
import WeftFiles

/// Calls of a small cluster timed by simulation under a profile that is known.
private struct Cluster {
  let topology: Topology
  let nominal: Profile
  let model: CollectiveModel

  init() throws {
    let data = try DataDirectory.find(option: nil)
    topology = try data.topology("polaris").topology
    nominal = try data.nominalProfile(for: topology)
    model = CollectiveModel(topology: topology)
  }

  /// All-reduces of powers of four on two and three nodes of two GPUs.
  var samples: [CollectiveSample] {
    [2, 3].flatMap { nodes in
      stride(from: 4, through: 19, by: 3).map { power in sample(nodes: nodes, bytes: 1 << power) }
    }
  }

  func sample(nodes: Int, bytes: Int) -> CollectiveSample {
    CollectiveSample(
      algorithm: .nccl(nil, nil), version: NCCLVersion(2, 23, 4),
      layout: Layout(nodes: nodes, ranksPerNode: 2),
      call: CollectiveCall(bytes: bytes, type: .fp32, inPlace: false, launch: .eager))
  }

  /// Times under a profile, off by a few percent to and fro.
  func observations(
    under profile: Profile, noise: Double = 0.01
  ) throws -> [CollectiveCalibration.Observation] {
    let times = try model.seconds(samples, under: [profile])[0]
    return zip(samples, times).enumerated().map { index, entry in
      CollectiveCalibration.Observation(
        sample: entry.0, seconds: entry.1 * (1 + noise * Double(index * 7 % 5 - 2)))
    }
  }

  func calibrate(
    _ observations: [CollectiveCalibration.Observation],
    _ change: (inout CollectiveCalibration.Options) -> Void = { _ in }
  ) throws -> CollectiveCalibration {
    var options = CollectiveCalibration.Options()
    options.mostParameters = 4
    change(&options)
    return try CollectiveCalibration(
      observations, model: model, topology: topology, nominal: nominal, options: options)
  }
}

@Suite struct CollectiveCalibrationTests {
  private let cluster: Cluster

  init() throws { cluster = try Cluster() }

  /// All terms but two, so that a fit is quick.
  private static let others = Set(
    CalibrationTerm.all.map(\.name).filter {
      !["nccl.ll.network-latency", "nccl.proxy.ll.per-kib"].contains($0)
    })

  @Test func `costs behind simulated times are found again, and intervals hold them`() throws {
    var truth = cluster.nominal
    let latency = try #require(CalibrationTerm.named("nccl.ll.network-latency"))
    let share = try #require(CalibrationTerm.named("nccl.proxy.ll.per-kib"))
    share.apply(0.6e-6, to: &truth)
    latency.apply(6e-6, to: &truth)
    let observations = try cluster.observations(under: truth)
    let result = try cluster.calibrate(observations) { $0.held = Self.others }
    #expect(result.terms.map(\.name) == ["nccl.proxy.ll.per-kib", "nccl.ll.network-latency"])
    for (estimate, truth) in zip(result.fit.estimates, [0.6e-6, 6e-6]) {
      #expect(abs(estimate.value - truth) < 4 * estimate.standardError + 0.01 * truth)
    }
    #expect(abs(latency.value(in: result.profile) - result.fit.values[1]) < 1e-12)
    #expect(result.calibration.held.count == Self.others.count)

    var profile = result.profile
    profile.calibration = result.calibration
    let predictions = try cluster.model.predictions(observations.map(\.sample), under: profile)
    for (prediction, observation) in zip(predictions, observations) {
      let low = try #require(prediction.low)
      let high = try #require(prediction.high)
      #expect(low < observation.seconds && observation.seconds < high)
    }
    // Twice the nodes that were measured are less certain.
    let far = try cluster.model.predictions(
      [cluster.sample(nodes: 3, bytes: 1024), cluster.sample(nodes: 12, bytes: 1024)],
      under: profile)
    let widths = far.map { ($0.high ?? 0) / ($0.low ?? 1) }
    #expect(log(widths[1]) > 1.5 * log(widths[0]))
  }

  @Test func `an interval does not reach below the busiest link, nor to calls never measured`()
    throws
  {
    var profile = cluster.nominal
    let calls = [64 << 10, 8 << 20].map { cluster.sample(nodes: 2, bytes: $0) }
    profile.calibration = Calibration(
      topology: "polaris", parameters: [], correlations: [], coverageFactor: 2,
      residuals: [.init(window: .all, calls: 20, median: 1, halfWidth: 3)], sizes: 8...(64 << 20),
      nodes: 1...8)
    for prediction in try cluster.model.predictions(calls, under: profile) {
      let low = try #require(prediction.low)
      #expect(prediction.least > 0 && prediction.least < prediction.seconds)
      #expect(low == max(prediction.least, prediction.seconds * exp(-3)))
      #expect(try #require(prediction.high) > 20 * prediction.seconds)
    }
    // Two GPUs on each of two nodes: half of 8 MiB or more leaves a node by 25 GB/s at most.
    let large = try cluster.model.predictions([calls[1]], under: profile)[0]
    #expect(large.low == large.least && large.least >= 4_194_304 / 50e9)

    profile.calibration?.measured = ["broadcast by nccl:ring/simple"]
    let other = try cluster.model.predictions(calls, under: profile)
    #expect(other.allSatisfy { $0.low == nil && $0.high == nil })
    #expect(try #require(other[0].obstacle).hasPrefix("all-reduce by nccl:"))
  }

  @Test func `a poor start is not where a fit ends`() throws {
    var truth = cluster.nominal
    let latency = try #require(CalibrationTerm.named("nccl.ll.network-latency"))
    let share = try #require(CalibrationTerm.named("nccl.proxy.ll.per-kib"))
    share.apply(2e-6, to: &truth)
    latency.apply(30e-6, to: &truth)
    let result = try cluster.calibrate(try cluster.observations(under: truth)) {
      $0.held = Self.others
    }
    #expect(abs(result.fit.values[0] / 2e-6 - 1) < 0.05)
    #expect(abs(result.fit.values[1] / 30e-6 - 1) < 0.05)
    #expect(result.fit.starts > 1)
  }

  @Test func `what no call answers to, and what calls are too few for, is named and held`() throws {
    let result = try cluster.calibrate(
      try cluster.observations(under: cluster.nominal)
    ) { $0.operations = 20_000 }
    #expect(result.terms.count <= 4)
    let held = result.calibration.held
    #expect(held.first { $0.name == "nvrar.block-bandwidth" }?.reason.contains("answers") == true)
    #expect(held.contains { $0.reason.hasPrefix("there are too few calls") })
    for term in result.terms { #expect(!held.contains { $0.name == term.name }) }
  }

  @Test func `what trades with another is named and held`() throws {
    // On two nodes alone every tree has as many steps, so the start-up may as well be a step's.
    let result = try cluster.calibrate(
      try cluster.observations(under: cluster.nominal).filter { $0.sample.layout.nodes == 2 }
    ) { $0.held = Self.others.subtracting(["nccl.ll.base"]) }
    let reason = try #require(
      result.calibration.held.map(\.reason).first { $0.hasPrefix("undetermined") })
    #expect(reason.contains("trades with"))
    #expect(result.terms.count < 3)
  }

  @Test func `channels of a ring beyond the NICs are copies that share a proxy`() throws {
    // Measured with NCCL 2.21 on eight nodes: 754 and 1348 us, 1039 and 2003 us in another set-up.
    let calls = [256 << 10, 512 << 10].map { bytes in
      CollectiveSample(
        algorithm: .nccl(.ring, .ll), version: NCCLVersion(2, 21, 5),
        layout: Layout(nodes: 8, ranksPerNode: 4),
        call: CollectiveCall(bytes: bytes, type: .fp32, inPlace: false, launch: .eager))
    }
    let times = try cluster.model.seconds(calls, under: [cluster.nominal])[0]
    #expect(times[0] / times[1] > 0.45 && times[0] / times[1] < 0.65)
  }

  @Test func `suggestions say more about what is not known, best first`() throws {
    let result = try cluster.calibrate(
      try cluster.observations(under: cluster.nominal)
    ) { $0.held = Self.others }
    let candidates = [cluster.sample(nodes: 2, bytes: 64), cluster.sample(nodes: 8, bytes: 65536)]
    let suggestions = try result.suggestions(2, among: candidates, model: cluster.model)
    let first = try #require(suggestions.first)
    #expect(first.errorAfter < first.errorBefore && first.gain > 0)
    #expect(suggestions.map(\.gain) == suggestions.map(\.gain).sorted(by: >))
  }

  @Test func `calls that give no fit are refused in words`() throws {
    let observations = try cluster.observations(under: cluster.nominal)
    #expect(throws: FitError.tooFewSamples(count: 1, needed: 4)) {
      try cluster.calibrate(Array(observations.prefix(1)))
    }
    #expect(throws: FitError.equalSamples(count: 5)) {
      try cluster.calibrate(Array(repeating: observations[0], count: 5))
    }
    #expect(throws: FitError.self) { try cluster.calibrate([]) }
    #expect(throws: FitError.badTime(seconds: -1, sample: 0)) {
      var bad = observations
      bad[0].seconds = -1
      return try cluster.calibrate(bad)
    }
    #expect(throws: FitError.self) {
      try cluster.calibrate(observations) { $0.held = Set(CalibrationTerm.all.map(\.name)) }
    }
  }

  @Test(arguments: [(0.001, "shorter", "milliseconds"), (1000.0, "longer", "nanoseconds")])
  func `times in another unit are noticed`(factor: Double, problem: String, fix: String) throws {
    let observations = try cluster.observations(under: cluster.nominal).map {
      CollectiveCalibration.Observation(sample: $0.sample, seconds: $0.seconds * factor)
    }
    let error = #expect(throws: CalibrationError.self) { try cluster.calibrate(observations) }
    #expect(error?.problem.contains(problem) == true && error?.fix.contains(fix) == true)
  }

  @Test func `sizes that were divided are noticed by large messages`() throws {
    let observations = try cluster.observations(under: cluster.nominal).map { observation in
      var sample = observation.sample
      sample.call.bytes = max(8, sample.call.bytes / 1024)
      return CollectiveCalibration.Observation(
        sample: sample, seconds: observation.seconds * (sample.call.bytes > 256 ? 40 : 1))
    }
    #expect(throws: CalibrationError.self) { try cluster.calibrate(observations) }
  }
}
