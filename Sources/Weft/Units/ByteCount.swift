/// A number of bytes.
///
/// `KiB`, `MiB` and `GiB` are powers of two, `KB`, `MB` and `GB` powers of ten; on the command line
/// a bare `K`, `M` or `G` is a power of two, as in nccl-tests.
public struct ByteCount: Hashable, Sendable {
  /// The number of bytes.
  public var bytes: Int

  /// Creates a count of so many bytes.
  @inlinable
  public init(bytes: Int) {
    self.bytes = bytes
  }

  /// No bytes.
  public static let zero = ByteCount(bytes: 0)

  /// So many times 2^10 bytes.
  public static func kib(_ count: Int) -> ByteCount { ByteCount(bytes: count << 10) }

  /// So many times 2^20 bytes.
  public static func mib(_ count: Int) -> ByteCount { ByteCount(bytes: count << 20) }

  /// So many times 2^30 bytes.
  public static func gib(_ count: Int) -> ByteCount { ByteCount(bytes: count << 30) }

  /// The count in units of 2^30 bytes.
  public var gib: Double { Double(bytes) / 1_073_741_824 }
}

// MARK: - Arithmetic

extension ByteCount: Comparable, AdditiveArithmetic {
  /// Whether the left count is smaller.
  public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

  /// The sum of two counts.
  public static func + (left: ByteCount, right: ByteCount) -> ByteCount {
    ByteCount(bytes: left.bytes + right.bytes)
  }

  /// The difference of two counts, which may be negative.
  public static func - (left: ByteCount, right: ByteCount) -> ByteCount {
    ByteCount(bytes: left.bytes - right.bytes)
  }

  /// The time to put this many bytes on a wire, rounded up to a picosecond.
  ///
  /// - Precondition: the bandwidth is positive.
  public static func / (size: ByteCount, wire: Bandwidth) -> SimDuration {
    wire.time(toMove: size.bytes)
  }
}

extension ByteCount: CustomStringConvertible {
  /// The value in the largest binary unit that leaves a whole number, for example `256 KiB`.
  public var description: String {
    var value = bytes
    var name = "B"
    for larger in ["KiB", "MiB", "GiB", "TiB"] where value != 0 && value % 1024 == 0 {
      value /= 1024
      name = larger
    }
    return "\(value) \(name)"
  }
}
