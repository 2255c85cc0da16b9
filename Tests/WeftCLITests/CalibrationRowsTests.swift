import Foundation
import TestSupport
import Testing

/// `weft calibrate` on rows of traces/nccl: which terms they determine, and what is said of the fit.
@Suite struct CalibrationRowsTests {
  private static let measured =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
    + "/traces/nccl/h100-sxm-nccl-2.27.3.csv"

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  /// The rows of all-reduce of half on eight H100, with their lines, up to a size in bytes.
  private func rows(upTo most: Int) throws -> [String] {
    try String(contentsOfFile: Self.measured, encoding: .utf8).split(separator: "\n").filter {
      let cells = $0.split(separator: ",", omittingEmptySubsequences: false)
      return cells[0] == "system"
        || cells[4] == "8" && cells[8] == "all-reduce"
          && cells[11] == "half" && Int(cells[13]) ?? 0 <= most
    }.map(String.init)
  }

  private func calibration(_ rows: [String], _ more: String = "") throws -> (
    root: [String: Any], errors: String
  ) {
    let path = try folder.write(rows.joined(separator: "\n") + "\n", to: "rows.csv")
    let outcome = try weft(
      "calibrate --topology dgx-h100 --measurements \(path) --format json" + more)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return (try #require(root as? [String: Any]), outcome.errors)
  }

  private func medianError(_ root: [String: Any]) throws -> Double {
    let windows = try #require(root["residuals"] as? [[String: Any]])
    let all = try #require(windows.first { $0["window"] as? String == "all" })
    return try #require(all["median_pct"] as? Double)
  }

  private func values(_ root: [String: Any]) throws -> [String: Double] {
    var values: [String: Double] = [:]
    for entry in try #require(root["results"] as? [[String: Any]]) {
      values[try #require(entry["parameter"] as? String)] = entry["value"] as? Double
    }
    return values
  }

  @Test(arguments: [4096, 16384, 65536]) func `more rows do not fit worse`(most: Int) throws {
    let (root, errors) = try calibration(try rows(upTo: most))
    #expect(try medianError(root) < 1.5)
    let base = try #require(try values(root)["nccl.ll.base"])
    #expect(base > 4 && base < 4.7, "\(base)")
    #expect(!errors.contains("hardly better"))
  }

  @Test func `a fit that ends at a bound, no better than nominal, says so`() throws {
    let (root, errors) = try calibration(
      try rows(upTo: 16384), " --hold nccl.ll.base --hold nccl.ll.channel-bandwidth")
    #expect(errors.contains("nccl.ll.scale-up-latency ended at its bound of 0 us"))
    #expect(errors.contains("hardly better than nominal"))
    #expect(root["at_bounds"] as? [String] == ["nccl.ll.scale-up-latency"])
    // The figures are those of the tables.
    func median(_ command: String, _ line: String) throws -> Substring {
      let outcome = try weft(
        "\(command) --topology dgx-h100 --measurements \(folder.path)/rows.csv")
      let text = try #require(outcome.output.split(separator: "\n").first { $0.contains(line) })
      return try #require(text.split(separator: " median error ").last?.split(separator: ",").first)
    }
    let held = "--hold nccl.ll.base --hold nccl.ll.channel-bandwidth"
    let (fitted, nominal) = (
      try median("calibrate \(held)", "# fitted, all:"), try median("validate", "# overall:")
    )
    #expect(
      errors.contains("nominal: \(fitted) median error, and \(nominal) before"), "\(errors)")
  }

  @Test func `one bad run is named with its line, and takes no part`() throws {
    // Ten times too short: relative errors would have it pull ten times as hard as one too long.
    let factor = 0.1
    var rows = try rows(upTo: 65536)
    let bad = try #require(rows.firstIndex { $0.contains(",8192,16.385,") })
    let clean = try calibration(Array(rows[..<bad] + rows[(bad + 1)...])).root
    rows[bad] = rows[bad].replacing(",16.385,", with: ",\(16.385 * factor),")
    let (root, errors) = try calibration(rows)
    #expect(errors.contains("left out of the fit: \(folder.path)/rows.csv:\(bad + 1): 8192 bytes"))
    #expect(errors.contains("times as short"), "\(errors)")
    #expect((root["outliers"] as? [[String: Any]])?.map { $0["line"] as? Int } == [bad + 1])
    #expect((root["far_from_fit"] as? [Any])?.isEmpty == true)
    #expect(try values(root) == values(clean))
    let residuals = try #require(root["residuals"] as? [[String: Any]])
    #expect(NSArray(array: residuals) == NSArray(array: clean["residuals"] as? [Any] ?? []))
  }
}
