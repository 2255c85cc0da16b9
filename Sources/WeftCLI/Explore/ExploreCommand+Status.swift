import ArgumentParser
import Foundation
import WeftStudy

extension ExploreCommand {
  /// `weft explore status STUDY`.
  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "status", abstract: "Say how far a study is.")

    @Argument(help: "The name of a study in the store, its file, or the number of a run.")
    var study: String

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
      let store = try storeOptions.existing()
      let run = try RunName.latest(study, in: store)
      try global.emit(Report([try RunRecord.status(run, in: store)]))
    }
  }

  /// `weft explore cancel STUDY`.
  struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cancel", abstract: "Stop a study that runs; what is done stays in the store.")

    @Argument(help: "The name of a study in the store, its file, or the number of a run.")
    var study: String

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
      let store = try storeOptions.existing()
      let run = try RunName.latest(study, in: store)
      let process = WriterProcess(run)
      guard run.finished == nil else {
        throw Failure(
          .usage, "run \(run.id) has finished",
          fix: "see its points with: weft results show \(run.id) --store \(store.path)")
      }
      let jobs = SlurmExecutor.jobs(in: Exploration.jobFolder(run, in: store))
      guard process.isHere || !jobs.isEmpty else {
        throw Failure(
          .usage, "run \(run.id) does not run on this host",
          fix: "it was last written by process \(run.description.process) on "
            + run.description.host)
      }
      if process.isHere { process.interrupt() }
      do {
        try SlurmQueue(options: []).cancel(jobs)
      } catch {
        throw Failure(
          .unavailable, "Slurm: \(error.message)",
          fix: "cancel with scancel: " + jobs.joined(separator: " "))
      }
      try global.emit(Report([try RunRecord.status(run, in: store)]))
    }
  }
}

/// The process that writes a run, if it lives on this host.
struct WriterProcess {
  private let number: Int32
  private let host: String

  init(_ run: ResultStore.Run) {
    number = run.description.process
    host = run.description.host
  }

  /// Whether it is another process than this one.
  var isAnother: Bool { number != ProcessInfo.processInfo.processIdentifier }

  /// Whether it lives here; a number that another program has by now does not count.
  var isHere: Bool {
    guard host == ProcessInfo.processInfo.hostName, kill(number, 0) == 0 else { return false }
    guard let line = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") else {
      return true
    }
    let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    return words.first?.hasSuffix("weft") == true && words.contains("explore")
  }

  /// Asks it to store what is done and end.
  func interrupt() { kill(number, SIGINT) }
}

/// A run as `status` and `list` show it.
enum RunRecord {
  /// The record with the tasks of its job array, where it has one.
  static func status(_ run: ResultStore.Run, in store: ResultStore) throws -> Record {
    var record = try record(run, in: store)
    let folder = Exploration.jobFolder(run, in: store)
    let shards = SlurmExecutor.shards(in: folder)
    guard shards.all > 0 else { return record }
    // Where Slurm does not answer, what it does is not known.
    let jobs = Set(SlurmExecutor.jobs(in: folder))
    let tasks = (try? SlurmQueue(options: []).live(jobs)) ?? nil
    if run.finished == nil, let tasks, !tasks.isEmpty, record["state"] == .text("stopped") {
      record["state"] = .text("in Slurm")
    }
    record.append("shards", .integer(shards.all))
    record.append("shards_done", .integer(shards.done))
    record.append("shards_running", Value(tasks.map { $0.count { !$0.isPending } }))
    record.append("shards_waiting", Value(tasks.map { $0.count(where: \.isPending) }))
    return record
  }

  static func record(_ run: ResultStore.Run, in store: ResultStore) throws -> Record {
    let counts = try Failure.stored { () throws(StoreError) in try store.counts(of: run) }
    let state =
      run.finished != nil ? "finished" : WriterProcess(run).isHere ? "running" : "stopped"
    return Record([
      "run": .integer(Int(run.id)), "study": .text(run.description.study),
      "state": .text(state), "points": .integer(counts.points), "planned": Value(run.planned),
      "refused": .integer(counts.refused), "version": .text(run.description.weftVersion),
      "host": .text(run.description.host), "begun": .text(date(run.description.created)),
      "finished": Value(run.finished.map(date)),
    ])
  }

  private static func date(_ date: Date) -> String {
    date.formatted(.iso8601)
  }
}
