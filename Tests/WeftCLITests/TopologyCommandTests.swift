import Foundation
import TestSupport
import Testing

@Suite struct TopologyCommandTests {
  @Test func `list names every shipped topology`() throws {
    let run = try WeftProcess(["topology", "list", "--format", "csv"])
    #expect(run.status == 0)
    #expect(run.errors == "")
    #expect(run.output.hasPrefix("name,gpu,gpus_per_node,nics,network,max_nodes,title\n"))
    #expect(run.output.contains("perlmutter,a100-40gb,4,4,dragonfly,1536,"))
  }

  @Test func `JSON says who wrote it`() throws {
    let run = try WeftProcess(["topology", "show", "flat", "--set", "gpu=h100", "--format", "json"])
    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    let weft = try #require(root["weft"] as? [String: Any])
    #expect(weft["command"] as? String == "weft topology show flat --set gpu=h100 --format json")
    #expect(weft["version"] as? String == "0.1.0")
    #expect(weft["seed"] is NSNull)
    let results = try #require(root["results"] as? [[String: Any]])
    #expect(results.first?["value"] as? String == "h100")
  }

  @Test func `the same command prints the same bytes`() throws {
    let first = try WeftProcess(["topology", "show", "vista", "--format", "json"])
    let second = try WeftProcess(["topology", "show", "vista", "--format", "json"])
    #expect(first.output == second.output)
  }

  @Test func `check prints OK, or the line of what is wrong`() throws {
    let folder = try TemporaryFolder()
    let good = try WeftProcess(["topology", "check", "flat", "--format", "csv"])
    #expect(good.output.hasSuffix(",flat,OK\n"))
    let file = try folder.write(
      "name: x\ntitle: y\ngpu: h100\nnode: {gpus: -1, cpu: amd, scale_up: {kind: switch, "
        + "bandwidth: 1 GB/s, latency: 1 us}}\n", to: "x.yaml")
    let bad = try WeftProcess(["topology", "check", file])
    #expect(bad.status == 65)
    #expect(bad.output == "")
    #expect(
      bad.errors
        == "weft: error: \(file):4: node.gpus: '-1' is out of range\n"
        + "  fix: write a whole number from 1 to 1024\n")
  }

  @Test func `a truncated file is bad content`() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("name: x\nnode: {gpus: 1,\n", to: "cut.yaml")
    let run = try WeftProcess(["topology", "check", file])
    #expect(run.status == 65)
    #expect(run.errors.hasPrefix("weft: error: \(file):2: this is not valid YAML: "))
  }

  @Test func `results go to a file whole or not at all`() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/list.csv"
    let run = try WeftProcess(["topology", "list", "--format", "csv", "-o", file])
    #expect(run.status == 0)
    #expect(run.output == "")
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(text.hasSuffix("\n"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["list.csv"])
  }

  @Test(arguments: [
    (["topology", "list", "-o", "/nowhere/x"], 74, "cannot write /nowhere/x"),
    (["topology", "list", "-o", "/dev/full"], 74, "cannot write /dev/full"),
    (["topology", "check", "/nowhere.yaml"], 66, "/nowhere.yaml: there is no such file"),
    (["topology", "check", "/"], 66, "/: this is a directory, not a file"),
    (["topology", "show", "vsta"], 66, "there is no topology 'vsta'"),
    (
      ["topology", "list", "--data-dir", "/nowhere"], 66,
      "--data-dir /nowhere: there is no topologies/gpus.yaml in it"
    ),
    (
      ["topology", "show", "flat", "--set", "node.gpu=4"], 64,
      "--set node.gpu=4: there is no value at 'node.gpu' to set"
    ),
    (
      ["topology", "show", "flat", "--set", "node.gpus=none"], 64,
      "--set node.gpus=none: node.gpus: 'none' is not a whole number"
    ),
    (["topology", "list", "--fast"], 64, "Unknown option '--fast'"),
    (["weave"], 64, "Unexpected argument 'weave'"),
    (["topology", "show"], 64, "Missing expected argument '<name>'"),
  ])
  func `wrong input ends with one clear line and the contract's code`(
    arguments: [String], status: Int32, problem: String
  ) throws {
    let run = try WeftProcess(arguments)
    #expect(run.status == status)
    #expect(run.output == "")
    let lines = run.errors.split(separator: "\n")
    #expect(lines.first.map(String.init) == "weft: error: \(problem)")
    #expect(lines.count == 2)
    #expect(lines.last?.hasPrefix("  fix: ") == true)
  }

  @Test func `a file that cannot be read is missing`() throws {
    // The start of a process's memory is mapped nowhere, so that not even root can read it.
    let run = try WeftProcess(["topology", "check", "/proc/self/mem"])
    #expect(run.status == 66)
    #expect(
      run.errors
        == "weft: error: /proc/self/mem: the file cannot be read\n"
        + "  fix: check its permissions (ls -l)\n")
  }

  @Test func `the environment names the data, and help and version are no errors`() throws {
    let run = try WeftProcess(["topology", "list"], environment: ["WEFT_DATA": "/nowhere"])
    #expect(run.status == 66)
    #expect(run.errors.hasPrefix("weft: error: WEFT_DATA /nowhere: "))
    #expect(try WeftProcess(["--version"]).output == "0.1.0\n")
    #expect(try WeftProcess(["topology", "--help"]).status == 0)
  }
}
