import Glibc
import Synchronization

/// Ctrl-C as a wish that long work asks about, so that what is done is kept.
enum Interrupt {
  private static let wished = Atomic<Bool>(false)

  /// Whether the user asked to stop.
  static var isWished: Bool { wished.load(ordering: .relaxed) }

  /// From here on the first interrupt is a wish, and the second ends the process at once.
  static func listen() {
    // The flag exists before a handler may touch it.
    wished.store(false, ordering: .relaxed)
    // A parent that blocks signals, as thread pools do, would hand that down.
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] {
      sigaddset(&signals, number)
      signal(number) { number in
        Interrupt.wished.store(true, ordering: .relaxed)
        signal(number) { _ in _exit(Failure.Status.interrupted.rawValue) }
      }
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }
}
