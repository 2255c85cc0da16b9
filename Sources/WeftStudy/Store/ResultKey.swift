/// A hash that stands for all that decides a result.
///
/// It is the 128-bit FNV-1a hash (Fowler, Noll and Vo; draft-eastlake-fnv): the same on every
/// machine, which Swift's own hashing is not. Among 10^9 results two share a key with a chance of
/// about 10^-21.
public struct ResultKey: Hashable, Sendable {
  /// The upper half.
  public private(set) var high: UInt64
  /// The lower half.
  public private(set) var low: UInt64

  /// The hash of nothing.
  public init() {
    high = 0x6c62_272e_07bb_0142
    low = 0x62b8_2175_6295_c58d
  }

  /// The hash of a text.
  public init(of text: String) {
    self.init()
    add(text)
  }

  /// The hash of one of many results that lie together in a store, as the sizes of one call do.
  ///
  /// Halves of two hashes are as good as both halves of one: two members of a group share the lower
  /// with a chance of 2^-64, members of two groups share both with one of 2^-128.
  public init(group: ResultKey, member: ResultKey) {
    self.init(high: group.high, low: member.low)
  }

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Adds a text and its end, so that parts cannot run into each other.
  public mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { for byte in $0 { add(byte) } }
    add(0xff)
  }

  /// Adds another hash.
  public mutating func add(_ key: ResultKey) {
    for half in [key.high, key.low] {
      for shift in stride(from: 56, through: 0, by: -8) {
        add(UInt8(truncatingIfNeeded: half >> UInt64(shift)))
      }
    }
  }

  /// The prime is 2^88 + 0x13b.
  private mutating func add(_ byte: UInt8) {
    let mixed = low ^ UInt64(byte)
    let (carry, product) = mixed.multipliedFullWidth(by: 0x13b)
    high = high &* 0x13b &+ carry &+ (mixed << 24)
    low = product
  }
}

extension ResultKey: CustomStringConvertible {
  /// Thirty-two hexadecimal digits.
  public var description: String { Self.digits(high) + Self.digits(low) }

  private static func digits(_ half: UInt64) -> String {
    let digits = String(half, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension ResultKey {
  /// Reads the digits of ``description``; nil for anything else.
  public init?(digits: String) {
    guard digits.utf8.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
      let low = UInt64(digits.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
}
