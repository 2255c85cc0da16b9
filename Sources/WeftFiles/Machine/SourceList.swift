import Weft

/// The `sources` of a file: where each of its numbers comes from, by dotted path.
enum SourceList {
  /// The sources of a mapping by dotted path.
  ///
  /// - Throws: ``InputError`` if the list is no mapping of paths to texts.
  static func read(_ mapping: YAMLNode, path: String) throws(InputError) -> [String: String] {
    guard let node = mapping["sources"] else { return [:] }
    var reader = try YAMLReader(node, path: path.isEmpty ? "sources" : path + ".sources")
    var result: [String: String] = [:]
    for key in reader.keys { result[key] = try reader.string(key) }
    return result
  }

  /// Refuses numbers without a source and sources without a number.
  ///
  /// A number is a value that starts with a digit; a number set by a flag is its own source.
  /// - Throws: ``InputError`` with the line of the number or of the needless source.
  static func check(_ mapping: YAMLNode, path: String) throws(InputError) {
    let sources = try read(mapping, path: path)
    let numbers = numbers(of: mapping)
    let prefix = path.isEmpty ? "" : path + "."
    let lacking = numbers.filter { number in
      guard case .file = number.origin else { return false }
      return sources[number.path] == nil
    }
    if let number = lacking.first {
      let all = lacking.map { prefix + $0.path }.joined(separator: ", ")
      throw InputError(
        .badContent, place: number.origin.place,
        problem: lacking.count == 1
          ? "\(all): '\(number.text)' has no source"
          : "\(lacking.count) numbers have no source: \(all)",
        fix: "add '\(number.path): where it comes from' under '\(prefix)sources:'"
          + (lacking.count == 1 ? "" : ", and a line for each of the others"))
    }
    for source in mapping["sources"]?.leavesByKey ?? []
    where !numbers.contains(where: { $0.path == source.key }) {
      throw InputError(
        .badContent, place: source.origin.place,
        problem: "\(prefix)sources: there is no number at '\(source.key)'",
        fix: "the nearest: "
          + Suggestion.nearest(to: source.key, among: numbers.map(\.path)).joined(separator: ", "))
    }
  }

  private static func numbers(
    of mapping: YAMLNode
  ) -> [(path: String, text: String, origin: YAMLNode.Origin)] {
    var values = mapping
    _ = values.remove("sources")
    return values.leaves.filter { leaf in
      !["name", "title"].contains(leaf.path) && leaf.path != "gpu.title"
        && leaf.text.first?.isNumber == true
    }
  }
}

extension YAMLNode {
  /// The keys of a mapping with their places.
  fileprivate var leavesByKey: [(key: String, origin: Origin)] {
    guard case .mapping(let entries) = content else { return [] }
    return entries.map { ($0.key, $0.origin) }
  }
}
