import Foundation
import Synchronization

/// A line on a terminal that says how far the work is; nothing anywhere else.
///
/// A class that any thread may call, since simulations run side by side.
final class Progress: Sendable {
  private let isShown: Bool
  private let shown = Mutex(ContinuousClock.now)

  /// Begins to show work.
  init(_ global: GlobalOptions) {
    isShown = !global.quiet && isatty(FileHandle.standardError.fileDescriptor) == 1
  }

  /// Shows a bar for work of which so many parts are done, a few times a second.
  func update(_ what: String, _ done: Int, of total: Int) {
    guard isDue else { return }
    let width = 30
    let full = total > 0 ? min(width, width * done / total) : 0
    let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
    write("\r\u{1B}[K\(what) [\(bar)] \(done) of \(total)")
  }

  /// Shows work whose end is not known, a few times a second.
  func update(_ text: String) {
    if isDue { write("\r\u{1B}[K\(text)") }
  }

  private var isDue: Bool {
    guard isShown else { return false }
    return shown.withLock { last in
      guard ContinuousClock.now - last > .milliseconds(200) else { return false }
      last = .now
      return true
    }
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
