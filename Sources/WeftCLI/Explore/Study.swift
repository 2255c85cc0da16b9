import Foundation
import Weft
import WeftFiles
import WeftStudy

/// A study that is ready to run: which texts a point sets, and in which order.
///
/// Values are texts as flags take them, so that a point means what the command means by them.
struct Study: Sendable {
  /// What a slot is for.
  enum Use: Sendable, Hashable {
    /// A value of the topology, as `--set` takes it.
    case topology
    /// An option of the command.
    case option
  }

  /// One path that base or axes set.
  struct Slot: Sendable {
    var path: String
    var use: Use
    /// The text of the base; nil if only an axis sets it.
    var base: String?
  }

  let file: StudyFile
  let data: DataDirectory
  let axes: [Axis]
  let slots: [Slot]
  /// For each axis: its slots, and for each value of a list the texts of these slots.
  private let settings: [AxisSettings]

  private struct AxisSettings: Sendable {
    var slots: [Int]
    /// By the value's text; a range sets the text itself.
    var texts: [String: [String?]]?
  }

  /// Values of the machine that decide which others it has.
  static let shapes: Set<String> = ["topology", "gpu", "network.kind"]

  /// Options that say where files are, whose paths may be relative to the study.
  private static let files: Set<String> = ["topology", "profile", "model", "engine"]

  init(_ file: StudyFile, data: DataDirectory) throws(Failure) {
    self.file = file
    self.data = data
    axes = file.axes.map(Axis.init)
    let paths = (file.base.map(\.path) + file.axes.flatMap(\.paths)).sorted()
    var slots: [Slot] = []
    for path in paths where slots.last?.path != path {
      let base = file.base.last { $0.path == path }
      slots.append(
        Slot(
          path: path, use: path.contains(".") || path == "gpu" ? .topology : .option,
          base: base.map { Self.located($0, file) }))
    }
    self.slots = slots
    settings = file.axes.map { axis in
      let own = axis.paths.compactMap { path in slots.firstIndex { $0.path == path } }
      guard case .list(let items) = axis.values else { return AxisSettings(slots: own) }
      var texts: [String: [String?]] = [:]
      for item in items {
        texts[item.text] = own.map { slot in
          item.settings.last { $0.path == slots[slot].path }.map { Self.located($0, file) }
            ?? slots[slot].base
        }
      }
      return AxisSettings(slots: own, texts: texts)
    }
  }

  /// The text of a setting; a file that lies beside the study is named by its whole path.
  private static func located(_ setting: StudyFile.Setting, _ file: StudyFile) -> String {
    guard files.contains(setting.path), setting.value.contains(".") else { return setting.value }
    let folder = URL(fileURLWithPath: file.file).deletingLastPathComponent()
    let beside = folder.appendingPathComponent(setting.value).path
    let isBeside =
      !setting.value.hasPrefix("/") && FileManager.default.fileExists(atPath: beside)
    return isBeside ? beside : setting.value
  }

  /// The texts of all slots at a point; nil where nothing is said.
  func texts(_ values: [String]) -> [String?] {
    var texts = slots.map(\.base)
    for (index, value) in values.enumerated() {
      let axis = settings[index]
      if let list = axis.texts {
        guard let own = list[value] else { continue }
        for (slot, text) in zip(axis.slots, own) { texts[slot] = text }
      } else {
        texts[axis.slots[0]] = value
      }
    }
    return texts
  }

  /// The points of the study, before any refinement.
  func design() throws(Failure) -> Design {
    let sampling: Design.Sampling =
      switch file.sampling {
      case .grid: .grid
      case .latinHypercube(let points): .latinHypercube(points: points)
      case .sobol(let points): .sobol(points: points)
      }
    do {
      return try Design(axes: axes, sampling: sampling, seed: file.seed)
    } catch {
      throw Failure(.badContent, "\(file.file): \(error.problem)", fix: error.fix)
    }
  }

  /// The conditions that a point's own values decide.
  func inputConditions() -> [Condition] {
    let known = Set(slots.map(\.path) + axes.map(\.name))
    return file.conditions.filter { condition in
      let results = Set(ResultNames.all(of: file.command))
      let names = condition.names.filter { known.contains($0) || results.contains($0) }
      return !names.isEmpty && names.allSatisfy(known.contains)
    }
  }

  /// Looks up a name among a point's values: an axis or a path.
  func input(_ name: String, _ values: [String], _ texts: [String?]) -> Condition.Operand? {
    if let axis = axes.firstIndex(where: { $0.name == name }) { return .text(values[axis]) }
    guard let slot = slots.firstIndex(where: { $0.path == name }) else { return nil }
    return texts[slot].map { .text($0) } ?? Condition.Operand.none
  }
}

extension Axis {
  /// The axis of a file.
  init(_ axis: StudyFile.Axis) {
    switch axis.values {
    case .list(let items):
      self.init(name: axis.name, values: .list(items.map(\.text)))
    case .range(let range):
      self.init(
        name: axis.name,
        values: .range(
          Span(
            low: range.low, high: range.high, unit: range.unit,
            isLogarithmic: range.isLogarithmic, isWhole: range.isWhole, grid: range.grid ?? [])))
    }
  }
}

/// The names that results have, in the order of columns.
enum ResultNames {
  /// What the points of studies have besides what their command says.
  static let machine = ["nics_per_node", "link_GBps", "network_latency_us"]
  /// What prices add.
  static let costs = ["cost_per_hour", "cost_per_million_tokens"]

  private static let simulate = [
    "collective", "requested", "algorithm", "protocol", "channels", "network", "launch",
    "datatype", "nodes", "ranks", "size_bytes", "time_us", "low_us", "high_us", "algbw_GBps",
    "busbw_GBps", "messages", "wire_bytes", "events", "bottleneck",
    "breakdown_us.launch", "breakdown_us.latency", "breakdown_us.serialization",
    "breakdown_us.queueing", "breakdown_us.reduction", "breakdown_us.synchronization",
  ]

  private static let predict =
    [
      "model", "topology", "gpus", "nodes", "requested", "plan", "all_reduce", "engine", "batch",
      "prompt", "decode", "ttft_ms", "tpot_ms", "latency_s", "tokens_per_s",
      "tokens_per_s_per_gpu", "memory_GiB_per_gpu", "fits", "bottleneck", "tpot_low_ms",
      "tpot_high_ms",
    ]
    + ["prefill", "decode"].flatMap { phase in
      CostCategory.allCases.map { "breakdown_ms.\(phase).\($0.name)" }
    }

  /// All names of a command's results.
  static func all(of command: StudyFile.Command) -> [String] {
    (command == .simulate ? simulate : predict) + machine + costs + ["reason"]
  }

  /// Those that a table shows where nothing else is said.
  static func table(of command: StudyFile.Command) -> [String] {
    switch command {
    case .simulate: ["algorithm", "protocol", "channels", "time_us", "busbw_GBps", "bottleneck"]
    case .predict:
      ["plan", "ttft_ms", "tpot_ms", "tokens_per_s_per_gpu", "memory_GiB_per_gpu", "bottleneck"]
    }
  }

  /// Those that tell whether an input counts.
  static func times(of command: StudyFile.Command) -> [String] {
    switch command {
    case .simulate: ["time_us"]
    case .predict: ["ttft_ms", "tpot_ms", "latency_s", "tokens_per_s", "memory_GiB_per_gpu"]
    }
  }

  /// The result that decides where no objective does, and whether larger is better.
  static func decisive(_ command: StudyFile.Command) -> String {
    command == .simulate ? "time_us" : "tpot_ms"
  }
}
