import Foundation

/// A folder that exists while its value does.
public final class TemporaryFolder {
  /// The folder.
  public let path: String

  /// Creates an empty folder.
  ///
  /// - Throws: An error of the file system.
  public init() throws {
    path = NSTemporaryDirectory() + "weft-test-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    // A folder that cannot be removed is left to the system's cleaning.
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Writes a file into the folder and gives its path.
  ///
  /// - Throws: An error of the file system.
  public func write(_ text: String, to name: String) throws -> String {
    let file = path + "/" + name
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    return file
  }
}
