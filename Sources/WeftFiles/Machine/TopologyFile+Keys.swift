import Weft

extension TopologyFile {
  /// Refuses a description that lacks several keys, with all of them at once; a single one is told
  /// where it is read.
  ///
  /// - Throws: ``InputError`` of kind `badContent`.
  static func checkKeys(_ root: YAMLNode) throws(InputError) {
    func lacking(_ keys: [String], in mapping: YAMLNode, at path: String) -> [String] {
      guard case .mapping = mapping.content else { return [] }
      return keys.filter { mapping[$0]?.isNull ?? true }.map { path + $0 }
    }
    var paths = lacking(["name", "title", "gpu", "node"], in: root, at: "")
    let network = root["network"].flatMap { $0.isNull ? nil : $0 }
    if let node = root["node"] {
      let needed = ["gpus", "cpu"] + (network == nil ? [] : ["nics"])
      let needsLinks = node["gpus"]?.text != "1" && node["gpus"] != nil
      paths += lacking(needed + (needsLinks ? ["scale_up"] : []), in: node, at: "node.")
      if let links = node["scale_up"] {
        paths += lacking(["kind", "bandwidth", "latency"], in: links, at: "node.scale_up.")
      }
      if let path = node["nic_path"], network != nil {
        paths += lacking(["kind", "bandwidth"], in: path, at: "node.nic_path.")
      }
    }
    if let network {
      paths += lacking(NetworkSection.neededKeys(network), in: network, at: "network.")
    }
    guard paths.count > 1 else { return }
    throw InputError(
      .badContent, place: root.origin.place,
      problem: "the file lacks the keys " + paths.map { "'\($0)'" }.joined(separator: ", "),
      fix: "add them; every number also needs a line under 'sources:' (see weft topology show)")
  }
}
