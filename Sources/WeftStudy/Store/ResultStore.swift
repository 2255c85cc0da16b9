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
        .gone, path: path, "the store was deleted or replaced while it was in use",
        fix: "run again")
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
