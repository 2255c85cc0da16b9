public import Weft

/// The data sheets of `gpus.yaml`: one mapping per GPU, each number with its source.
public struct GPUFile: Sendable {
  private let root: YAMLNode

  /// The names of the GPUs, in the order of the file.
  public let names: [String]

  /// Reads the file.
  ///
  /// - Throws: ``InputError`` if it cannot be read or an entry is not a complete data sheet.
  public init(path: String) throws(InputError) {
    let document = try YAMLDocument(path: path)
    root = document.root
    names = try document.reader().keys
    for name in names {
      guard let entry = root[name] else { continue }
      try SourceList.check(entry, path: name)
      _ = try Self.gpu(name, YAMLReader(entry, path: name))
    }
  }

  /// The GPU of a name; nil if the file has none.
  ///
  /// - Throws: ``InputError`` if the entry is not a complete data sheet.
  public func gpu(named name: String) throws(InputError) -> GPU? {
    guard let entry = root[name] else { return nil }
    return try Self.gpu(name, YAMLReader(entry, path: name))
  }

  /// The entry of a name as it stands in the file; nil if there is none.
  func entry(_ name: String) -> YAMLNode? { root[name] }

  /// Reads a data sheet from the mapping that holds it.
  ///
  /// - Throws: ``InputError`` with the line of what is wrong.
  static func gpu(_ name: String, _ mapping: YAMLReader) throws(InputError) -> GPU {
    var reader = mapping
    var peak = try reader.mapping("peak")
    let gpu = GPU(
      name: name,
      title: try reader.string("title"),
      computeCapability: try reader.integer("compute_capability", in: 10...999),
      memory: try reader.value("memory", Limits.size),
      memoryBandwidth: try reader.value("memory_bandwidth", Limits.bandwidth),
      l2: try reader.value("l2", Limits.size),
      multiprocessors: try reader.integer("multiprocessors", in: 1...10_000),
      nvlinkGeneration: try reader.integer("nvlink_generation", in: 1...99),
      peak: GPU.Peak(
        bf16: try peak.value("bf16", Limits.flops),
        fp8: try peak.optional("fp8", Limits.flops),
        int8: try peak.optional("int8", Limits.flops),
        fp32: try peak.value("fp32", Limits.flops)))
    try peak.finish()
    _ = reader.optionalNode("sources")
    try reader.finish()
    return gpu
  }
}
