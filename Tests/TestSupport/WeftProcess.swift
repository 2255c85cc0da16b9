public import Foundation

/// A finished run of the `weft` command.
public struct WeftProcess {
  /// The exit code.
  public let status: Int32
  /// What it printed to standard output.
  public let output: String
  /// What it printed to standard error.
  public let errors: String

  /// Runs the `weft` built beside the tests and waits for its end.
  ///
  /// - Throws: An error if it cannot be started.
  public init(
    _ arguments: [String], environment: [String: String] = [:], folder: String? = nil
  ) throws {
    let process = Self.process(arguments, environment: environment, folder: folder)
    let output = Pipe()
    let errors = try TemporaryFolder()
    let errorFile = try errors.write("", to: "errors")
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errorFile))
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    status = process.terminationStatus
    self.output = String(decoding: data, as: UTF8.self)
    self.errors = try String(contentsOfFile: errorFile, encoding: .utf8)
  }

  /// The `weft` built beside the tests, ready to be started.
  public static func process(
    _ arguments: [String], environment: [String: String] = [:], folder: String? = nil
  ) -> Process {
    let process = Process()
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("weft")
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    return process
  }
}
