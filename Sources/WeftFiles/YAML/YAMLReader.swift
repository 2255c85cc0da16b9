public import Weft

/// Walks one mapping of a document: asks for keys with their types and remembers which it asked.
///
/// Every error names the file and line (or the flag) of the offending value, the value, and the
/// fix. Read all keys, then call ``finish()`` where unknown keys are mistakes.
///
///     var reader = try YAMLDocument(path: file).reader()
///     var node = try reader.mapping("node")
///     let gpus = try node.integer("gpus", in: 1...1024)
///     let latency = try node.value("latency", Quantity.duration)
///     try node.finish()
public struct YAMLReader: Sendable {
  /// The dotted path of this mapping from the root; empty at the root.
  public let path: String
  private let node: YAMLNode
  private let entries: [YAMLNode.Entry]
  private var asked: [String] = []

  /// Creates a reader of a mapping.
  ///
  /// - Throws: ``InputError`` if the value is no mapping.
  public init(_ node: YAMLNode, path: String) throws(InputError) {
    guard case .mapping(let entries) = node.content else {
      throw InputError(
        node.origin.errorKind, place: node.origin.place,
        problem: path.isEmpty
          ? "the file is \(node.kindName), not \(node.mappingName)"
          : "'\(path)' is \(node.kindName), not \(node.mappingName)",
        fix: node.origin.isJSON
          ? "write {\"key\": value, ...}"
          : "write 'key: value' lines" + (path.isEmpty ? "" : " under '\(path):'"))
    }
    self.node = node
    self.entries = entries
    self.path = path
  }

  /// The keys of the mapping, in the order of the file.
  public var keys: [String] { entries.map(\.key) }

  /// Whether the key is there and not null.
  public func contains(_ key: String) -> Bool {
    entries.contains { $0.key == key && !$0.value.isNull }
  }

  /// Refuses keys that were never asked for.
  ///
  /// - Throws: ``InputError`` with the line of the first unknown key and the nearest known one.
  public func finish() throws(InputError) {
    guard let unknown = entries.first(where: { !asked.contains($0.key) }) else { return }
    let near = Suggestion.closest(to: unknown.key, among: asked)
    let known = asked.joined(separator: ", ")
    throw InputError(
      .badContent, place: unknown.origin.place, problem: "unknown key '\(full(unknown.key))'",
      fix: near.map { "did you mean '\($0)'?" } ?? "use one of: \(known)")
  }

  /// An error at the value of a key, or at the mapping if the key is absent.
  public func error(at key: String, _ problem: String, fix: String?) -> InputError {
    let origin = entries.first { $0.key == key }?.value.origin ?? node.origin
    return InputError(
      origin.errorKind, place: origin.place, problem: "\(full(key)): \(problem)", fix: fix)
  }

  /// The dotted path of a key from the root.
  public func full(_ key: String) -> String { path.isEmpty ? key : path + "." + key }
}

// MARK: - Presence

extension YAMLReader {
  /// The value of a key; nil if it is absent or null.
  public mutating func optionalNode(_ key: String) -> YAMLNode? {
    asked.append(key)
    return entries.first { $0.key == key && !$0.value.isNull }?.value
  }

  /// The value of a key.
  ///
  /// - Throws: ``InputError`` if it is absent or null.
  public mutating func requiredNode(_ key: String) throws(InputError) -> YAMLNode {
    if let value = optionalNode(key) { return value }
    if entries.contains(where: { $0.key == key }) {
      throw error(at: key, "the value is empty", fix: "write a value after \(written(key))")
    }
    throw InputError(
      .badContent, place: node.origin.place,
      problem: (path.isEmpty ? "the file" : "'\(path)'") + " lacks the key '\(key)'",
      fix: "add \(written(key))" + (path.isEmpty ? "" : " under '\(path):'"))
  }

  /// A key as the file's format has it.
  private func written(_ key: String) -> String {
    node.origin.isJSON ? "\"\(key)\":" : "'\(key):'"
  }
}

// MARK: - Typed values

extension YAMLReader {
  /// The value of a key read by `parse`, such as `Quantity.bandwidth`.
  ///
  /// - Throws: ``InputError`` if the key is absent, no single value, or refused by `parse`.
  public mutating func value<Value>(
    _ key: String, _ parse: (String) throws(QuantityError) -> Value
  ) throws(InputError) -> Value {
    let text = try text(of: try requiredNode(key), key)
    do {
      return try parse(text)
    } catch {
      throw self.error(at: key, error.problem, fix: error.fix)
    }
  }

  /// The value of a key read by `parse`; nil if the key is absent or null.
  ///
  /// - Throws: ``InputError`` as ``value(_:_:)`` does.
  public mutating func optional<Value>(
    _ key: String, _ parse: (String) throws(QuantityError) -> Value
  ) throws(InputError) -> Value? {
    guard contains(key) else {
      asked.append(key)
      return nil
    }
    return try value(key, parse)
  }

  /// A text.
  ///
  /// - Throws: ``InputError`` if it is absent or no single value.
  public mutating func string(_ key: String) throws(InputError) -> String {
    try text(of: try requiredNode(key), key)
  }

  /// A text; nil if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is no single value.
  public mutating func optionalString(_ key: String) throws(InputError) -> String? {
    guard let node = optionalNode(key) else { return nil }
    return try text(of: node, key)
  }

  /// A whole number within a range; counts are positive unless a range says otherwise.
  ///
  /// - Throws: ``InputError`` if it is absent, no whole number, or outside the range.
  public mutating func integer(
    _ key: String, in range: ClosedRange<Int> = 1...Int.max
  ) throws(InputError) -> Int {
    try refuseQuoted(key)
    return try value(key) { text throws(QuantityError) in try Self.integer(text, in: range) }
  }

  /// A whole number within a range; nil if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is no whole number or outside the range.
  public mutating func optionalInteger(
    _ key: String, in range: ClosedRange<Int> = 1...Int.max
  ) throws(InputError) -> Int? {
    try refuseQuoted(key)
    return try optional(key) { text throws(QuantityError) in try Self.integer(text, in: range) }
  }

  /// A plain number without a unit, within a range.
  ///
  /// - Throws: ``InputError`` if it is absent, no finite number, or outside the range.
  public mutating func number(
    _ key: String, in range: ClosedRange<Double>
  ) throws(InputError) -> Double {
    try refuseQuoted(key)
    return try value(key) { text throws(QuantityError) in try Self.number(text, in: range) }
  }

  /// A plain number without a unit; nil if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is no finite number or outside the range.
  public mutating func optionalNumber(
    _ key: String, in range: ClosedRange<Double>
  ) throws(InputError) -> Double? {
    try refuseQuoted(key)
    return try optional(key) { text throws(QuantityError) in try Self.number(text, in: range) }
  }

  /// `true` or `false`; nil if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is anything else.
  public mutating func optionalBool(_ key: String) throws(InputError) -> Bool? {
    try optional(key) { text throws(QuantityError) in
      switch text {
      case "true", "True": return true
      case "false", "False": return false
      default:
        throw QuantityError(
          problem: "'\(text)' is neither true nor false", fix: "write true or false")
      }
    }
  }

  /// One of the names of an enumeration.
  ///
  /// - Throws: ``InputError`` that lists the names if it is absent or none of them.
  public mutating func choice<Choice>(
    _ key: String, of type: Choice.Type
  ) throws(InputError) -> Choice
  where Choice: CaseIterable & RawRepresentable, Choice.RawValue == String {
    let name = try choice(key, among: type.allCases.map(\.rawValue))
    // The name is one of the raw values just listed.
    guard let value = type.init(rawValue: name) else { preconditionFailure("No case \(name).") }
    return value
  }

  /// One of some names.
  ///
  /// - Throws: ``InputError`` that lists the names if it is absent or none of them.
  public mutating func choice(_ key: String, among names: [String]) throws(InputError) -> String {
    let name = try string(key)
    guard names.contains(name) else {
      let near = Suggestion.closest(to: name, among: names).map { "did you mean '\($0)'? " } ?? ""
      throw error(
        at: key, "'\(name)' is not known",
        fix: near + "use one of: " + names.joined(separator: ", "))
    }
    return name
  }
}

// MARK: - Nested values

extension YAMLReader {
  /// A reader of the mapping under a key.
  ///
  /// - Throws: ``InputError`` if it is absent or no mapping.
  public mutating func mapping(_ key: String) throws(InputError) -> YAMLReader {
    try YAMLReader(try requiredNode(key), path: full(key))
  }

  /// A reader of the mapping under a key; nil if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is no mapping.
  public mutating func optionalMapping(_ key: String) throws(InputError) -> YAMLReader? {
    guard let node = optionalNode(key) else { return nil }
    return try YAMLReader(node, path: full(key))
  }

  /// The texts of a list; empty if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is no list of single values.
  public mutating func strings(_ key: String) throws(InputError) -> [String] {
    var result: [String] = []
    for (index, node) in try items(key).enumerated() {
      result.append(try text(of: node, "\(key)[\(index)]"))
    }
    return result
  }

  /// The values of a list; empty if the key is absent or null.
  ///
  /// - Throws: ``InputError`` if it is no list.
  public mutating func items(_ key: String) throws(InputError) -> [YAMLNode] {
    guard let node = optionalNode(key) else { return [] }
    guard case .sequence(let values) = node.content else {
      throw error(
        at: key, "this is \(node.kindName), not a list", fix: "write it like '\(key): [a, b]'")
    }
    return values
  }
}

// MARK: - Parsing

extension YAMLReader {
  private func text(of node: YAMLNode, _ key: String) throws(InputError) -> String {
    guard let text = node.text else {
      throw InputError(
        node.origin.errorKind, place: node.origin.place,
        problem: "\(full(key)): this is \(node.kindName), not a single value",
        fix: "write '\(key): value' on one line")
    }
    return text
  }

  /// Refuses a number that JSON has as a text; YAML does not tell them apart so strictly.
  private func refuseQuoted(_ key: String) throws(InputError) {
    guard let value = entries.first(where: { $0.key == key })?.value, value.origin.isJSON,
      case .scalar(let text, quoted: true) = value.content
    else { return }
    throw error(
      at: key, "\"\(text)\" is a text, not a number", fix: "write the number without quotes")
  }

  private static func integer(
    _ text: String, in range: ClosedRange<Int>
  ) throws(QuantityError) -> Int {
    guard let value = Int(text) ?? Double(text).flatMap(Int.init(exactly:)) else {
      throw QuantityError(problem: "'\(text)' is not a whole number", fix: "write it like '4'")
    }
    guard range.contains(value) else {
      let wanted =
        range.upperBound == .max
        ? "of \(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
      throw QuantityError(
        problem: "'\(text)' is out of range", fix: "write a whole number \(wanted)")
    }
    return value
  }

  private static func number(
    _ text: String, in range: ClosedRange<Double>
  ) throws(QuantityError) -> Double {
    guard let value = Double(text), value.isFinite else {
      throw QuantityError(
        problem: "'\(text)' is not a plain number", fix: "write a number without a unit, like '0.8'"
      )
    }
    guard range.contains(value) else {
      throw QuantityError(
        problem: "'\(text)' is out of range",
        fix: "write a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
