public import Foundation
import GRDB

/// Runs and their results in one SQLite file that several processes may use at a time.
///
/// A run is one command; its points are results, each under a key that stands for all that decides
/// it. Writing a point again changes nothing, so an interrupted run is resumed by running it again.
/// The file is in write-ahead mode, which needs shared memory: processes of one host may share it,
/// hosts on a network file system may not.
public final class ResultStore: Sendable {
  /// One command whose results are kept.
  public struct Run: Hashable, Sendable {
    /// The number of the run in its store.
    public let id: Int64
    /// The version of Weft that ran.
    public let weftVersion: String
    /// The command line, word by word.
    public let commandLine: [String]
    /// The seed, if random numbers were drawn.
    public let seed: UInt64?
    /// When the run began, to the millisecond.
    public let created: Date
  }

  /// One result of a run.
  public struct Point: Hashable, Sendable {
    /// A hash of all that decides the result; the store only compares it.
    public var key: String
    /// The result as JSON text, kept to the letter.
    public var result: String

    /// Creates a point.
    public init(key: String, result: String) {
      self.key = key
      self.result = result
    }
  }

  /// The file.
  public let path: String
  private let pool: DatabasePool

  /// Opens a store, and creates it where there is no file.
  ///
  /// - Throws: ``StoreError`` if the file is something else or a newer Weft's, which leaves it
  ///   untouched, or if it cannot be opened or written.
  public init(path: String) throws(StoreError) {
    self.path = path
    pool = try Self.translated(path) { try StoreLayout.open(path) }
  }

  private static func translated<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws(StoreError) -> Result {
    do {
      return try body()
    } catch {
      throw StoreError(error, path: path)
    }
  }
}

// MARK: - Runs

extension ResultStore {
  /// Adds a run without points.
  ///
  /// - Throws: ``StoreError`` if the store cannot be written.
  public func addRun(
    weftVersion: String, commandLine: [String], seed: UInt64?, created: Date
  ) throws(StoreError) -> Run {
    try Self.translated(path) {
      let words = String(decoding: try JSONEncoder().encode(commandLine), as: UTF8.self)
      return try pool.write { db in
        try db.execute(
          sql: "INSERT INTO run (weftVersion, commandLine, seed, created) VALUES (?, ?, ?, ?)",
          arguments: [weftVersion, words, seed.map(Int64.init(bitPattern:)), created])
        return try Run.fetch(db, where: "id = \(db.lastInsertedRowID)")[0]
      }
    }
  }

  /// All runs, oldest first.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func runs() throws(StoreError) -> [Run] {
    try Self.translated(path) { try pool.read { db in try Run.fetch(db, where: "TRUE") } }
  }
}

extension ResultStore.Run {
  fileprivate static func fetch(_ db: Database, where condition: String) throws -> [Self] {
    let rows = try Row.fetchAll(db, sql: "SELECT * FROM run WHERE \(condition) ORDER BY id")
    return try rows.map { row in
      let words: String = row["commandLine"]
      let seed: Int64? = row["seed"]
      return Self(
        id: row["id"], weftVersion: row["weftVersion"],
        commandLine: try JSONDecoder().decode([String].self, from: Data(words.utf8)),
        // SQLite has signed integers only; the bits are the seed's.
        seed: seed.map(UInt64.init(bitPattern:)), created: row["created"])
    }
  }
}

// MARK: - Points

extension ResultStore {
  /// Adds a batch of points to a run, all or none; of points with the same key the first is kept.
  ///
  /// - Returns: How many points are new.
  /// - Throws: ``StoreError`` if a result is not JSON or the store cannot be written.
  @discardableResult
  public func insert(_ points: [Point], into run: Run) throws(StoreError) -> Int {
    try Self.translated(path) {
      try pool.write { db in
        let before = db.totalChangesCount
        let statement = try db.makeStatement(
          sql: """
            INSERT INTO point (run, key, result) VALUES (?, ?, ?)
            ON CONFLICT (run, key) DO NOTHING
            """)
        for point in points {
          try statement.execute(arguments: [run.id, point.key, point.result])
        }
        return db.totalChangesCount - before
      }
    }
  }

  /// The points of a run in the order they were added.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func points(of run: Run) throws(StoreError) -> [Point] {
    try Self.translated(path) {
      try pool.read { db in
        try Row.fetchAll(
          db, sql: "SELECT key, result FROM point WHERE run = ? ORDER BY id", arguments: [run.id]
        ).map { row in Point(key: row["key"], result: row["result"]) }
      }
    }
  }
}
