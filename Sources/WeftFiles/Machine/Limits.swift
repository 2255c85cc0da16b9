import Weft

/// Bounds on what files may say, wide enough for any machine and narrow enough that 64-bit sums of
/// times cannot overflow.
enum Limits {
  /// The most nodes of a machine.
  static let nodes = 1 << 24
  /// The most GPUs or NICs of a node.
  static let perNode = 1024
  /// The slowest rate that is believed.
  static let bandwidth = Bandwidth(bytesPerSecond: 1_000_000)
  /// The longest latency or software cost that is believed.
  static let duration = SimDuration.seconds(1)

  static func bandwidth(_ text: String) throws(QuantityError) -> Bandwidth {
    let value = try Quantity.bandwidth(text)
    guard value >= bandwidth else {
      throw QuantityError(
        problem: "'\(text)' is out of range", fix: "write a rate of \(bandwidth) or more")
    }
    return value
  }

  static func duration(_ text: String) throws(QuantityError) -> SimDuration {
    let value = try Quantity.duration(text)
    guard value <= duration else {
      throw QuantityError(
        problem: "'\(text)' is out of range", fix: "write a time of \(duration) or less")
    }
    return value
  }

  static func size(_ text: String) throws(QuantityError) -> ByteCount {
    let value = try Quantity.size(text)
    guard value > .zero else {
      throw QuantityError(problem: "'\(text)' is out of range", fix: "write a size above zero")
    }
    return value
  }

  static func flops(_ text: String) throws(QuantityError) -> Double {
    let value = try Quantity.flops(text)
    guard value > 0 else {
      throw QuantityError(problem: "'\(text)' is out of range", fix: "write a rate above zero")
    }
    return value
  }
}
