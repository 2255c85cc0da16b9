import Foundation
import Weft
import WeftFiles
import WeftStudy

/// One run of a study: its points, then its refinements, into a store.
struct Exploration {
  /// What was done.
  struct Outcome {
    var run: ResultStore.Run
    /// Points that were in the run before.
    var before = 0
    /// Points that the store answered from other runs.
    var reused = 0
    /// Points that were computed.
    var computed = 0
    /// Points that the study's conditions rule out beforehand.
    var excluded = 0
    /// Seconds of CPU time that went into the store.
    var storeSeconds = 0.0
  }

  let study: Study
  let store: ResultStore
  let global: GlobalOptions
  let workers: Int
  /// The points that the study's conditions leave.
  let points: Study.Points
  /// Where local workers begin, as a fraction of the points.
  var start = 0.0

  /// Describes the run that this study is.
  func description(documents: [ResultStore.Document]) -> ResultStore.Run.Description {
    ResultStore.Run.Description(
      study: study.file.name, studyText: study.file.text, axes: study.axes.map(\.name),
      weftVersion: WeftCommand.version, commandLine: CommandLine.arguments,
      seed: study.file.seed, host: ProcessInfo.processInfo.hostName,
      process: ProcessInfo.processInfo.processIdentifier, created: Date(), documents: documents)
  }

  /// Answers all points that the run lacks.
  ///
  /// - Throws: ``Failure`` with exit code 130 if the user stopped it; what is done is stored.
  func run(into run: ResultStore.Run, _ execute: Executor) throws -> Outcome {
    var outcome = Outcome(run: run, excluded: points.excluded)
    var queue = points.queue
    let done = try store.numbers(of: run)
    outcome.before = done.count
    for number in done where number < queue.count { queue.skip(number) }
    // An unfinished run may have any number of refined points, so its end is open.
    try store.update(run, planned: queue.count - outcome.excluded, finished: nil)
    try answer(queue, &outcome, execute)
    var count = queue.count
    if let refinement = study.file.refinement {
      count += try refine(refinement, from: count, &outcome, execute)
    }
    try store.update(run, planned: count - outcome.excluded, finished: Date())
    return outcome
  }

  /// What came of a queue of points.
  struct Tally {
    var computed = 0
    var reused = 0
    var storeSeconds = 0.0
  }

  /// Answers the points of a queue.
  typealias Executor = (PointQueue, ResultStore.Run) throws -> Tally

  private func answer(
    _ queue: PointQueue, _ outcome: inout Outcome, _ execute: Executor
  ) throws {
    guard queue.remaining > 0 else { return }
    let tally = try execute(queue, outcome.run)
    outcome.computed += tally.computed
    outcome.reused += tally.reused
    outcome.storeSeconds += tally.storeSeconds
    guard tally.computed + tally.reused == queue.remaining else {
      throw stopped(outcome)
    }
  }

  private func stopped(_ outcome: Outcome) -> Failure {
    let done = outcome.before + outcome.reused + outcome.computed
    return Failure(
      .interrupted, "stopped with \(done) points in \(store.path)",
      fix: "run the same command again to go on")
  }

}

extension Study {
  /// The points to answer, before any refinement.
  struct Points {
    var queue: PointQueue
    /// How many the study's conditions rule out beforehand.
    var excluded = 0
  }

  /// Lays out the points without those that conditions on their own values rule out.
  ///
  /// - Throws: ``Failure`` if none is left.
  func points() throws(Failure) -> Points {
    var points = Points(queue: PointQueue(try design()))
    let conditions = inputConditions()
    guard !conditions.isEmpty else { return points }
    for place in 0..<points.queue.count {
      let values = points.queue.values(at: place)
      let texts = texts(values)
      let isWanted = conditions.allSatisfy { condition in
        condition.holds { input($0, values, texts) }
      }
      if !isWanted {
        points.queue.skip(place)
        points.excluded += 1
      }
    }
    guard points.queue.remaining > 0 else {
      throw Failure(
        .badContent,
        "\(conditions[0].origin.place ?? file.file): no point is left: all \(points.excluded) miss "
          + conditions.map { "'\($0.text)'" }.joined(separator: " or "),
        fix: "loosen a condition, or let the axes reach values that meet it")
    }
    return points
  }
}

// MARK: - Executors

extension Exploration {
  /// Answers points on the cores of this host.
  func answerLocally(
    _ queue: PointQueue, _ run: ResultStore.Run
  ) throws -> Tally {
    let study = study
    let executor = LocalExecutor(store: store, run: run, workers: workers, start: start) {
      StudyEvaluator(study)
    }
    let progress = ExploreProgress(of: queue.remaining, global)
    defer { progress.finish() }
    let tally = try executor.run(queue, shouldStop: { Interrupt.isWished }) { tally in
      progress.update(done: tally.done, computed: tally.computed)
    }
    return Tally(
      computed: tally.computed, reused: tally.reused, storeSeconds: tally.storeSeconds)
  }
}

// MARK: - Refinement

extension Exploration {
  /// Rounds of further points; the same results give the same rounds, so that an interrupted
  /// refinement goes on where it was.
  ///
  /// - Returns: How many points there are in all rounds.
  private func refine(
    _ refinement: StudyFile.Refinement, from first: Int, _ outcome: inout Outcome,
    _ execute: Executor
  ) throws -> Int {
    let budget =
      switch refinement {
      case .pareto(let points), .crossover(let points, _, _, _): points
      }
    let conditions = study.inputConditions()
    // Four rounds at least, since each knows more than the one before.
    let perRound = max(1, (budget + 3) / 4)
    var spent = 0
    while spent < budget {
      let proposals = try proposals(
        refinement, before: first + spent, outcome.run, limit: min(perRound, budget - spent)
      ).filter { values in
        let texts = study.texts(values)
        return conditions.allSatisfy { $0.holds { study.input($0, values, texts) } }
      }
      guard !proposals.isEmpty else { break }
      var queue = PointQueue(proposals, from: first + spent)
      for number in try store.numbers(of: outcome.run)
      where number >= queue.first && number < queue.first + queue.count {
        queue.skip(number - queue.first)
      }
      try answer(queue, &outcome, execute)
      spent += proposals.count
    }
    return spent
  }

  private func proposals(
    _ refinement: StudyFile.Refinement, before number: Int, _ run: ResultStore.Run, limit: Int
  ) throws -> [[String]] {
    let objectives: [(metric: String, isMaximized: Bool)]
    switch refinement {
    case .pareto:
      objectives = study.file.objectives.map { ($0.metric, $0.isMaximized) }
    case .crossover(_, _, _, let metric):
      let decisive = study.decisive
      objectives = [metric.map { ($0, false) } ?? decisive]
    }
    var known: [Refiner.Known] = []
    try StudyRows(run, in: store, study: study).forEach { row in
      guard row.point.number < number else { return }
      known.append(
        Refiner.Known(
          values: row.point.values,
          metrics: objectives.map { row.isFeasible ? row.metric($0.metric) : nil }))
    }
    let refiner = Refiner(axes: study.axes, known: known)
    switch refinement {
    case .pareto:
      return refiner.towardFront(maximized: objectives.map(\.isMaximized), limit: limit)
    case .crossover(_, let choice, let along, _):
      guard let choice = study.axes.firstIndex(where: { $0.name == choice }),
        let along = study.axes.firstIndex(where: { $0.name == along })
      else { return [] }
      return refiner.towardCrossover(
        of: choice, along: along, isMaximized: objectives[0].isMaximized, limit: limit)
    }
  }
}

extension Study {
  /// The result that decides between points: the first objective, or the command's time.
  var decisive: (metric: String, isMaximized: Bool) {
    file.objectives.first.map { ($0.metric, $0.isMaximized) }
      ?? (ResultNames.decisive(file.command), false)
  }
}

// MARK: - Other processes

extension Exploration {
  /// Divides the work with the process that answers the run already, if one does.
  ///
  /// - Parameters:
  ///   - before: The run as its last writer left it.
  ///   - execution: Where points are answered.
  /// - Throws: ``Failure`` where a second process would only do the same: of a job array, one
  ///   collects.
  mutating func share(_ before: ResultStore.Run, _ execution: ExecutionOptions) throws(Failure) {
    let writer = WriterProcess(before)
    guard writer.isAnother, writer.isHere else { return }
    guard execution.executor == .local else {
      throw Failure(
        .usage, "process \(before.description.process) answers run \(before.id) already",
        fix: "wait for it, or end it with: weft explore cancel \(before.id) --store \(store.path)")
    }
    // The golden ratio's multiples are spread evenly, whatever the numbers of processes are.
    let place = Double(ProcessInfo.processInfo.processIdentifier) * 0.618_033_988_75
    start = place - place.rounded(.down)
    Console.warn(
      "process \(before.description.process) answers this study too; both share the points",
      global)
  }
}
