/// The names of a result's values, which thousands of results of one command have in common.
///
/// As text it is a JSON object with the place of each value in its stead:
/// `{"time_us":0,"breakdown_us":{"launch":1,"latency":2}}`.
public final class ResultShape: Sendable {
  /// What a result is made of.
  public indirect enum Node: Sendable {
    /// One value: a number, a text, a truth value, null or a list.
    case value
    /// Named parts, in order.
    case object([(name: String, part: Node)])
  }

  /// The names in order.
  public let root: Node
  /// The names as JSON text.
  public let text: String
  /// How many values a result has.
  let count: Int
  /// The places of values by their dotted paths.
  private let places: [String: Int]
  /// The paths of objects.
  private let objects: Set<String>
  /// The text without places: what comes before each value, and after the last.
  private let between: [String]

  /// The shape of results with some names.
  public init(_ root: Node) {
    self.root = root
    var text = JSONWriter()
    var places: [String: Int] = [:]
    var objects: Set<String> = []
    var between: [String] = []
    var piece = JSONWriter()
    func add(_ node: Node, _ path: String) {
      switch node {
      case .value:
        text.append(word: String(between.count))
        places[path] = places[path] ?? between.count
        between.append(piece.text)
        piece = JSONWriter()
      case .object(let parts):
        objects.insert(path)
        for (index, (name, part)) in parts.enumerated() {
          let mark: Unicode.Scalar = index == 0 ? "{" : ","
          text.append(name: name, after: mark)
          piece.append(name: name, after: mark)
          add(part, path.isEmpty ? name : path + "." + name)
        }
        let end = parts.isEmpty ? "{}" : "}"
        text.append(word: end)
        piece.append(word: end)
      }
    }
    add(root, "")
    self.text = text.text
    self.places = places
    self.objects = objects
    count = between.count
    self.between = between + [piece.text]
  }

  /// Reads the text of a shape; nil for anything else.
  convenience init?(text: String) {
    guard let result = StoredResult(json: text) else { return nil }
    self.init(result.shape.root)
    guard self.text == text else { return nil }
  }

  /// The place of a value in the list of a result's values; nil if there is none of that path.
  public func place(of path: String) -> Int? { places[path] }

  /// Whether a path leads to named parts; an empty one leads to the whole result.
  public func isObject(at path: String) -> Bool { objects.contains(path) }

  /// A result's whole JSON text.
  func json(_ values: UnsafeBufferPointer<UInt8>) -> String {
    var json = JSONWriter(capacity: text.utf8.count + values.count)
    var reader = JSONReader(values)
    _ = reader.take("[")
    for place in 0..<count {
      json.append(word: between[place])
      json.append(bytes: reader.slice())
      _ = reader.take(",")
    }
    json.append(word: between[count])
    return json.text
  }
}

extension ResultShape: Hashable {
  /// Whether two shapes have the same names in the same order.
  public static func == (left: ResultShape, right: ResultShape) -> Bool {
    left === right || left.text == right.text
  }

  /// Hashes the names.
  public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

/// A result as the store keeps it: its names once for all that have them, its values as a JSON list.
public struct StoredResult: Hashable, Sendable {
  /// The names of the values.
  public let shape: ResultShape
  /// A JSON list of the values, in the order of the names.
  public let values: String

  /// Joins names and their values.
  ///
  /// - Precondition: `values` is a JSON list with a value for each name.
  public init(shape: ResultShape, values: String) {
    self.shape = shape
    self.values = values
  }

  /// Takes names and values of a JSON text apart; nil if it is none.
  public init?(json: String) {
    var json = json
    let parts = json.withUTF8 { bytes -> (ResultShape.Node, String)? in
      var reader = JSONReader(bytes)
      var values = JSONWriter(capacity: bytes.count)
      values.append(mark: "[")
      var isFirst = true
      guard let node = reader.split(into: &values, &isFirst), reader.peek() == 0 else { return nil }
      values.append(mark: "]")
      return (node, values.text)
    }
    guard let parts else { return nil }
    self.init(shape: ResultShape(parts.0), values: parts.1)
  }

  /// The whole result as JSON text: names and values to the letter, without spaces between them.
  public var json: String {
    var values = values
    return values.withUTF8 { shape.json($0) }
  }

  /// Reads the value of a dotted path; nil if there is none.
  public func read<Value>(_ path: String, _ body: (inout JSONReader) -> Value?) -> Value? {
    guard let place = shape.place(of: path) else { return nil }
    var values = values
    return values.withUTF8 { bytes in
      var reader = JSONReader(bytes)
      guard reader.take("[") else { return nil }
      for _ in 0..<place { guard reader.skip(), reader.take(",") else { return nil } }
      return body(&reader)
    }
  }
}

extension StoredResult: Codable {
  /// Reads a result from a text of JSON.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let result = Self(json: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a result is no JSON")
    }
    self = result
  }

  /// Writes the result as a text of JSON.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(json)
  }
}

extension JSONReader {
  /// Takes a value apart: names as they are nested, and all else into a list.
  fileprivate mutating func split(
    into values: inout JSONWriter, _ isFirst: inout Bool, depth: Int = 0
  ) -> ResultShape.Node? {
    guard depth < 32 else { return nil }
    guard peek() == UInt8(ascii: "{") else {
      let value = slice()
      guard Self.isSound(value) else { return nil }
      if !isFirst { values.append(mark: ",") }
      isFirst = false
      values.append(bytes: value)
      return .value
    }
    _ = take("{")
    if take("}") { return .object([]) }
    var parts: [(name: String, part: ResultShape.Node)] = []
    repeat {
      guard peek() == UInt8(ascii: "\""), let name = string(), take(":"),
        let part = split(into: &values, &isFirst, depth: depth + 1)
      else { return nil }
      parts.append((name, part))
    } while take(",")
    return take("}") ? .object(parts) : nil
  }

  /// Whether a value that was taken whole is one; of texts and lists the ends were seen.
  private static func isSound(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    guard let first = value.first else { return false }
    if first == UInt8(ascii: "\"") || first == UInt8(ascii: "[") { return true }
    let word = String(decoding: value, as: UTF8.self)
    let isNumber = word.utf8.allSatisfy { "+-.eE0123456789".utf8.contains($0) }
    return ["null", "true", "false"].contains(word) || (isNumber && Double(word) != nil)
  }
}
