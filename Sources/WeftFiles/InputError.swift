/// What is wrong with an input, where, and how to put it right.
public struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What sort of input is wrong; it decides the exit code of the command.
  public enum Kind: Sendable {
    /// A flag or its value (exit code 64).
    case usage
    /// The content of a file (exit code 65).
    case badContent
    /// A file or name that is not there (exit code 66).
    case missing
  }

  /// What sort of input is wrong.
  public var kind: Kind
  /// Where: `file:line`, `file`, or the flag as it was given; nil if there is no such place.
  public var place: String?
  /// What is wrong, with the offending text, in one line.
  public var problem: String
  /// What to do about it, in one line.
  public var fix: String?

  /// Creates an error.
  public init(_ kind: Kind, place: String? = nil, problem: String, fix: String? = nil) {
    self.kind = kind
    self.place = place
    self.problem = problem
    self.fix = fix
  }

  /// The error as compilers write it, `file:line: error: …`, and the fix on a second line.
  public var description: String {
    (place.map { $0 + ": " } ?? "") + "error: " + problem + (fix.map { "\n  fix: " + $0 } ?? "")
  }
}
