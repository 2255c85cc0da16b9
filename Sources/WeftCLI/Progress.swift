import Foundation

/// A line on a terminal that says how far the work is; nothing anywhere else.
struct Progress {
  private let what: String
  private let total: Int
  private let isShown: Bool
  private var shown = ContinuousClock.now

  /// Begins to show work of so many parts.
  init(_ what: String, of total: Int, _ global: GlobalOptions) {
    self.what = what
    self.total = total
    isShown = !global.quiet && isatty(FileHandle.standardError.fileDescriptor) == 1
  }

  /// Shows that so many parts are done, a few times a second.
  mutating func update(_ done: Int) {
    guard isShown, ContinuousClock.now - shown > .milliseconds(200) else { return }
    shown = .now
    write("\r\(what): \(done) of \(total)")
  }

  /// Takes the line away.
  func finish() {
    if isShown { write("\r\u{1B}[K") }
  }

  private func write(_ text: String) {
    // Nothing can be done, or said, about a closed standard error.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
