import Foundation
import Synchronization

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
      /// The cluster has no arrays with an index that large.
      case tooManyTasks
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

  /// Makes sure that there is a Slurm to submit to.
  ///
  /// - Throws: ``Failure`` if there is none.
  public func check() throws(Failure) {
    let answer = try Self.call("sbatch", ["--version"])
    guard answer.status == 0 else { throw Failure(code: .refused, message: answer.line) }
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
    // A full queue makes sbatch try again by itself for two minutes, in which nothing would be
    // collected; what it said by then is that the job was not taken.
    let answer = try Self.call("sbatch", arguments, endingOn: "sleeping and retrying")
    guard answer.status == 0 else {
      throw Failure(code: Self.code(of: answer.errors), message: answer.line)
    }
    // The number, and behind a semicolon the cluster where there are several.
    return String(
      answer.output.trimmingCharacters(in: .whitespacesAndNewlines).prefix { $0 != ";" })
  }

  /// One task of a job array.
  public struct Task: Hashable, Sendable {
    /// Its index in the array.
    public var index: Int
    /// Whether it waits.
    public var isPending: Bool
  }

  /// The tasks of some jobs that wait or run; nil if Slurm cannot say now.
  ///
  /// - Throws: ``Failure`` if there is no Slurm.
  public func live(_ jobs: Set<String>) throws(Failure) -> [Task]? {
    let answer = try Self.call("squeue", ["--me", "--noheader", "--array", "--format=%F %K %t"])
    guard answer.status == 0 else { return nil }
    return answer.output.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").map(String.init)
      guard words.count == 3, jobs.contains(words[0]), let index = Int(words[1]) else { return nil }
      return Task(index: index, isPending: words[2] == "PD")
    }
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

  /// What a refusal is: limits on jobs, of the cluster or of a user, pass by themselves.
  static func code(of errors: String) -> Failure.Code {
    let full = [
      "queue full", "emporarily unable", "job submit limit", "MaxSubmitJob", "QOSMaxSubmit",
    ]
    if full.contains(where: errors.contains) { return .full }
    return errors.contains("Invalid job array specification") ? .tooManyTasks : .refused
  }

  private struct Answer {
    var status: Int32
    var output: String
    var errors: String

    var line: String {
      errors.split(separator: "\n").last.map(String.init) ?? "exit status \(status)"
    }
  }

  /// Runs a command to its end, or until it says some words on standard error, after which it is
  /// ended and has failed.
  private static func call(
    _ command: String, _ arguments: [String], endingOn words: String? = nil
  ) throws(Failure) -> Answer {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    do {
      try process.run()
      let complaints = Complaints()
      let ended = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        while true {
          let data = errors.fileHandleForReading.availableData
          if data.isEmpty { break }
          if complaints.add(data, lookingFor: words) { process.terminate() }
        }
        ended.signal()
      }
      let text = String(
        decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
      ended.wait()
      process.waitUntilExit()
      guard process.terminationStatus != 127 else {
        throw Failure(code: .missing, message: "there is no '\(command)' on this host")
      }
      var status = process.terminationStatus
      if process.terminationReason == .uncaughtSignal {
        // Slurm may have answered in the moment of the end.
        status = words != nil && !text.isEmpty ? 0 : -1
      }
      return Answer(status: status, output: text, errors: complaints.text)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(code: .missing, message: "'\(command)' cannot be started: \(error)")
    }
  }
}

/// What a command prints to standard error, read while it runs.
private final class Complaints: Sendable {
  private let data = Mutex(Data())

  var text: String { String(decoding: data.withLock { $0 }, as: UTF8.self) }

  /// Adds some bytes; whether the words are among all of them.
  func add(_ bytes: Data, lookingFor words: String?) -> Bool {
    data.withLock { $0 += bytes }
    return words.map(text.contains) ?? false
  }
}
