import Foundation

/// A bar on a terminal with the rate of points and the time that is left; nothing anywhere else.
struct ExploreProgress {
  private let total: Int
  private let isShown: Bool
  private let begun = ContinuousClock.now

  init(of total: Int, _ global: GlobalOptions) {
    self.total = total
    isShown = !global.quiet && isatty(FileHandle.standardError.fileDescriptor) == 1
  }

  /// Shows how many points are done, and how many of them were computed now.
  func update(done: Int, computed: Int) {
    guard isShown else { return }
    write("\r\u{1B}[K" + line(done: done, computed: computed, after: ContinuousClock.now - begun))
  }

  /// The line, for a test as well.
  func line(done: Int, computed: Int, after time: Duration) -> String {
    let width = 24
    let full = total > 0 ? width * min(done, total) / total : width
    let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
    let seconds = max(1e-3, time / .seconds(1))
    let rate = Double(done) / seconds
    var line = "[\(bar)] \(done) of \(total), \(Self.short(rate)) points/s"
    if rate > 0, done < total { line += ", \(Self.clock(Double(total - done) / rate)) left" }
    return line
  }

  /// Takes the bar away.
  func finish() {
    if isShown { write("\r\u{1B}[K") }
  }

  private static func short(_ rate: Double) -> String {
    String(format: rate < 10 ? "%.1f" : "%.0f", rate)
  }

  private static func clock(_ seconds: Double) -> String {
    let whole = Int(min(seconds.rounded(), 359_999))
    return whole >= 3600
      ? String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
      : String(format: "%d:%02d", whole / 60, whole % 60)
  }

  private func write(_ text: String) {
    // Nothing can be done, or said, about a closed standard error.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
