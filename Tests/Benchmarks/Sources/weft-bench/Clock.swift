import Glibc

/// What a piece of work costs, whatever else the machine does.
enum Clock {
  /// The CPU time of this thread in seconds that the work takes.
  static func seconds(_ work: () throws -> Void) rethrows -> Double {
    let start = now()
    try work()
    return now() - start
  }

  /// The CPU time of this thread so far, in seconds.
  static func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
