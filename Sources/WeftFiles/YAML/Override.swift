import Weft

/// A `--set path=value` of the command line: a new text for a scalar of a file.
///
/// The text is validated when the file is read, like any other; its errors name the flag.
public struct Override: Hashable, Sendable {
  /// The dotted path, such as `network.bandwidth`.
  public let path: String
  /// The new value as a file would have it, such as `50 GB/s`.
  public let value: String

  /// Parses the argument of `--set`.
  ///
  /// - Throws: ``InputError`` of kind `usage` if it is not `path=value`.
  public init(parsing argument: String) throws(InputError) {
    guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex,
      argument.index(after: equals) != argument.endIndex
    else {
      throw InputError(
        .usage, place: "--set \(argument)", problem: "this is not 'path=value'",
        fix: "write it like --set 'network.bandwidth=50 GB/s'")
    }
    path = String(argument[..<equals])
    value = String(argument[argument.index(after: equals)...])
  }

  /// Creates an override.
  public init(path: String, value: String) {
    self.path = path
    self.value = value
  }

  /// The flag as the user gave it.
  public var flag: String { "--set \(path)=\(value)" }

  /// The value as a node that knows it came from the flag.
  var node: YAMLNode { YAMLNode(.scalar(value, quoted: false), origin: .flag(flag)) }
}

extension YAMLNode {
  /// This value with the scalars at the overrides' paths replaced, in order.
  ///
  /// - Throws: ``InputError`` of kind `usage` for a path that is not there, with the nearest ones.
  public func applying(_ overrides: [Override]) throws(InputError) -> YAMLNode {
    var result = self
    for override in overrides {
      let parts = override.path.split(separator: ".", omittingEmptySubsequences: false)
      guard result.replace(parts.map(String.init)[...], with: override.node) else {
        throw InputError(
          .usage, place: override.flag, problem: "there is no value at '\(override.path)' to set",
          fix: "the nearest: "
            + Suggestion.nearest(to: override.path, among: result.leaves.map(\.path))
            .joined(separator: ", "))
      }
    }
    return result
  }

  private mutating func replace(_ path: ArraySlice<String>, with node: YAMLNode) -> Bool {
    guard let key = path.first else {
      guard case .scalar = content else { return false }
      self = node
      return true
    }
    guard var child = self[key], child.replace(path.dropFirst(), with: node) else { return false }
    set(key, to: child)
    return true
  }
}
