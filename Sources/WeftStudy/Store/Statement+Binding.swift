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
    var text = text
    text.withUTF8 { bind($0, at: index) }
  }

  func bind(_ json: JSONWriter, at index: Int32) {
    json.withBytes { bind($0, at: index) }
  }

  private func bind(_ utf8: UnsafeBufferPointer<UInt8>, at index: Int32) {
    // SQLite copies the text before the call returns.
    let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    utf8.withMemoryRebound(to: CChar.self) { characters in
      _ = sqlite3_bind_text(
        sqliteStatement, index, characters.baseAddress, Int32(characters.count), copied)
    }
  }

  /// Runs the statement; gives the whole number in the first column of its first row, if any.
  ///
  /// - Throws: `DatabaseError`.
  @discardableResult
  func step(_ db: Database) throws -> Int64? {
    defer { sqlite3_reset(sqliteStatement) }
    return try next(db)
  }

  /// Runs the statement and gives the whole number in the first column of each row.
  ///
  /// - Throws: `DatabaseError`.
  func forEachRow(_ db: Database, _ body: (Int64) -> Void) throws {
    defer { sqlite3_reset(sqliteStatement) }
    while let number = try next(db) { body(number) }
  }

  private func next(_ db: Database) throws -> Int64? {
    switch sqlite3_step(sqliteStatement) {
    case SQLITE_DONE: return nil
    case SQLITE_ROW: return sqlite3_column_int64(sqliteStatement, 0)
    case let code:
      throw DatabaseError(
        resultCode: ResultCode(rawValue: code), message: db.lastErrorMessage)
    }
  }
}
