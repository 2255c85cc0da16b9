import Foundation
import WeftStudy

/// JSON on one line with the values in their own order, as results are stored.
///
/// Foundation's coders lose the order of names and take a large part of the time that an analytic
/// point has, so results of studies are written and read here.
extension Value {
  /// Appends the value as JSON text.
  func appendJSON(to json: inout String) {
    switch self {
    case .null: json += "null"
    case .bool(let bool): json += bool ? "true" : "false"
    case .integer(let integer): json += String(integer)
    case .number(let number): json += number.isFinite ? number.description : "null"
    case .text(let text): JSONText.append(text, to: &json)
    case .object(let record): record.appendJSON(to: &json)
    case .list(let values):
      json += "["
      for (index, value) in values.enumerated() {
        if index > 0 { json += "," }
        value.appendJSON(to: &json)
      }
      json += "]"
    }
  }
}

extension Record {
  /// The record as JSON text.
  var json: String {
    var json = ""
    json.reserveCapacity(1024)
    appendJSON(to: &json)
    return json
  }

  fileprivate func appendJSON(to json: inout String) {
    json += "{"
    for (index, field) in fields.enumerated() {
      if index > 0 { json += "," }
      JSONText.append(field.name, to: &json)
      json += ":"
      field.value.appendJSON(to: &json)
    }
    json += "}"
  }

  /// Reads a record back; nil if the text is none, which only a foreign hand can have done.
  init?(json: String) {
    var text = json
    let value = text.withUTF8 { bytes in
      var reader = JSONReader(bytes: bytes)
      return reader.value(depth: 0)
    }
    guard case .object(let record) = value else { return nil }
    self = record
  }
}

/// Reads what ``Record/json`` writes, and any other JSON that is sound.
private struct JSONReader {
  let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0

  init(bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  private mutating func peek() -> UInt8 {
    while place < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
    return place < bytes.count ? bytes[place] : 0
  }

  private mutating func take(_ character: Character) -> Bool {
    guard peek() == character.asciiValue else { return false }
    place += 1
    return true
  }

  mutating func value(depth: Int) -> Value? {
    guard depth < 32 else { return nil }
    switch peek() {
    case UInt8(ascii: "{"): return object(depth: depth)
    case UInt8(ascii: "["): return list(depth: depth)
    case UInt8(ascii: "\""): return string().map { .text($0) }
    default: return word()
    }
  }

  private mutating func object(depth: Int) -> Value? {
    guard take("{") else { return nil }
    var record = Record()
    if take("}") { return .object(record) }
    repeat {
      guard peek() == UInt8(ascii: "\""), let name = string(), take(":"),
        let value = value(depth: depth + 1)
      else { return nil }
      record.append(name, value)
    } while take(",")
    return take("}") ? .object(record) : nil
  }

  private mutating func list(depth: Int) -> Value? {
    guard take("[") else { return nil }
    var values: [Value] = []
    if take("]") { return .list(values) }
    repeat {
      guard let value = value(depth: depth + 1) else { return nil }
      values.append(value)
    } while take(",")
    return take("]") ? .list(values) : nil
  }

  /// A text; one with escapes is left to Foundation.
  private mutating func string() -> String? {
    let start = place
    place += 1
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
    guard hasEscapes else {
      return String(decoding: bytes[(start + 1)..<(place - 1)], as: UTF8.self)
    }
    let data = Data("[".utf8) + Data(bytes[start..<place]) + Data("]".utf8)
    return (try? JSONDecoder().decode([String].self, from: data))?.first
  }

  private mutating func word() -> Value? {
    let start = place
    while place < bytes.count, ![0x2C, 0x5D, 0x7D, 0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) {
      place += 1
    }
    let word = String(decoding: bytes[start..<place], as: UTF8.self)
    switch word {
    case "null": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    default:
      if let integer = Int(word) { return .integer(integer) }
      return Double(word).map { .number($0) }
    }
  }
}
