import Foundation
import TestSupport
import Testing

/// Shapes of networks, placement, faults and trials from the command line.
@Suite struct ConditionOptionsTests {
  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  private func results(_ arguments: String) throws -> [[String: Any]] {
    let outcome = try weft("simulate all-reduce \(arguments) --size 1M --format json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require((root as? [String: Any])?["results"] as? [[String: Any]])
  }

  private func time(_ arguments: String) throws -> Double {
    try #require(try results("--algorithm ring " + arguments).first?["time_us"] as? Double)
  }

  @Test(arguments: [
    ("--failed-nic 0.4", 64, "no NIC 4 of node 0", "name what the job has"),
    ("--failed-nic 4", 64, "--failed-nic '4' is malformed", "like --failed-nic 0.1: node 0, its"),
    (
      "--failed-nic 0.0 --failed-nic 0.1 --failed-nic 0.2 --failed-nic 0.3", 64,
      "no NIC of node 0 is left", "--slow-nic 0.0:10"
    ),
    ("--slow-nic 0.1", 64, "--slow-nic '0.1' is malformed", "0.1:2"),
    ("--slow-gpu 3:0.5", 64, "--slow-gpu '3:0.5' is malformed", "factor from 1 to 1e6"),
    ("--slow-gpu 99:2", 64, "no rank 99", "name a rank"),
    ("--slow-gpu 0:2 --slow-gpu 0:3", 64, "--slow-gpu names rank 0 twice", "one factor"),
    ("--slow-nic 0.1:2 --slow-nic 0.1:3", 64, "--slow-nic names 0.1 twice", "one factor"),
    ("--failed-nic 0.1 --failed-nic 0.1", 64, "--failed-nic names 0.1 twice", "once"),
    ("--slow-nic 0.1:2 --failed-nic 0.1", 64, "0.1 is both", "leave one"),
    ("--network analytic --failed-nic 0.1", 64, "slow (--failed-nic", "use event or flow"),
    ("--network analytic --slow-gpu 1:2", 64, "broken or slow", "leave analytic out"),
    ("--network analytic --launch-jitter 1us", 64, "random delays", "leave analytic out"),
    ("--network analytic --placement random", 64, "where nodes and ranks lie", "analytic"),
    ("--hostfile /dev/null", 65, "names no node", "a node per line"),
    ("--launch-jitter -1us", 64, "--launch-jitter: '-1us' is not a time", "2 us"),
    ("--launch-jitter 2", 64, "--launch-jitter: '2' has no unit", "2 us"),
    ("--network-jitter 2s", 64, "out of range", "up to 1 s"),
    ("--hostfile nowhere.txt", 66, "cannot read nowhere.txt", "a node per line"),
    ("--hostfile x --placement random", 64, "both place", "leave one"),
    ("--set network.kind=ring", 64, "'ring' is not known", "torus"),
    ("--set network.kind=torus --set network.dimensions=8y8", 64, "dimensions", "8x8x4"),
    ("--set network.kind=torus --set network.dimensions=64x64", 64, "64 links", "24"),
    (
      "--set network.kind=torus --set network.dimensions=3", 64, "has 1 to 3 nodes",
      "--set network.dimensions"
    ),
    ("--set network.routing=valiant --set network.global_links=0", 64, "global_links", "1"),
    ("--set network.background.local=1", 64, "background.local", "0.99"),
  ])
  func `a wrong flag is blamed with its fix`(
    arguments: String, status: Int32, problem: String, fix: String
  ) throws {
    let outcome = try weft("simulate all-reduce --topology perlmutter --nodes 4 " + arguments)
    #expect(outcome.status == status, "\(outcome.errors)")
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.first?.contains(problem) == true && lines.last?.contains(fix) == true, "\(lines)")
  }

  @Test(arguments: ["switch", "fat-tree", "rail", "dragonfly", "torus"])
  func `any topology takes any shape`(shape: String) throws {
    for topology in ["flat", "perlmutter", "dgx-h100"] {
      let time = try time("--topology \(topology) --nodes 4 --set network.kind=\(shape)")
      #expect(time > 0)
    }
  }

  /// The rank with the longest period of a single call would tell 1.2 times as much.
  @Test func `one slow NIC costs hardly more than slow NICs everywhere`() throws {
    let job = "--topology perlmutter --nodes 4 --algorithm nvrar "
    let times = try ["--slow-nic 0.0:2", "--set network.bandwidth=12.5GB/s"].map {
      try #require(try results(job + $0).first?["time_us"] as? Double)
    }
    #expect(times[0] < 1.1 * times[1], "\(times) us")
  }

  @Test func `what is too long to simulate is answered with why and with a formula`() throws {
    let outcome = try weft(
      "simulate all-reduce --topology dgx-h100 --nodes 131072 --set network.max_nodes=131072 "
        + "--size 64M --algorithm ring")
    #expect(outcome.status == 64)
    #expect(outcome.errors.contains("every node is simulated, as nodes are not equally far apart"))
    #expect(outcome.errors.contains("--network analytic has a closed form"))
  }

  @Test func `a hostfile places nodes by the numbers in their names`() throws {
    let folder = try TemporaryFolder()
    let near = try folder.write("nid000000\nnid000001 slots=4 # here\n\n2\n3\n", to: "near")
    let far = try folder.write("0\n200\n400\n600\n", to: "far")
    let block = try time("--topology perlmutter --nodes 4")
    #expect(try time("--topology perlmutter --nodes 4 --hostfile \(near)") == block)
    #expect(try time("--topology perlmutter --nodes 4 --hostfile \(far)") > block)
    let slots = try folder.write("nid000:4\r\nnid200:4\r\nnid400:4\r\nnid600:4\r\n", to: "slots")
    #expect(
      try time("--topology perlmutter --nodes 4 --hostfile \(slots)")
        == time("--topology perlmutter --nodes 4 --hostfile \(far)"))
    for (text, problem) in [
      ("n1\nn1\nn2\nn3\n", "node 1 stands on 2 lines, not on 1"),
      ("0\n0\n0\n0\n0\n1\n1\n1\n2\n2\n2\n2\n3\n3\n3\n3\n", "node 0 stands on 5 lines, not on 4"),
      ("0\n1\n2\n", "3 lines do not place 4 nodes"),
      ("0.200\n1\n2\n3\n", "'0.200' does not end in a node's number"),
      ("n0:x\n1\n2\n3\n", "'n0:x' does not end in a node's number"),
    ] {
      let path = try folder.write(text, to: "wrong")
      let outcome = try weft(
        "simulate all-reduce --topology perlmutter --nodes 4 --hostfile \(path)")
      #expect(outcome.errors.contains(problem), "\(outcome.errors)")
    }
    let bad = try folder.write("0\nlogin\n", to: "bad")
    let outcome = try weft(
      "simulate all-reduce --topology perlmutter --nodes 2 --hostfile \(bad)")
    #expect(outcome.status == 65 && outcome.errors.contains("bad:2: 'login'"))
    let negative = try folder.write("-1\n0\n", to: "negative")
    let refused = try weft(
      "simulate all-reduce --topology perlmutter --nodes 2 --hostfile \(negative)")
    #expect(refused.status == 65 && refused.errors.contains("negative:1: '-1' does not end in"))
  }

  @Test func `trials give a median between percentiles, and repeat`() throws {
    let flags =
      "--topology flat --nodes 8 --algorithm ring --network-jitter 2us --trials 20 --seed 3"
    let first = try results(flags)
    let row = try #require(first.first)
    let low = try #require(row["p05_us"] as? Double)
    let median = try #require(row["time_us"] as? Double)
    let high = try #require(row["p95_us"] as? Double)
    #expect(low < median && median < high && row["trials"] as? Int == 20)
    // Not to be taken for the interval of a calibration.
    #expect(row["low_us"] is NSNull && row["high_us"] is NSNull)
    let table = try weft("simulate all-reduce --size 1M " + flags)
    #expect(table.output.contains("p05_us") && table.output.contains("p95_us"))
    #expect(try results(flags).first?["time_us"] as? Double == median)
    let sound = try weft("simulate all-reduce --topology flat --nodes 8 --size 1M --trials 3")
    #expect(sound.errors.contains("nothing here is random"))
  }

  /// Its neighbours pass on lines that queue on a link and then come faster than they were sent.
  @Test func `a slow GPU on NVLink is timed by every model`() throws {
    let rows = try results(
      "--topology dgx-h100 --nodes 2 --algorithm nccl:tree/ll,nccl:ring/ll --slow-gpu 1:4 "
        + "--network event,flow")
    #expect(rows.count == 4 && rows.allSatisfy { $0["time_us"] as? Double ?? 0 > 0 })
  }

  @Test func `the three models stand side by side`() throws {
    let rows = try results(
      "--topology flat --nodes 16 --algorithm ring --network event,flow,analytic")
    #expect(rows.map { $0["network"] as? String } == ["event", "flow", "analytic"])
    let times = rows.compactMap { $0["time_us"] as? Double }
    #expect(times.count == 3 && times.allSatisfy { abs($0 - times[0]) < 0.001 })
    let none = try weft(
      "simulate all-reduce --topology flat --nodes 4 --algorithm hierarchical --network analytic")
    #expect(none.status == 64 && none.errors.contains("no closed form"))
    #expect(none.errors.contains("these have one: nccl, nvrar, ring, "), "\(none.errors)")
    let exchange = try weft(
      "simulate all-to-all --topology flat --nodes 4 --size 1M --network analytic")
    #expect(exchange.errors.contains("nccl:send-receive, as nccl runs, has no closed form"))
  }

  /// The median trial's own draws, or else other delays would pass for what a parameter is worth.
  @Test func `an explanation under random delays is of the parameters alone`() throws {
    let rows = try results(
      "--topology flat --nodes 4 --algorithm ring --network-jitter 20us --trials 5 --explain")
    let explanation = try #require(rows.first?["explanation"] as? [String: Any])
    let changes = try #require(explanation["change_pct"] as? [String: Double])
    for unused in ["launch -10%", "protocol steps -10%", "message posting -10%"] {
      #expect(changes[unused] == 0, "\(changes)")
    }
    let bandwidth = try #require(changes["network.bandwidth +10%"])
    #expect(bandwidth < 0 && bandwidth > -10)
  }

  @Test func `faults that no call meets are told`() throws {
    let job = "simulate all-reduce --topology perlmutter --nodes 4 --algorithm ring --size 1M "
    let idle = try weft(job + "--slow-nic 1.1:2 --failed-nic 1.2")
    for fault in ["--slow-nic 1.1:2.0", "--failed-nic 1.2"] {
      #expect(idle.errors.contains("\(fault) changes nothing: these calls take"), "\(idle.errors)")
    }
    #expect(try weft(job + "--slow-nic 0.0:2").errors.isEmpty)
  }

  @Test(arguments: [
    "flat --nodes 4 --algorithm ring --size 79G --network event",
    "flat --nodes 4 --algorithm ring --size 79G --network flow",
    "dgx-h100 --nodes 2 --algorithm nccl --size 1G --network event",
  ]) func `what ends beyond all time is told as such`(job: String) throws {
    let outcome = try weft(
      "simulate all-reduce --topology \(job) --slow-nic 0.0:1000000 --set network.bandwidth=1MB/s")
    #expect(outcome.status == 64 && outcome.errors.contains("weeks of simulated time"))
  }

  /// Half way round a torus both ways are short.
  @Test func `minimal ways of a torus are drawn, and trials differ`() throws {
    let job =
      "--topology flat --nodes 16 --algorithm recursive-doubling --set network.kind=torus "
      + "--set network.dimensions=4x4 --set network.routing=minimal"
    let row = try #require(try results(job + " --trials 9").first)
    #expect(row["p05_us"] as? Double ?? 0 < row["p95_us"] as? Double ?? 0)
    let drawn = try weft("simulate all-reduce --size 1M \(job) --seed 1")
    #expect(!drawn.errors.contains("--seed changes nothing"), "\(drawn.errors)")
  }

  @Test func `a seed draws ways through the network, too`() throws {
    let job =
      "--topology vista --nodes 64 --algorithm all-pairs --set network.routing=ecmp "
      + "--set network.oversubscription=4 --network event"
    #expect(try time(job + " --seed 1") != time(job + " --seed 2"))
    #expect(try time(job + " --seed 0") == time(job))
  }

  @Test(arguments: [
    "--topology vista --nodes 9 --algorithm nvrar", "--topology perlmutter --nodes 4",
  ])
  func `a part that is no slower changes nothing`(job: String) throws {
    for option in ["--slow-nic 0.0:1", "--slow-gpu 0:1"] {
      #expect(try time(job + " " + option) == time(job))
    }
  }

  /// Nodes that are folded in run ahead, and the longest period of any rank in one call says little.
  @Test func `NVRAR on nine nodes takes about what a little jitter takes`() throws {
    let job = "--topology vista --nodes 9 --algorithm nvrar"
    let exact = try time(job)
    #expect(try abs(time(job + " --network-jitter 1ns") / exact - 1) < 0.02)
  }

  @Test func `what takes no time has no changes`() throws {
    let rows = try results("--topology flat --algorithm ring --explain")
    let explanation = try #require(rows.first?["explanation"] as? [String: Any])
    let changes = try #require(explanation["change_pct"] as? [String: Double])
    #expect(!changes.isEmpty && changes.values.allSatisfy { $0 == 0 })
  }

  @Test func `two trials lie between their percentiles`() throws {
    let row = try #require(
      results("--topology perlmutter --nodes 3 --algorithm ring --launch-jitter 1us --trials 2")
        .first)
    let times = ["p05_us", "time_us", "p95_us"].compactMap { row[$0] as? Double }
    #expect(times.count == 3 && times == times.sorted())
  }

  @Test func `an explanation says why every node was simulated`() throws {
    let outcome = try weft(
      "simulate all-reduce --topology flat --nodes 4 --size 1M --algorithm ring --slow-nic 0.0:2 "
        + "--explain")
    #expect(outcome.output.contains("every node was simulated: some of the machine is broken"))
  }
}
