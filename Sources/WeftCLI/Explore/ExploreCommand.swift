import ArgumentParser
import Foundation
import Weft
import WeftFiles
import WeftStudy

/// `weft explore`: many designs at once, into a store.
struct ExploreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore",
    abstract: "Answer a study's points into a store, and show the best of them.",
    discussion: """
      A study is a request of simulate or predict with things that vary; see topologies/studies. \
      Points are stored as they come: after an interrupt, or a kill, the same command goes on. \
      Points that any run of the store has are not computed again.
      """,
    subcommands: [Run.self, Status.self, Resume.self, Cancel.self, Task.self],
    defaultSubcommand: Run.self)

  /// Where results are kept.
  struct StoreOptions: ParsableArguments {
    @Option(help: "The SQLite file that keeps results; created where there is none.")
    var store: String

    /// The store, which must be there already.
    func existing() throws -> ResultStore {
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: store, isDirectory: &isFolder)
      guard !isFolder.boolValue else {
        throw Failure(
          .missing, "\(store) is a folder, not a store", fix: "name the SQLite file in it")
      }
      guard exists else {
        throw Failure(
          .missing, "there is no store \(store)",
          fix: "check the path; 'weft explore STUDY --store FILE' creates one")
      }
      return try open()
    }

    /// The store; created where there is none.
    func open() throws -> ResultStore {
      do {
        return try ResultStore(path: store)
      } catch {
        throw Failure(error)
      }
    }
  }
}

extension Failure {
  /// The failure that an unusable store is.
  init(_ error: StoreError) {
    let problem = "\(error.path): \(error.message)"
    switch error.code {
    case .notAStore, .newerVersion: self.init(.badContent, problem, fix: error.fix)
    case .gone, .noFile: self.init(.cannotWrite, problem, fix: error.fix)
    case .database:
      self.init(
        .cannotWrite, problem, fix: "check that the folder is writable, local, and has room")
    }
  }
}

// MARK: - Running

extension ExploreCommand {
  /// `weft explore STUDY`.
  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "run", abstract: "Answer the points of a study (the default).")

    @Argument(help: "A study file, or the name of a shipped study.")
    var study: String

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var execution: ExecutionOptions
    @OptionGroup var output: ExploreOutput
    @OptionGroup var global: GlobalOptions

    func run() throws {
      let data = try global.data()
      let study = try Study(StudyFile(path: try data.studyPath(study)), data: data)
      try explore(study)
    }

    /// Runs a study and prints what came of it.
    func explore(_ study: Study) throws {
      try Output.checkFolder(of: global.output)
      let documents = try study.check()
      try output.check(study)
      try execution.check()
      let points = try study.points()
      let store = try storeOptions.open()
      var exploration = Exploration(
        study: study, store: store, global: global, workers: try execution.workers(),
        points: points)
      Interrupt.listen()
      let outcome = try global.timed("the study") {
        do {
          let description = exploration.description(documents: documents)
          if let before = try store.run(of: description) {
            try exploration.share(before, execution)
          }
          return try execution.run(exploration, into: try store.begin(description).run)
        } catch let error as StoreError {
          throw Failure(error)
        }
      }
      if outcome.storeSeconds > 0 {
        let perPoint = outcome.storeSeconds / Double(outcome.computed + outcome.reused)
        global.note(
          String(
            format: "the store took %.3f s of CPU time, %.2f us per point",
            outcome.storeSeconds, perPoint * 1e6))
      }
      try output.emit(outcome, exploration)
    }
  }

  /// `weft explore resume STUDY`.
  struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "resume", abstract: "Go on with a study that was stopped.")

    @Argument(help: "The name of a study in the store, or its file.")
    var study: String

    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var execution: ExecutionOptions
    @OptionGroup var output: ExploreOutput
    @OptionGroup var global: GlobalOptions

    func run() throws {
      let store = try storeOptions.existing()
      let run = try RunName.latest(study, in: store)
      var command = Run()
      command.study = study
      command.storeOptions = storeOptions
      command.execution = execution
      command.output = output
      command.global = global
      // The file may be gone or changed; what was begun is what the store remembers.
      let isFile = FileManager.default.fileExists(atPath: study)
      let file =
        isFile
        ? try StudyFile(path: study)
        : try StudyFile(text: run.description.studyText, file: "the study of run \(run.id)")
      guard file.text == run.description.studyText else {
        throw Failure(
          .usage, "\(study) was changed since run \(run.id) began",
          fix: "resume it by its name, '\(run.description.study)', or explore the file anew")
      }
      try command.explore(try Study(file, data: try global.data()))
    }
  }
}

/// What `weft explore` prints.
struct ExploreOutput: ParsableArguments {
  /// Files for other programs.
  enum Export: String, CaseIterable, ExpressibleByArgument {
    case ncclTuner = "nccl-tuner"
  }

  @Flag(help: "Print the decision map: which value is the best at which size and scale.")
  var decide = false

  @Option(help: "Write a file for another program: nccl-tuner, the CSV of NCCL's example tuner.")
  var export: Export?

  /// Refuses what the study cannot give, before any work.
  func check(_ study: Study) throws {
    guard !(decide && export != nil) else {
      throw Failure(
        .usage, "--decide and --export both print to one output", fix: "give one at a time")
    }
    if decide { _ = try DecisionMap(study) }
    if export != nil { try TunerTable.check(study) }
  }

  func emit(_ outcome: Exploration.Outcome, _ exploration: Exploration) throws {
    let rows = StudyRows(outcome.run, in: exploration.store, study: exploration.study)
    let global = exploration.global
    if export != nil {
      return try Output.write(try TunerTable(rows).csv, to: global.output)
    }
    if decide {
      return try global.emit(try DecisionMap(exploration.study).report(rows, global.format))
    }
    try global.emit(try StudySummary(rows, outcome).report)
  }
}

/// Finds runs by what people call them.
enum RunName {
  /// The run of a number or the last of a study's name or file.
  ///
  /// - Throws: ``Failure`` with what there is if there is none.
  static func latest(_ name: String, in store: ResultStore) throws -> ResultStore.Run {
    let runs = try Failure.stored { () throws(StoreError) in try store.runs() }
    if let id = Int64(name), let run = runs.first(where: { $0.id == id }) { return run }
    var study = name
    if FileManager.default.fileExists(atPath: name), let file = try? StudyFile(path: name) {
      study = file.name
    }
    if let run = runs.last(where: { $0.description.study == study }) { return run }
    var seen = Set<String>()
    let known = runs.map(\.description.study).filter { seen.insert($0).inserted }
    throw Failure(
      .missing, "\(store.path) has no run '\(name)'",
      fix: runs.isEmpty
        ? "it has no runs at all"
        : "it has runs 1 to \(runs.count): " + known.joined(separator: ", "))
  }
}

extension Failure {
  /// Does something with a store; what SQLite says becomes a failure.
  static func stored<Result>(_ work: () throws(StoreError) -> Result) throws(Failure) -> Result {
    do {
      return try work()
    } catch {
      throw Failure(error)
    }
  }
}
