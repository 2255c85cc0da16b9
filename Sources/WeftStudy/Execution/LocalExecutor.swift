import Foundation
import Synchronization

/// Answers points on the cores of this host and stores them as they come.
///
/// Workers take runs of neighbouring points, so that what neighbours share is made once, and write
/// their own batches. At most a batch per worker is in memory, and a process that is killed loses
/// no more than the points of the last quarter second, which are then answered again.
public struct LocalExecutor<Evaluator: PointEvaluator>: Sendable {
  /// How far a run is.
  public struct Tally: Hashable, Sendable {
    /// Points that are stored.
    public var done = 0
    /// Those of them that the store answered.
    public var reused = 0
    /// Seconds of CPU time that workers spent on looking results up and storing them.
    public var storeSeconds = 0.0

    /// Points that were computed.
    public var computed: Int { done - reused }
  }

  /// Points of a batch at most, and how long they wait to be stored.
  ///
  /// A page of the store's index is written once for all results of a batch that land on it.
  private static var batchSize: Int { 16384 }
  private static var batchTime: Duration { .milliseconds(250) }

  private let store: ResultStore
  private let run: ResultStore.Run
  private let workers: Int
  private let start: Double
  private let makeEvaluator: @Sendable () throws -> Evaluator

  /// Creates an executor.
  ///
  /// - Parameters:
  ///   - store: Where results are kept.
  ///   - run: The run that the points belong to.
  ///   - workers: The threads that work; at least one.
  ///   - start: Where to begin, as a fraction of the points in 0..<1; the rest follows behind the
  ///     last. Processes that share a run begin at different places and take over what others did.
  ///   - makeEvaluator: Makes an evaluator for each of them.
  public init(
    store: ResultStore, run: ResultStore.Run, workers: Int, start: Double = 0,
    makeEvaluator: @escaping @Sendable () throws -> Evaluator
  ) {
    self.store = store
    self.run = run
    self.workers = workers
    self.start = start
    self.makeEvaluator = makeEvaluator
  }

  /// Answers all points that are not left out.
  ///
  /// - Parameters:
  ///   - queue: The points.
  ///   - shouldStop: Asked often; once true, what is done is stored and no more is begun.
  ///   - progress: Told ten times a second how far it is.
  /// - Returns: What was done; less than all only if it was to stop.
  /// - Throws: What an evaluator or the store throws first; what is done by then is stored.
  public func run(
    _ queue: PointQueue, shouldStop: @escaping @Sendable () -> Bool,
    progress: (Tally) -> Void
  ) throws -> Tally {
    let shared = Shared(first: Int(start * Double(queue.count)), of: queue.count)
    let ended = DispatchSemaphore(value: 0)
    for _ in 0..<workers {
      let thread = Thread {
        do {
          try work(queue, shared, shouldStop)
        } catch {
          shared.state.withLock { state in
            if state.failure == nil { state.failure = error }
          }
        }
        ended.signal()
      }
      // Schedules are generic deep down; the default of some systems is half a mebibyte.
      thread.stackSize = 8 << 20
      thread.start()
    }
    for _ in 0..<workers {
      while ended.wait(timeout: .now() + 0.1) == .timedOut {
        progress(shared.state.withLock { $0.tally })
      }
    }
    let (tally, failure) = shared.state.withLock { ($0.tally, $0.failure) }
    progress(tally)
    if let failure { throw failure }
    return tally
  }
}

// MARK: - Workers

extension LocalExecutor {
  private final class Shared: Sendable {
    struct State: Sendable {
      var next = 0
      var tally = Tally()
      var failure: (any Error)?
    }

    let state = Mutex(State())
    private let first: Int
    private let count: Int

    init(first: Int, of count: Int) {
      self.first = first
      self.count = count
    }

    /// The places of the next points to answer; empty where none are left or something failed.
    func take(_ most: Int) -> Range<Int> {
      state.withLock { state in
        guard state.failure == nil, state.next < count else { return 0..<0 }
        let place = (first + state.next) % count
        let taken = min(most, count - state.next, count - place)
        state.next += taken
        return place..<(place + taken)
      }
    }
  }

  private func work(
    _ queue: PointQueue, _ shared: Shared, _ shouldStop: @Sendable () -> Bool
  ) throws {
    var evaluator = try makeEvaluator()
    var batch = Batch()
    var size = 1
    while !shouldStop() {
      let places = shared.take(size)
      guard !places.isEmpty else { break }
      let begun = ContinuousClock.now
      let isWhole = try answer(
        places.filter { !queue.isSkipped($0) }, of: queue, &evaluator, &batch, shared,
        shouldStop)
      guard isWhole else { break }
      // As many points as take a twentieth of a second, so that all workers end at the same time.
      let spent = ContinuousClock.now - begun
      size = spent < .milliseconds(25) ? min(4096, size * 2) : max(1, size / 2)
    }
    try flush(&batch, shared)
  }

  /// Answers some points; false if it was to stop before the last.
  private func answer(
    _ places: [Int], of queue: PointQueue, _ evaluator: inout Evaluator, _ batch: inout Batch,
    _ shared: Shared, _ shouldStop: @Sendable () -> Bool
  ) throws -> Bool {
    let values = places.map { queue.values(at: $0) }
    var keys: [ResultKey] = []
    for point in values { keys.append(try evaluator.key(point)) }
    let known = try batch.timed { try store.known(keys) }
    for index in places.indices {
      if shouldStop() { return false }
      do {
        let result = known[index] ? nil : try evaluator.result(values[index])
        batch.points.append(
          ResultStore.Point(
            number: queue.first + places[index], values: values[index], key: keys[index],
            result: result))
        if result == nil { batch.reused += 1 }
      } catch {
        try flush(&batch, shared)
        throw error
      }
      if batch.points.count >= Self.batchSize || ContinuousClock.now - batch.begun > Self.batchTime
      {
        try flush(&batch, shared)
      }
    }
    return true
  }

  private struct Batch {
    var points: [ResultStore.Point] = []
    var reused = 0
    var begun = ContinuousClock.now
    var storeSeconds = 0.0

    /// Does some work with the store and adds this thread's CPU time, which a busy machine and
    /// waiting for locks do not change.
    mutating func timed<Result>(_ work: () throws -> Result) rethrows -> Result {
      let begun = Self.threadSeconds
      defer { storeSeconds += Self.threadSeconds - begun }
      return try work()
    }

    private static var threadSeconds: Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
  }

  private func flush(_ batch: inout Batch, _ shared: Shared) throws {
    if !batch.points.isEmpty {
      let points = batch.points
      try batch.timed { _ = try store.insert(points, into: run) }
      let (done, reused, seconds) = (points.count, batch.reused, batch.storeSeconds)
      shared.state.withLock { state in
        state.tally.done += done
        state.tally.reused += reused
        state.tally.storeSeconds += seconds
      }
    }
    batch = Batch()
  }
}
