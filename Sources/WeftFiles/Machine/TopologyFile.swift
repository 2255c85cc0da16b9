public import Weft

/// A topology as its file and the flags describe it, with the origin of every number.
public struct TopologyFile: Sendable {
  /// One resolved value of the description.
  public struct Entry: Hashable, Sendable {
    /// The dotted path, as `--set` takes it.
    public let path: String
    /// The value as written.
    public let value: String
    /// Where it comes from: a citation, a flag, or `default`; empty for names and kinds.
    public let source: String
  }

  /// The file that was read.
  public let file: String
  /// The machine.
  public let topology: Topology
  /// Every value in the order of the file.
  public let entries: [Entry]
  /// The description behind ``topology``, resolved, without sources.
  private let description: YAMLNode
  /// The paths of ``entries``.
  private let paths: Set<String>

  /// Reads a topology and applies overrides, `gpu=NAME` among them.
  ///
  /// - Throws: ``InputError``: `usage` for a bad override, `badContent` for a bad file, `missing`
  ///   for one that cannot be read.
  public init(
    path: String, gpus: GPUFile, overrides: [Override] = []
  ) throws(InputError) {
    var root = try YAMLDocument(path: path).root
    try Self.checkKeys(root)
    // The GPU is named first, so that its own numbers can be set afterwards.
    root = try root.applying(overrides.filter { $0.path == "gpu" })
    let gpuName = try Self.expandGPU(&root, gpus)
    // So is the shape of the network, which decides what else it has.
    let isShape = { (override: Override) in override.path == "network.kind" }
    root = try root.applying(overrides.filter(isShape))
    if let shape = overrides.last(where: isShape) { NetworkSection.reshape(&root, shape.value) }
    NetworkSection.addDefaults(&root)
    let sourceList = root.remove("sources")
    root = try root.applying(overrides.filter { $0.path != "gpu" && !isShape($0) })
    if let sourceList { root.set("sources", to: sourceList) }

    file = path
    topology = try Self.topology(root, gpuName: gpuName)
    try SourceList.check(root, path: "")
    let sources = try SourceList.read(root, path: "")
    _ = root.remove("sources")
    description = root
    let gpuFlag = overrides.last { $0.path == "gpu" }?.flag ?? ""
    let entries =
      [Entry(path: "gpu", value: gpuName, source: gpuFlag)]
      + root.leaves.map { leaf in
        let source =
          switch leaf.origin {
          case .file: sources[leaf.path] ?? ""
          case .flag(let flag): flag
          case .fallback: "default"
          }
        return Entry(path: leaf.path, value: leaf.text, source: source)
      }
    self.entries = entries
    paths = Set(entries.map(\.path))
  }
}

extension TopologyFile {
  /// The machine with further values changed, for the many variants of a study: nothing is read
  /// again.
  ///
  /// - Throws: ``InputError`` as ``init(path:gpus:overrides:)`` does; `gpu` itself cannot be changed.
  public func topology(overriding overrides: [Override]) throws(InputError) -> Topology {
    if let topology = plainly(overriding: overrides) { return topology }
    let changed = try description.applying(overrides)
    // Parts that no value leads into stay as they were read.
    let parts = Set(overrides.map { String($0.path.prefix { $0 != "." }) })
    guard parts.isSubset(of: ["gpu", "node", "network"]) else {
      return try Self.topology(changed, gpuName: topology.gpu.name)
    }
    var reader = try YAMLReader(changed, path: "")
    var topology = topology
    if parts.contains("gpu") {
      topology.gpu = try GPUFile.gpu(topology.gpu.name, try reader.mapping("gpu"))
    }
    if parts.contains("network") {
      topology.network = try NetworkSection.network(try reader.mapping("network"))
    }
    if parts.contains("node") {
      topology.node = try Self.node(
        try reader.mapping("node"), isNetworked: reader.contains("network"))
    }
    return topology
  }
}

// MARK: - Variants

extension TopologyFile {
  /// Reads a text into the one value of a topology that it decides.
  private typealias Setter = @Sendable (inout Topology, String) throws(QuantityError) -> Void

  /// Values that decide nothing but themselves.
  ///
  /// Studies sample them by the hundred thousand, and to read the whole description takes ten times
  /// as long.
  private static let plain: [String: Setter] = [
    "network.latency": { topology, text throws(QuantityError) in
      topology.network.latency = try Limits.duration(text)
    },
    "network.hop_latency": { topology, text throws(QuantityError) in
      topology.network.hopLatency = try Limits.duration(text)
    },
    "network.bandwidth": { topology, text throws(QuantityError) in
      topology.network.bandwidth = try Limits.bandwidth(text)
    },
    "node.scale_up.latency": { topology, text throws(QuantityError) in
      topology.node.scaleUp.latency = try Limits.duration(text)
    },
    "node.scale_up.bandwidth": { topology, text throws(QuantityError) in
      topology.node.scaleUp.bandwidth = try Limits.bandwidth(text)
    },
    "node.nic_path.bandwidth": { topology, text throws(QuantityError) in
      topology.node.nicPath.bandwidth = try Limits.bandwidth(text)
    },
  ]

  /// The machine with plain values changed; nil for others and for what is wrong, which the
  /// description's own reading tells.
  private func plainly(overriding overrides: [Override]) -> Topology? {
    var topology = topology
    for override in overrides {
      guard paths.contains(override.path), let set = Self.plain[override.path],
        (try? set(&topology, override.value)) != nil
      else { return nil }
    }
    return topology
  }
}

// MARK: - Resolving

extension TopologyFile {
  /// Replaces the name under `gpu` by the data sheet, and joins the sheet's sources to the file's.
  private static func expandGPU(
    _ root: inout YAMLNode, _ gpus: GPUFile
  ) throws(InputError) -> String {
    var reader = try YAMLReader(root, path: "")
    let name = try reader.choice("gpu", among: gpus.names)
    guard var sheet = gpus.entry(name) else { return name }
    if let sheetSources = sheet.remove("sources"), case .mapping(let entries) = sheetSources.content
    {
      var sources = root["sources"] ?? YAMLNode(.mapping([]), origin: root.origin)
      for entry in entries { sources.set("gpu." + entry.key, to: entry.value) }
      root.set("sources", to: sources)
    }
    root.set("gpu", to: sheet)
    return name
  }
}

// MARK: - Reading

extension TopologyFile {
  private static func topology(_ root: YAMLNode, gpuName: String) throws(InputError) -> Topology {
    var reader = try YAMLReader(root, path: "")
    let name = try reader.string("name")
    let title = try reader.string("title")
    let gpu = try GPUFile.gpu(gpuName, try reader.mapping("gpu"))
    let network = try reader.optionalMapping("network").map { mapping throws(InputError) in
      try NetworkSection.network(mapping)
    }
    let node = try node(try reader.mapping("node"), isNetworked: network != nil)
    _ = reader.optionalNode("sources")
    try reader.finish()
    return Topology(name: name, title: title, gpu: gpu, node: node, network: network ?? .none)
  }

  /// Reads a node; a part that nothing can cross is left out rather than made up.
  private static func node(
    _ mapping: YAMLReader, isNetworked: Bool
  ) throws(InputError) -> Node {
    var reader = mapping
    let gpus = try reader.integer("gpus", in: 1...Limits.perNode)
    let cpu = try reader.choice("cpu", of: Node.CPU.self)
    var scaleUp = Node.ScaleUp.none
    if gpus > 1 || reader.contains("scale_up") {
      var links = try reader.mapping("scale_up")
      scaleUp = Node.ScaleUp(
        kind: try links.choice("kind", of: Node.ScaleUp.Kind.self),
        bandwidth: try links.value("bandwidth", Limits.bandwidth),
        latency: try links.value("latency", Limits.duration))
      try links.finish()
    }
    var nics = 0
    var nicPath = Node.NICPath.unlimited
    if isNetworked {
      nics = try reader.integer("nics", in: 1...Limits.perNode)
      if var path = try reader.optionalMapping("nic_path") {
        nicPath = Node.NICPath(
          kind: try path.choice("kind", of: Node.NICPath.Kind.self),
          bandwidth: try path.value("bandwidth", Limits.bandwidth),
          gpusPerSwitch: try path.optionalInteger("gpus_per_switch", in: 1...gpus) ?? 1)
        try path.finish()
      }
    }
    try reader.finish()
    return Node(gpus: gpus, nics: nics, scaleUp: scaleUp, nicPath: nicPath, cpu: cpu)
  }
}
