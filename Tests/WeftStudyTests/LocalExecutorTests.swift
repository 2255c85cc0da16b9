import Foundation
import Synchronization
import TestSupport
import Testing

@testable import WeftStudy

@Suite struct LocalExecutorTests {
  private let folder: TemporaryFolder
  private let store: ResultStore
  private let run: ResultStore.Run

  init() throws {
    folder = try TemporaryFolder()
    store = try ResultStore(path: folder.path + "/store.sqlite")
    run = try store.begin(
      ResultStore.Run.Description(
        study: "squares", studyText: "", axes: ["x"], weftVersion: "0", commandLine: [], seed: 0,
        host: "", process: 0, created: Date(), documents: [])
    ).run
  }

  /// Squares numbers, and remembers how often it was asked.
  private struct Squares: PointEvaluator {
    struct Refusal: Error {}
    static let shape = ResultShape(.object([("square", .value)]))
    let counts: Counts
    var refused: Int?

    func key(_ values: [String]) -> ResultKey { ResultKey(of: values[0]) }

    func result(_ values: [String]) throws -> StoredResult {
      let x = Int(values[0]) ?? 0
      if x == refused { throw Refusal() }
      counts.add(x)
      return StoredResult(shape: Self.shape, values: "[\(x * x)]")
    }
  }

  private final class Counts: Sendable {
    private let counts = Mutex([Int: Int]())
    func add(_ x: Int) { counts.withLock { $0[x, default: 0] += 1 } }
    var all: [Int: Int] { counts.withLock { $0 } }
  }

  private static func queue(_ count: Int) throws -> PointQueue {
    PointQueue(
      try Design(
        axes: [Axis(name: "x", values: .list((0..<count).map(String.init)))], sampling: .grid,
        seed: 0))
  }

  @Test(arguments: [1, 3]) func `every point is answered once and stored`(workers: Int) throws {
    let counts = Counts()
    var queue = try Self.queue(2000)
    queue.skip(7)
    let executor = LocalExecutor(store: store, run: run, workers: workers) {
      Squares(counts: counts)
    }
    let tally = try executor.run(queue, shouldStop: { false }) { _ in }
    #expect(tally.done == 1999 && tally.reused == 0)
    #expect(counts.all.count == 1999 && counts.all.values.allSatisfy { $0 == 1 })
    var total = 0
    try store.forEachPoint(of: run) { point in
      #expect(point.result?.json == #"{"square":\#(point.number * point.number)}"#)
      total += 1
    }
    #expect(total == 1999)
    // What the store knows is not computed again.
    let again = try executor.run(try Self.queue(2000), shouldStop: { false }) { _ in }
    #expect(again.done == 2000 && again.computed == 1)
    #expect(try store.numbers(of: run) == Array(0..<2000))
  }

  @Test(arguments: [0.3, 0.999]) func `processes that begin elsewhere answer all as well`(
    start: Double
  ) throws {
    let counts = Counts()
    let executor = LocalExecutor(store: store, run: run, workers: 2, start: start) {
      Squares(counts: counts)
    }
    let tally = try executor.run(try Self.queue(5000), shouldStop: { false }) { _ in }
    #expect(tally.done == 5000 && tally.storeSeconds > 0)
    #expect(counts.all.count == 5000 && counts.all.values.allSatisfy { $0 == 1 })
    #expect(try store.numbers(of: run) == Array(0..<5000))
  }

  @Test func `a wish to stop keeps what is done`() throws {
    let counts = Counts()
    let executor = LocalExecutor(store: store, run: run, workers: 2) { Squares(counts: counts) }
    let tally = try executor.run(
      try Self.queue(100_000), shouldStop: { counts.all.count >= 100 }, progress: { _ in })
    #expect(tally.done >= 100 && tally.done < 100_000)
    #expect(try store.numbers(of: run).count == tally.done)
    #expect(counts.all.count == tally.done)
  }

  @Test func `an error ends the run and keeps what is done`() throws {
    let counts = Counts()
    let executor = LocalExecutor(store: store, run: run, workers: 2) {
      Squares(counts: counts, refused: 300)
    }
    #expect(throws: Squares.Refusal.self) {
      try executor.run(try Self.queue(100_000), shouldStop: { false }) { _ in }
    }
    let stored = try store.numbers(of: run).count
    #expect(stored == counts.all.count && stored < 100_000)
  }
}
