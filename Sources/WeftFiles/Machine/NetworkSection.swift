import Weft

/// The `network` of a topology file: its shape, and the keys that every shape has.
enum NetworkSection {
  private static let shapes = ["switch", "fat-tree", "rail", "dragonfly", "torus"]

  /// The keys that only some shapes have, with what stands in when a flag asks for the shape.
  private static func keys(of shape: String) -> [(key: String, usual: String)] {
    switch shape {
    case "fat-tree", "rail": [("nodes_per_leaf", "32")]
    case "dragonfly": [("nodes_per_switch", "16"), ("nodes_per_group", "128")]
    case "torus": [("dimensions", "8x8x8")]
    default: []
    }
  }

  /// The keys that a network of a file needs; of an unknown shape those that every one has.
  static func neededKeys(_ network: YAMLNode) -> [String] {
    let shape = network["kind"]?.text ?? ""
    let optional = Set(optionalKeys(of: shape).map(\.key))
    let all =
      ["kind"] + keys(of: shape).map(\.key) + ["bandwidth", "latency"]
      + (shapes.contains(shape) ? common.filter { shape != "torus" || $0 != "max_nodes" } : [])
    return all.filter { !optional.contains($0) }
  }

  /// What a file of a shape may leave out.
  private static func optionalKeys(of shape: String) -> [(key: String, usual: String)] {
    let background = [("background.local", "0"), ("background.global", "0")]
    switch shape {
    case "fat-tree":
      return [
        ("routing", "ideal"), ("oversubscription", "1"), ("leaves_per_pod", "0"), ("seed", "0"),
      ] + background
    case "rail":
      return [("routing", "ideal"), ("oversubscription", "1"), ("seed", "0")] + background
    case "dragonfly":
      return [("routing", "ideal"), ("local_links", "1"), ("global_links", "1"), ("seed", "0")]
        + background
    case "torus": return [("routing", "minimal"), ("seed", "0")] + background
    default: return [("hop_latency", "0 us"), ("interconnect", "ideal"), ("max_nodes", "2097152")]
    }
  }

  private static func fallback(_ text: String) -> YAMLNode {
    YAMLNode(.scalar(text, quoted: false), origin: .fallback)
  }

  /// Gives the network of a flag's shape the usual keys of that shape in place of the file's.
  static func reshape(_ root: inout YAMLNode, _ shape: String) {
    guard var network = root["network"], shapes.contains(shape) else { return }
    let wanted = keys(of: shape) + optionalKeys(of: shape)
    for other in shapes where other != shape {
      for (key, _) in keys(of: other) + optionalKeys(of: other) {
        let name = String(key.prefix { $0 != "." })
        guard !wanted.contains(where: { $0.key == key }), !common.contains(name) else { continue }
        _ = network.remove(name)
        if var sources = root["sources"] {
          _ = sources.remove("network." + key)
          root.set("sources", to: sources)
        }
      }
    }
    for (key, usual) in keys(of: shape) where network[key] == nil {
      network.set(key, to: fallback(usual))
    }
    for (key, usual) in optionalKeys(of: "switch") where network[key] == nil {
      network.set(key, to: fallback(usual))
    }
    // The file's routing may make no sense in the other shape, and a torus has its own size.
    _ = network.remove("routing")
    if shape == "torus" {
      _ = network.remove("max_nodes")
      if var sources = root["sources"] {
        _ = sources.remove("network.max_nodes")
        root.set("sources", to: sources)
      }
    }
    root.set("network", to: network)
  }

  /// What `link_bandwidth` says where links between switches are as fast as a NIC.
  private static let asNIC = "nic"

  private static let common = ["hop_latency", "interconnect", "max_nodes"]

  /// Writes out what a file may leave out, so that `--set` finds it.
  static func addDefaults(_ root: inout YAMLNode) {
    guard var network = root["network"], let shape = network["kind"]?.text else { return }
    for (key, usual) in optionalKeys(of: shape) {
      let parts = key.split(separator: ".").map(String.init)
      if parts.count == 1 {
        if network[key] == nil { network.set(key, to: fallback(usual)) }
      } else {
        var inner = network[parts[0]] ?? YAMLNode(.mapping([]), origin: .fallback)
        if inner[parts[1]] == nil { inner.set(parts[1], to: fallback(usual)) }
        network.set(parts[0], to: inner)
      }
    }
    if shape != "switch", network["link_bandwidth"] == nil {
      network.set("link_bandwidth", to: fallback(Self.asNIC))
    }
    root.set("network", to: network)
  }

  /// Reads the section.
  static func network(_ mapping: YAMLReader) throws(InputError) -> Network {
    var reader = mapping
    let nodes = 1...Limits.nodes
    let kind: Network.Kind
    let shape = try reader.choice("kind", among: shapes)
    switch shape {
    case "fat-tree":
      kind = .fatTree(nodesPerLeaf: try reader.integer("nodes_per_leaf", in: nodes))
    case "rail":
      kind = .rail(nodesPerLeaf: try reader.integer("nodes_per_leaf", in: nodes))
    case "dragonfly":
      kind = try dragonfly(&reader)
    case "torus":
      kind = try torus(&reader)
    default:
      kind = .switch
    }
    let interior = shape == "switch" ? .ideal : try interior(&reader, shape)
    let network = Network(
      kind: kind,
      interconnect: try reader.choice("interconnect", of: Network.Interconnect.self),
      bandwidth: try reader.value("bandwidth", Limits.bandwidth),
      latency: try reader.value("latency", Limits.duration),
      hopLatency: try reader.value("hop_latency", Limits.duration),
      maxNodes: try maxNodes(&reader, kind), interior: interior)
    try reader.finish()
    return network
  }

  /// The nodes of the real machine; of a torus all, unless the file says fewer.
  private static func maxNodes(
    _ reader: inout YAMLReader, _ kind: Network.Kind
  ) throws(InputError) -> Int {
    guard case .torus(let size) = kind else {
      return try reader.integer("max_nodes", in: 1...Limits.nodes)
    }
    let count = try reader.optionalInteger("max_nodes", in: 1...Limits.nodes) ?? size.nodes
    guard count <= size.nodes else {
      throw reader.error(
        at: "max_nodes", "a torus of \(size.x)x\(size.y)x\(size.z) has \(size.nodes) nodes",
        fix: "write at most \(size.nodes), or larger dimensions")
    }
    return count
  }

  private static func dragonfly(_ reader: inout YAMLReader) throws(InputError) -> Network.Kind {
    let perSwitch = try reader.integer("nodes_per_switch", in: 1...Limits.nodes)
    let perGroup = try reader.integer("nodes_per_group", in: 1...Limits.nodes)
    guard perGroup % perSwitch == 0 else {
      throw reader.error(
        at: "nodes_per_group", "\(perGroup) is no multiple of nodes_per_switch, \(perSwitch)",
        fix: "write a multiple of \(perSwitch)")
    }
    return .dragonfly(nodesPerSwitch: perSwitch, nodesPerGroup: perGroup)
  }

  private static func torus(_ reader: inout YAMLReader) throws(InputError) -> Network.Kind {
    let size = try reader.value("dimensions") { text throws(QuantityError) in
      let lengths = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
      let known = lengths.compactMap { $0 }.filter { (1...Limits.nodes).contains($0) }
      guard (1...3).contains(lengths.count), known.count == lengths.count else {
        throw QuantityError(
          problem: "'\(text)' is not one to three lengths", fix: "write it like '8x8x4'")
      }
      let size = Network.Dimensions(
        x: known[0], y: known.count > 1 ? known[1] : 1, z: known.count > 2 ? known[2] : 1)
      guard size.diameter <= Network.Dimensions.mostDiameter else {
        throw QuantityError(
          problem: "a message may cross \(size.diameter) links of a torus of \(text)",
          fix: "write lengths whose halves sum to \(Network.Dimensions.mostDiameter) at most")
      }
      return size
    }
    return .torus(size)
  }

  private static func interior(
    _ reader: inout YAMLReader, _ shape: String
  ) throws(InputError) -> Network.Interior {
    let routing = try reader.choice("routing", among: routings(shape).map(\.rawValue))
    var background = try reader.mapping("background")
    let load = 0.0...0.99
    var interior = Network.Interior(
      routing: Network.Routing(rawValue: routing) ?? .ideal,
      seed: try reader.integer("seed", in: 0...Int.max),
      bandwidth: try reader.value("link_bandwidth") { text throws(QuantityError) in
        text == Self.asNIC ? nil : try Limits.bandwidth(text)
      },
      localLoad: try background.number("local", in: load),
      globalLoad: try background.number("global", in: load))
    try background.finish()
    switch shape {
    case "fat-tree":
      interior.oversubscription = try reader.number("oversubscription", in: 1...1024)
      let pod = try reader.integer("leaves_per_pod", in: 0...Limits.nodes)
      interior.leavesPerPod = pod == 0 ? nil : pod
    case "rail":
      interior.oversubscription = try reader.number("oversubscription", in: 1...1024)
    case "dragonfly":
      interior.localLinks = try reader.integer("local_links", in: 1...1024)
      interior.globalLinks = try reader.integer("global_links", in: 1...1024)
    default:
      break
    }
    return interior
  }

  /// The routings that make sense in a shape.
  private static func routings(_ shape: String) -> [Network.Routing] {
    switch shape {
    case "dragonfly": [.ideal, .minimal, .valiant, .adaptive]
    case "torus": [.ideal, .minimal]
    default: [.ideal, .ecmp, .adaptive]
    }
  }
}
