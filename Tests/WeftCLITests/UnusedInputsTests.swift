import Foundation
import TestSupport
import Testing

/// Inputs that no result answers to are warned about, with what would make them count.
@Suite struct UnusedInputsTests {
  private func weft(_ arguments: String) throws -> WeftProcess {
    try WeftProcess(arguments.split(separator: " ").map(String.init))
  }

  @Test(arguments: [
    (
      "perlmutter --network-jitter 1us --failed-nic 0.1 --placement random",
      "--network-jitter, --failed-nic, --placement change nothing: no message leaves a single node",
      "more --nodes"
    ),
    (
      "perlmutter --set network.latency=9us --set node.nics=2",
      "network.latency, node.nics change nothing: no message leaves", "more --nodes"
    ),
    (
      "vista --nodes 64 --set network.oversubscription=4 --set network.link_bandwidth=1GB/s",
      "network.oversubscription, network.link_bandwidth change nothing", "ecmp or adaptive"
    ),
    (
      "perlmutter --nodes 4 --set network.background.global=0.5",
      "network.background.global changes nothing: under network.routing=ideal", "valiant"
    ),
    (
      "perlmutter --nodes 40 --set network.routing=adaptive --set network.background.global=0.5",
      "network.background.global changes nothing: no message of this job crosses", "local"
    ),
    (
      "perlmutter --nodes 4 --set network.routing=adaptive --set network.hop_latency=5us",
      "network.routing, network.hop_latency change nothing: one switch joins the job's 4 nodes",
      "fewer of them to a switch"
    ),
    (
      "flat --nodes 4 --set network.hop_latency=5us",
      "network.hop_latency changes nothing: one switch joins all nodes", "fat-tree"
    ),
    (
      "perlmutter --nodes 40 --set network.routing=minimal --set network.seed=5",
      "network.seed changes nothing: no two ways are as short", "valiant"
    ),
    ("perlmutter --nodes 2 --placement cyclic", "--placement cyclic changes nothing", "ring"),
    (
      "perlmutter --nodes 2 --set network.kind=torus",
      "with the shape that --set network.kind gives, network.dimensions=8x8x8 is assumed", "set it"
    ),
    (
      "flat --nodes 3 --algorithm recursive-doubling --network analytic",
      "the closed form of recursive-doubling has a step before and after", "--network event"
    ),
    (
      "flat --nodes 4 --placement random", "--placement changes nothing: all nodes",
      "hop_latency"
    ),
    (
      "perlmutter --nodes 2 --gpus-per-node 1 --slow-nic 1.3:2",
      "--slow-nic 1.3 changes nothing: none of the 1 GPUs", "use NIC 0"
    ),
    (
      "perlmutter --nodes 40 --algorithm nvrar --network analytic "
        + "--set network.routing=minimal --set network.link_bandwidth=1GB/s",
      "--network analytic leaves out network.routing=minimal, network.link_bandwidth",
      "event or flow"
    ),
    (
      "perlmutter --nodes 2 --algorithm nvrar --network analytic --isolated --no-fold",
      "--isolated changes nothing under --network analytic", "--no-fold"
    ),
    ("flat --nodes 2 --algorithm ring --isolated", "--isolated changes nothing", "one call anyway"),
    (
      "perlmutter --nodes 2 --algorithm nvrar --nccl-version 2.20",
      "--nccl-version changes nothing", "without NCCL"
    ),
    (
      "perlmutter --nodes 2 --launch eager", "--launch eager changes nothing: NCCL's host",
      "--isolated"
    ),
    (
      "flat --nodes 2 --set node.scale_up.latency=9us", "node.scale_up.latency changes nothing",
      "more GPUs"
    ),
    ("flat --nodes 2 --set gpu.l2=1MiB", "gpu.l2 changes nothing", "no model asks"),
  ])
  func `what changes nothing is named`(job: String, warning: String, fix: String) throws {
    let outcome = try weft("simulate all-reduce --size 64K --topology \(job)")
    #expect(outcome.status == 0)
    let line = outcome.errors.split(separator: "\n").first { $0.contains(warning) }
    #expect(line != nil && outcome.errors.contains(fix), "\(outcome.errors)")
  }

  @Test(arguments: [
    "perlmutter --nodes 2 --network-jitter 1us --failed-nic 0.1 --launch-jitter 1us --seed 2",
    "perlmutter --nodes 2 --gpus-per-node 1 --failed-nic 0.0 --slow-nic 0.1:20",
    "vista --nodes 64 --set network.routing=ecmp --set network.oversubscription=4 --seed 2",
    "vista --nodes 64 --set network.routing=adaptive --set network.background.local=0.5",
    "perlmutter --nodes 8 --placement random --set network.routing=minimal "
      + "--set network.background.global=0.5",
    "perlmutter --nodes 40 --set network.hop_latency=5us --placement random",
    "perlmutter --nodes 2 --algorithm ring --placement cyclic",
    "perlmutter --nodes 2 --algorithm nvrar:nccl --nccl-version 2.20 --launch eager",
    "perlmutter --nodes 2 --launch eager --isolated", "perlmutter --set network.max_nodes=9",
    "h200-pair --launch eager", "perlmutter --nodes 40 --network analytic",
  ])
  func `what counts is not warned about`(job: String) throws {
    let outcome = try weft("simulate all-reduce --size 64K --topology \(job)")
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
  }

  @Test func `predictions on one node say so, too`() throws {
    let job = "predict --model llama-3.1-8b --topology perlmutter --set network.latency=9us --gpus "
    #expect(try weft(job + "4").errors.contains("network.latency changes nothing: no message"))
    #expect(try weft(job + "4,8").errors.isEmpty)
  }
}
