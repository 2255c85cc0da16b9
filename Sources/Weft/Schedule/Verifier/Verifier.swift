/// Proves that a schedule computes its collective, or says where it does not.
///
/// The verifier runs the schedule on symbolic data. An element holds which call's input it is made
/// of, which position of that input, and the multiset of ranks added. At the end of every call each
/// rank must hold, in every element of its result, the ranks that the collective asks for, each once,
/// of this call and the right position: for an all-reduce all ranks and the same position; see
/// ``Collective``. Sums, copies
/// and messages act on whole runs of elements (``BufferState``), so lengths do not matter.
///
/// **One run stands for all.** Lanes, FIFO connections and flags that name their sender form a
/// network of sequential processes without choice: whatever the order in which lanes run, the k-th
/// message of a connection meets the k-th receive and a lane that can move stays able to move. So
/// all orders execute the same operations and end in the same place, done or deadlocked. The run
/// must use exactly the slots that will be there: with fewer a schedule may deadlock, with more an
/// order that rests on full slots is gone. A transfer that receives and sends starts when both the
/// message and the slot are there, and frees the slot of its message only then, as NCCL's primitives
/// do; so a ring needs two slots.
///
/// **Memory is the exception**: lanes and puts that touch the same elements without waiting for each
/// other could see different values in different orders. So the run also records what happened
/// before what: the operations of a lane in order, a message before its receive, a put or signal
/// before its `wait`, a freed slot before the send that reuses it, meetings of lanes, and the
/// caller's reading and writing between calls. Two accesses to the same elements, one of them a
/// write, must be ordered by it (``Clocks``). If all are, every order yields the values of this run.
/// A put writes at an unknown time between its issue and the end of the `wait` it meets, and reads
/// its source as late as that.
///
/// **Calls follow each other without synchronisation of ranks**, and what a call left in scratch
/// buffers is still there. A handshake that protects a buffer from the next call's puts is visible
/// from the second call on. The proof is of the calls that were run: a schedule whose calls differ
/// by more than the first from the rest needs more of them. Signals that the last call leaves for
/// the next one are no fault, so that a handshake may stay open.
///
/// Not proved: that the schedule is fast, that sums do not overflow, or anything about machines whose
/// memory does not keep the order named above.
public enum Verifier {
  /// How to verify.
  public struct Options: Hashable, Sendable {
    /// The number of back-to-back calls.
    public var calls: Int
    /// The number of messages of a connection that may be sent and not yet taken.
    public var slots: Int
    /// Up to so many ranks, and never more than 64, contributions are counted exactly.
    public var exactUpTo: Int
    /// Where the random numbers of the fingerprints come from.
    public var seed: UInt64
    /// The run ends when it has found so many faults.
    public var maxFindings: Int
    /// No lane may do more operations in one call.
    public var operationLimit: Int
    /// The largest sum of the lengths of all lanes' clocks; beyond it, races are not checked.
    public var clockLimit: Int

    /// Creates options; numbers below 1 are taken as 1.
    public init(
      calls: Int = 2, slots: Int = 8, exactUpTo: Int = 64, seed: UInt64 = 1,
      maxFindings: Int = 10, operationLimit: Int = 1 << 22, clockLimit: Int = 1 << 27
    ) {
      self.calls = max(1, calls)
      self.slots = max(1, slots)
      self.exactUpTo = exactUpTo
      self.seed = seed
      self.maxFindings = max(1, maxFindings)
      self.operationLimit = max(1, operationLimit)
      self.clockLimit = clockLimit
    }
  }

  /// Verifies a schedule.
  ///
  /// Never traps and always ends, whatever the schedule does.
  /// - Complexity: operations times the logarithm of the chunks per buffer, plus, if lanes of
  ///   different ranks share memory, operations times the number of lanes they follow.
  public static func verify(
    _ schedule: some Schedule, options: Options = Options()
  ) -> VerificationReport {
    let program = ScheduleProgram(schedule)
    let isSmall =
      program.layout.ranks <= min(options.exactUpTo, ExactContributions.maximumRanks)
    return isSmall
      ? Proof<ExactContributions>(program, options).run()
      : Proof<FingerprintContributions>(program, options).run()
  }
}

/// The order in which executions with better and better clocks are tried.
private struct Proof<Algebra: ContributionAlgebra> {
  let program: Program
  let options: Verifier.Options

  init(_ program: Program, _ options: Verifier.Options) {
    self.program = program
    self.options = options
  }

  func run() -> VerificationReport {
    if let text = program.malformation() { return refusal(text, lane: nil) }
    let survey = Survey(program, limit: options.operationLimit)
    if let lane = survey.endless {
      return refusal(
        "The lane is not at its end after \(options.operationLimit) operations.", lane: lane)
    }
    let ranks = program.layout.ranks
    let algebra = Algebra(ranks: ranks, seed: options.seed)
    // Clocks of few ranks prove most schedules. Where they see no order there may still be one,
    // through ranks that do not share memory; then only clocks of all ranks can tell.
    if affords(survey, survey.neighbours) {
      let isDecisive = survey.neighbours.allSatisfy { $0.count == ranks }
      let execution = execute(algebra, survey.neighbours, stopsAtRace: !isDecisive)
      if isDecisive || !execution.foundRace { return report(execution, racesChecked: true) }
    }
    let everyone = (0..<Int32(ranks)).map { $0 }
    let all = Array(repeating: everyone, count: ranks)
    if affords(survey, all) {
      return report(execute(algebra, all, stopsAtRace: false), racesChecked: true)
    }
    return report(execute(algebra, [], stopsAtRace: false), racesChecked: false)
  }

  private func affords(_ survey: Survey, _ followed: [[Int32]]) -> Bool {
    survey.affords(
      followed, lanes: program.lanes, calls: options.calls, words: options.clockLimit)
  }

  private func execute(
    _ algebra: Algebra, _ followed: [[Int32]], stopsAtRace: Bool
  ) -> Execution<Algebra> {
    var execution = Execution(
      program, algebra: algebra, followed: followed, stopsAtRace: stopsAtRace, options: options)
    execution.run()
    return execution
  }

  private func report(
    _ execution: Execution<Algebra>, racesChecked: Bool
  ) -> VerificationReport {
    VerificationReport(
      findings: execution.findings, mode: Algebra.mode, racesChecked: racesChecked,
      ranks: program.layout.ranks, lanes: program.lanes, calls: options.calls,
      operations: execution.operations, messages: execution.messages)
  }

  private func refusal(_ text: String, lane: Int?) -> VerificationReport {
    let finding = Finding(
      kind: .malformed, rank: lane.map { $0 / program.lanes },
      lane: lane.map { $0 % program.lanes },
      call: lane.map { _ in 0 }, step: nil, text: text)
    return VerificationReport(
      findings: [finding], mode: Algebra.mode, racesChecked: true, ranks: program.layout.ranks,
      lanes: program.lanes, calls: options.calls, operations: 0, messages: 0)
  }
}
