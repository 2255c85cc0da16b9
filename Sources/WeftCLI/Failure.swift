import ArgumentParser
import Foundation
import Weft
import WeftFiles

/// An expected error: one clear line for the user, the fix, and the exit code.
struct Failure: Error {
  /// The exit codes of Weft; 0 is success.
  enum Status: Int32 {
    /// A check said no.
    case check = 1
    /// Wrong usage: flags, values, names of algorithms, an illegal rank count.
    case usage = 64
    /// Bad content of a file.
    case badContent = 65
    /// A file, topology or model that is not there.
    case missing = 66
    /// Something outside Weft is missing: MPI, a GPU, NVSHMEM, Slurm.
    case unavailable = 69
    /// A mistake of Weft itself.
    case internalError = 70
    /// An output cannot be written.
    case cannotWrite = 74
    /// Interrupted by the user.
    case interrupted = 130
  }

  /// The exit code.
  var status: Status
  /// What is wrong, with the offending text and its place, in one line.
  var problem: String
  /// What to do about it, in one line.
  var fix: String?

  /// Creates a failure.
  init(_ status: Status, _ problem: String, fix: String? = nil) {
    self.status = status
    self.problem = problem
    self.fix = fix
  }

  /// The failure that an error of an input is.
  init(_ error: InputError) {
    status =
      switch error.kind {
      case .usage: .usage
      case .badContent: .badContent
      case .missing: .missing
      }
    problem = (error.place.map { $0 + ": " } ?? "") + error.problem
    fix = error.fix
  }
}

// MARK: - Ending the process

extension Failure {
  /// Prints what is wrong to standard error and ends with its exit code.
  ///
  /// Help, version and bare exit codes pass through.
  static func exit(for error: any Error) -> Never {
    let failure: Failure
    switch error {
    case let error as Failure: failure = error
    case let error as InputError: failure = Failure(error)
    case let error as WorkloadError: failure = Failure(.usage, error.problem, fix: error.fix)
    case let code as ExitCode: Foundation.exit(code.rawValue)
    default:
      switch WeftCommand.exitCode(for: error) {
      case .success:
        WeftCommand.exit(withError: error)
      case .validationFailure:
        failure = Failure(
          .usage, WeftCommand.message(for: error), fix: "see weft --help, or weft COMMAND --help")
      default:
        failure = Failure(
          .internalError, "internal error: \(error)",
          fix: "this is a mistake in Weft; please report it with the command line")
      }
    }
    Console.error(failure.problem, fix: failure.fix)
    Foundation.exit(failure.status.rawValue)
  }
}

/// Messages for people, on standard error.
enum Console {
  /// Prints an error and its fix.
  static func error(_ problem: String, fix: String?) {
    write("weft: error: \(problem)\n" + (fix.map { "  fix: \($0)\n" } ?? ""))
  }

  /// Prints a warning, unless the user asked for quiet.
  static func warn(_ message: String, _ global: GlobalOptions) {
    if !global.quiet { write("weft: warning: \(message)\n") }
  }

  private static func write(_ text: String) {
    // Nothing can be done, or said, about a closed standard error.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
