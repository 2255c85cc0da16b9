public import Foundation
public import Weft

/// The folder of shipped data: topologies, GPUs and profiles.
public struct DataDirectory: Sendable {
  /// The folder, which holds `topologies/gpus.yaml`.
  public let path: String

  /// Takes a folder that is known to hold the data.
  public init(path: String) {
    self.path = path
  }

  /// Finds the shipped data.
  ///
  /// The first of these that is given or exists: `option` (of `--data-dir`), `WEFT_DATA` in the
  /// environment, the folder of the executable, `../share/weft` from there, and each folder above
  /// it, which finds the source tree from a build inside it.
  /// - Throws: ``InputError`` of kind `missing` if the folder named has no data, or none is found.
  public static func find(
    option: String?, environment: [String: String] = ProcessInfo.processInfo.environment,
    executable: String? = Bundle.main.executablePath
  ) throws(InputError) -> DataDirectory {
    for (name, path) in [("--data-dir", option), ("WEFT_DATA", environment["WEFT_DATA"])] {
      guard let path, !path.isEmpty else { continue }
      guard hasData(path) else {
        throw InputError(
          .missing, place: "\(name) \(path)", problem: "there is no topologies/gpus.yaml in it",
          fix: "name the folder that holds 'topologies'")
      }
      return DataDirectory(path: path)
    }
    let start = URL(fileURLWithPath: executable ?? ".").resolvingSymlinksInPath()
    var folder = start.deletingLastPathComponent()
    var candidates = [folder, folder.appendingPathComponent("../share/weft").standardized]
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      candidates.append(folder)
    }
    guard let found = candidates.first(where: { hasData($0.path) }) else {
      throw InputError(
        .missing, problem: "the shipped data (topologies/gpus.yaml) is not beside \(start.path)",
        fix: "give --data-dir, or set WEFT_DATA, to the folder that holds 'topologies'")
    }
    return DataDirectory(path: found.path)
  }

  private static func hasData(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path + "/topologies/gpus.yaml")
  }
}

// MARK: - Topologies

extension DataDirectory {
  /// The data sheets of the shipped GPUs.
  ///
  /// - Throws: ``InputError`` if the file is not sound.
  public func gpus() throws(InputError) -> GPUFile {
    try GPUFile(path: path + "/topologies/gpus.yaml")
  }

  /// The names of the shipped topologies, sorted.
  public var topologyNames: [String] {
    names(in: "topologies").filter { $0 != "gpus" }
  }

  /// The topology of a shipped name or a file, with overrides applied.
  ///
  /// - Throws: ``InputError``: `missing` with the nearest names if there is none, else as
  ///   ``TopologyFile`` does.
  public func topology(
    _ nameOrPath: String, overrides: [Override] = []
  ) throws(InputError) -> TopologyFile {
    let path = try locate(nameOrPath, among: topologyNames, what: "topology") {
      "topologies/\($0).yaml"
    }
    return try TopologyFile(path: path, gpus: try gpus(), overrides: overrides)
  }

}

// MARK: - Names

extension DataDirectory {
  /// The names of the files in a folder of the data, sorted, without their ending.
  public func names(in folder: String, ending: String = ".yaml") -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)")) ?? []
    return files.filter { $0.hasSuffix(ending) }.map { String($0.dropLast(ending.count)) }.sorted()
  }

  /// The path of a shipped model's `config.json`, or of a file given by its path.
  ///
  /// - Throws: ``InputError`` of kind `missing`, with the nearest names, if it is neither.
  public func modelPath(_ nameOrPath: String) throws(InputError) -> String {
    try locate(
      nameOrPath, among: names(in: "topologies/models", ending: ".json"), what: "model"
    ) { "topologies/models/\($0).json" }
  }

  /// The path of a shipped study, or of a file given by its path.
  ///
  /// - Throws: ``InputError`` of kind `missing`, with the nearest names, if it is neither.
  public func studyPath(_ nameOrPath: String) throws(InputError) -> String {
    try locate(nameOrPath, among: names(in: "topologies/studies"), what: "study") {
      "topologies/studies/\($0).yaml"
    }
  }

  /// The path of a shipped file by its name, or of the user's own.
  ///
  /// A text with a slash or an ending of YAML or JSON is a path; any other is a shipped name first
  /// and a file second.
  private func locate(
    _ nameOrPath: String, among shipped: [String], what: String, file: (String) -> String
  ) throws(InputError) -> String {
    let isPath =
      nameOrPath.contains("/")
      || [".yaml", ".yml", ".json"].contains { nameOrPath.hasSuffix($0) }
    if isPath { return nameOrPath }
    if shipped.contains(nameOrPath) { return path + "/" + file(nameOrPath) }
    if FileManager.default.fileExists(atPath: nameOrPath) { return nameOrPath }
    let near = Suggestion.closest(to: nameOrPath, among: shipped)
    throw InputError(
      .missing, problem: "there is no \(what) '\(nameOrPath)'",
      fix: (near.map { "did you mean '\($0)'? " } ?? "") + "shipped are "
        + shipped.joined(separator: ", ") + "; or give the path of a file")
  }
}

// MARK: - Profiles

extension DataDirectory {
  /// The nominal profile of a machine: those of the libraries, its fabric and its GPU, merged, and
  /// what is known of this machine alone in place of them.
  ///
  /// - Throws: ``InputError``: `missing` if no shipped profile belongs to the machine or a parameter
  ///   is left without a value, else as ``ProfileFile`` does.
  public func nominalProfile(for topology: Topology) throws(InputError) -> Profile {
    let files = try names(in: "topologies/profiles").map { name throws(InputError) in
      try ProfileFile(path: "\(path)/topologies/profiles/\(name).yaml")
    }
    var merged = Profile(names: [])
    for file in files.filter(\.topologies.isEmpty) + files.filter({ !$0.topologies.isEmpty })
    where file.mismatch(with: topology) == nil {
      merged = merged.replacing(with: file.profile)
    }
    guard merged.missing.isEmpty else {
      throw InputError(
        .missing, place: path + "/topologies/profiles",
        problem: "no profile for '\(topology.gpu.name)' gives "
          + merged.missing.map(\.rawValue).joined(separator: ", "),
        fix: "add a profile with 'gpus: [\(topology.gpu.name)]', or give --profile FILE with these")
    }
    return merged
  }
}
