import Foundation

/// Reads what ``JSONWriter`` writes, and any other JSON that is sound, from front to back.
///
/// Its caller says what comes next, or skips it, so that one value of a list is found without making
/// the others.
public struct JSONReader {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0
  /// How deep values may lie in each other; results of Weft's are two deep.
  private static let deepest = 32

  /// Reads some bytes of UTF-8, which outlive the reader.
  public init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  /// The next byte that is no space, not taken yet; 0 at the end.
  public mutating func peek() -> UInt8 {
    while place < bytes.count {
      switch bytes[place] {
      case 0x20, 0x09, 0x0A, 0x0D: place += 1
      case let byte: return byte
      }
    }
    return 0
  }

  /// Takes a mark if it is next.
  public mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(truncatingIfNeeded: mark.value) else { return false }
    place += 1
    return true
  }

  /// Takes a text; nil if there is none.
  ///
  /// One with escapes is left to Foundation.
  public mutating func string() -> String? {
    let start = place
    guard let (text, hasEscapes) = quoted() else { return nil }
    guard hasEscapes else { return String(decoding: text, as: UTF8.self) }
    let data = Data("[".utf8) + Data(bytes[start..<place]) + Data("]".utf8)
    return (try? JSONDecoder().decode([String].self, from: data))?.first
  }

  /// Takes a number, `true`, `false` or `null`.
  public mutating func word() -> String {
    let start = place
    skipWord()
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }

  /// Takes a value of any kind; false if there is none.
  public mutating func skip() -> Bool { skip(depth: 0) }

  /// Takes a value of any kind and gives its text; empty if there is none.
  mutating func slice() -> Slice<UnsafeBufferPointer<UInt8>> {
    _ = peek()
    let start = place
    return skip() ? bytes[start..<place] : bytes[start..<start]
  }

  /// Reads a list of texts; nil if it is something else.
  static func strings(_ json: String) -> [String]? {
    var json = json
    return json.withUTF8 { bytes in
      var reader = JSONReader(bytes)
      var texts: [String] = []
      guard reader.take("[") else { return nil }
      if reader.take("]") { return texts }
      repeat {
        guard reader.peek() == 0x22, let text = reader.string() else { return nil }
        texts.append(text)
      } while reader.take(",")
      return reader.take("]") ? texts : nil
    }
  }
}

// MARK: - Steps

extension JSONReader {
  /// Takes a text and gives the bytes between its quotes, and whether there are escapes in them.
  private mutating func quoted() -> (text: Slice<UnsafeBufferPointer<UInt8>>, hasEscapes: Bool)? {
    guard peek() == 0x22 else { return nil }
    place += 1
    let start = place
    var hasEscapes = false
    while place < bytes.count, bytes[place] != 0x22 {
      if bytes[place] == 0x5C {
        hasEscapes = true
        place += 1
      }
      place += 1
    }
    guard place < bytes.count else { return nil }
    place += 1
    return (bytes[start..<(place - 1)], hasEscapes)
  }

  private mutating func skipWord() {
    while place < bytes.count {
      switch bytes[place] {
      case 0x2C, 0x5D, 0x7D, 0x20, 0x09, 0x0A, 0x0D: return
      default: place += 1
      }
    }
  }

  private mutating func skip(depth: Int) -> Bool {
    guard depth < Self.deepest else { return false }
    switch peek() {
    case 0x22:
      return quoted() != nil
    case UInt8(ascii: "{"):
      place += 1
      if take("}") { return true }
      repeat {
        guard quoted() != nil, take(":"), skip(depth: depth + 1) else { return false }
      } while take(",")
      return take("}")
    case UInt8(ascii: "["):
      place += 1
      if take("]") { return true }
      repeat {
        guard skip(depth: depth + 1) else { return false }
      } while take(",")
      return take("]")
    default:
      let start = place
      skipWord()
      return place > start
    }
  }
}
