import ArgumentParser
import Foundation
import Weft

/// Starts the runtime's processes, waits for them, and takes them along when interrupted.
struct RunLauncher {
  private let options: RunOptions
  private let layout: Layout
  private let runtime: String
  private let launcher: String?

  /// Finds the runtime and what starts it.
  ///
  /// - Throws: ``Failure`` of exit code 69 that says how to get what is missing.
  init(_ options: RunOptions, _ layout: Layout) throws(Failure) {
    self.options = options
    self.layout = layout
    if let hostfile = options.hostfile, !FileManager.default.isReadableFile(atPath: hostfile) {
      throw Failure(
        .missing, "--hostfile \(hostfile): no such file", fix: "name a file of host names")
    }
    runtime = try Self.findRuntime(options)
    guard options.backend != .cuda else {
      launcher = nil
      return
    }
    let name = options.launcher ?? "mpirun"
    guard let path = Self.find(name) else {
      throw Failure(
        .unavailable, "there is no \(name) on the PATH",
        fix: name == "mpirun"
          ? "install MPI (Debian: apt install openmpi-bin), or give --launcher" : "give --launcher")
    }
    launcher = path
  }

  /// Whether processes may run elsewhere, so that plans have to lie where all see them.
  var leavesThisHost: Bool { options.hostfile != nil || options.launcher == "srun" }

  /// Runs the plans; the runtime writes its results to a file of the folder.
  ///
  /// - Returns: 0, or 1 if results were wrong.
  /// - Throws: ``Failure`` if the runtime ended in another way.
  func run(plans: [String], in folder: RunFolder) throws -> Int32 {
    var words = try launchWords()
    words += [runtime, "--output", folder.results]
    if options.backend == .nvshmem { words += ["--bootstrap", folder.path("id")] }
    if options.backend != .mpi {
      let launches = options.launch.flatMap { launch in
        options.kernels.map { $0 == .own ? launch.rawValue + "-split" : launch.rawValue }
      }
      words += ["--launch", launches.joined(separator: ",")]
    }
    words += options.runtimeArguments.flatMap { $0.split(separator: " ").map(String.init) }
    words += plans
    let process = Process()
    process.executableURL = URL(fileURLWithPath: words[0])
    process.arguments = Array(words.dropFirst())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.standardError
    // More processes than cores are the rule on a laptop: waiting ones have to step aside.
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["OMPI_MCA_mpi_yield_when_idle": "1"]
    ) { own, _ in own }
    do {
      try process.run()
    } catch {
      throw Failure(
        .unavailable, "\(words[0]) cannot be started", fix: "check that it is executable")
    }
    Interruption.forward(to: process.processIdentifier)
    process.waitUntilExit()
    Interruption.forward(to: 0)
    let status = process.terminationStatus
    if process.terminationReason == .exit, status == 0 || status == Failure.Status.check.rawValue {
      return status
    }
    throw Self.failure(process.terminationReason, status)
  }

  private static func failure(_ reason: Process.TerminationReason, _ status: Int32) -> Failure {
    let what = reason == .exit ? "with status \(status)" : "by signal \(status)"
    switch status {
    case Failure.Status.usage.rawValue, Failure.Status.badContent.rawValue:
      return Failure(
        .internalError, "the runtime refused what Weft gave it", fix: "rebuild it: \(build)")
    default:
      return Failure(
        .unavailable, "the runtime ended \(what): nothing was measured",
        fix: "see what it said above; a rank that died takes the others along")
    }
  }

  /// The launcher with its arguments; nothing if the runtime is one process.
  private func launchWords() throws(Failure) -> [String] {
    guard let launcher else { return [] }
    let more = options.launcherArguments.flatMap { $0.split(separator: " ").map(String.init) }
    let ranks = String(layout.ranks)
    let name = URL(fileURLWithPath: launcher).lastPathComponent
    var words = [launcher]
    if name == "srun" {
      words += ["-n", ranks, "--ntasks-per-node", String(layout.ranksPerNode)]
    } else {
      words += ["-n", ranks]
      if let hostfile = options.hostfile { words += ["--hostfile", hostfile] }
      if Self.isOpenMPI(launcher) {
        words += ["--bind-to", "none"]
        if options.hostfile == nil { words.append("--oversubscribe") }
        if getuid() == 0 { words.append("--allow-run-as-root") }
      }
    }
    return words + more
  }

  private static func isOpenMPI(_ path: String) -> Bool {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["--version"]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    let data = try? output.fileHandleForReading.readToEnd()
    process.waitUntilExit()
    return String(decoding: data ?? Data(), as: UTF8.self).contains("Open MPI")
  }

  // MARK: - Finding

  private static let build = "make -C Sources/Runtime"

  /// `--runtime`, WEFT_RUNTIME, beside the executable, then the source tree it was built in.
  private static func findRuntime(_ options: RunOptions) throws(Failure) -> String {
    let name = "weft-runtime-\(options.backend.rawValue)"
    let variable = ProcessInfo.processInfo.environment["WEFT_RUNTIME"]
    for (flag, value) in [("--runtime", options.runtime), ("WEFT_RUNTIME", variable)] {
      guard let value, !value.isEmpty else { continue }
      for path in [value, value + "/" + name] where isProgram(path) { return path }
      throw Failure(
        .unavailable, "\(flag) \(value): there is no \(name)", fix: "build it: \(build)")
    }
    let executable = Bundle.main.executablePath ?? "."
    var folder = URL(fileURLWithPath: executable).resolvingSymlinksInPath()
    var candidates: [URL] = []
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      if candidates.isEmpty { candidates.append(folder) }
      candidates.append(folder.appendingPathComponent("Sources/Runtime/build"))
    }
    for candidate in candidates {
      let path = candidate.appendingPathComponent(name).path
      if isProgram(path) { return path }
    }
    throw Failure(
      .unavailable, "\(name) is not built",
      fix: "\(build) builds what this machine has the libraries for; or give --runtime")
  }

  private static func isProgram(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: path)
  }

  private static func find(_ name: String) -> String? {
    if name.contains("/") { return isProgram(name) ? name : nil }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    return path.split(separator: ":").lazy.map { "\($0)/\(name)" }.first(where: isProgram)
  }
}

/// Ends the runtime's processes together with Weft.
enum Interruption {
  /// The process to end, or 0: written before the handler is set and read by it alone.
  private nonisolated(unsafe) static var child: pid_t = 0

  /// From now on an interrupt or termination ends the process too; 0 ends that.
  static func forward(to process: pid_t) {
    child = process
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { _ in
        // The launcher ends its ranks when it is asked to end.
        if Interruption.child > 0 { kill(Interruption.child, SIGTERM) }
        _exit(Failure.Status.interrupted.rawValue)
      }
    }
  }
}

/// A folder for plans and results that goes away with its value.
final class RunFolder {
  private let folder: String

  /// Creates a folder, below the current one if other hosts have to see it.
  ///
  /// - Throws: ``Failure`` if it cannot be created.
  init(isShared: Bool) throws(Failure) {
    let place = isShared ? FileManager.default.currentDirectoryPath : NSTemporaryDirectory()
    folder = "\(place)/weft-run-\(UUID().uuidString)"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw Failure(.cannotWrite, "cannot create \(folder)", fix: "check that it is writable")
    }
  }

  deinit {
    // A folder that cannot be removed is left to the system's cleaning.
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// The file that the runtime writes its results to.
  var results: String { path("results.csv") }

  /// The path of a file in it.
  func path(_ name: String) -> String { folder + "/" + name }
}
