import Foundation
import Weft
import WeftFiles

/// What the runtime wrote: a row for every plan and way to launch it.
struct RunResults {
  /// What a row is of.
  struct Key: Hashable {
    /// The plan's path, with the baseline in front of it if there is one.
    var plan: String
    /// The runtime's word for the way to launch it.
    var launch: String
  }

  /// The measurements.
  private(set) var rows: [Key: MeasuredPlan.Measured] = [:]

  /// Reads the file.
  ///
  /// - Throws: ``Failure`` if the runtime wrote something else.
  init(path: String) throws(Failure) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(
        .unavailable, "the runtime wrote no results", fix: "see what it said above")
    }
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n").dropFirst() {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard cells.count == 11, let wrong = Int(cells[2]), let checked = Int(cells[3]),
        let iterations = Int(cells[4]), let repeats = Int(cells[5]), let time = Double(cells[6]),
        let low = Double(cells[7]), let high = Double(cells[8])
      else {
        throw Failure(
          .unavailable, "the runtime wrote a row that is none: \(line)",
          fix: "rebuild it: make -C Sources/Runtime")
      }
      rows[Key(plan: cells[0], launch: cells[1])] = MeasuredPlan.Measured(
        microseconds: time, low: low, high: high, wrong: wrong, checked: checked,
        iterations: iterations, repeats: repeats, version: cells[10].isEmpty ? nil : cells[10])
    }
  }
}

/// The samples of a run as a measurement CSV, with what is known beyond its columns at the end.
struct RunSamples {
  /// The file's text.
  let csv: String

  init(
    _ options: RunOptions, _ layout: Layout, _ topology: Topology, inPlace: Bool,
    calls: [MeasuredPlan]
  ) {
    let extra = [
      "kernels", "channels", "p05_us", "p95_us", "wrong", "checked", "iterations", "repeats",
      "slots",
    ]
    let system = options.system ?? ProcessInfo.processInfo.hostName
    let date = ISO8601DateFormatter().string(from: Date()).prefix(10)
    var records: [Record] = []
    for call in calls {
      guard let measured = call.measured else { continue }
      let cells: [String: Value] = [
        "system": .text(system),
        "gpu": options.backend == .mpi ? .null : .text(topology.gpu.title),
        "nodes": .integer(layout.nodes), "ranks": .integer(layout.ranks),
        "gpus_per_node": .integer(layout.ranksPerNode),
        "library": .text(call.library ?? (options.backend == .mpi ? "weft-mpi" : "weft")),
        "version": .text(measured.version ?? WeftCommand.version),
        "collective": .text(call.call.collective.rawValue),
        "algorithm": .text(call.algorithm), "protocol": .text(call.protocolName),
        "dtype": .text(call.call.type.rawValue),
        "launch": .text(options.backend == .mpi ? "eager" : call.call.launch.rawValue),
        "inplace": .integer(inPlace ? 1 : 0), "size_bytes": .integer(call.call.bytes),
        "time_us": .number(measured.microseconds), "source": .text("weft run, \(date)"),
        "p05_us": .number(measured.low), "p95_us": .number(measured.high),
        "wrong": .integer(measured.wrong), "checked": .integer(measured.checked),
        "iterations": .integer(measured.iterations), "repeats": .integer(measured.repeats),
        "slots": .integer(call.slots), "channels": .integer(call.channels),
        "kernels": Value(call.kernels),
      ]
      var record = Record()
      for column in Measurement.columns + extra { record[column] = cells[column] ?? .null }
      records.append(record)
    }
    csv = Report(records).csv
  }
}
