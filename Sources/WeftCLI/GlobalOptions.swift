import ArgumentParser
import Foundation
import WeftFiles

/// The options of every subcommand.
struct GlobalOptions: ParsableArguments {
  /// The formats of results.
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case table, json, csv
  }

  @Option(help: "How to print results: table, json or csv.")
  var format: Format = .table

  @Option(name: [.short, .long], help: "Write results to this file instead of standard output.")
  var output: String?

  @Flag(help: "Print no warnings and no progress.")
  var quiet = false

  @Flag(help: "Report how long the work took by the wall clock, on standard error.")
  var timing = false

  @Option(
    help: "The folder that holds 'topologies'; else WEFT_DATA, or what came with weft.")
  var dataDir: String?

  /// The shipped data.
  func data() throws(InputError) -> DataDirectory { try DataDirectory.find(option: dataDir) }

  /// Prints a report, or writes it to the output file, in the chosen format.
  func emit(_ report: Report) throws {
    let text =
      switch format {
      case .table: report.table
      case .csv: report.csv
      case .json: try report.json(command: Self.commandLine)
      }
    try Output.write(text, to: output)
  }

  /// Does some work and reports its wall-clock time if `--timing` asks for it.
  func timed<Result>(_ what: String, _ work: () throws -> Result) rethrows -> Result {
    let start = ContinuousClock.now
    let result = try work()
    note("\(what) took \(ContinuousClock.now - start)")
    return result
  }

  /// Reports a measured time if `--timing` asks for it.
  func note(_ time: String) {
    guard timing else { return }
    // Nothing can be done, or said, about a closed standard error.
    try? FileHandle.standardError.write(contentsOf: Data("weft: \(time)\n".utf8))
  }

  /// The command line as a shell would take it, with the program's name alone.
  static var commandLine: String {
    (["weft"] + CommandLine.arguments.dropFirst()).map(quoted).joined(separator: " ")
  }

  private static func quoted(_ argument: String) -> String {
    let plain = argument.allSatisfy { $0.isLetter || $0.isNumber || "-_=.,:/+%@".contains($0) }
    guard argument.isEmpty || !plain else { return argument }
    return "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
}

/// Writes outputs whole or not at all.
enum Output {
  /// Checks, before any work, that an output file could be written.
  static func checkFolder(of path: String?) throws(Failure) {
    guard let path else { return }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw Failure(.cannotWrite, "\(path) is a folder", fix: "name a file in it")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard !path.isEmpty, FileManager.default.isWritableFile(atPath: folder) else {
      throw Failure(
        .cannotWrite, "cannot write \(path.isEmpty ? "a file without a name" : path)",
        fix: "check that the folder exists, is writable and has room")
    }
  }

  /// Refuses an output that would replace what was read; names of what is shipped are no files.
  static func check(_ path: String?, replacesNoneOf inputs: [String]) throws(Failure) {
    guard let path else { return }
    guard FileManager.default.fileExists(atPath: path),
      let input = inputs.first(where: { resolved($0) == resolved(path) })
    else { return }
    throw Failure(
      .usage, "the output \(path) is the input \(input)", fix: "give -o another file")
  }

  /// The path that a file has whatever way it is named.
  static func resolved(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }

  /// Writes to a file by renaming a finished one into place, or to standard output.
  static func write(_ text: String, to path: String?) throws(Failure) {
    try write(Data(text.utf8), to: path)
  }

  /// Writes bytes in the same way.
  static func write(_ data: Data, to path: String?) throws(Failure) {
    do {
      guard let path else {
        try FileHandle.standardOutput.write(contentsOf: data)
        return
      }
      // A device or pipe, such as /dev/stdout, is written through and never replaced.
      let type =
        try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
      let replaces = type == nil || type == .typeRegular
      try data.write(to: URL(fileURLWithPath: path), options: replaces ? .atomic : [])
    } catch {
      throw Failure(
        .cannotWrite, "cannot write \(path ?? "standard output")",
        fix: "check that the folder exists, is writable and has room")
    }
  }
}
