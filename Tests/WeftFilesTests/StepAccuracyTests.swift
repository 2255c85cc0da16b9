import Foundation
import Testing
import Weft
import WeftFiles

/// Predicted steps and serving runs against published and own measurements.
///
/// The files are read beside the repository, in `../shared/data`; without them the tests are
/// skipped.
@Suite(.enabled(if: MeasuredData.isThere, "needs ../shared/data"))
struct StepAccuracyTests {
  private static let folder = MeasuredData.folder
  private let data = DataDirectory(path: repositoryRoot)

  /// The question that measurements of a model answer, and a timer for it.
  private struct Bench {
    var request: PredictionRequest
    var timer: CachingTimer<SimulatedTimer>

    init(
      _ data: DataDirectory, model: String, topology: String, engine: String,
      weights: DataType = .bf16, profile: Profile? = nil
    ) throws {
      let machine = try data.topology(topology).topology
      let engine = try data.engine(engine)
      let profile =
        try profile ?? data.nominalProfile(for: machine).replacing(with: engine.profile)
      request = PredictionRequest(
        model: try data.model(model).model, topology: machine, profile: profile, gpuCounts: [1],
        plans: [try PlanPattern("tp")], libraries: [.nccl],
        workload: try InferenceWorkload(batch: 1, prompt: 1, decode: 2), weights: weights,
        engine: engine.engine)
      timer = CachingTimer(SimulatedTimer(topology: machine, profile: profile))
    }

    mutating func seconds(_ measurement: StepMeasurement) throws -> Double {
      request.gpuCounts = [measurement.tensor]
      request.workload = measurement.workload
      let row = try request.predictions(timer: &timer).first
      return try #require(row?.timing?.tpot).seconds
    }

    /// Relative errors in per cent.
    mutating func errors(_ measurements: [StepMeasurement]) throws -> [Double] {
      try measurements.map { 100 * (try seconds($0) / $0.time.seconds - 1) }
    }

    mutating func calibrate(on measurements: [StepMeasurement]) throws -> EngineTerms {
      let terms = try EngineTerms(fitting: measurements, of: request, timer: &timer)
      request.profile = terms.applied(to: request.profile, source: "test")
      return terms
    }
  }

  private func median(_ errors: [Double]) -> Double {
    let sorted = errors.map(abs).sorted()
    return sorted.isEmpty ? .infinity : sorted[sorted.count / 2]
  }

  private var steps: [StepMeasurement] {
    get throws {
      try StepFile(path: Self.folder + "/steps/h200-pair-llama-3.1-8b-decode.csv").measurements
    }
  }

  /// The published serving runs of a system; those that queue for memory have a TPOT too.
  private func serving(_ system: String) throws -> [StepMeasurement] {
    let path = Self.folder + "/serving/llama-3.1-70b-fp8-vllm-h100-h200.csv"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let lines = text.split(whereSeparator: \.isNewline)
    let own = lines.prefix(1) + lines.dropFirst().filter { $0.contains(",\(system),") }
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(
      "weft-serving-\(system)-\(getpid()).csv")
    try own.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    return try StepFile(path: file.path).measurements
  }

  @Test func `decode steps on one and two H200 follow from H100 kernels`() throws {
    var bench = try Bench(
      data, model: "llama-3.1-8b", topology: "h200-pair", engine: "torch-graph")
    let errors = try bench.errors(try steps)
    #expect(errors.count == 24)
    #expect(median(errors) < 20, "\(median(errors))")
  }

  @Test func `two batches correct the steps of the others to a few per cent`() throws {
    var bench = try Bench(
      data, model: "llama-3.1-8b", topology: "h200-pair", engine: "torch-graph")
    let steps = try steps
    let isSeen = { (step: StepMeasurement) in [1, 32].contains(step.workload.batch) }
    _ = try bench.calibrate(on: steps.filter(isSeen))
    let errors = try bench.errors(steps.filter { !isSeen($0) })
    #expect(errors.count == 12)
    #expect(errors.map(abs).max() ?? .infinity < 5, "\(errors)")
  }

  @Test func `half the concurrencies of H100 serving predict the other half`() throws {
    var bench = try Bench(
      data, model: "llama-3.1-70b", topology: "dgx-h100", engine: "vllm", weights: .fp8)
    let rows = try serving("h100_sxm")
    let seen = rows.filter { [4, 16, 64].contains($0.workload.batch) }
    let unseen = rows.filter { ![4, 16, 64].contains($0.workload.batch) }
    #expect(seen.count + unseen.count == 45 && unseen.count >= 18)
    let nominal = try bench.errors(unseen)
    #expect(median(nominal) < 10, "\(median(nominal))")
    _ = try bench.calibrate(on: seen)
    let errors = try bench.errors(unseen)
    #expect(median(errors) < 10, "\(median(errors))")
  }

  @Test func `H100 calibration and the H200 data sheet predict H200 serving`() throws {
    var h100 = try Bench(
      data, model: "llama-3.1-70b", topology: "dgx-h100", engine: "vllm", weights: .fp8)
    let terms = try h100.calibrate(
      on: try serving("h100_sxm").filter { [4, 16, 64].contains($0.workload.batch) })
    var h200 = try Bench(
      data, model: "llama-3.1-70b", topology: "dgx-h200", engine: "vllm", weights: .fp8)
    h200.request.profile = terms.applied(to: h200.request.profile, source: "H100")
    let rows = try serving("h200_sxm")
    let errors = try h200.errors(rows)
    #expect(errors.count == 60)
    #expect(median(errors) < 15, "\(median(errors))")

    // The ratio of tensor 2 to 8 at the same work.
    var scaling: [Double] = []
    for row in rows where row.tensor == 2 {
      guard let wide = rows.first(where: { $0.tensor == 8 && $0.workload == row.workload }) else {
        continue
      }
      let predicted = try h200.seconds(row) / h200.seconds(wide)
      scaling.append(100 * (predicted / (row.time.seconds / wide.time.seconds) - 1))
    }
    #expect(scaling.count == 15 && median(scaling) < 10, "\(median(scaling))")
  }
}

private enum MeasuredData {
  static let folder = repositoryRoot + "/../shared/data"
  static let isThere = FileManager.default.fileExists(atPath: folder + "/steps")
}
