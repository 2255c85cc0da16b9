import Weft
import WeftFiles

extension Validation {
  /// Calls that may share a fit: one system, library, version and environment.
  struct System {
    /// What tells it from others, in words.
    var name: String
    /// The indices of its calls.
    var calls: [Int]
  }

  /// The systems of the calls that can be predicted, in the order of the rows.
  var systems: [System] {
    var order: [[String?]] = []
    var byKey: [[String?]: [Int]] = [:]
    for index in served {
      let call = calls[index].call
      // The machine and its environment; a forced algorithm is no other system.
      let key = [call.group.system, call.group.library, call.group.version] + call.setup.prefix(3)
      if byKey[key] == nil { order.append(key) }
      byKey[key, default: []].append(index)
    }
    // Only what differs between systems is worth naming.
    let columns = ["system", "library", "version", "gpu", "interconnect", "environment"]
    let differing = columns.indices.filter { column in
      Set(order.map { $0[column] }).count > 1
    }
    return order.map { key in
      let parts = differing.map { "\(columns[$0]) '\(key[$0] ?? "unknown")'" }
      return System(
        name: parts.isEmpty ? key[0] ?? topology.name : parts.joined(separator: ", "),
        calls: byKey[key] ?? [])
    }
  }

  /// The one system to calibrate.
  ///
  /// - Throws: ``Failure`` if there is none, or more than one.
  func onlySystem(pooled: Bool) throws(Failure) -> System {
    let systems = systems
    guard let first = systems.first else {
      throw Failure(
        .badContent, "no row can be used: " + notes.joined(separator: "; "),
        fix:
          "mend what the reasons name, or give rows that '\(topology.name)' can serve, or another "
          + "--topology")
    }
    if pooled { return System(name: "all systems", calls: served) }
    guard systems.count == 1 else {
      throw Failure(
        .badContent,
        "the rows are of \(systems.count) systems, which do not share their costs: "
          + systems.prefix(4).map(\.name).joined(separator: "; ")
          + (systems.count > 4 ? "; …" : ""),
        fix: "choose one with --where system=…, version=… or interconnect=…, or give --pool")
    }
    return first
  }
}
