/// A value of a result.
enum Value: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case text(String)
  case object(Record)
  case list([Value])

  /// A number, or null where there is none.
  init(_ number: Double?) { self = number.map { .number($0) } ?? .null }

  /// A whole number, or null where there is none.
  init(_ integer: Int?) { self = integer.map { .integer($0) } ?? .null }

  /// A text, or null where there is none.
  init(_ text: String?) { self = text.map { .text($0) } ?? .null }

  /// The value as a plain number; nil for anything else.
  var number: Double? {
    switch self {
    case .number(let number): number
    case .integer(let integer): Double(integer)
    case .null, .bool, .text, .object, .list: nil
    }
  }
}

/// One result: named values in order.
struct Record: Hashable, Sendable {
  /// A named value.
  struct Field: Hashable, Sendable {
    var name: String
    var value: Value
  }

  /// The values, in the order of columns.
  private(set) var fields: [Field]

  /// Creates a record of values in order.
  init(_ fields: KeyValuePairs<String, Value> = [:]) {
    self.fields = fields.map { Field(name: $0, value: $1) }
  }

  /// The value of a name; nil if there is none.
  ///
  /// Setting replaces a value in its place, appends a new one, or with nil removes it.
  subscript(name: String) -> Value? {
    get { fields.first { $0.name == name }?.value }
    set {
      let index = fields.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): fields[index].value = value
      case (let index?, nil): fields.remove(at: index)
      case (nil, let value?): fields.append(Field(name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  /// Adds a value whose name is known to be new, without looking for it.
  mutating func append(_ name: String, _ value: Value) {
    fields.append(Field(name: name, value: value))
  }

  /// The value of a name, which may be a dotted path into nested records; nil if there is none.
  func value(at path: String) -> Value? {
    if let value = self[path] { return value }
    guard let dot = path.firstIndex(of: "."), case .object(let inner) = self[String(path[..<dot])]
    else { return nil }
    return inner.value(at: String(path[path.index(after: dot)...]))
  }

  /// The values with those of nested records named by dotted paths.
  var flattened: [Field] {
    fields.flatMap { field -> [Field] in
      guard case .object(let inner) = field.value else { return [field] }
      return inner.flattened.map { Field(name: field.name + "." + $0.name, value: $0.value) }
    }
  }
}

// MARK: - Literals

extension Value: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral
{
  init(stringLiteral value: String) { self = .text(value) }
  init(integerLiteral value: Int) { self = .integer(value) }
  init(floatLiteral value: Double) { self = .number(value) }
  init(booleanLiteral value: Bool) { self = .bool(value) }
}

// MARK: - JSON

extension Value: Encodable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Writes the value as JSON has it; null is written out.
  func encode(to encoder: any Encoder) throws {
    switch self {
    case .object(let record):
      var container = encoder.container(keyedBy: Key.self)
      for field in record.fields {
        try container.encode(field.value, forKey: Key(stringValue: field.name))
      }
    case .list(let values):
      var container = encoder.unkeyedContainer()
      for value in values { try container.encode(value) }
    case .null, .bool, .integer, .number, .text:
      var container = encoder.singleValueContainer()
      switch self {
      case .bool(let bool): try container.encode(bool)
      case .integer(let integer): try container.encode(integer)
      case .number(let number): try container.encode(number)
      case .text(let text): try container.encode(text)
      default: try container.encodeNil()
      }
    }
  }
}
