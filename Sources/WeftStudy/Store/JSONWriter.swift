/// Writes JSON as the store keeps it: short, on one line, names in the order they come.
///
/// Foundation's encoder loses that order and takes longer than an analytic point does.
public struct JSONWriter {
  private var bytes: [UInt8] = []

  /// Creates a writer of nothing yet; the capacity is what the text is likely to need.
  public init(capacity: Int = 0) {
    bytes.reserveCapacity(capacity)
  }

  /// What was written.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Appends a bracket, comma or colon.
  public mutating func append(mark: Unicode.Scalar) {
    bytes.append(UInt8(truncatingIfNeeded: mark.value))
  }

  /// Appends a number or a word of JSON as it is.
  public mutating func append(word: String) {
    var word = word
    word.withUTF8 { bytes.append(contentsOf: $0) }
  }

  /// Appends a text that is JSON already.
  mutating func append(bytes text: Slice<UnsafeBufferPointer<UInt8>>) {
    bytes.append(contentsOf: text)
  }

  /// Appends a mark, then a name and its colon.
  mutating func append(name: String, after mark: Unicode.Scalar) {
    append(mark: mark)
    append(name)
    append(mark: ":")
  }

  /// Appends a text with quotes and escapes.
  public mutating func append(_ text: String) {
    var text = text
    bytes.append(UInt8(ascii: "\""))
    text.withUTF8 { utf8 in
      if utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }) {
        bytes.append(contentsOf: utf8)
      } else {
        for byte in utf8 { append(escaped: byte) }
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Bytes of longer characters are above all that is escaped.
  private mutating func append(escaped byte: UInt8) {
    switch byte {
    case 0x22, 0x5C: bytes += [0x5C, byte]
    case 0x0A: bytes += [0x5C, UInt8(ascii: "n")]
    case ..<0x20:
      let digits = String(byte, radix: 16)
      append(word: "\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
    default: bytes.append(byte)
    }
  }

  /// Appends a list of texts.
  mutating func append(list texts: [String]) {
    append(mark: "[")
    for (index, text) in texts.enumerated() {
      if index > 0 { append(mark: ",") }
      append(text)
    }
    append(mark: "]")
  }

  /// A list of texts.
  static func list(_ texts: [String]) -> String {
    var writer = JSONWriter()
    writer.append(list: texts)
    return writer.text
  }

  /// Begins anew, in the same memory.
  mutating func clear() { bytes.removeAll(keepingCapacity: true) }

  /// Gives what was written as it lies in memory.
  func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBufferPointer(body)
  }
}
