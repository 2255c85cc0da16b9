import Foundation
import TestSupport
import Testing

/// Studies on a real Slurm of one node, which `Tests/slurm/cluster` starts and stops; without root or
/// Debian's slurmctld, slurmd, slurm-client and munge they are skipped.
@Suite(.serialized, .enabled(if: Cluster.obstacle == nil, "\(Cluster.obstacle ?? "")"))
struct SlurmTests {
  private let folder: TemporaryFolder
  private var store: String { folder.path + "/store.sqlite" }

  /// Points of some milliseconds each in a build for debugging.
  private static let study = """
    name: cluster
    command: simulate
    base: {collective: all-reduce, topology: flat, no-fold: true}
    axes:
      nodes: {from: 10, to: 33, step: 1}
      size: {from: 1000, to: 10000, step: 1000}
      algorithm: [ring, recursive-doubling]
    """
  private static let points = 480

  init() throws { folder = try TemporaryFolder() }

  private func arguments(_ text: String) -> [String] {
    text.split(separator: " ").map(String.init) + ["--store", store]
  }

  private func explore(_ cluster: Cluster, _ text: String = "") throws -> WeftProcess {
    try WeftProcess(
      ["explore", try folder.write(Self.study, to: "study.yaml")]
        + arguments("--executor slurm --pause 0.3 --format json " + text),
      environment: cluster.environment)
  }

  private func run(_ cluster: Cluster, _ text: String) throws -> WeftProcess {
    try WeftProcess(arguments(text), environment: cluster.environment)
  }

  private func summary(_ outcome: WeftProcess) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    let results = root?["results"] as? [[String: Any]]
    return try #require(root?["run"] as? [String: Any] ?? results?.first)
  }

  /// All points are in the store, and they are what the cores of this host answer.
  private func checkPoints() throws {
    let own = folder.path + "/local.sqlite"
    let study = try folder.write(Self.study, to: "study.yaml")
    #expect(try WeftProcess(["explore", study, "--store", own]).status == 0)
    let export = try WeftProcess(arguments("results export cluster"))
    let local = try WeftProcess(["results", "export", "cluster", "--store", own])
    #expect(export.output == local.output)
    #expect(export.output.split(separator: "\n").count == Self.points + 1)
  }

  /// The answers that tasks have written, one for each time that a point was computed.
  private var answers: [String] {
    let jobs = store + ".jobs/run-1/points-0"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: jobs)) ?? []
    return names.filter { $0.hasSuffix(".results") }.flatMap { name in
      let text = (try? String(contentsOfFile: jobs + "/" + name, encoding: .utf8)) ?? ""
      return text.split(separator: "\n").map { $0.components(separatedBy: "\"result\"")[0] }
    }
  }

  private func wait(_ what: String, _ condition: () throws -> Bool) throws {
    for _ in 0..<600 {
      if try condition() { return }
      usleep(50_000)
    }
    Issue.record("waited in vain for \(what)")
  }

  @Test func `a job array answers what the cores of this host would`() throws {
    let cluster = try Cluster()
    let run = try summary(try explore(cluster, "--shards 3"))
    #expect(run["points"] as? Int == Self.points && run["computed"] as? Int == Self.points)
    try checkPoints()
    #expect(answers.count == Self.points)
    let state = try summary(try self.run(cluster, "explore status cluster --format json"))
    #expect(state["state"] as? String == "finished")
    #expect(state["shards"] as? Int == 3 && state["shards_done"] as? Int == 3)
    // What the store has is not submitted again.
    let again = try summary(try explore(cluster))
    #expect(again["computed"] as? Int == 0)
  }

  @Test func `a task that is killed is submitted again and goes on`() throws {
    let cluster = try Cluster()
    let collector = try start(cluster, "--shards 2")
    try wait("answers") { answers.count > 3 }
    try cluster.call("scancel", ["--signal=KILL", "--full", "--name=weft-cluster", "--state=R"])
    let errors = try end(collector, status: 0)
    #expect(errors.contains("failed and were submitted again"), "\(errors)")
    try checkPoints()
    #expect(Set(answers).count == Self.points && answers.count == Self.points)
  }

  @Test func `a full queue is waited for while results are collected`() throws {
    let cluster = try Cluster("MaxJobCount=4")
    let begun = ContinuousClock.now
    let outcome = try explore(cluster, "--shards 9")
    #expect(try summary(outcome)["points"] as? Int == Self.points)
    #expect(outcome.errors.contains("Slurm takes no more jobs for now"), "\(outcome.errors)")
    // By itself sbatch would have waited for minutes.
    #expect(ContinuousClock.now - begun < .seconds(100))
    try checkPoints()
  }

  @Test func `a collector that is killed is followed by another, with nothing done twice`() throws {
    let cluster = try Cluster()
    let collector = try start(cluster, "--shards 2")
    try wait("answers") { answers.count > 3 }
    kill(collector.process.processIdentifier, SIGKILL)
    collector.process.waitUntilExit()
    let state = try summary(try run(cluster, "explore status cluster --format json"))
    #expect(["in Slurm", "stopped"].contains(state["state"] as? String))
    let resumed = try run(
      cluster, "explore resume cluster --executor slurm --pause 0.3 --format json")
    #expect(try summary(resumed)["points"] as? Int == Self.points)
    try checkPoints()
    #expect(Set(answers).count == Self.points && answers.count == Self.points)
  }

  @Test func `cancel ends tasks and collector, and resume goes on`() throws {
    let cluster = try Cluster()
    let collector = try start(cluster, "--shards 2")
    try wait("answers") { answers.count > 3 }
    // A second collector would only do the same.
    let second = try explore(cluster)
    #expect(second.status == 64 && second.errors.contains("answers run 1 already"))
    #expect(try run(cluster, "explore cancel cluster").status == 0)
    let errors = try end(collector, status: 130)
    #expect(errors.contains("points collected"), "\(errors)")
    try wait("the end of all tasks") {
      try cluster.call("squeue", ["--noheader"]).isEmpty
    }
    let resumed = try run(
      cluster, "explore resume cluster --executor slurm --pause 0.3 --format json")
    #expect(try summary(resumed)["points"] as? Int == Self.points)
    try checkPoints()
  }

  @Test func `a task that always fails ends the study with its last words`() throws {
    let cluster = try Cluster()
    let collector = try start(
      cluster, "--shards 1 --retries 1 --sbatch=--begin=now+2")
    // Gone before the task begins.
    try wait("the job's files") {
      (try? FileManager.default.removeItem(atPath: store + ".jobs/run-1/study.yaml")) != nil
    }
    let errors = try end(collector, status: 69)
    #expect(errors.contains("shard 0 failed again and again"), "\(errors)")
    #expect(errors.contains("there is no such file"), "\(errors)")
  }

  @Test func `what Slurm refuses is said with a fix`() throws {
    let cluster = try Cluster("MaxArraySize=3")
    let many = try explore(cluster, "--shards 9")
    #expect(many.status == 69 && many.errors.contains("MaxArraySize"), "\(many.errors)")
    let partition = try explore(cluster, "--shards 2 --sbatch=--partition=nowhere")
    #expect(partition.status == 69 && partition.errors.contains("Invalid partition"))
  }

  // MARK: - Collectors

  private struct Collector {
    var process: Process
    var errors: String
  }

  private func start(_ cluster: Cluster, _ text: String) throws -> Collector {
    let study = try folder.write(Self.study, to: "study.yaml")
    let process = WeftProcess.process(
      ["explore", study] + arguments("--executor slurm --pause 0.3 " + text),
      environment: cluster.environment)
    let errors = try folder.write("", to: "errors")
    process.standardOutput = FileHandle.nullDevice
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
    try process.run()
    return Collector(process: process, errors: errors)
  }

  private func end(_ collector: Collector, status: Int32) throws -> String {
    collector.process.waitUntilExit()
    let errors = try String(contentsOfFile: collector.errors, encoding: .utf8)
    #expect(collector.process.terminationStatus == status, "\(errors)")
    return errors
  }
}

/// A Slurm that lives as long as its value, and no longer than this process.
private final class Cluster {
  private static let script =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("slurm/cluster").path

  /// Why no cluster can be started here; nil if one can.
  static let obstacle: String? = {
    guard let cluster = try? Cluster() else { return "Tests/slurm/cluster cannot be run" }
    return cluster.obstacle
  }()

  /// What tells Slurm's commands where the cluster is.
  var environment: [String: String] { ["SLURM_CONF": configuration] }

  private let folder: TemporaryFolder
  private let configuration: String
  private let obstacle: String?

  /// Starts a cluster with lines of slurm.conf of its own.
  init(_ options: String...) throws {
    folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.script)
    process.arguments =
      ["start", folder.path, "\(ProcessInfo.processInfo.processIdentifier)"] + options
    let output = Pipe()
    let errors = try folder.write("", to: "start.errors")
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    configuration = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .newlines)
    obstacle =
      process.terminationStatus == 0
      ? nil : try String(contentsOfFile: errors, encoding: .utf8).trimmingCharacters(in: .newlines)
  }

  deinit {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.script)
    process.arguments = ["stop", folder.path]
    // What cannot be stopped now ends with this process.
    if (try? process.run()) != nil { process.waitUntilExit() }
  }

  /// Runs one of Slurm's commands; gives what it prints.
  @discardableResult
  func call(_ command: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: text, as: UTF8.self)
  }
}
