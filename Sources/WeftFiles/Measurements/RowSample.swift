/// A few of the rows of a fit, by which it knows them again in any file.
///
/// The least hashes of all rows: a sample that does not depend on their order, and of which the share
/// found among other rows is the share of all rows that are there (Broder 1997).
public struct RowSample: Hashable, Sendable {
  /// The hashes, rising.
  public let hashes: [UInt64]

  private static let most = 16

  /// Samples rows, each a text that tells it from others.
  public init(of rows: [String]) {
    hashes = Array(Set(rows.map(Self.hash)).sorted().prefix(Self.most))
  }

  /// Takes the sample of a profile's file, hashes in hexadecimal; nil if one is none.
  init?(_ texts: [String]) {
    let hashes = texts.compactMap { UInt64($0, radix: 16) }
    guard hashes.count == texts.count else { return nil }
    self.hashes = hashes
  }

  /// The share of the sample that is among other rows; 0 for an empty sample.
  public func share(in rows: [String]) -> Double {
    let others = Set(rows.map(Self.hash))
    return Double(hashes.count { others.contains($0) }) / Double(max(1, hashes.count))
  }

  /// The hashes as ``init(_:)`` reads them.
  var texts: [String] {
    hashes.map { hash in
      let digits = String(hash, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
  }

  /// FNV-1a, with its bits mixed as the least of them decide what is sampled.
  private static func hash(_ text: String) -> UInt64 {
    var hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325) { (hash: UInt64, byte) in
      (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    hash = (hash ^ hash >> 30) &* 0xbf58_476d_1ce4_e5b9
    hash = (hash ^ hash >> 27) &* 0x94d0_49bb_1331_11eb
    return hash ^ hash >> 31
  }
}
