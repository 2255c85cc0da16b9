import Foundation
import GRDB

/// The tables of a result store and how they came to be.
enum StoreLayout {
  /// Marks a SQLite file as a store of Weft's: "Weft" in ASCII.
  static let applicationID = 0x5765_6674

  /// Every change of the tables since the first version; entries are appended, never changed.
  static let migrator: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 runs and points") { db in
      try db.execute(
        sql: """
          PRAGMA application_id = \(applicationID);
          CREATE TABLE run (
            id INTEGER PRIMARY KEY,
            weftVersion TEXT NOT NULL,
            commandLine TEXT NOT NULL,
            seed INTEGER,
            created TEXT NOT NULL
          );
          CREATE TABLE point (
            id INTEGER PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            result TEXT NOT NULL CHECK (json_valid(result)),
            UNIQUE (run, key)
          );
          """)
    }
    return migrator
  }()

  /// Opens or creates a store and applies the migrations that it lacks.
  ///
  /// - Throws: ``StoreError`` if the file is something else or a newer Weft's, and errors of SQLite.
  static func open(_ path: String) throws -> DatabasePool {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(patience)
    while true {
      do {
        return try openOnce(path)
      } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
        // Where two connections would wait for each other, as when both switch a new file to
        // write-ahead mode, SQLite fails at once whatever its timeout. Random pauses part them.
        guard clock.now < deadline else { throw error }
        Thread.sleep(forTimeInterval: .random(in: 0.001..<0.02))
      }
    }
  }

  /// How many seconds to wait for the locks of other processes.
  private static let patience = 10

  private static func openOnce(_ path: String) throws -> DatabasePool {
    var configuration = Configuration()
    configuration.busyMode = .timeout(TimeInterval(patience))
    if FileManager.default.fileExists(atPath: path) {
      // First without changing anything, since opening a pool switches the file's journal mode.
      var lookOnly = configuration
      lookOnly.readonly = true
      try DatabaseQueue(path: path, configuration: lookOnly).read { db in
        try check(db, path: path)
      }
    }
    let pool = try DatabasePool(path: path, configuration: configuration)
    // Where two processes migrate at once, each attempt that loses has seen the other one finish a
    // migration, so it fails at most once per migration.
    for _ in migrator.migrations where (try? migrator.migrate(pool)) != nil { return pool }
    try migrator.migrate(pool)
    return pool
  }

  private static func check(_ db: Database, path: String) throws {
    // A store that another process is just creating has GRDB's own table before the mark.
    let tables = try Int.fetchOne(
      db,
      sql: """
        SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name <> 'grdb_migrations'
        """)
    let mark = try Int.fetchOne(db, sql: "PRAGMA application_id")
    guard tables == 0 || mark == applicationID else {
      throw StoreError(
        .notAStore, path: path, "the database is not a result store of Weft; name another file")
    }
    guard try !migrator.hasBeenSuperseded(db) else {
      throw StoreError(
        .newerVersion, path: path,
        "the store was written by a newer version of Weft; use that version or another store")
    }
  }
}
