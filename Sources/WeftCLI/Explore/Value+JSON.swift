import WeftStudy

/// JSON on one line with the values in their own order, as results are stored.
extension Value {
  /// Appends the value as JSON text.
  func append(to json: inout JSONWriter) {
    switch self {
    case .null: json.append(word: "null")
    case .bool(let bool): json.append(word: bool ? "true" : "false")
    case .integer(let integer): json.append(word: String(integer))
    case .number(let number): json.append(word: number.isFinite ? number.description : "null")
    case .text(let text): json.append(text)
    case .object(let record): record.append(to: &json)
    case .list(let values):
      json.append(mark: "[")
      for (index, value) in values.enumerated() {
        if index > 0 { json.append(mark: ",") }
        value.append(to: &json)
      }
      json.append(mark: "]")
    }
  }
}

extension Record {
  /// The record as it is stored; its names are looked for among known ones, and added to them.
  func stored(like known: inout [ResultShape]) -> StoredResult {
    let shape: ResultShape
    if let same = known.first(where: { hasNames(of: $0.root) }) {
      shape = same
    } else {
      shape = ResultShape(names)
      known.append(shape)
    }
    var values = JSONWriter(capacity: 512)
    values.append(mark: "[")
    var isFirst = true
    appendValues(to: &values, &isFirst)
    values.append(mark: "]")
    return StoredResult(shape: shape, values: values.text)
  }

  private var names: ResultShape.Node {
    .object(
      fields.map { field in
        if case .object(let record) = field.value {
          (field.name, record.names)
        } else {
          (field.name, .value)
        }
      })
  }

  private func hasNames(of node: ResultShape.Node) -> Bool {
    guard case .object(let parts) = node, parts.count == fields.count else { return false }
    for (field, (name, part)) in zip(fields, parts) {
      guard field.name == name else { return false }
      switch (field.value, part) {
      case (.object(let record), .object): guard record.hasNames(of: part) else { return false }
      case (.object, .value), (_, .object): return false
      case (_, .value): break
      }
    }
    return true
  }

  private func appendValues(to json: inout JSONWriter, _ isFirst: inout Bool) {
    for field in fields {
      if case .object(let record) = field.value {
        record.appendValues(to: &json, &isFirst)
      } else {
        if !isFirst { json.append(mark: ",") }
        isFirst = false
        field.value.append(to: &json)
      }
    }
  }

  fileprivate func append(to json: inout JSONWriter) {
    json.append(mark: "{")
    for (index, field) in fields.enumerated() {
      if index > 0 { json.append(mark: ",") }
      json.append(field.name)
      json.append(mark: ":")
      field.value.append(to: &json)
    }
    json.append(mark: "}")
  }

  /// Reads a record back; nil if the result is none, which only a foreign hand can have done.
  init?(_ result: StoredResult) {
    var text = result.json
    let value = text.withUTF8 { bytes in
      var reader = JSONReader(bytes)
      return reader.value()
    }
    guard case .object(let record) = value else { return nil }
    self = record
  }
}

extension StoredResult {
  /// The value of a name, which may be a dotted path into nested records; nil if there is none.
  func value(at path: String) -> Value? {
    if shape.isObject(at: path) { return Record(self)?.value(at: path) }
    return read(path) { $0.value() }
  }
}

extension JSONReader {
  /// Takes a value; nil if there is none.
  fileprivate mutating func value(depth: Int = 0) -> Value? {
    guard depth < 32 else { return nil }
    switch peek() {
    case UInt8(ascii: "{"): return object(depth: depth)
    case UInt8(ascii: "["): return list(depth: depth)
    case UInt8(ascii: "\""): return string().map { .text($0) }
    default: break
    }
    let word = word()
    switch word {
    case "null": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    default:
      if let integer = Int(word) { return .integer(integer) }
      return Double(word).map { .number($0) }
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
}
