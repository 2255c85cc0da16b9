import Foundation
import TestSupport
import Testing

/// `weft calibrate` on decode steps and serving runs of which some are not what the others are.
@Suite struct StepRowsTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The JSON of a calibration on rows, and what it warned of.
  private func calibrated(
    _ rows: [String], _ more: String
  ) throws -> (root: [String: Any], errors: String) {
    let path = try folder.write(rows.joined(separator: "\n") + "\n", to: "rows.csv")
    let line = "calibrate --measurements \(path) --format json " + more
    let outcome = try WeftProcess(line.split(separator: " ").map(String.init))
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return (try #require(root as? [String: Any]), outcome.errors)
  }

  private static let steps = "--topology h200-pair --engine torch-graph"

  /// The shipped decode steps on two H200, with their header.
  private func steps() throws -> [String] {
    try String(
      contentsOfFile: Self.root + "/traces/steps/h200-pair-llama-3.1-8b-decode.csv",
      encoding: .utf8
    ).split(separator: "\n").map(String.init).filter {
      $0.hasPrefix("what") || $0.contains("decode_step")
    }
  }

  private func value(_ root: [String: Any], _ name: String) throws -> Double {
    let results = try #require(root["results"] as? [[String: Any]])
    return try #require(results.first { $0["parameter"] as? String == name }?["value"] as? Double)
  }

  private func warnings(_ root: [String: Any]) throws -> [String] {
    try #require(root["warnings"] as? [String])
  }

  private func unusable(_ root: [String: Any]) throws -> [(line: Int?, reason: String)] {
    try #require(root["unusable"] as? [[String: Any]]).map {
      ($0["line"] as? Int, $0["reason"] as? String ?? "")
    }
  }

  @Test(arguments: [0.1, 10]) func `one bad run is named with its line, and moves nothing`(
    factor: Double
  ) throws {
    var rows = try steps()
    let column = try #require(
      rows[0].split(separator: ",").firstIndex { $0 == "time_us" })
    let without = try calibrated(Array(rows[..<5] + rows[6...]), Self.steps).root
    var cells = rows[5].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    cells[column] = "\(factor * (Double(cells[column]) ?? 0))"
    rows[5] = cells.joined(separator: ",")
    let (root, errors) = try calibrated(rows, Self.steps)
    let words = "times as " + (factor > 1 ? "long" : "short")
    #expect(errors.contains("left out of the fit: \(folder.path)/rows.csv:6: measured "))
    #expect(errors.contains(words), "\(errors)")
    #expect(try warnings(root).contains { $0.contains("rows.csv:6") && $0.contains(words) })
    let outliers = try #require(root["outliers"] as? [[String: Any]])
    #expect(outliers.map { $0["line"] as? Int } == [6])
    for name in ["host.step", "step.per-collective"] {
      #expect(try value(root, name) == value(without, name))
    }
  }

  @Test func `a fit without terms is warned of, there too`() throws {
    var rows = ["model,tp,batch,context_or_bytes,time_us"]
    for batch in [1, 8, 32] { rows.append("llama-3.1-8b,1,\(batch),1024,1500") }
    let (root, errors) = try calibrated(rows, Self.steps + " --launch graph --pool")
    #expect(errors.contains("warning: no term makes the rows fit better"), "\(errors)")
    #expect(try warnings(root).contains { $0.hasPrefix("no term makes the rows fit better") })
    #expect(errors.contains("--launch changes nothing for measured decode steps"))
    #expect(errors.contains("--pool changes nothing: the rows are of one system"))
  }

  @Test func `runs of another precision or on impossible GPUs are left out of the rest`() throws {
    let header = "precision,tensor_parallel,concurrency,prompt_tokens,output_tokens,tpot_ms"
    let sound = [(1, 4), (1, 16), (2, 4), (2, 16), (4, 8)].map {
      "bf16,\($0.0),\($0.1),1024,16,\(8 / Double($0.0) + 0.05 * Double($0.1))"
    }
    let bad = [
      "fp8,1,4,1024,16,5", "bf16,0,4,1024,16,5", "bf16,3,4,1024,16,5", "bf16,4096,4,1024,16,5",
      "bf16,2,1.5,1024,16,5", "bf16,1,20000,1024,16,90",
    ]
    let more = "--topology dgx-h100 --model llama-3.1-8b --engine vllm"
    let clean = try calibrated([header] + sound, more).root
    let (root, _) = try calibrated([header] + sound + bad, more)
    let left = try unusable(root)
    #expect(left.map { $0.line ?? 0 }.sorted() == [7, 8, 9, 10, 11, 12], "\(left)")
    #expect(
      left.contains { $0.line == 7 && $0.reason.contains("precision is fp8, of the others bf16") })
    #expect(left.contains { $0.line == 12 && $0.reason.hasPrefix("memory holds ") })
    #expect(left.contains { $0.line == 9 && $0.reason.contains("over tp3") })
    for name in ["host.step", "host.per-sequence"] {
      #expect(try value(root, name) == value(clean, name))
    }
    let measured =
      "predict --topology dgx-h100 --model llama-3.1-8b --engine vllm --gpus 2 "
      + "--measured \(folder.path)/rows.csv"
    let predicted = try WeftProcess(measured.split(separator: " ").map(String.init))
    #expect(predicted.errors.contains("rows.csv:7: its precision is fp8"), "\(predicted.errors)")
    #expect(predicted.errors.contains("rows.csv:9: the 32 query heads"), "\(predicted.errors)")
    #expect(predicted.output.contains("rows.csv: 5 steps give host.step"))
  }

  @Test func `rows that are hardly more than terms are warned of`() throws {
    let rows = Array(try steps().prefix(3))
    let (root, errors) = try calibrated(rows, Self.steps)
    #expect(errors.contains("a bad run could not be told from the others"), "\(errors)")
    #expect(try warnings(root).contains { $0.hasPrefix("2 different steps for") })
    #expect(try calibrated(try steps(), Self.steps).errors.isEmpty)
  }

  @Test func `repeats of one step give no interval`() throws {
    let all = try steps()
    let (root, _) = try calibrated([all[0]] + Array(repeating: all[1], count: 9), Self.steps)
    #expect(
      try warnings(root).contains {
        $0.hasPrefix("1 different steps for 1 terms") && $0.contains("bear no interval")
      })
  }

  @Test(arguments: [(1e3, "microseconds"), (1e-3, "seconds")])
  func `serving runs in another unit than milliseconds are told as such`(
    factor: Double, unit: String
  ) throws {
    let header = "tensor_parallel,concurrency,prompt_tokens,output_tokens,tpot_ms\n"
    let path = try folder.write(header + "1,4,1024,16,\(8 * factor)\n", to: "unit.csv")
    let line =
      " --topology dgx-h100 --model llama-3.1-8b --engine vllm --measurements \(path)"
    for command in ["calibrate", "validate"] {
      let outcome = try WeftProcess((command + line).split(separator: " ").map(String.init))
      #expect(
        outcome.errors.contains("these look like \(unit), where milliseconds are meant"),
        "\(outcome.errors)")
    }
  }

  @Test func `steps give other models and libraries no interval`() throws {
    let profile = folder.path + "/p.yaml"
    _ = try calibrated(try steps(), Self.steps + " -o \(profile)")
    for (flags, reason) in [
      ("--model llama-3.1-8b --engine torch-graph --all-reduce nvrar", "all-reduces by nvrar"),
      ("--model mistral-7b-v0.3 --engine torch-graph", "steps of mistral-7b-v0.3"),
      ("--model llama-3.1-8b --engine vllm", "steps under vllm"),
      ("--model llama-3.1-8b --engine torch-graph --dtype fp8", "weights of fp8"),
    ] {
      let line =
        "predict --topology h200-pair --gpus 2 --decode 16 --format json --profile "
        + "\(profile) " + flags
      let outcome = try WeftProcess(line.split(separator: " ").map(String.init))
      #expect(outcome.errors.contains("warning: no interval for \(reason): the profile was"))
      let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      let rows = try #require((root as? [String: Any])?["results"] as? [[String: Any]])
      #expect(rows[0]["tpot_low_ms"] is NSNull, "\(outcome.errors)")
      #expect((rows[0]["no_interval"] as? String)?.hasPrefix(reason) == true)
    }
    let file = try folder.write(
      "model,tp,batch,context_or_bytes,time_us\nmistral-7b-v0.3,1,1,128,4800\n", to: "other.csv")
    let line = "validate \(Self.steps) --measurements \(file) --profile \(profile)"
    let outcome = try WeftProcess(line.split(separator: " ").map(String.init))
    #expect(
      outcome.output.contains("# no interval for steps of mistral-7b-v0.3: the profile was"),
      "\(outcome.output) \(outcome.errors)")
  }

  @Test(arguments: [("", "blank"), ("mistral-7b-v0.3", "'mistral-7b-v0.3'")])
  func `a row without the others' model is told by its line`(cell: String, text: String) throws {
    var rows = try steps()
    rows[3] = rows[3].replacing("llama-3.1-8b", with: cell)
    let path = try folder.write(rows.joined(separator: "\n") + "\n", to: "rows.csv")
    func run(_ more: String) throws -> WeftProcess {
      try WeftProcess(
        "calibrate --measurements \(path) \(Self.steps) \(more)".split(separator: " ").map(
          String.init))
    }
    let refused = try run("")
    #expect(refused.status == 64 && refused.output.isEmpty)
    #expect(
      refused.errors.contains(
        "the rows' model is not one: 'llama-3.1-8b' (\(path):2), \(text) (\(path):4)"),
      "\(refused.errors)")
    for more in ["--model llama-3.1-8b", "--where model=llama-3.1-8b"] {
      #expect(try run(more).status == 0)
    }
    let warned = try run("--model llama-3.1-8b").errors
    #expect(warned.contains("\(path):4: rows have the model mistral-7b-v0.3") == !cell.isEmpty)
  }

  @Test func `precisions that are as common are told by their lines`() throws {
    let path = try folder.write(
      "precision,tensor_parallel,concurrency,prompt_tokens,output_tokens,tpot_ms\n"
        + "bf16,1,4,1024,16,8\nfp8,1,4,1024,16,5\n", to: "rows.csv")
    let line = "calibrate --topology dgx-h100 --model llama-3.1-8b --engine vllm --measurements "
    let outcome = try WeftProcess((line + path).split(separator: " ").map(String.init))
    #expect(outcome.status == 64)
    #expect(
      outcome.errors.contains("precision 'bf16' (\(path):2) as 'fp8' (\(path):3)"),
      "\(outcome.errors)")
  }
}
