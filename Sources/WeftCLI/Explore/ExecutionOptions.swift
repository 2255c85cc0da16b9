import ArgumentParser
import Foundation
import WeftStudy

/// Where a study's points are answered.
struct ExecutionOptions: ParsableArguments {
  enum Executor: String, CaseIterable, ExpressibleByArgument {
    case local, slurm
  }

  @Option(help: "Who answers: local, the cores of this host, or slurm, a job array.")
  var executor = Executor.local

  @Option(parsing: .unconditional, help: "Threads that work at once; all cores unless said.")
  var jobs: Int?

  @Option(
    parsing: .unconditional, help: "With slurm: the most tasks of a job array; 64 unless said.")
  var shards: Int?

  @Option(
    parsing: .unconditional,
    help: "With slurm: how often a task that failed is submitted again; 3 times unless said.")
  var retries: Int?

  @Option(
    parsing: .unconditional, help: "With slurm: seconds between looks at the queue; 5 unless said.")
  var pause: Double?

  @Option(
    name: .customLong("sbatch"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "With slurm: an option of sbatch, such as --sbatch=--partition=cpu; repeatable.",
      valueName: "option"))
  var sbatch: [String] = []

  /// The number of threads.
  func workers() throws(Failure) -> Int {
    guard let jobs else { return max(1, ProcessInfo.processInfo.activeProcessorCount) }
    guard (1...1024).contains(jobs) else {
      throw Failure(.usage, "--jobs \(jobs): this is no number of threads", fix: "give 1 to 1024")
    }
    return jobs
  }

  /// Refuses what cannot be done, before anything is written.
  func check() throws(Failure) {
    guard executor == .slurm else { return try refuseSlurmOptions() }
    let (shards, retries, pause) = (mostShards, mostRetries, seconds)
    guard (1...100_000).contains(shards), (0...100).contains(retries), pause > 0, pause <= 3600
    else {
      throw Failure(
        .usage, "--shards \(shards), --retries \(retries), --pause \(pause): one is out of range",
        fix: "give 1 to 100000 shards, 0 to 100 retries, a pause up to 3600 s")
    }
    do {
      try SlurmQueue(options: sbatch).check()
    } catch {
      throw Failure(SlurmExecutor.Ending.slurm(error), folder: "")
    }
  }

  /// The most tasks of a job array.
  var mostShards: Int { shards ?? 64 }
  /// How often a task is submitted again.
  var mostRetries: Int { retries ?? 3 }
  /// The time between looks at the queue.
  var seconds: Double { pause ?? 5 }

  private func refuseSlurmOptions() throws(Failure) {
    for (flag, isGiven) in [
      ("--shards", shards != nil), ("--retries", retries != nil), ("--pause", pause != nil),
      ("--sbatch", !sbatch.isEmpty),
    ] where isGiven {
      throw Failure(
        .usage, "\(flag) is for Slurm, and the cores of this host answer",
        fix: "leave it out, or give --executor slurm")
    }
  }

  /// Answers all points that a run lacks.
  func run(_ exploration: Exploration, into run: ResultStore.Run) throws -> Exploration.Outcome {
    switch executor {
    case .local:
      return try exploration.run(into: run, exploration.answerLocally)
    case .slurm:
      return try exploration.run(into: run) { queue, run in
        try exploration.answerBySlurm(queue, run, self)
      }
    }
  }
}
