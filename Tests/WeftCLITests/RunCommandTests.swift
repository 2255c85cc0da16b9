import Foundation
import TestSupport
import Testing

/// Schedules on real processes: every algorithm exact, bad plans refused, no rank left behind.
///
/// They need the runtime (`make -C Sources/Runtime`) and Open MPI, and are skipped without.
@Suite(.serialized) struct RunCommandTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  private static let runtime = root + "/Sources/Runtime/build/weft-runtime-mpi"

  /// Whether there is something to run.
  private static var isReady: Bool {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let hasLauncher = path.split(separator: ":")
      .contains { FileManager.default.isExecutableFile(atPath: "\($0)/mpirun") }
    return hasLauncher && FileManager.default.isExecutableFile(atPath: runtime)
  }

  private static let quick = ["--runtime-arguments", "--budget 0.02 --repeats 3 --iterations 3"]

  private func run(_ arguments: String, _ more: [String] = []) throws -> WeftProcess {
    let folder = try TemporaryFolder()
    return try WeftProcess(
      ["run"] + arguments.split(separator: " ").map(String.init) + more
        + ["--samples", "\(folder.path)/samples.csv", "--format", "json"])
  }

  private func results(_ process: WeftProcess) throws -> [[String: Any]] {
    #expect(process.status == 0, "\(process.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(process.output.utf8))
    return try #require((root as? [String: Any])?["results"] as? [[String: Any]])
  }

  @Test(
    .enabled(if: isReady, "make -C Sources/Runtime and Open MPI are needed"),
    arguments: [
      (
        "all-reduce --ranks 8 --gpus-per-node 4 -d fp32",
        "ring,tree,recursive-doubling,halving-doubling,binomial-tree,all-pairs,all-pairs-put,"
          + "hierarchical,hierarchical-ring,nvrar,nccl:ring,nccl:tree"
      ),
      ("all-reduce --ranks 3 -d bf16 --in-place", "ring,tree,one-shot,two-shot,nvrar"),
      ("all-reduce --ranks 6 --gpus-per-node 2 -d fp16", "nvrar,recursive-doubling,hierarchical"),
      ("all-gather --ranks 5 -d int32", "all-pairs,recursive-doubling"),
      ("reduce-scatter --ranks 4 -d bf16 --in-place", "all-pairs,recursive-halving"),
      ("broadcast --ranks 7 -d fp32", "ring,binomial-tree"),
      ("reduce --ranks 2 -d fp16", "ring,binomial-tree"),
      ("all-to-all --ranks 8 -d fp32", "all-pairs"),
    ])
  func `results are exact`(call: String, algorithms: String) throws {
    let rows = try results(
      run("\(call) --algorithm \(algorithms) --size 8 --size 5000", Self.quick))
    #expect(rows.count == 2 * algorithms.split(separator: ",").count)
    for row in rows {
      #expect(row["wrong"] as? Int == 0, "\(row)")
      #expect(try #require(row["measured_us"] as? Double) > 0)
    }
    #expect(rows.contains { ($0["checked"] as? Int ?? 0) > 1000 })
  }

  @Test(.enabled(if: isReady, "make -C Sources/Runtime and Open MPI are needed"))
  func `ranks of other nodes are reached by MPI alone`() throws {
    let rows = try results(
      run(
        "all-reduce --ranks 4 --gpus-per-node 2 -d fp32 --algorithm ring,nvrar --size 64K",
        ["--runtime-arguments", "--budget 0.02 --repeats 3 --transport rma"]))
    for row in rows { #expect(row["wrong"] as? Int == 0, "\(row)") }
  }

  @Test(.enabled(if: isReady, "make -C Sources/Runtime and Open MPI are needed"))
  func `a schedule file runs, its samples are measurements, and half predicts half`() throws {
    let folder = try TemporaryFolder()
    let file = "\(folder.path)/ring.xml"
    let samples = "\(folder.path)/samples.csv"
    let export = try WeftProcess(
      ["schedule", "export", "ring", "--ranks", "4", "--in-place", "-o", file])
    #expect(export.status == 0)
    let process = try WeftProcess(
      [
        "run", "all-reduce", "--ranks", "4", "--in-place", "--algorithm", "\(file),ring",
        "-b", "1K", "-e", "64K", "-d", "fp32", "--calibrate", "--samples", samples,
      ] + Self.quick)
    #expect(process.status == 0 && process.output.contains("held-out sizes"), "\(process.errors)")
    let lines = try String(contentsOfFile: samples, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 15 && lines[0].hasPrefix("system,gpu,gpus_per_node,nodes,ranks"))
    let wrong = try String(contentsOfFile: file, encoding: .utf8)
      .replacingOccurrences(of: "rrs", with: "rcs")
    let refused = try run(
      "all-reduce --ranks 4 --in-place --size 1K --algorithm "
        + folder.write(wrong, to: "wrong.xml"))
    #expect(refused.status == 65 && refused.errors.contains("wrong"), "\(refused.errors)")
  }

  @Test(.enabled(if: isReady, "make -C Sources/Runtime and Open MPI are needed"))
  func `a rank that dies takes the others along`() throws {
    let process = try run(
      "all-reduce --ranks 4 --size 4K",
      ["--runtime-arguments", "--fail-rank 2 --fail-call 3 --timeout 5"])
    #expect(process.status == 69, "\(process.errors)")
    #expect(process.errors.contains("nothing was measured"))
  }

  @Test(arguments: [
    ("all-reduce --ranks 4 --runtime /nowhere", 69, "there is no weft-runtime-mpi"),
    ("all-reduce --ranks 4 --gpus-per-node 3", 64, "whole nodes"),
    ("all-reduce --ranks 0", 64, "--ranks 0"),
    ("all-reduce --backend smoke", 64, "smoke"),
    ("all-reduce --hostfile /nowhere/hosts", 66, "no such file"),
    ("all-reduce --algorithm rong", 64, "unknown algorithm 'rong'"),
    ("all-reduce --algorithm rong --export-job slurm", 64, "unknown algorithm 'rong'"),
  ])
  func `wrong usage says so`(arguments: String, status: Int, problem: String) throws {
    // Without a runtime, what needs none is still checked first.
    let process = try WeftProcess(
      ["run"] + arguments.split(separator: " ").map(String.init),
      environment: ["WEFT_RUNTIME": "/nowhere/at-all"])
    #expect(Int(process.status) == status && process.errors.contains(problem), "\(process.errors)")
  }

  @Test func `a job script runs the same command`() throws {
    let process = try WeftProcess(
      ["run", "all-reduce", "--ranks", "8", "--gpus-per-node", "4", "--export-job", "slurm"])
    #expect(process.status == 0)
    #expect(process.output.contains("#SBATCH --nodes=2\n"))
    #expect(
      process.output.contains(
        "weft run all-reduce --ranks 8 --gpus-per-node 4 --launcher srun\n"))
  }
}
