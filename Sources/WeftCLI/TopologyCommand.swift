import ArgumentParser
import Weft
import WeftFiles

/// `weft topology`: the library of machines.
struct TopologyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract: "List, show and check the descriptions of machines.",
    subcommands: [List.self, Show.self, Check.self])

  /// The values of a topology with their sources, as a report.
  static func report(_ file: TopologyFile) -> Report {
    Report(
      file.entries.map { entry in
        Record([
          "path": .text(entry.path), "value": .text(entry.value),
          "source": entry.source.isEmpty ? .null : .text(entry.source),
        ])
      })
  }
}

extension TopologyCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the topologies that ship with Weft.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let data = try global.data()
      let records = try data.topologyNames.map { name in
        let topology = try data.topology(name).topology
        return Record([
          "name": .text(name), "gpu": .text(topology.gpu.name),
          "gpus_per_node": .integer(topology.node.gpus), "nics": .integer(topology.node.nics),
          "network": topology.network == .none ? .null : .text(topology.network.kind.name),
          "max_nodes": .integer(topology.network.maxNodes), "title": .text(topology.title),
        ])
      }
      try global.emit(Report(records))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show every number of a topology with its source.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "A shipped topology or a topology file.")
    var name: String

    @Option(
      name: .customLong("set"),
      help: ArgumentHelp(
        "Change a value by its dotted path; repeatable.", valueName: "path=value"))
    var overrides: [String] = []

    func run() throws {
      let file = try global.data().topology(name, overrides: try TopologyOptions.parse(overrides))
      try global.emit(TopologyCommand.report(file))
    }
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Check a topology file, or say what is wrong in which line.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "A topology file, or the name of a shipped topology.")
    var file: String

    func run() throws {
      let checked = try global.data().topology(file)
      try global.emit(
        Report([
          Record([
            "file": .text(checked.file), "name": .text(checked.topology.name),
            "status": .text("OK"),
          ])
        ]))
    }
  }
}
