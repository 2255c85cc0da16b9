import Foundation
import TestSupport
import Testing

/// `weft calibrate` and `weft validate` on decode steps and serving runs, as docs/accuracy.md has them.
@Suite struct StepCommandTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  private static let serving =
    "--measurements \(root)/traces/serving/llama-3.1-70b-fp8-vllm-h100-h200.csv"
  private static let steps =
    "--topology h200-pair --engine torch-graph --measurements "
    + "\(root)/traces/steps/h200-pair-llama-3.1-8b-decode.csv"

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func weft(_ line: String) throws -> WeftProcess {
    try WeftProcess(line.split(separator: " ").map(String.init))
  }

  /// The JSON of a validation.
  private func validated(_ line: String) throws -> [String: Any] {
    let outcome = try weft("validate " + line + " --format json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require(root as? [String: Any])
  }

  private func overall(_ root: [String: Any], _ figure: String) throws -> Double {
    try #require((root["overall"] as? [String: Any])?[figure] as? Double)
  }

  private func calibrate(_ line: String) throws -> String {
    let profile = folder.path + "/mine.yaml"
    let outcome = try weft("calibrate " + line + " -o " + profile)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return profile
  }

  /// Of prompts of 1024 tokens: the collectives of longer ones take long to simulate without
  /// optimisation.
  @Test func `half the concurrencies on H100 predict the other half, and H200`() throws {
    let short = Self.serving + " --where prompt_tokens=1024"
    let h100 = "--topology dgx-h100 \(short) --where system=h100"
    let profile = try calibrate(h100 + " --where concurrency=4|16|64")
    let other = try validated(h100 + " --where concurrency=8|32 --rows --profile " + profile)
    #expect(try overall(other, "rows") == 12)
    #expect(try overall(other, "median_abs_pct") < 10)
    #expect(try overall(other, "coverage_95_pct") > 80)
    let rows = try #require(other["rows"] as? [[String: Any]])
    #expect(rows.allSatisfy { [8, 32].contains($0["batch"] as? Int) })

    let h200 = try validated(
      "--topology dgx-h200 \(short) --where system=h200 --profile \(profile)")
    #expect(try overall(h200, "rows") == 40)
    #expect(try overall(h200, "median_abs_pct") < 15)
    let scaling = try #require(h200["scaling"] as? [[String: Any]])
    #expect(scaling.map { $0["from"] as? Int } == [1, 2, 4])
    #expect(scaling[1]["to"] as? Int == 8 && scaling[1]["pairs"] as? Int == 10)
    #expect(try #require(scaling[1]["median_abs_pct"] as? Double) < 10)
  }

  @Test func `steps on H200 follow from H100 kernels, and from two batches to a few per cent`()
    throws
  {
    let nominal = try validated(Self.steps)
    #expect(try overall(nominal, "rows") == 24)
    #expect(try overall(nominal, "median_abs_pct") < 20)
    #expect((nominal["unusable"] as? [Any])?.count == 28)
    #expect((nominal["overall"] as? [String: Any])?["coverage_95_pct"] is NSNull)
    let profile = try calibrate(Self.steps + " --where batch=1|32")
    let rest = try validated(Self.steps + " --where batch=8|64 --profile " + profile)
    #expect(try overall(rest, "rows") == 12)
    #expect(try overall(rest, "p95_abs_pct") < 5)
  }

  @Test func `folds predict every batch from the others`() throws {
    let outcome = try weft("validate \(Self.steps) --folds 2 --max-error 10")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("# fold 1 of 2: fitted to 12 rows, batches 8, 64"))
    #expect(outcome.output.contains("# fold 2 of 2: fitted to 12 rows, batches 1, 32"))
    #expect(outcome.output.contains("# overall: 24 rows, median error "))
    #expect(try weft("validate \(Self.steps) --max-error 0.01").status == 1)
  }

  @Test func `a profile of steps gives predictions an interval`() throws {
    let profile = try calibrate(Self.steps)
    let outcome = try weft(
      "predict --model llama-3.1-8b --topology h200-pair --gpus 2 --batch 8 --engine torch-graph "
        + "--format json --profile " + profile)
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    let row = try #require((root?["results"] as? [[String: Any]])?.first)
    let bounds = try ["tpot_low_ms", "tpot_ms", "tpot_high_ms"].map {
      try #require(row[$0] as? Double, "\($0)")
    }
    #expect(bounds[0] < bounds[1] && bounds[1] < bounds[2] && bounds[2] < 1.2 * bounds[0])
    let table = try weft(
      "predict --model llama-3.1-8b --topology h200-pair --gpus 2 --batch 8 --engine torch-graph "
        + "--profile " + profile)
    #expect(table.output.contains("tpot_ms  tpot_low_ms  tpot_high_ms"), "\(table.output)")
  }

  @Test func `terms of steps can be held, and what steps have no use for is told`() throws {
    let outcome = try weft(
      "calibrate \(Self.steps) --hold host.step --hold nccl.ll.base --suggest --max-parameters 2")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("held at nominal, as asked for: host.step"))
    for flag in ["--suggest", "--max-parameters", "--hold nccl.ll.base"] {
      #expect(outcome.errors.contains("\(flag) changes nothing for measured decode steps"))
    }
    #expect(!outcome.errors.contains("--hold host.step"))
  }

  @Test func `an output that is the file of steps is refused`() throws {
    let file = try folder.write("model,tp,batch,context_or_bytes,time_us\n", to: "steps.csv")
    let outcome = try weft(
      "predict --model llama-3.1-8b --topology h200-pair --gpus 2 --measured \(file) -o \(file)")
    #expect(outcome.status == 64 && outcome.errors.contains("is the input"), "\(outcome.errors)")
  }

  @Test func `a time that is no number is told as one`() throws {
    let file = try folder.write(
      "model,tp,batch,context_or_bytes,time_us\nllama-3.1-8b,1,1,128,nan\n", to: "nan.csv")
    let outcome = try weft(
      "calibrate --topology h200-pair --engine torch-graph --measurements \(file)")
    #expect(outcome.status == 65)
    #expect(outcome.errors.contains("nan.csv:2: time_us 'nan' is not a time above zero"))
    #expect(outcome.errors.contains("write the time as a number"))
  }

  @Test(arguments: [
    ("calibrate --topology dgx-h100 \(serving)", 65, "rows are of 2 systems"),
    (
      "validate --topology h200-pair \(serving.replacing("serving/", with: "none/"))", 66, "no such"
    ),
    (
      "validate \(steps.replacing("--engine torch-graph", with: ""))", 64,
      "--engine is missing, and the rows' backend is not given"
    ),
    ("validate \(steps) --folds 2 --folds-by nodes", 64, "folds of steps are made of batches"),
    ("validate \(steps) --where batch=7", 64, "no row has '7' in batch"),
    ("calibrate \(steps) --model llama-3.1-405b", 64, "1 GPUs cannot be predicted: needs"),
    (
      "validate \(steps) \(root)/traces/nccl/h100-sxm-nccl-2.27.3.csv", 64,
      "has no decode steps, other files do"
    ),
    (
      "validate --topology dgx-h100 --model llama-3.1-8b --measurements "
        + "\(root)/traces/nccl/h100-sxm-nccl-2.27.3.csv", 64, "hold no decode steps"
    ),
  ])
  func `what cannot be compared is refused`(line: String, status: Int32, problem: String) throws {
    let outcome = try weft(line)
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(outcome.errors.contains(problem), "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
  }

  @Test func `times of another unit are refused`() throws {
    let file = try folder.write(
      "model,tp,batch,context_or_bytes,time_us\nllama-3.1-8b,1,1,128,4.85\n", to: "ms.csv")
    let outcome = try weft(
      "calibrate --topology h200-pair --engine torch-graph --measurements \(file)")
    #expect(outcome.status == 65 && outcome.errors.contains("times shorter than predicted ones"))
    #expect(outcome.errors.contains("check the unit"))
  }

  @Test func `rows of another type, engine or GPU are named`() throws {
    let outcome = try weft(
      "validate --topology dgx-h100 --engine sglang --dtype bf16 \(Self.serving) "
        + "--where concurrency=4 --where prompt_tokens=1024")
    #expect(outcome.status == 0)
    for warning in ["system h200_sxm", "backend vllm", "precision fp8"] {
      #expect(outcome.errors.contains("rows have the " + warning), "\(outcome.errors)")
    }
  }
}
