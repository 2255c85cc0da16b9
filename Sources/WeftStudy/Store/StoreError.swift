import GRDB

/// Why a result store cannot be used: a code for programs, a message for people.
public struct StoreError: Error, Hashable, Sendable {
  /// The sorts of failure.
  public enum Code: Sendable {
    /// The file is not a result store of Weft's.
    case notAStore
    /// A newer Weft has changed the store's layout.
    case newerVersion
    /// The file was deleted or replaced while it was in use.
    case gone
    /// The path can be no file: it is empty, a folder, or in a folder that is not there.
    case noFile
    /// SQLite failed: the disk, permissions, or a lock held too long.
    case database
  }

  /// The sort of failure.
  public let code: Code
  /// The store's path.
  public let path: String
  /// What is wrong and what to do about it, in one line.
  public let message: String

  init(_ code: Code, path: String, _ message: String) {
    self.code = code
    self.path = path
    self.message = message
  }

  /// The error for one of SQLite's.
  init(_ error: any Error, path: String) {
    switch error {
    case let error as StoreError:
      self = error
    case let error as DatabaseError where error.resultCode == .SQLITE_NOTADB:
      self.init(.notAStore, path: path, "the file is not a SQLite database; name another file")
    case let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT:
      self.init(.notAStore, path: path, "the file is damaged; name a copy of it or another file")
    case let error as DatabaseError:
      self.init(.database, path: path, error.message ?? error.resultCode.description)
    default:
      self.init(.database, path: path, "\(error)")
    }
  }
}

extension StoreError: CustomStringConvertible {
  /// The path and what is wrong with the store.
  public var description: String { "\(path): \(message)" }
}
