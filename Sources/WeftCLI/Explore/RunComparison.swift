import Weft
import WeftFiles
import WeftStudy

/// Two runs side by side: which points changed by how much, and what between the runs is different.
struct RunComparison {
  private struct Change {
    var values: [String]
    var before: StudyRows.Row
    var after: StudyRows.Row
    var change: Double
  }

  private let before: StudyRows
  private let after: StudyRows
  private let metric: String
  private var changes: [Change] = []
  private var onlyBefore = 0
  private var onlyAfter = 0
  private var withoutResult = 0

  /// Matches the points of two runs by their values.
  ///
  /// - Throws: ``Failure`` if the runs vary different things.
  init(_ before: StudyRows, _ after: StudyRows, metric: String?) throws {
    self.before = before
    self.after = after
    self.metric = metric ?? after.study.decisive.metric
    let axes = before.run.description.axes
    guard before.study.file.command == after.study.file.command,
      Set(axes) == Set(after.run.description.axes)
    else {
      throw Failure(
        .usage,
        "runs \(before.run.id) and \(after.run.id) vary different things: "
          + axes.joined(separator: ", ") + " and "
          + after.run.description.axes.joined(separator: ", "),
        fix: "compare runs of one study, or of versions of it")
    }
    // The values of the second run in the first one's order of axes.
    let order = axes.compactMap { after.run.description.axes.firstIndex(of: $0) }
    var known: [[String]: StudyRows.Row] = [:]
    try before.forEach { known[$0.point.values] = $0 }
    let total = known.count
    var matched = 0
    try after.forEach { row in
      let values = order.map { row.point.values[$0] }
      guard let old = known[values] else {
        onlyAfter += 1
        return
      }
      matched += 1
      guard let left = old.metric(self.metric), let right = row.metric(self.metric), left != 0
      else {
        withoutResult += 1
        return
      }
      changes.append(
        Change(values: values, before: old, after: row, change: right / left - 1))
    }
    onlyBefore = total - matched
  }

  /// The points that changed most, and below them what changed them.
  func report(limit: Int) throws -> Report {
    let ordered = changes.enumerated().filter { $0.element.change != 0 }
      .sorted {
        (abs($1.element.change), $0.offset) < (abs($0.element.change), $1.offset)
      }.map(\.element)
    let records = ordered.prefix(limit).map(record)
    let summary = Record([
      "before": .integer(Int(before.run.id)), "after": .integer(Int(after.run.id)),
      "metric": .text(metric), "compared": .integer(changes.count),
      "changed": .integer(ordered.count), "median_change_pct": Value(median.map(Self.percent)),
      "only_before": .integer(onlyBefore), "only_after": .integer(onlyAfter),
      "without_result": .integer(withoutResult),
      "differences": .list(differences.map { .text($0) }),
    ])
    var notes = [
      "\(changes.count) points in both runs, \(ordered.count) of them changed"
        + (median.map { ", median \(Self.percent($0)) %" } ?? "")
        + "; \(onlyBefore) only in run \(before.run.id), \(onlyAfter) only in run \(after.run.id)"
        + (withoutResult > 0 ? ", \(withoutResult) without a result in one" : "")
    ]
    notes += differences.isEmpty ? ["nothing else differs"] : differences.map { "differs: " + $0 }
    return Report(
      Array(records),
      title: "\(metric) of run \(before.run.id) (before) and run \(after.run.id) (after)",
      columns: records.isEmpty ? [metric] : nil, notes: notes,
      extra: Record(["comparison": .object(summary)]))
  }

  private func record(_ change: Change) -> Record {
    var record = Record()
    for (axis, value) in zip(before.run.description.axes, change.values) {
      record.append(axis, StudyRows.value(value))
    }
    record.append("before", Value(change.before.metric(metric)))
    record.append("after", Value(change.after.metric(metric)))
    record.append("change_pct", .number(Self.percent(change.change)))
    for name in ["algorithm", "protocol", "plan", "bottleneck"] {
      guard let old = change.before.text(name), let new = change.after.text(name) else { continue }
      record.append(name, .text(old == new ? old : old + " -> " + new))
    }
    record.append("most_by", Value(Self.part(change)))
    return record
  }

  /// The part of the breakdown that changed most, and by how much.
  private static func part(_ change: Change) -> String? {
    func parts(_ row: StudyRows.Row) -> [String: Double] {
      var parts: [String: Double] = [:]
      for field in row.result.flattened where field.name.hasPrefix("breakdown_") {
        parts[field.name] = field.value.number
      }
      return parts
    }
    let (old, new) = (parts(change.before), parts(change.after))
    let changes = Set(old.keys).union(new.keys).map { name in
      (name: name, change: (new[name] ?? 0) - (old[name] ?? 0))
    }
    guard let most = changes.max(by: { (abs($0.change), $1.name) < (abs($1.change), $0.name) }),
      most.change != 0
    else { return nil }
    // breakdown_us.latency: the unit, then what it is of.
    let words = most.name.dropFirst("breakdown_".count).split(separator: ".", maxSplits: 1)
    return "\(words.last ?? "") \(most.change > 0 ? "+" : "")"
      + "\(Amount.text(most.change, digits: 3)) \(words.first ?? "")"
  }

  private static func percent(_ change: Double) -> Double { (change * 10_000).rounded() / 100 }

  private var median: Double? {
    guard !changes.isEmpty else { return nil }
    return changes.map(\.change).sorted()[changes.count / 2]
  }
}

// MARK: - What is different

extension RunComparison {
  /// What differs between the runs, one thing on a line: version, settings of the study, values of
  /// machines, costs and models.
  private var differences: [String] {
    let (old, new) = (before.run.description, after.run.description)
    var lines: [String] = []
    if old.weftVersion != new.weftVersion {
      lines.append("Weft \(old.weftVersion) -> \(new.weftVersion)")
    }
    lines += Self.differences(
      "the study's", Self.settings(before.study.file), Self.settings(after.study.file))
    for kind in ["topology", "profile", "model", "engine"] {
      let olds = old.documents.filter { $0.kind == kind }
      let news = new.documents.filter { $0.kind == kind }
      for document in news where !olds.contains(document) {
        let twin = olds.first { $0.name == document.name } ?? (olds.count == 1 ? olds[0] : nil)
        guard let twin, !news.contains(twin) else {
          lines.append("\(kind) \(document.name) is new")
          continue
        }
        let name = twin.name == document.name ? document.name : "\(twin.name) -> \(document.name)"
        lines += Self.differences(
          "\(kind) \(name):", Self.values(twin), Self.values(document))
      }
    }
    return lines
  }

  private static func settings(_ file: StudyFile) -> [(String, String)] {
    var settings = file.base.map { ("base." + $0.path, $0.value) }
    for axis in file.axes {
      switch axis.values {
      case .list(let items):
        settings.append(("axes." + axis.name, items.map(\.text).joined(separator: ", ")))
        // Names of sets of settings say nothing of what they set.
        for item in items where item.settings.contains(where: { $0.path != axis.name }) {
          for setting in item.settings {
            settings.append(("axes.\(axis.name).\(item.text).\(setting.path)", setting.value))
          }
        }
      case .range(let range):
        let unit = range.unit.isEmpty ? "" : " " + range.unit
        settings.append(
          (
            "axes." + axis.name,
            "\(Amount.text(range.low)) to \(Amount.text(range.high))\(unit)"
              + (range.grid.map { ", \($0.count) values" } ?? "")
          ))
      }
    }
    settings.append(("require", file.conditions.map(\.text).joined(separator: ", ")))
    if let prices = file.prices {
      settings.append(("prices.gpu_hour", Amount.text(prices.gpuHour)))
      settings.append(("prices.link_hour", Amount.text(prices.linkHour)))
      settings.append(("prices.link_GBps_hour", Amount.text(prices.linkGBpsHour)))
    }
    settings.append(("sampling", "\(file.sampling)"))
    settings.append(("seed", "\(file.seed)"))
    return settings
  }

  private static func values(_ document: ResultStore.Document) -> [(String, String)] {
    document.text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " = ", maxSplits: 1).map(String.init)
      return parts.count == 2 ? (parts[0], parts[1]) : nil
    }
  }

  private static func differences(
    _ what: String, _ old: [(String, String)], _ new: [(String, String)]
  ) -> [String] {
    let before = Dictionary(old) { $1 }
    let after = Dictionary(new) { $1 }
    var lines: [String] = []
    for (path, value) in new where before[path] != value {
      lines.append("\(what) \(path): \(shown(before[path])) -> \(shown(value))")
    }
    for (path, value) in old where after[path] == nil {
      lines.append("\(what) \(path): \(shown(value)) -> nothing")
    }
    return lines
  }

  private static func shown(_ value: String?) -> String {
    value.flatMap { $0.isEmpty ? nil : $0 } ?? "nothing"
  }
}
