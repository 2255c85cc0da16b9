import Foundation

/// Slurm's own commands: what is submitted, what of it waits or runs, and its end.
public struct SlurmQueue: Sendable {
  /// Why Slurm does not do what is asked.
  public struct Failure: Error, Sendable {
    /// The sorts of failure.
    public enum Code: Sendable {
      /// There is no such command on this host.
      case missing
      /// The queue takes no more jobs for now.
      case full
      /// Anything else that Slurm says.
      case refused
    }

    /// The sort of failure.
    public let code: Code
    /// What Slurm says, in one line.
    public let message: String
  }

  /// Further options of `sbatch`, such as `--partition=gpu`.
  public let options: [String]

  /// Names options for all submissions.
  public init(options: [String]) {
    self.options = options
  }

  /// Submits a job array.
  ///
  /// - Parameters:
  ///   - tasks: The indices of the array.
  ///   - name: What the job is called.
  ///   - log: Where each task prints to; `%a` stands for its index.
  ///   - script: What each task runs.
  /// - Returns: The job's number.
  /// - Throws: ``Failure``.
  public func submit(
    _ tasks: [Int], name: String, log: String, script: String
  ) throws(Failure) -> String {
    let arguments =
      [
        "--parsable", "--array=\(Self.ranges(tasks))", "--job-name=\(name)", "--output=\(log)",
        "--open-mode=append", "--ntasks=1", "--requeue",
      ] + options + [script]
    let answer = try Self.call("sbatch", arguments)
    guard answer.status == 0 else {
      throw Failure(code: Self.isFull(answer.errors) ? .full : .refused, message: answer.line)
    }
    // The number, and behind a semicolon the cluster where there are several.
    return String(
      answer.output.trimmingCharacters(in: .whitespacesAndNewlines).prefix { $0 != ";" })
  }

  /// The tasks of some jobs that wait or run; nil if Slurm cannot say now.
  ///
  /// - Throws: ``Failure`` if there is no Slurm.
  public func live(_ jobs: Set<String>) throws(Failure) -> Set<[String]>? {
    let answer = try Self.call("squeue", ["--me", "--noheader", "--array", "--format=%F %K"])
    guard answer.status == 0 else { return nil }
    let tasks = answer.output.split(separator: "\n").map { line in
      line.split(separator: " ").map(String.init)
    }
    return Set(tasks.filter { $0.count == 2 && jobs.contains($0[0]) })
  }

  /// Ends jobs, waiting or running.
  ///
  /// - Throws: ``Failure``.
  public func cancel(_ jobs: [String]) throws(Failure) {
    guard !jobs.isEmpty else { return }
    let answer = try Self.call("scancel", ["--quiet"] + jobs)
    guard answer.status == 0 else { throw Failure(code: .refused, message: answer.line) }
  }

  /// `0-3,7` for 0, 1, 2, 3 and 7.
  static func ranges(_ tasks: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for task in tasks.sorted() {
      if let last = ranges.last, task == last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...task
      } else {
        ranges.append(task...task)
      }
    }
    return ranges.map {
      $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }.joined(separator: ",")
  }

  /// Whether a refusal passes by itself: limits on jobs, of the cluster or of a user.
  static func isFull(_ errors: String) -> Bool {
    ["queue full", "emporarily unable", "job submit limit", "MaxSubmitJob", "QOSMaxSubmit"]
      .contains { errors.contains($0) }
  }

  private struct Answer {
    var status: Int32
    var output: String
    var errors: String

    var line: String {
      errors.split(separator: "\n").last.map(String.init) ?? "exit status \(status)"
    }
  }

  private static func call(_ command: String, _ arguments: [String]) throws(Failure) -> Answer {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    do {
      try process.run()
      // What they print is shorter than a pipe holds, so one may be read after the other.
      let text = String(
        decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
      let complaints = String(
        decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
      process.waitUntilExit()
      guard process.terminationStatus != 127 else {
        throw Failure(code: .missing, message: "there is no '\(command)' on this host")
      }
      return Answer(status: process.terminationStatus, output: text, errors: complaints)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(code: .missing, message: "'\(command)' cannot be started: \(error)")
    }
  }
}
