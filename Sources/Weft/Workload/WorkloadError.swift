/// Why a model, a plan or a workload cannot be predicted, in words for a person, with the fix.
public struct WorkloadError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong, with the offending value.
  public let problem: String
  /// What would be right; nil where nothing is known to be.
  public let fix: String?

  /// Creates an error.
  public init(_ problem: String, fix: String?) {
    self.problem = problem
    self.fix = fix
  }

  /// The problem and its fix in one line.
  public var description: String { problem + (fix.map { "; " + $0 } ?? "") }
}
