import Foundation
import Yams

/// A YAML file (or JSON, which is YAML) as a tree of values that know their lines.
public struct YAMLDocument: Sendable {
  /// The file as the user named it.
  public let file: String
  /// The value at the root.
  public var root: YAMLNode

  /// Reads and parses a file.
  ///
  /// - Throws: ``InputError``: `missing` if there is no such file or it cannot be read,
  ///   `badContent` if it is no YAML, has a key twice, or is empty.
  public init(path: String) throws(InputError) {
    self = try YAMLDocument(text: try TextFile.read(path), file: path)
  }

  /// Parses a text; `file` is what errors name.
  ///
  /// - Throws: ``InputError`` as ``init(path:)`` does.
  public init(text: String, file: String) throws(InputError) {
    self.file = file
    let node: Node?
    do {
      // All scalars are texts here, and what the core schema would make of them takes long to find out.
      node = try compose(yaml: text, .basic)
    } catch {
      throw Self.inputError(error, file: file, lines: text.split(separator: "\n").count)
    }
    guard let node else {
      throw InputError(
        .badContent, place: file, problem: "the file is empty", fix: "write the missing content")
    }
    var budget = Self.largestTree
    root = try YAMLNode(node, file: file, budget: &budget)
  }

  /// The most values of a document, aliases expanded: aliases of aliases can stand for more than
  /// any memory holds.
  private static let largestTree = 500_000

  /// A reader of the mapping at the root.
  ///
  /// - Throws: ``InputError`` if the root is no mapping.
  public func reader() throws(InputError) -> YAMLReader { try YAMLReader(root, path: "") }

  private static func inputError(_ error: any Error, file: String, lines: Int) -> InputError {
    let format = YAMLNode.Origin.file(file, line: 1).isJSON ? "JSON" : "YAML"
    func bad(_ line: Int, _ problem: String, _ fix: String) -> InputError {
      InputError(.badContent, place: "\(file):\(line)", problem: problem, fix: fix)
    }
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      guard !problem.hasPrefix("Maximum nesting level") else {
        return bad(
          min(mark.line, max(1, lines)), "values are nested too deep for any file of Weft's",
          "check that it is the file you mean")
      }
      // At the end of a truncated file the parser points behind the last line.
      let opened = context.map {
        ", \(Self.plain($0.text)) that began in line \(min($0.mark.line, max(1, lines)))"
      }
      return bad(
        min(mark.line, max(1, lines)),
        "this is not valid \(format): \(Self.plain(problem))\(opened ?? "")",
        "check the indentation, quotes and brackets here and above; the file may be cut off")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.sorted().map { "'\($0)'" }.joined(separator: ", ")
      return bad(context.mark.line, "the key \(names) is given twice", "keep one of them")
    case .reader(let problem, _, _, _):
      return InputError(
        .badContent, place: file, problem: "this is not text: \(problem)",
        fix: "save the file as UTF-8 \(format)")
    default:
      return InputError(.badContent, place: file, problem: "this is not valid \(format): \(error)")
    }
  }
}

extension YAMLDocument {
  /// What the parser says, without the words of YAML's grammar.
  private static func plain(_ text: String) -> String {
    [
      ("did not find expected ", "there should be "), ("node content", "a value"),
      ("a flow node", "a value"), ("a flow sequence", "a list"), ("a flow mapping", "an object"),
      ("a block node", "a value"), ("a block sequence", "a list"),
      ("a block mapping", "a mapping"), ("a block collection", "a list"),
    ].reduce(text) { $0.replacing($1.0, with: $1.1) }
  }
}

extension YAMLNode {
  /// Takes over a tree of the parser.
  fileprivate init(_ node: Node, file: String, budget: inout Int) throws(InputError) {
    let origin = Origin.file(file, line: node.mark?.line ?? 1)
    budget -= 1
    guard budget >= 0 else {
      throw InputError(
        .badContent, place: origin.place, problem: "the file has more values than Weft reads",
        fix: "check that no alias stands for a list of aliases of lists")
    }
    switch node {
    case .scalar(let scalar):
      let quoted = scalar.style != .plain && scalar.style != .any
      self.init(.scalar(scalar.string, quoted: quoted), origin: origin)
    case .sequence(let sequence):
      var values: [YAMLNode] = []
      for element in sequence { values.append(try YAMLNode(element, file: file, budget: &budget)) }
      self.init(.sequence(values), origin: origin)
    case .mapping(let mapping):
      var entries: [Entry] = []
      for (key, value) in mapping {
        guard case .scalar(let name) = key else {
          throw InputError(
            .badContent, place: origin.place, problem: "a key is not a single word",
            fix: "use a plain name as the key")
        }
        let keyOrigin = Origin.file(file, line: key.mark?.line ?? 1)
        entries.append(
          Entry(
            key: name.string, origin: keyOrigin,
            value: try YAMLNode(value, file: file, budget: &budget)))
      }
      self.init(.mapping(entries), origin: origin)
    case .alias:
      // Composing follows every alias; one that is left has no value.
      throw InputError(
        .badContent, place: origin.place, problem: "an alias stands for nothing",
        fix: "define its anchor above")
    }
  }
}

/// Reads whole text files with errors that say what is wrong.
public enum TextFile {
  /// No description of a machine, model or schedule is larger.
  private static let largest = 64 << 20

  /// The text of a file.
  ///
  /// - Throws: ``InputError``: `missing` if there is no such file, it is a directory, or it cannot
  ///   be read; `badContent` if it is not UTF-8.
  public static func read(_ path: String) throws(InputError) -> String {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw InputError(
        .missing, place: path, problem: "there is no such file", fix: "check the path")
    }
    guard !isDirectory.boolValue else {
      throw InputError(
        .missing, place: path, problem: "this is a directory, not a file",
        fix: "name a file in it")
    }
    let data: Data
    do {
      // A device may never end; a pipe from a shell's <(...) does, and is read whole.
      let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      data = try handle.read(upToCount: largest + 1) ?? Data()
      guard data.count <= largest else {
        throw InputError(
          .badContent, place: path, problem: "the file is larger than 64 MiB",
          fix: "check that it is the file you mean")
      }
    } catch let error as InputError {
      throw error
    } catch {
      throw InputError(
        .missing, place: path, problem: "the file cannot be read",
        fix: "check its permissions (ls -l)")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw InputError(
        .badContent, place: path, problem: "the file is not UTF-8 text", fix: "save it as UTF-8")
    }
    return text
  }
}
