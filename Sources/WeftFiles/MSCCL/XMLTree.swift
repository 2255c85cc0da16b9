import Foundation
import FoundationXML

/// An element of an XML text: its name, attributes and children, and the line where it begins.
struct XMLTree: Sendable {
  var name: String
  var attributes: [String: String]
  var children: [XMLTree] = []
  var line: Int
  let file: String

  /// Parses a text; `file` is what errors name.
  ///
  /// - Throws: ``InputError`` with the line where the text stops being XML.
  static func parse(_ text: String, file: String) throws(InputError) -> XMLTree {
    let builder = XMLTreeBuilder(file: file)
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = builder
    let isWhole = parser.parse()
    guard isWhole, let root = builder.root else {
      let line = min(
        max(1, builder.wrongLine ?? parser.lineNumber), max(1, text.split(separator: "\n").count))
      let open = builder.open.last.map { ": <\($0.name)> of line \($0.line) is not closed" } ?? ""
      throw InputError(
        .badContent, place: "\(file):\(line)", problem: "the text is not XML from here on\(open)",
        fix: "check that the file is whole and every element is closed")
    }
    return root
  }

  /// An error at this element.
  func error(_ problem: String, fix: String) -> InputError {
    InputError(.badContent, place: "\(file):\(line)", problem: problem, fix: fix)
  }

  /// An attribute's text.
  func text(_ name: String) throws(InputError) -> String {
    guard let text = attributes[name] else {
      throw error("<\(self.name)> has no attribute '\(name)'", fix: "write \(name)=\"…\" there")
    }
    return text
  }

  /// An attribute as a whole number of a range; the default, if there is one, where it is absent.
  func integer(
    _ name: String, in range: ClosedRange<Int>, default standard: Int? = nil
  ) throws(InputError) -> Int {
    if attributes[name] == nil, let standard { return standard }
    let text = try text(name)
    guard let number = Int(text), range.contains(number) else {
      let upper = range.upperBound == .max ? " or more" : " to \(range.upperBound)"
      throw error(
        "\(name)=\"\(text)\" is not a whole number from \(range.lowerBound)\(upper)",
        fix: "write one")
    }
    return number
  }

  /// The children, all of which must have one name.
  func children(named name: String) throws(InputError) -> [XMLTree] {
    if let other = children.first(where: { $0.name != name }) {
      throw other.error(
        "<\(other.name)> does not belong into <\(self.name)>", fix: "write <\(name)> elements there"
      )
    }
    return children
  }
}

/// Builds the tree from the parser's calls.
private final class XMLTreeBuilder: NSObject, XMLParserDelegate {
  let file: String
  var open: [XMLTree] = []
  var root: XMLTree?
  /// Where the first mistake was found; the parser goes on to the end after some.
  var wrongLine: Int?

  init(file: String) { self.file = file }

  func parser(
    _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    open.append(
      XMLTree(
        name: elementName, attributes: attributes, line: max(1, parser.lineNumber), file: file))
  }

  func parser(_ parser: XMLParser, parseErrorOccurred error: any Error) {
    wrongLine = wrongLine ?? parser.lineNumber
  }

  func parser(
    _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?,
    qualifiedName: String?
  ) {
    guard let element = open.popLast() else { return }
    if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
  }
}
