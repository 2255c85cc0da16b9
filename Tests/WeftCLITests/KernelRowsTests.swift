import Foundation
import TestSupport
import Testing

/// `weft calibrate` on kernels of which some are not what the others are.
@Suite struct KernelRowsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  private static let header = "gpu,version,dtype,m,n,k,time_us"

  /// Products on an A100 that reads at a share of its memory's rate, a few per cent off here and there.
  private static func products(
    share: Double = 0.8, version: String = "1", type: String = "bf16"
  ) -> [String] {
    let shapes = [512, 1024, 2048, 4096, 8192].flatMap { n in
      [1024, 4096, 16384].flatMap { k in [1, 16, 64, 256].map { (m: $0, n: n, k: k) } }
    }
    return shapes.enumerated().map { index, shape in
      let bytes = Double(2 * (shape.m * shape.k + shape.n * shape.k + shape.m * shape.n))
      let off = 1 + 0.03 * sin(Double(index) * 2.7)
      let time = off * (5 + bytes / (share * 2.039e6))
      return "a100,\(version),\(type),\(shape.m),\(shape.n),\(shape.k),\(time)"
    }
  }

  /// The rows with some times so many times as long.
  private static func products(_ places: [Int], factor: Double) -> [String] {
    var rows = products()
    for place in places {
      var cells = rows[place].split(separator: ",").map(String.init)
      cells[6] = "\(factor * (Double(cells[6]) ?? 0))"
      rows[place] = cells.joined(separator: ",")
    }
    return rows
  }

  private func write(_ rows: [String], to name: String = "gemm.csv") throws -> String {
    try folder.write(([Self.header] + rows).joined(separator: "\n") + "\n", to: name)
  }

  private func calibrated(_ rows: [String], _ more: String = "") throws -> WeftProcess {
    let outcome = try weft(
      "calibrate --topology dgx-a100 --measurements \(write(rows)) \(more)")
    #expect(outcome.status == 0, "\(outcome.errors)")
    return outcome
  }

  @Test(arguments: [[17], [0], [59], [5, 17, 18, 41, 42, 58]], [0.1, 10])
  func `bad runs are named with their lines, and change no value and no error`(
    places: [Int], factor: Double
  ) throws {
    let rows = Self.products(places, factor: factor)
    let sound = rows.indices.filter { !places.contains($0) }.map { rows[$0] }
    let without = try calibrated(sound)
    let outcome = try calibrated(rows)
    #expect(outcome.output == without.output)
    #expect(!without.errors.contains("left out"))
    for place in places.prefix(5) {
      let line = "left out of the fit: \(folder.path)/gemm.csv:\(place + 2): measured "
      #expect(outcome.errors.contains(line), "\(outcome.errors)")
    }
    #expect(outcome.errors.contains("times as " + (factor > 1 ? "long" : "short")))
    #expect(outcome.errors.contains("left out of the fit: 1 more rows") == (places.count > 5))
    let json = try calibrated(rows, "--format json")
    let root = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    let outliers = try #require(root?["outliers"] as? [[String: Any]])
    #expect(outliers.map { $0["line"] as? Int } == places.map { $0 + 2 })
  }

  @Test func `more than one row in eight is what the form misses`() throws {
    let outcome = try calibrated(
      Self.products([2, 9, 16, 23, 30, 37, 44, 51], factor: 10))
    #expect(!outcome.errors.contains("left out of the fit"))
    #expect(
      outcome.errors.contains(
        "gemm: far from the fit are 8 of 60 rows, more than the one in eight that can be bad runs: "
          + "they took part, and the form may miss something; the first is "
          + "\(folder.path)/gemm.csv:4: measured "),
      "\(outcome.errors)")
    #expect(outcome.output.contains("# gemm, unseen shapes: 60 rows"))
  }

  @Test func `a parameter at its bound is told`() throws {
    #expect(try !calibrated(Self.products()).errors.contains("memory-efficiency ended"))
    let fast = try calibrated(Self.products(share: 1.2), "--format json")
    #expect(
      fast.errors.contains(
        "gemm.memory-efficiency ended at its bound of 1: its error says nothing, and another term "
          + "may be missing"), "\(fast.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(fast.output.utf8)) as? [String: Any]
    #expect((root?["at_bounds"] as? [String])?.contains("gemm.memory-efficiency") == true)
    let warnings = try #require(root?["warnings"] as? [String])
    #expect(warnings.contains { $0.hasPrefix("gemm.memory-efficiency ended at its bound") })
  }

  @Test(arguments: [("dtype", "bf16", "int8"), ("version", "1", "2")])
  func `rows of several types or versions share no fit unless pooled`(
    column: String, first: String, second: String
  ) throws {
    let others =
      column == "dtype" ? Self.products(type: second) : Self.products(version: second)
    let path = try write(Self.products() + others, to: "mixed.csv")
    let line = "calibrate --topology dgx-a100 --measurements \(path)"
    let refused = try weft(line)
    #expect(refused.status == 65 && refused.output.isEmpty)
    #expect(
      refused.errors.contains(
        "gemm: the rows are of 2 \(column)s, which do not share a fit: '\(first)' (\(path):2), "
          + "'\(second)' (\(path):62)"), "\(refused.errors)")
    #expect(refused.errors.contains("--where \(column)=…, or fit them together with --pool"))
    let one = try weft("\(line) --where \(column)=\(second)")
    let alone = try calibrated(others)
    #expect(one.status == 0 && one.output == alone.output)
    let pooled = try weft("\(line) --pool")
    #expect(pooled.status == 0 && !pooled.errors.contains("--pool changes nothing"))
    let idle = try weft("\(line) --pool --where \(column)=\(first)")
    #expect(idle.errors.contains("--pool changes nothing: the rows are of one system"))
  }

  @Test func `kinds of kernels may differ in type and version`() throws {
    let gemm = try write(Self.products(type: "int8"))
    let rows = [1, 4, 16, 64].flatMap { batch in
      [128, 512, 2048, 8192].map { length in
        "a100,7,bf16,\(batch),8,1,128,\(length),\(16 + Double(batch * length) / 4e3)"
      }
    }
    let attention = try folder.write(
      (["gpu,version,dtype,batch,query_heads,kv_heads,head_dim,kv_length,time_us"] + rows)
        .joined(separator: "\n"), to: "attention.csv")
    let outcome = try weft(
      "calibrate --topology dgx-a100 --measurements \(gemm) \(attention)")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("decode attention") && outcome.output.contains("gemm.floor"))
  }

  @Test func `conditions choose kernels, and those that none meets are refused`() throws {
    let path = try write(Self.products() + ["b200,1,bf16,1,512,512,9"])
    let line = "validate --topology dgx-a100 --format csv --measurements \(path) --where "
    let chosen = try weft(line + "m<=16")
    #expect(chosen.status == 0 && chosen.output.contains("gemm,31,"), "\(chosen.output)")
    let own = try weft(line + "gpu=a100")
    #expect(own.errors.isEmpty && own.output.contains("gemm,60,"), "\(own.errors)")
    let none = try weft(line + "m=7")
    #expect(none.status == 64 && none.errors.contains("no row has '7' in m"))
    let other = try weft(line + "mm=7")
    #expect(other.status == 64 && other.errors.contains("no file has the column 'mm'"))
  }

  @Test(arguments: ["calibrate", "validate"])
  func `a table that lacks a column is told as one of kernels`(command: String) throws {
    let path = try folder.write("m,n,time_us\n1,512,3\n", to: "cut.csv")
    let outcome = try weft("\(command) --topology dgx-a100 --measurements \(path)")
    #expect(outcome.status == 65)
    #expect(
      outcome.errors.contains(
        "cut.csv:1: the file has times of matrix products, but the header lacks the column 'k'"),
      "\(outcome.errors)")
    #expect(outcome.errors.contains("fix: give the columns m,n,k,time_us"))
  }
}
