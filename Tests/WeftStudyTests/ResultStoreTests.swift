import Foundation
import GRDB
import TestSupport
import Testing

@testable import WeftStudy

@Suite struct ResultStoreTests {
  private let folder: TemporaryFolder
  private var path: String { folder.path + "/store.sqlite" }

  init() throws { folder = try TemporaryFolder() }

  private func addRun(to store: ResultStore, seed: UInt64? = nil) throws -> ResultStore.Run {
    try store.addRun(
      weftVersion: "0.1.0", commandLine: ["weft", "explore", "a \"study\".yaml"], seed: seed,
      created: Date(timeIntervalSince1970: 1_700_000_000.125))
  }

  private static func points(_ numbers: Range<Int>) -> [ResultStore.Point] {
    numbers.map { ResultStore.Point(key: "key \($0)", result: #"{"time_us": \#($0).50}"#) }
  }

  @Test func `what goes in comes out, in order, also after reopening`() throws {
    let store = try ResultStore(path: path)
    let first = try addRun(to: store, seed: .max)
    let second = try addRun(to: store)
    // Against the order of the keys, and in two batches.
    #expect(try store.insert(Self.points(5..<12), into: first) == 7)
    #expect(try store.insert(Self.points(0..<5), into: first) == 5)
    let points = Self.points(5..<12) + Self.points(0..<5)
    for store in [store, try ResultStore(path: path)] {
      #expect(try store.runs() == [first, second])
      #expect(try store.points(of: first) == points)
      #expect(try store.points(of: second) == [])
    }
    #expect(first.weftVersion == "0.1.0")
    #expect(first.commandLine == ["weft", "explore", "a \"study\".yaml"])
    #expect(first.seed == .max && second.seed == nil)
    #expect(first.created == Date(timeIntervalSince1970: 1_700_000_000.125))
  }

  @Test func `a key is kept once per run`() throws {
    let store = try ResultStore(path: path)
    let run = try addRun(to: store)
    let other = try addRun(to: store)
    let again = ResultStore.Point(key: "key 1", result: "[]")
    #expect(try store.insert(Self.points(0..<3) + [again], into: run) == 3)
    #expect(try store.insert(Self.points(1..<5), into: run) == 2)
    #expect(try store.insert([again], into: other) == 1)
    #expect(try store.points(of: run) == Self.points(0..<5))
    #expect(try store.points(of: other) == [again])
  }

  @Test func `a batch with a result that is not JSON leaves nothing`() throws {
    let store = try ResultStore(path: path)
    let run = try addRun(to: store)
    let bad = ResultStore.Point(key: "bad", result: "{1}")
    let error = try #require(throws: StoreError.self) {
      try store.insert(Self.points(0..<3) + [bad], into: run)
    }
    #expect(error.code == .badResult)
    #expect(try store.points(of: run) == [])
  }

  @Test func `a store of a newer version is refused and left alone`() throws {
    _ = try ResultStore(path: path)
    try DatabaseQueue(path: path).write { db in
      try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 of the future')")
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let error = try #require(throws: StoreError.self) { try ResultStore(path: path) }
    #expect(error.code == .newerVersion)
    #expect(
      error.description
        == "\(path): the store was written by a newer version of Weft; "
        + "use that version or another store")
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test func `another program's database is refused and left alone`() throws {
    try DatabaseQueue(path: path).write { db in try db.execute(sql: "CREATE TABLE theirs (a)") }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let error = try #require(throws: StoreError.self) { try ResultStore(path: path) }
    #expect(error.code == .notAStore)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test func `a text file is refused`() throws {
    let file = try folder.write(String(repeating: "time_us,1.5\n", count: 100), to: "results.csv")
    let error = try #require(throws: StoreError.self) { try ResultStore(path: file) }
    #expect(
      error
        == StoreError(
          .notAStore, path: file, "the file is not a SQLite database; name another file"))
  }

  @Test func `a folder that is not there is an error`() throws {
    let error = try #require(throws: StoreError.self) {
      try ResultStore(path: folder.path + "/missing/store.sqlite")
    }
    #expect(error.code == .database)
  }

  @Test func `stores on one file are opened and written at once`() async throws {
    let path = path
    let run = try await withThrowingTaskGroup(of: ResultStore.self) { group in
      // Creating the file at once is the harder part.
      for _ in 0..<4 { group.addTask { try ResultStore(path: path) } }
      let stores = try await group.reduce(into: []) { $0.append($1) }
      let run = try addRun(to: stores[0])
      try await withThrowingTaskGroup { group in
        for (index, store) in stores.enumerated() {
          group.addTask {
            // Every point is written by two of the stores.
            for batch in 0..<10 {
              let first = 10 * ((index / 2) * 10 + batch)
              try store.insert(Self.points(first..<first + 10), into: run)
            }
          }
        }
        try await group.waitForAll()
      }
      return run
    }
    let points = try ResultStore(path: path).points(of: run)
    #expect(points.count == 200)
    #expect(Set(points) == Set(Self.points(0..<200)))
  }

  @Test func `the file is in write-ahead mode`() throws {
    let store = try ResultStore(path: path)
    let mode = try DatabaseQueue(path: path).read { db in
      try String.fetchOne(db, sql: "PRAGMA journal_mode")
    }
    #expect(mode == "wal")
    #expect(store.path == path)
  }
}
