import Foundation
import TestSupport
import Testing

@Suite struct ValidateCommandTests {
  private let folder: TemporaryFolder
  private let file: String

  private static let header =
    "system,gpu,gpus_per_node,nodes,ranks,library,version,collective,dtype,launch,inplace,"
    + "size_bytes,time_us\n"

  /// Two calls on one node, one of them measured twice, and four rows that cannot be served.
  init() throws {
    folder = try TemporaryFolder()
    file = try folder.write(
      Self.header + """
        one,NVIDIA A100-SXM4-80GB,8,1,2,nccl,2.27.3,all-reduce,half,graph,0,1024,20
        one,NVIDIA A100-SXM4-80GB,8,1,2,nccl,2.27.3,all-reduce,half,graph,1,1024,10
        one,NVIDIA A100-SXM4-80GB,8.0,1,2,nccl,2.27.3,all-reduce,half,graph,0,65536,20
        two,NVIDIA A100-SXM4-80GB,8,1,4,nccl,2.27.3,all-reduce,int8,,,4,10
        one,,8,1,2,rccl,6,all-reduce,half,graph,0,1024,10
        one,,8,1,2,nccl,2.27.3,all-shuffle,half,graph,0,1024,10
        one,,16,1,16,nccl,2.27.3,all-reduce,half,graph,0,1024,10
        one,,8,1,2,nccl,2.27.3,all-reduce,double,graph,0,1024,10
        one,,8,1,2,nccl,2.27.3,all-reduce,half,graph,0,,10

        """, to: "m.csv")
  }

  private func validate(_ arguments: String, on topology: String = "dgx-a100") throws -> WeftProcess
  {
    let own = arguments.split(separator: " ").map(String.init)
    return try WeftProcess(["validate", "--topology", topology] + own)
  }

  private func root(_ arguments: String) throws -> [String: Any] {
    let outcome = try validate("--measurements \(file) --format json " + arguments)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require(root as? [String: Any])
  }

  @Test func `groups have what the contract names`() throws {
    let root = try root("")
    let groups = try #require(root["results"] as? [[String: Any]])
    #expect(
      groups.map { "\($0["system"] ?? "") \($0["launch"] ?? "") \($0["window"] ?? "")" } == [
        "one graph all", "one graph small", "one graph decode", "two eager all",
        "two eager small",
      ])
    let first = try #require(groups.first)
    #expect(
      Set(first.keys) == [
        "system", "library", "version", "collective", "nodes", "ranks", "launch", "window", "rows",
        "median_abs_pct", "p95_abs_pct", "bias_pct", "coverage_95_pct", "noise",
      ])
    #expect(first["rows"] as? Int == 2 && first["coverage_95_pct"] is NSNull)
    let noise = try #require(first["noise"] as? [String: Any])
    #expect(noise["repeats"] as? Int == 1 && noise["median_pct"] as? Double == 100)
    let overall = try #require(root["overall"] as? [String: Any])
    #expect(overall["rows"] as? Int == 3)
    #expect(root["rows"] == nil)
  }

  @Test func `rows that cannot be served are listed with file, line and reason`() throws {
    let unusable = try #require(try root("")["unusable"] as? [[String: Any]])
    let reasons = unusable.map { "\($0["line"] ?? "") \($0["reason"] ?? "")" }
    #expect(
      reasons == [
        "10 size_bytes is blank",
        "6 Weft has no model of the library 'rccl'; did you mean 'nccl'? use one of nccl, nvrar, "
          + "weft",
        "7 Weft has no collective 'all-shuffle'; use one of all-reduce, all-gather, "
          + "reduce-scatter, broadcast, reduce, all-to-all",
        "8 16 ranks per node: a node of 'dgx-a100' has 1 to 8 GPUs",
        "9 Weft has no type 'double'; use one of fp32, fp16, bf16, fp8, int32, int8, float, half, "
          + "bfloat16",
      ])
    #expect(unusable.allSatisfy { $0["file"] as? String == file })
  }

  @Test func `calls are listed with their best time on request`() throws {
    let rows = try #require(try root("--rows --where system=ONE")["rows"] as? [[String: Any]])
    #expect(rows.count == 2)
    let first = try #require(rows.first)
    #expect(first["line"] as? Int == 3 && first["measured_us"] as? Double == 10)
    #expect(first["measurements"] as? Int == 2 && first["in_place"] as? Bool == true)
    let predicted = try #require(first["predicted_us"] as? Double)
    let error = try #require(first["error_pct"] as? Double)
    #expect(abs(error - 100 * (predicted / 10 - 1)) < 1e-6)
    let table = try validate("--measurements \(file) --rows").output
    #expect(table.contains("predicted_us") && table.contains("# not used: \(file):6: Weft has no"))
  }

  @Test(arguments: [
    ("--where ranks<=3", ["1024", "65536"]), ("--where ranks>=3", ["4"]),
    ("--where size_bytes>=4 --where size_bytes<=1024", ["4", "1024"]),
  ])
  func `rows are chosen by ranges`(conditions: String, sizes: [String]) throws {
    let outcome = try validate("--measurements \(file) --rows --format csv --quiet \(conditions)")
    let lines = outcome.output.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    let column = try #require(lines.first?.firstIndex(of: "size_bytes"))
    #expect(Set(lines.dropFirst().map { $0[column] }) == Set(sizes))
  }

  @Test func `an error above the one allowed ends with 1, after the results`() throws {
    let bad = try validate("--measurements \(file) --max-error 0.001")
    #expect(bad.status == 1)
    #expect(bad.output.contains("median_abs_pct"))
    #expect(bad.errors.contains("above --max-error 0.001"))
    #expect(try validate("--measurements \(file) --max-error 10000").status == 0)
  }

  @Test func `another launch for rows that do not say, another library, another machine`() throws {
    let outcome = try validate("--measurements \(file) --launch graph --format csv --quiet")
    #expect(outcome.output.contains("two,nccl,2.27.3,all-reduce,1,4,graph,all,1,"))
    let other = try validate("--measurements \(file)", on: "dgx-h100")
    #expect(other.errors.contains("m.csv:2: rows are of 'NVIDIA A100-SXM4-80GB', the"))
    let bare = try folder.write(
      "size_bytes,time_us,nodes,ranks,collective\n8,9,1,2,all-reduce\n", to: "b")
    #expect(try validate("--measurements \(bare)").errors.contains("--library can"))
    #expect(try validate("--measurements \(bare) --library nccl").status == 0)
  }

  @Test func `times that look like another unit are warned of`() throws {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let path = try folder.write(
      text.replacing(",20\n", with: ",0.02\n").replacing(",10\n", with: ",0.01\n"), to: "ms.csv")
    let outcome = try validate("--measurements \(path)")
    #expect(outcome.status == 0 && outcome.errors.contains("these look like milliseconds"))
    #expect(!(try validate("--measurements \(file)")).errors.contains("look like"))
  }

  @Test func `a library for rows that all name one changes nothing`() throws {
    let outcome = try validate("--measurements \(file) --library nccl")
    #expect(outcome.errors.contains("warning: --library changes nothing"))
  }

  @Test func `NVRAR runs with the row's blocks and chunk`() throws {
    let rows =
      "nodes,ranks,library,collective,dtype,size_bytes,time_us,num_blocks,chunk_parameter\n"
      + "2,8,nvrar,all-reduce,bf16,65536,70,1,4096\n2,8,nvrar,all-reduce,bf16,65536,70,16,32768\n"
    let file = try folder.write(rows, to: "nvrar.csv")
    let outcome = try validate("--measurements \(file) --rows --format csv", on: "perlmutter")
    let channels = outcome.output.split(separator: "\n").dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)[14]
    }
    #expect(channels == ["1", "16"], "\(outcome.output)")
  }

  @Test(arguments: [
    ("", 64, "there is nothing to compare with", "--measurements"),
    ("--measurements FILE --folds 1", 64, "--folds 1: a call must be predicted", "2 to 100"),
    (
      "--measurements FILE --folds 2 --profile p.yaml", 64, "--profile changes nothing", "leave one"
    ),
    ("--measurements FILE --hold nccl.x", 64, "--hold: there is no term 'nccl.x'", "nccl."),
    ("--measurements FILE --max-parameters 0", 64, "--max-parameters 0 fits nothing", "1 or more"),
    ("--measurements FILE --max-error -1", 64, "--max-error -1.0 is no percentage", "0 or more"),
    ("--measurements FILE --library gloo", 64, "unknown library 'gloo'", "nccl, nvrar"),
    ("--measurements FILE --launch later", 64, "neither graph nor eager", "--help"),
    ("--measurements FILE --where system", 64, "no column and value", "system=Perlmutter"),
    ("--measurements FILE --where ranks<=x", 64, "'ranks<=x': 'x' is no number", "'nodes<=8'"),
    ("--measurements FILE --where rank<=8", 64, "no file has the column 'rank'", "'ranks'"),
    ("--measurements FILE --where ranks>=99", 64, "no row has 'ranks>=99'", "ranks is '2', '4'"),
    ("--measurements FILE --where sistem=a", 64, "no file has the column 'sistem'", "'system'"),
    ("--measurements FILE --where system=x", 64, "no row has 'x' in system", "'one', 'two'"),
    ("--measurements FILE --where library=rccl", 65, "no row can be compared", "--topology"),
    ("--measurements FILE --folds-by nodes", 64, "--folds-by is unused", "--folds K"),
    ("--measurements FILE --pool", 64, "--pool is unused without --folds", "--folds K"),
    ("--measurements FILE --max-parameters 3", 64, "--max-parameters is unused", "--folds K"),
    (
      "--measurements FILE --folds 2 --folds-by nodes", 65, "same number of nodes, 1", "--folds-by"
    ),
    ("--measurements nowhere.csv", 66, "nowhere.csv: there is no such file", "path"),
  ])
  func `wrong input is one line, a fix and its exit code`(
    arguments: String, status: Int32, problem: String, fix: String
  ) throws {
    let outcome = try validate(arguments.replacing("FILE", with: file))
    #expect(outcome.status == status)
    #expect(outcome.output.isEmpty)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 2, "\(outcome.errors)")
    #expect(lines.first?.contains(problem) == true, "\(outcome.errors)")
    #expect(lines.last?.hasPrefix("  fix: ") == true && lines.last?.contains(fix) == true)
  }
}
