import Foundation
import Synchronization

/// A line on a terminal that says how far the work is; anywhere else nothing, or one line once the
/// work takes long.
///
/// A class that any thread may call, since simulations run side by side.
final class Progress: Sendable {
  private let isShown: Bool
  private let shown = Mutex(ContinuousClock.now)
  /// When work is long enough to say so without a terminal; never if nil.
  private let long: Mutex<ContinuousClock.Instant?>

  /// Begins to show work; without a terminal it is mentioned once, after so long, if at all.
  init(_ global: GlobalOptions, mentionedAfter patience: Duration? = nil) {
    let hasTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1
    isShown = !global.quiet && hasTerminal
    long = Mutex(global.quiet || hasTerminal ? nil : patience.map { ContinuousClock.now + $0 })
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
    let isLong = long.withLock { moment in
      guard let due = moment, due < .now else { return false }
      moment = nil
      return true
    }
    if isLong { write("weft: this takes a while; \(text)\n") }
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
