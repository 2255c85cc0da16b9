import Foundation
public import Weft

/// An inference engine's file: what it launches how, and parameters that replace nominal ones.
public struct EngineFile: Sendable {
  /// The engine.
  public let engine: InferenceEngine
  /// The parameters that belong to the engine, each with its source.
  public let profile: Profile

  /// Reads an engine.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` with the line of
  ///   what is wrong.
  public init(path: String) throws(InputError) {
    var reader = try YAMLDocument(path: path).reader()
    guard reader.contains("launch") || reader.contains("batching") else {
      throw InputError(
        .badContent, place: path,
        problem: "the file describes no engine: it has neither 'launch' nor 'batching'",
        fix: "give a file like those in topologies/engines")
    }
    let name = try reader.string("name")
    var engine = InferenceEngine(name: name, title: try reader.string("title"))
    var launch = try reader.mapping("launch")
    engine.prefillLaunch = try Self.choice(&launch, "prefill")
    engine.decodeLaunch = try Self.choice(&launch, "decode")
    try launch.finish()
    var batching = try reader.mapping("batching")
    let kind = try batching.string("kind")
    switch kind {
    case "static": engine.batching = .static
    case "continuous":
      engine.batching = .continuous(chunk: try batching.integer("chunk", in: 1...1 << 20))
    default:
      throw batching.error(
        at: "kind", "'\(kind)' is not known", fix: "write static or continuous")
    }
    try batching.finish()
    engine.head = try Self.choice(&reader, "head")
    engine.fusedAllReduceLimit = try reader.optional("fused_all_reduce_limit", Limits.size)
    engine.hasGrids = try reader.optionalBool("grids") ?? false
    engine.copiedLibraries = []
    for library in try reader.strings("copies_result_of") {
      guard let known = AllReduceLibrary(rawValue: library) else {
        throw reader.error(
          at: "copies_result_of", "'\(library)' is not known",
          fix: "use \(AllReduceLibrary.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      engine.copiedLibraries.append(known)
    }
    engine.overlap = try reader.number("overlap", in: 0...1)
    engine.memoryShare = try reader.number("memory_share", in: 0.05...1)
    engine.notes = try reader.strings("notes")
    profile = try Self.parameters(&reader, name: name)
    try reader.finish()
    self.engine = engine
  }

  private static func parameters(
    _ reader: inout YAMLReader, name: String
  ) throws(InputError) -> Profile {
    guard var parameters = try reader.optionalMapping("parameters") else {
      return Profile(names: [])
    }
    var profile = Profile(names: [name])
    for key in Profile.Key.allCases {
      guard let mapping = try parameters.optionalMapping(key.rawValue) else { continue }
      profile[key] = try ProfileFile.parameter(mapping, key.dimension)
    }
    try parameters.finish()
    return profile
  }

  private static func choice<Choice>(
    _ reader: inout YAMLReader, _ key: String
  ) throws(InputError) -> Choice
  where Choice: CaseIterable & RawRepresentable, Choice.RawValue == String {
    let text = try reader.string(key)
    if let choice = Choice(rawValue: text) { return choice }
    throw reader.error(
      at: key, "'\(text)' is not known",
      fix: "use " + Choice.allCases.map(\.rawValue).joined(separator: " or "))
  }
}

// MARK: - Shipped engines

extension DataDirectory {
  /// The names of the shipped engines, sorted.
  public var engineNames: [String] { names(in: "topologies/engines") }

  /// The engine of a shipped name or of a file.
  ///
  /// - Throws: ``InputError``: `usage` with the nearest names if there is none, else as
  ///   ``EngineFile`` does.
  public func engine(_ nameOrPath: String) throws(InputError) -> EngineFile {
    let shipped = engineNames
    if shipped.contains(nameOrPath) {
      return try EngineFile(path: "\(path)/topologies/engines/\(nameOrPath).yaml")
    }
    if nameOrPath.contains("/") || nameOrPath.hasSuffix(".yaml")
      || FileManager.default.fileExists(atPath: nameOrPath)
    {
      return try EngineFile(path: nameOrPath)
    }
    let near = Suggestion.closest(to: nameOrPath, among: shipped)
    throw InputError(
      .usage, problem: "--engine: '\(nameOrPath)' is not known",
      fix: (near.map { "did you mean '\($0)'? " } ?? "") + "use one of "
        + shipped.joined(separator: ", ") + ", or give the path of a file")
  }
}
