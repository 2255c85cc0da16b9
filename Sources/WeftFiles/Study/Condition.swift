import Weft

/// A comparison that a study asks for, such as `nodes * gpus-per-node <= 64` or `plan == tp`.
///
/// Words stand apart by spaces, since names hold dashes and units slashes. A word is a number with
/// or without a unit, an operator, or a name; `*` and `/` bind tighter than `+` and `-`. What is no
/// name that the reader knows is a text.
public struct Condition: Sendable {
  /// What a name stands for.
  public enum Operand: Hashable, Sendable {
    case number(Double)
    case text(String)
    /// There is no value, so no comparison holds.
    case none
  }

  private enum Comparison: String, CaseIterable {
    case atMost = "<="
    case atLeast = ">="
    case equal = "=="
    case different = "!="
    case below = "<"
    case above = ">"
  }

  private indirect enum Term: Sendable {
    case word(String)
    case amount(Amount)
    case combined(Term, Character, Term)
  }

  /// The condition as written.
  public let text: String
  /// Where it is written.
  public let origin: YAMLNode.Origin
  private let comparison: Comparison
  private let left: Term
  private let right: Term

  /// Reads a comparison.
  ///
  /// - Throws: ``InputError`` of kind `badContent` if the text is none.
  public init(_ text: String, origin: YAMLNode.Origin) throws(InputError) {
    let words = Self.words(text)
    let at = words.indices.filter { Comparison(rawValue: words[$0]) != nil }
    guard at.count == 1, let comparison = Comparison(rawValue: words[at[0]]),
      let left = Self.sum(words[..<at[0]]), let right = Self.sum(words[(at[0] + 1)...])
    else {
      throw InputError(
        .badContent, place: origin.place, problem: "'\(text)' is no comparison",
        fix: "write it like 'nodes * gpus-per-node <= 64', with spaces between the words")
    }
    self.text = text
    self.origin = origin
    self.comparison = comparison
    self.left = left
    self.right = right
  }

  /// The words that are neither numbers nor operators.
  public var names: [String] { Self.names(left) + Self.names(right) }

  /// Whether a number with a unit is in it.
  public var hasUnit: Bool { Self.hasUnit(left) || Self.hasUnit(right) }

  /// Whether the comparison holds, with names looked up; nil from `lookUp` makes a name a text.
  public func holds(_ lookUp: (String) -> Operand?) -> Bool {
    switch (Self.value(left, lookUp), Self.value(right, lookUp)) {
    case (.number(let left), .number(let right)):
      switch comparison {
      case .atMost: return left <= right
      case .atLeast: return left >= right
      case .equal: return left == right
      case .different: return left != right
      case .below: return left < right
      case .above: return left > right
      }
    case (.text(let left), .text(let right)):
      switch comparison {
      case .equal: return left == right
      case .different: return left != right
      default: return false
      }
    case (.text, .number), (.number, .text):
      return comparison == .different
    default:
      return false
    }
  }
}

// MARK: - Reading

extension Condition {
  /// The words of a text, with a unit joined to the number before it.
  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    for word in text.split(separator: " ").map(String.init) {
      if let last = words.last, Double(last) != nil, let amount = Amount(last + " " + word),
        amount.kind != .number
      {
        words[words.count - 1] = last + " " + word
      } else {
        words.append(word)
      }
    }
    return words
  }

  private static func sum(_ words: ArraySlice<String>) -> Term? {
    combined(words, "+", "-") { combined($0, "*", "/", factor) }
  }

  private static func factor(_ words: ArraySlice<String>) -> Term? {
    guard let word = words.first, words.count == 1, !["+", "-", "*", "/"].contains(word) else {
      return nil
    }
    return Amount(word).map { .amount($0) } ?? .word(word)
  }

  /// Parts joined by either operator, from left to right.
  private static func combined(
    _ words: ArraySlice<String>, _ one: String, _ other: String,
    _ part: (ArraySlice<String>) -> Term?
  ) -> Term? {
    guard let last = words.lastIndex(where: { $0 == one || $0 == other }) else {
      return part(words)
    }
    guard let left = combined(words[..<last], one, other, part),
      let right = part(words[(last + 1)...])
    else { return nil }
    return .combined(left, Character(words[last]), right)
  }
}

// MARK: - Values

extension Condition {
  private static func names(_ term: Term) -> [String] {
    switch term {
    case .word(let word): [word]
    case .amount: []
    case .combined(let left, _, let right): names(left) + names(right)
    }
  }

  private static func hasUnit(_ term: Term) -> Bool {
    switch term {
    case .word: false
    case .amount(let amount): amount.kind != .number
    case .combined(let left, _, let right): hasUnit(left) || hasUnit(right)
    }
  }

  private static func value(_ term: Term, _ lookUp: (String) -> Operand?) -> Operand {
    switch term {
    case .amount(let amount):
      return .number(amount.value)
    case .word(let word):
      guard let operand = lookUp(word) else { return .text(word) }
      // A setting is a text that may say a number.
      if case .text(let text) = operand, let amount = Amount(text) { return .number(amount.value) }
      return operand
    case .combined(let left, let operation, let right):
      guard case .number(let left) = value(left, lookUp),
        case .number(let right) = value(right, lookUp)
      else { return .none }
      switch operation {
      case "+": return .number(left + right)
      case "-": return .number(left - right)
      case "*": return .number(left * right)
      default: return .number(left / right)
      }
    }
  }
}
