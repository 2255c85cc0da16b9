import Foundation
import Testing
import Weft
import WeftFiles

/// The shipped kernel parameters against the half of the published tables that they were not
/// fitted to.
///
/// The tables are read beside the repository, in `../shared/data/kernels`; without them there is
/// nothing to compare with and the tests are skipped.
@Suite(.enabled(if: KernelTable.isThere, "needs ../shared/data/kernels")) struct KernelAccuracyTests
{
  private let data = DataDirectory(path: repositoryRoot)

  private func gpu(_ name: String) throws -> (gpu: GPU, profile: Profile) {
    let topology = try data.topology("flat", overrides: [Override(parsing: "gpu=\(name)")]).topology
    return (topology.gpu, try data.nominalProfile(for: topology))
  }

  @Test(arguments: [("h100-sxm", "h100", 5.0, 17.0), ("a100-sxm", "a100-80gb", 6.0, 25.0)])
  func `products of unseen shapes are as close as published closed forms`(
    file: String, name: String, median: Double, tail: Double
  ) throws {
    let (gpu, profile) = try gpu(name)
    let errors = try KernelTable("\(file)-gemm-bf16").unseen(
      cell: { [$0["n"] ?? 0, $0["k"] ?? 0] },
      where: { row in
        let sides = [row["n"] ?? 0, row["k"] ?? 0]
        return sides.contains { [4096, 8192, 16384].contains($0) } && sides[0] * sides[1] <= 1 << 28
      },
      and: { row in
        (row["m"] ?? 0) <= 256 && [row["n"], row["k"]].contains { [8192, 16384].contains($0) }
      }
    ) { row in
      MatrixProduct(m: row["m"] ?? 0, n: row["n"] ?? 0, k: row["k"] ?? 0)
        .time(on: gpu, profile: profile).seconds
    }
    #expect(errors.count == 270)
    #expect(errors.quantile(0.5) <= median && errors.quantile(0.95) <= tail)
  }

  @Test(arguments: [("h100-sxm", "h100", 3.0), ("a100-sxm", "a100-80gb", 9.0)])
  func `decode attention of unseen cells is as close as published closed forms`(
    file: String, name: String, median: Double
  ) throws {
    let (gpu, profile) = try gpu(name)
    let errors = try KernelTable("\(file)-decode-attention-bf16").unseen(
      cell: { [$0["batch"] ?? 0, $0["kv_length"] ?? 0] },
      where: { row in
        (row["kv_length"] ?? 0) >= 128 && (row["query_heads"] ?? 0) >= 2 * (row["kv_heads"] ?? 0)
      }
    ) { row in
      DecodeAttention(
        sequences: row["batch"] ?? 0, length: row["kv_length"] ?? 0,
        heads: row["query_heads"] ?? 0, keyValueHeads: row["kv_heads"] ?? 1,
        headDimension: row["head_dim"] ?? 0, isWarm: true
      ).time(on: gpu, profile: profile).seconds
    }
    #expect(errors.count > 1000 && errors.quantile(0.5) <= median)
  }

  @Test(arguments: [("h100-sxm", "h100", 8.0), ("a100-sxm", "a100-80gb", 8.0)])
  func `prefill attention of unseen cells is within a few per cent`(
    file: String, name: String, median: Double
  ) throws {
    let (gpu, profile) = try gpu(name)
    let errors = try KernelTable("\(file)-prefill-attention-bf16").unseen(
      cell: { [$0["batch"] ?? 0, $0["sequence_length"] ?? 0] },
      where: { row in
        (row["sequence_length"] ?? 0) >= 128 && (row["query_heads"] ?? 0) > (row["kv_heads"] ?? 0)
      }
    ) { row in
      PrefillAttention(
        sequences: row["batch"] ?? 0, length: row["sequence_length"] ?? 0,
        heads: row["query_heads"] ?? 0, depth: 2 * (row["head_dim"] ?? 0)
      ).time(on: gpu, profile: profile).seconds
    }
    #expect(errors.count > 1000 && errors.quantile(0.5) <= median)
  }
}

/// A table of kernel times: whole numbers by column, and microseconds.
private struct KernelTable {
  typealias Row = [String: Int]

  private static let folder = repositoryRoot + "/../shared/data/kernels"
  static let isThere = FileManager.default.fileExists(atPath: folder)

  private var rows: [(row: Row, seconds: Double)] = []

  init(_ name: String) throws {
    let text = try String(contentsOfFile: "\(Self.folder)/\(name).csv", encoding: .utf8)
    let lines = text.utf8.split(separator: UInt8(ascii: "\n")).map {
      $0.split(separator: UInt8(ascii: ",")).map { String($0) ?? "" }
    }
    let header = try #require(lines.first)
    for line in lines.dropFirst() {
      var row: Row = [:]
      for (name, cell) in zip(header, line) { row[name] = Int(cell) }
      let time = try #require(line.last.flatMap { Double($0) })
      rows.append((row, time / 1e6))
    }
  }

  /// The absolute errors in per cent on every second cell, those the fit did not see.
  ///
  /// - Parameters:
  ///   - cell: What is left out whole, and the order in which cells alternate.
  ///   - isUsed: The rows that fit and check are about.
  ///   - isChecked: Which of them count here.
  ///   - predict: The predicted seconds.
  /// - Returns: The errors, smallest first.
  func unseen(
    cell: (Row) -> [Int], where isUsed: (Row) -> Bool, and isChecked: (Row) -> Bool = { _ in true },
    predict: (Row) -> Double
  ) -> Errors {
    let used = rows.filter { isUsed($0.row) }
    let cells = Set(used.map { cell($0.row) }).sorted { $0.lexicographicallyPrecedes($1) }
    let seen = Set(cells.indices.filter { $0 % 2 == 0 }.map { cells[$0] })
    let checked = used.filter { !seen.contains(cell($0.row)) && isChecked($0.row) }
    return Errors(values: checked.map { 100 * abs(predict($0.row) / $0.seconds - 1) }.sorted())
  }

  struct Errors {
    var values: [Double]
    var count: Int { values.count }

    func quantile(_ share: Double) -> Double {
      values.isEmpty ? .infinity : values[Int(share * Double(values.count - 1))]
    }
  }
}
