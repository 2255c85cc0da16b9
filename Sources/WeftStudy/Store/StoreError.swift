import GRDB

/// Why a result store cannot be used: a code for programs, words for people.
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
  /// What is wrong, in one line.
  public let message: String
  /// What to do about it; nil where the store does not know.
  public let fix: String?

  init(_ code: Code, path: String, _ message: String, fix: String? = nil) {
    self.code = code
    self.path = path
    self.message = message
    self.fix = fix
  }

  /// The error for one of SQLite's.
  init(_ error: any Error, path: String) {
    switch error {
    case let error as StoreError:
      self = error
    case let error as DatabaseError where error.resultCode == .SQLITE_NOTADB:
      self.init(
        .notAStore, path: path, "the file is not a SQLite database", fix: "name another file")
    case let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT:
      self.init(
        .notAStore, path: path, "the file is damaged", fix: "name a copy of it or another file")
    case let error as DatabaseError:
      self.init(.database, path: path, error.message ?? error.resultCode.description)
    default:
      self.init(.database, path: path, "\(error)")
    }
  }
}

extension StoreError: CustomStringConvertible {
  /// The path, what is wrong with the store, and what to do about it.
  public var description: String { "\(path): \(message)" + (fix.map { "; " + $0 } ?? "") }
}
