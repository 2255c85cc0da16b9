import Foundation
import GRDB

/// Runs and their results in one SQLite file that several processes may use at a time.
///
/// A run is one study; its points name results, which are kept once whichever run asked first.
/// Writing a point again changes nothing, so an interrupted run is resumed by running it again.
/// The file is in write-ahead mode, which needs shared memory: processes of one host may share it,
/// hosts on a network file system may not.
public final class ResultStore: Sendable {
  /// The file.
  public let path: String
  let pool: DatabasePool
  /// What the path led to when the store was opened.
  private let identity: FileIdentity?

  /// Opens a store, and creates it where there is no file.
  ///
  /// - Throws: ``StoreError`` if the file is something else or a newer Weft's, which leaves it
  ///   untouched, or if it cannot be opened or written.
  public init(path: String) throws(StoreError) {
    self.path = path
    pool = try Self.translated(path) { try StoreLayout.open(path) }
    identity = FileIdentity(of: path)
  }

  static func translated<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws(StoreError) -> Result {
    do {
      return try body()
    } catch {
      throw StoreError(error, path: path)
    }
  }

  /// Reads, with errors as ``StoreError``.
  func reading<Result>(_ body: (Database) throws -> Result) throws(StoreError) -> Result {
    do {
      return try Self.translated(path) { try pool.read(body) }
    } catch {
      // What SQLite says then depends on which of its connections were open.
      try checkIdentity()
      throw error
    }
  }

  /// Writes in one transaction, with errors as ``StoreError``.
  func writing<Result>(_ body: (Database) throws -> Result) throws(StoreError) -> Result {
    // SQLite goes on writing into a file without a name, and all of it would be lost.
    try checkIdentity()
    return try Self.translated(path) { try pool.write(body) }
  }

  private func checkIdentity() throws(StoreError) {
    guard FileIdentity(of: path) == identity else {
      throw StoreError(
        .gone, path: path, "the store was deleted or replaced while it was in use; run again")
    }
  }
}

/// Which file a path leads to.
private struct FileIdentity: Equatable {
  private let device: UInt64
  private let number: UInt64

  /// Nil if there is no such file.
  init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    number = UInt64(status.st_ino)
  }
}

// MARK: - Points

extension ResultStore {
  /// One point of a run.
  public struct Point: Hashable, Sendable {
    /// Its number in the run.
    public var number: Int
    /// Its values, one per axis of the run.
    public var values: [String]
    /// The hash of all that decides its result.
    public var key: ResultKey
    /// The result as JSON text, kept to the letter; nil if the store has it already.
    public var result: String?

    /// Creates a point.
    public init(number: Int, values: [String], key: ResultKey, result: String?) {
      self.number = number
      self.values = values
      self.key = key
      self.result = result
    }
  }

  /// Adds a batch of points to a run, all or none; of a number or a key the first result is kept.
  ///
  /// - Returns: How many results are new to the store.
  /// - Throws: ``StoreError`` if a result is not JSON, a point without one is not known, or the
  ///   store cannot be written.
  @discardableResult
  public func insert(_ points: [Point], into run: Run) throws(StoreError) -> Int {
    let path = path
    return try writing { db in
      let addResult = try db.cachedStatement(
        sql: """
          INSERT INTO result (keyHigh, keyLow, value) VALUES (?, ?, ?)
          ON CONFLICT (keyHigh, keyLow) DO NOTHING
          """)
      let findResult = try db.cachedStatement(sql: Self.findResult)
      let addPoint = try db.cachedStatement(
        sql: """
          INSERT INTO point (run, number, "values", result) VALUES (?, ?, ?, ?)
          ON CONFLICT (run, number) DO NOTHING
          """)
      var new = 0
      for point in points {
        var id: Int64?
        if let result = point.result {
          Self.bind(point.key, to: addResult)
          addResult.bind(result, at: 3)
          try addResult.step(db)
          if db.changesCount == 1 {
            id = db.lastInsertedRowID
            new += 1
          }
        }
        if id == nil {
          Self.bind(point.key, to: findResult)
          id = try findResult.step(db)
        }
        guard let id else {
          throw StoreError(.database, path: path, "a result that was known is gone; run again")
        }
        addPoint.bind(run.id, at: 1)
        addPoint.bind(Int64(point.number), at: 2)
        addPoint.bind(JSONWriter.list(point.values), at: 3)
        addPoint.bind(id, at: 4)
        try addPoint.step(db)
      }
      return new
    }
  }

  /// Which of some keys have results.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func known(_ keys: [ResultKey]) throws(StoreError) -> [Bool] {
    try reading { db in
      let statement = try db.cachedStatement(sql: Self.findResult)
      return try keys.map { key in
        Self.bind(key, to: statement)
        return try statement.step(db) != nil
      }
    }
  }

  /// Gives each point of a run with its result, in the order of their numbers.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read, and what `body` throws.
  public func forEachPoint(of run: Run, _ body: (Point) throws -> Void) throws {
    let pool = pool
    try pool.read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT number, "values", keyHigh, keyLow, value FROM point
          JOIN result ON result.id = point.result WHERE run = ? ORDER BY number
          """, arguments: [run.id])
      while let row = try rows.next() {
        let (high, low): (Int64, Int64) = (row[2], row[3])
        try body(
          Point(
            number: row[0], values: try Self.strings(row[1]),
            key: ResultKey(high: UInt64(bitPattern: high), low: UInt64(bitPattern: low)),
            result: row[4]))
      }
    }
  }

  /// The numbers of a run's points, in order.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func numbers(of run: Run) throws(StoreError) -> [Int] {
    try reading { db in
      try Int.fetchAll(
        db, sql: "SELECT number FROM point WHERE run = ? ORDER BY number", arguments: [run.id])
    }
  }

  /// How many points a run has, and how many of them have a reason in place of a time.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func counts(of run: Run) throws(StoreError) -> (points: Int, refused: Int) {
    try reading { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT COUNT(*), COUNT(json_extract(value, '$.reason')) FROM point
          JOIN result ON result.id = point.result WHERE run = ?
          """, arguments: [run.id])
      return (row?[0] ?? 0, row?[1] ?? 0)
    }
  }

  private static let findResult = "SELECT id FROM result WHERE keyHigh = ? AND keyLow = ?"

  /// SQLite has signed integers only; the bits are the key's.
  private static func bind(_ key: ResultKey, to statement: Statement) {
    statement.bind(Int64(bitPattern: key.high), at: 1)
    statement.bind(Int64(bitPattern: key.low), at: 2)
  }

  static func strings(_ json: String) throws -> [String] {
    guard let texts = JSONReader.strings(json) else {
      throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "'\(json)' is no list of texts")
    }
    return texts
  }
}
