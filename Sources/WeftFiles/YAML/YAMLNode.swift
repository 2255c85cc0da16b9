/// A value of a YAML or JSON document that remembers where it was written.
public struct YAMLNode: Sendable {
  /// The content, by the three kinds of YAML.
  public enum Content: Sendable {
    /// A text, number, truth value or null, as written; quoted ones are always text.
    case scalar(String, quoted: Bool)
    /// Keys and values in the order of the file.
    case mapping([Entry])
    /// A list.
    case sequence([YAMLNode])
  }

  /// A key and its value.
  public struct Entry: Sendable {
    /// The key.
    public var key: String
    /// Where the key stands.
    public var origin: Origin
    /// The value.
    public var value: YAMLNode
  }

  /// Where a value comes from.
  public enum Origin: Hashable, Sendable {
    /// A line of a file, counted from 1.
    case file(String, line: Int)
    /// A flag of the command line, as it was given.
    case flag(String)
    /// A default of Weft; no one wrote it.
    case fallback

    /// The place as errors name it.
    public var place: String? {
      switch self {
      case .file(let file, let line): "\(file):\(line)"
      case .flag(let text): text
      case .fallback: nil
      }
    }

    /// Whether the value stands in a JSON file, by its name.
    var isJSON: Bool {
      if case .file(let file, _) = self { file.hasSuffix(".json") } else { false }
    }

    /// The kind of error that a bad value of this origin is.
    public var errorKind: InputError.Kind {
      if case .flag = self { .usage } else { .badContent }
    }
  }

  /// The content.
  public var content: Content
  /// Where the value stands.
  public var origin: Origin

  /// Creates a value.
  public init(_ content: Content, origin: Origin) {
    self.content = content
    self.origin = origin
  }
}

// MARK: - Paths

extension YAMLNode {
  /// The value of a mapping's key; nil if there is none or this is no mapping.
  public subscript(key: String) -> YAMLNode? {
    guard case .mapping(let entries) = content else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// Sets or appends a mapping's key; any other value is left alone.
  public mutating func set(_ key: String, to value: YAMLNode) {
    guard case .mapping(var entries) = content else { return }
    if let index = entries.firstIndex(where: { $0.key == key }) {
      entries[index].value = value
    } else {
      entries.append(Entry(key: key, origin: value.origin, value: value))
    }
    content = .mapping(entries)
  }

  /// Removes a mapping's key and gives its value; nil if there is none.
  public mutating func remove(_ key: String) -> YAMLNode? {
    guard case .mapping(var entries) = content,
      let index = entries.firstIndex(where: { $0.key == key })
    else { return nil }
    let removed = entries.remove(at: index)
    content = .mapping(entries)
    return removed.value
  }

  /// The scalars below this value with their dotted paths, in the order of the file.
  ///
  /// Lists have no paths and are left out.
  public var leaves: [(path: String, text: String, origin: Origin)] {
    switch content {
    case .scalar(let text, _): [("", text, origin)]
    case .sequence: []
    case .mapping(let entries):
      entries.flatMap { entry in
        entry.value.leaves.map { leaf in
          (entry.key + (leaf.path.isEmpty ? "" : "." + leaf.path), leaf.text, leaf.origin)
        }
      }
    }
  }

  /// The text of a scalar; nil for lists, mappings and null.
  public var text: String? {
    guard case .scalar(let text, let quoted) = content else { return nil }
    return quoted || !["", "~", "null", "Null", "NULL"].contains(text) ? text : nil
  }

  /// Whether the value is null, written out or left empty.
  public var isNull: Bool {
    if case .scalar = content { return text == nil }
    return false
  }

  /// What a mapping is called where this value stands.
  var mappingName: String { origin.isJSON ? "an object" : "a mapping" }

  /// What the value is, for messages.
  var kindName: String {
    switch content {
    case .scalar: isNull ? "empty" : "a single value"
    case .mapping: mappingName
    case .sequence: "a list"
    }
  }
}
