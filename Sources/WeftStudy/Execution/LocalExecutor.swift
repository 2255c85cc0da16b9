import Foundation
import Synchronization

/// Answers points on the cores of this host and stores them as they come.
///
/// Workers take runs of neighbouring points, so that what neighbours share is made once, and write
/// their own batches. At most a batch per worker is in memory, and a process that is killed loses
/// no more than the points of the last moment, which are then answered again.
public struct LocalExecutor<Evaluator: PointEvaluator>: Sendable {
  /// How far a run is.
  public struct Tally: Hashable, Sendable {
    /// Points that are stored.
    public var done = 0
    /// Those of them that the store answered.
    public var reused = 0

    /// Points that were computed.
    public var computed: Int { done - reused }
  }

  /// Points of a batch at most, and how long they wait to be stored.
  private static var batchSize: Int { 512 }
  private static var batchTime: Duration { .milliseconds(50) }

  private let store: ResultStore
  private let run: ResultStore.Run
  private let workers: Int
  private let makeEvaluator: @Sendable () throws -> Evaluator

  /// Creates an executor.
  ///
  /// - Parameters:
  ///   - store: Where results are kept.
  ///   - run: The run that the points belong to.
  ///   - workers: The threads that work; at least one.
  ///   - makeEvaluator: Makes an evaluator for each of them.
  public init(
    store: ResultStore, run: ResultStore.Run, workers: Int,
    makeEvaluator: @escaping @Sendable () throws -> Evaluator
  ) {
    self.store = store
    self.run = run
    self.workers = workers
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
    let shared = Shared()
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

    /// The next points to answer; empty where none are left or something failed.
    func take(_ most: Int, of count: Int) -> Range<Int> {
      state.withLock { state in
        guard state.failure == nil else { return count..<count }
        let first = state.next
        state.next = min(count, first + most)
        return first..<state.next
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
      let places = shared.take(size, of: queue.count)
      guard !places.isEmpty else { break }
      let begun = ContinuousClock.now
      let isWhole = try answer(
        places.filter { !queue.isSkipped($0) }, of: queue, &evaluator, &batch, shared,
        shouldStop)
      guard isWhole else { break }
      // As many points as take a fiftieth of a second, so that all workers end at the same time.
      let spent = ContinuousClock.now - begun
      size = spent < .milliseconds(10) ? min(Self.batchSize, size * 2) : max(1, size / 2)
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
    let known = try store.known(keys)
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
  }

  private func flush(_ batch: inout Batch, _ shared: Shared) throws {
    if !batch.points.isEmpty {
      try store.insert(batch.points, into: run)
      let (done, reused) = (batch.points.count, batch.reused)
      shared.state.withLock { state in
        state.tally.done += done
        state.tally.reused += reused
      }
    }
    batch = Batch()
  }
}
