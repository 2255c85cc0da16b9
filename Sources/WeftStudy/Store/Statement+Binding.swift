import GRDB
import GRDBSQLite

/// Values by SQLite's own calls, for the statements that run once or more per point.
///
/// GRDB's arguments are arrays of existentials, and each execution tells its observers; both take
/// longer than SQLite does for a row.
extension Statement {
  func bind(_ value: Int64, at index: Int32) {
    sqlite3_bind_int64(sqliteStatement, index, value)
  }

  func bind(_ text: String, at index: Int32) {
    // SQLite copies the text before the call returns.
    let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    text.withCString { bytes in
      _ = sqlite3_bind_text(sqliteStatement, index, bytes, Int32(text.utf8.count), copied)
    }
  }

  /// Runs the statement; gives the whole number in the first column of its first row, if any.
  ///
  /// - Throws: `DatabaseError`.
  @discardableResult
  func step(_ db: Database) throws -> Int64? {
    defer { sqlite3_reset(sqliteStatement) }
    switch sqlite3_step(sqliteStatement) {
    case SQLITE_DONE: return nil
    case SQLITE_ROW: return sqlite3_column_int64(sqliteStatement, 0)
    case let code:
      throw DatabaseError(
        resultCode: ResultCode(rawValue: code), message: db.lastErrorMessage)
    }
  }
}
