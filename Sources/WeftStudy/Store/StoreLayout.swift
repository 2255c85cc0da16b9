import Foundation
import GRDB

/// The tables of a result store and how they came to be.
enum StoreLayout {
  /// Marks a SQLite file as a store of Weft's: "Weft" in ASCII.
  static let applicationID = 0x5765_6674

  /// Every change of the tables since the first version; entries are appended, never changed.
  static let migrator: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 runs, points and results") { db in
      try db.execute(
        sql: """
          PRAGMA application_id = \(applicationID);
          CREATE TABLE run (
            id INTEGER PRIMARY KEY,
            study TEXT NOT NULL,
            fingerprint TEXT NOT NULL UNIQUE,
            studyText TEXT NOT NULL,
            axes TEXT NOT NULL CHECK (json_valid(axes)),
            weftVersion TEXT NOT NULL,
            commandLine TEXT NOT NULL,
            seed INTEGER NOT NULL,
            host TEXT NOT NULL,
            process INTEGER NOT NULL,
            created TEXT NOT NULL,
            planned INTEGER,
            finished TEXT
          );
          CREATE TABLE document (
            id INTEGER PRIMARY KEY,
            hash TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            text TEXT NOT NULL
          );
          CREATE TABLE runDocument (
            run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            document INTEGER NOT NULL REFERENCES document (id),
            PRIMARY KEY (run, document)
          ) WITHOUT ROWID;
          CREATE TABLE result (
            id INTEGER PRIMARY KEY,
            keyHigh INTEGER NOT NULL,
            keyLow INTEGER NOT NULL,
            value TEXT NOT NULL CHECK (json_valid(value)),
            UNIQUE (keyHigh, keyLow)
          );
          CREATE TABLE point (
            run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            "values" TEXT NOT NULL,
            result INTEGER NOT NULL REFERENCES result (id),
            PRIMARY KEY (run, number)
          ) WITHOUT ROWID;
          """)
    }
    migrator.registerMigration("2 names of results once", migrate: keepNamesOnce)
    return migrator
  }()

  /// Takes the names out of results, which were most of their text.
  ///
  /// Nor do points refer to results by a constraint any more: to check it took a fifth of the time
  /// of a row, and nothing deletes results.
  private static func keepNamesOnce(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE shape (
          id INTEGER PRIMARY KEY,
          names TEXT NOT NULL UNIQUE
        );
        CREATE TABLE newResult (
          id INTEGER PRIMARY KEY,
          keyHigh INTEGER NOT NULL,
          keyLow INTEGER NOT NULL,
          shape INTEGER NOT NULL,
          "values" TEXT NOT NULL,
          UNIQUE (keyHigh, keyLow)
        );
        CREATE TABLE newPoint (
          run INTEGER NOT NULL,
          number INTEGER NOT NULL,
          "values" TEXT NOT NULL,
          result INTEGER NOT NULL,
          PRIMARY KEY (run, number)
        ) WITHOUT ROWID;
        INSERT INTO newPoint SELECT run, number, "values", result FROM point ORDER BY run, number;
        """)
    var shapes = ShapeIDs(db)
    let rows = try Row.fetchCursor(db, sql: "SELECT id, keyHigh, keyLow, value FROM result")
    let add = try db.makeStatement(sql: "INSERT INTO newResult VALUES (?, ?, ?, ?, ?)")
    while let row = try rows.next() {
      let text: String = row[3]
      // What someone wrote by hand and Weft cannot take apart is kept whole.
      let result =
        StoredResult(json: text)
        ?? StoredResult(shape: ResultShape(.value), values: JSONWriter.list([text]))
      for column in 0..<3 { add.bind(row[column] as Int64, at: Int32(column) + 1) }
      add.bind(try shapes.id(of: result.shape), at: 4)
      add.bind(result.values, at: 5)
      try add.step(db)
    }
    try db.execute(
      sql: """
        DROP TABLE point;
        DROP TABLE result;
        ALTER TABLE newResult RENAME TO result;
        ALTER TABLE newPoint RENAME TO point;
        """)
  }

  /// Opens or creates a store and applies the migrations that it lacks.
  ///
  /// - Throws: ``StoreError`` if the file is something else or a newer Weft's, and errors of SQLite.
  static func open(_ path: String) throws -> DatabasePool {
    try checkPlace(path)
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
    // The index of a hundred thousand results and a batch fit, so that none is written twice, and
    // pages that batches change again go from the log to the file every 32 MB.
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 8000")
    }
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

  /// Says what SQLite's own messages do not about a path that can be no file.
  private static func checkPlace(_ path: String) throws {
    guard !path.isEmpty else {
      throw StoreError(.noFile, path: path, "no file is named", fix: "name one")
    }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw StoreError(.noFile, path: path, "this is a folder", fix: "name a file in it")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: folder) else {
      throw StoreError(.noFile, path: path, "there is no folder \(folder)", fix: "make it first")
    }
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
        .notAStore, path: path, "the database is not a result store of Weft",
        fix: "name another file")
    }
    guard try !migrator.hasBeenSuperseded(db) else {
      throw StoreError(
        .newerVersion, path: path,
        "the store was written by a newer version of Weft", fix: "use that version or another store"
      )
    }
  }
}
