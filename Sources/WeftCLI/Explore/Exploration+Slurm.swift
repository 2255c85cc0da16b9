import ArgumentParser
import Foundation
import WeftFiles
import WeftStudy

extension Exploration {
  /// The folder by which a run and its tasks speak, beside the store.
  static func jobFolder(_ run: ResultStore.Run, in store: ResultStore) -> String {
    URL(fileURLWithPath: store.path + ".jobs/run-\(run.id)").path
  }

  /// Answers points by a job array; what the store has is not submitted.
  func answerBySlurm(
    _ points: PointQueue, _ run: ResultStore.Run, _ options: ExecutionOptions
  ) throws -> Tally {
    var queue = points
    let reused = try reuse(&queue, run)
    guard queue.remaining > 0 else { return Tally(reused: reused) }
    let folder = Self.jobFolder(run, in: store)
    let plan = SlurmExecutor.Plan(
      folder: folder, script: try writeTask(folder, first: queue.first),
      name: "weft-" + study.file.name, shards: options.mostShards,
      retries: options.mostRetries, pause: options.seconds)
    let executor = SlurmExecutor(
      store: store, run: run, queue: SlurmQueue(options: options.sbatch), plan: plan)
    let progress = ExploreProgress(of: queue.remaining, global)
    defer { progress.finish() }
    var saidFull = false
    do {
      let news = try executor.run(queue, shouldStop: { Interrupt.isWished }) { news in
        progress.update(done: news.done, computed: news.done)
        if news.waiting > 0 && !saidFull {
          saidFull = true
          Console.warn(
            "Slurm takes no more jobs for now; \(news.waiting) shards wait for room", global)
        }
      }
      if news.resubmitted > 0 {
        Console.warn("\(news.resubmitted) shards failed and were submitted again", global)
      }
    } catch let ending as SlurmExecutor.Ending {
      throw Failure(ending, folder: folder)
    } catch let error as DecodingError {
      throw Failure(
        .badContent, "\(folder): a file of results is not what a task writes: \(error)",
        fix: "remove the folder and run the same command again; the store keeps what it has")
    } catch let error as CocoaError {
      throw Failure(
        .cannotWrite, "\(folder): \(error.localizedDescription)",
        fix: "check that the folder is there, writable and has room")
    }
    let stored = try store.numbers(of: run).filter {
      $0 >= queue.first && $0 < queue.first + queue.count && !queue.isSkipped($0 - queue.first)
    }
    if stored.count < queue.remaining {
      throw Failure(
        .interrupted, "stopped with \(stored.count) of \(queue.remaining) points collected",
        fix: "the jobs go on: 'weft explore resume' collects them, 'weft explore cancel' ends them")
    }
    return Tally(computed: stored.count, reused: reused)
  }

  /// Takes over what the store knows from other runs.
  private func reuse(_ queue: inout PointQueue, _ run: ResultStore.Run) throws -> Int {
    var evaluator = StudyEvaluator(study)
    var reused = 0
    for first in stride(from: 0, to: queue.count, by: 512) {
      let places = (first..<min(queue.count, first + 512)).filter { !queue.isSkipped($0) }
      let values = places.map { queue.values(at: $0) }
      var keys: [ResultKey] = []
      for point in values { keys.append(try evaluator.key(point)) }
      let known = try store.known(keys)
      let points = places.indices.filter { known[$0] }.map {
        ResultStore.Point(
          number: queue.first + places[$0], values: values[$0], key: keys[$0], result: nil)
      }
      try store.insert(points, into: run)
      for index in places.indices where known[index] { queue.skip(places[index]) }
      reused += points.count
    }
    return reused
  }

  /// Writes the study and the script of each task; gives the script's path.
  private func writeTask(_ folder: String, first: Int) throws -> String {
    let script = folder + "/points-\(first).sh"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try study.file.text.write(
        toFile: folder + "/study.yaml", atomically: true, encoding: .utf8)
      let weft = Bundle.main.executablePath ?? "weft"
      let words = [
        weft, "explore", "task", "\(folder)/points-\(first)", "--study", "\(folder)/study.yaml",
        "--study-file", URL(fileURLWithPath: study.file.file).path, "--data-dir",
        URL(fileURLWithPath: study.data.path).path,
      ]
      let line = words.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
      try "#!/bin/sh\nexec \(line)\n".write(toFile: script, atomically: true, encoding: .utf8)
    } catch {
      throw Failure(
        .cannotWrite, "cannot write the job's files in \(folder)",
        fix: "check that the store's folder is writable and has room")
    }
    return script
  }
}

extension Failure {
  /// The failure that a job's end is.
  init(_ ending: SlurmExecutor.Ending, folder: String) {
    switch ending {
    case .shardFailed(let shard, let lastWords):
      self.init(
        .unavailable,
        "shard \(shard) failed again and again"
          + (lastWords.isEmpty ? "" : "; its last words: \(lastWords)"),
        fix: "see the logs in \(folder); 'weft explore resume' tries again")
    case .slurm(let failure):
      self.init(.unavailable, "Slurm: \(failure.message)", fix: Self.fix(failure.code))
    }
  }
}

extension Failure {
  /// What to do where Slurm does not take a job.
  private static func fix(_ code: SlurmQueue.Failure.Code) -> String {
    switch code {
    case .missing: "run on a host of the cluster, or leave --executor slurm out"
    case .tooManyTasks:
      "give fewer --shards than MaxArraySize, which 'scontrol show config' tells"
    case .full, .refused: "check the options given with --sbatch, and 'sinfo'"
    }
  }
}

// MARK: - Tasks

extension ExploreCommand {
  /// One task of a job array; people do not call it.
  struct Task: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "task", abstract: "Answer one shard, as a task of a job array does.",
      shouldDisplay: false)

    @Argument(help: "The folder of shards.")
    var folder: String

    @Option(help: "The text of the study.")
    var study: String

    @Option(help: "Where the study came from; files that it names lie beside it.")
    var studyFile: String

    @Option(help: "The shard; that of the array's task unless said.")
    var shard: Int?

    @Option(help: "The folder that holds 'topologies'.")
    var dataDir: String

    func run() throws {
      let environment = ProcessInfo.processInfo.environment
      let index = environment["SLURM_ARRAY_TASK_ID"].flatMap { Int($0) }
      // A task that Slurm starts again keeps its job's number.
      let attempt =
        environment["SLURM_ARRAY_JOB_ID"].map { job in
          job + "-" + (environment["SLURM_RESTART_COUNT"] ?? "0")
        } ?? "by-hand"
      guard let shard = shard ?? index else {
        throw Failure(
          .usage, "no shard is named", fix: "give --shard, or run it in a job array of Slurm")
      }
      let file = try StudyFile(text: try TextFile.read(study), file: studyFile)
      let study = try Study(file, data: try DataDirectory.find(option: dataDir))
      var evaluator = StudyEvaluator(study)
      Interrupt.listen()
      let isDone = try ShardFolder(path: folder).answer(
        shard, attempt: attempt, &evaluator, shouldStop: { Interrupt.isWished })
      if !isDone { throw ExitCode(Failure.Status.interrupted.rawValue) }
    }
  }
}
