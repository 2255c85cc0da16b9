import Foundation
import Weft
import WeftCalibration
import WeftFiles

/// What a calibration found, for a person and for programs.
struct CalibrationReport {
  var calibration: CollectiveCalibration
  var nominal: Profile
  var validation: Validation
  var system: Validation.System
  /// What to measure next; nil if it was not asked for.
  var suggestions: [MeasurementSuggestion]?

  /// One record per fitted parameter.
  var report: Report {
    Report(
      calibration.terms.indices.map(parameter),
      title: "\(system.name): \(calibration.terms.count) parameters from "
        + "\(system.calls.count - calibration.badRuns.count) calls on \(validation.topology.name)",
      columns: [
        "parameter", "value", "standard_error", "unit", "nominal", "strongest_correlation",
      ],
      notes: notes, extra: extra)
  }

  private func parameter(_ index: Int) -> Record {
    let estimate = calibration.fit.estimates[index]
    let term = calibration.terms[index]
    let (unit, factor) = Self.unit(term.dimension)
    let partner = calibration.terms.indices.filter { $0 != index }.max {
      abs(calibration.fit.correlation(index, $0)) < abs(calibration.fit.correlation(index, $1))
    }
    let correlation = partner.map {
      "\(Self.rounded(calibration.fit.correlation(index, $0))) with \(calibration.terms[$0].name)"
    }
    return Record([
      "parameter": .text(term.name), "value": .number(estimate.value * factor),
      "standard_error": .number(estimate.standardError * factor), "unit": .text(unit),
      "nominal": .number(term.value(in: nominal) * factor),
      "strongest_correlation": Value(correlation),
      "sets": .list(term.parameters.map { .text($0.rawValue) }),
    ])
  }

  static func unit(_ dimension: Profile.Dimension) -> (String, Double) {
    switch dimension {
    case .duration: ("us", 1e6)
    case .bandwidth: ("GB/s", 1e-9)
    case .size: ("B", 1)
    case .ratio: ("1", 1)
    }
  }

  private static func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }

  /// What was fitted, as calls that can be summed up.
  private var compared: [Accuracy.Call] {
    let left = Set(calibration.badRuns)
    return system.calls.indices.filter { !left.contains($0) }.map { place in
      let (index, residual) = (system.calls[place], calibration.residuals[place])
      let entry = validation.calls[index]
      return Accuracy.Call(
        group: entry.call.group, bytes: entry.call.bytes,
        measured: entry.rows.map(\.microseconds),
        predicted: entry.best.microseconds * exp(residual))
    }
  }

  private var notes: [String] {
    var notes: [String] = []
    for (window, summary) in Accuracy.windows(of: compared) {
      let noise =
        summary.noise.map {
          "; noise of \($0.repeats) repeats \(Validation.short($0.medianPercent)) / "
            + "\(Validation.short($0.p95Percent)) %"
        } ?? ""
      notes.append(
        "fitted, \(window.rawValue): \(summary.calls) calls, median error "
          + "\(Validation.short(summary.medianAbsolutePercent)) %, 95th percentile "
          + "\(Validation.short(summary.p95AbsolutePercent)) %, bias "
          + "\(Validation.short(summary.biasPercent)) %" + noise)
    }
    let values = calibration.fit.singularValues.map { "\(Self.rounded($0))" }
    notes.append(
      "singular values, in standard errors per unit: " + values.joined(separator: ", "))
    if !calibration.fit.hasConverged {
      notes.append("the fit was still moving after \(calibration.fit.iterations) steps")
    }
    if calibration.leftOut > 0 {
      notes.append(
        "\(calibration.leftOut) calls are too long to simulate in the fit; they count for the "
          + "residuals alone")
    }
    let (silent, named) = calibration.calibration.held.partitioned {
      $0.reason == "no measured call answers to it"
    }
    notes += named.map { "held at nominal: \($0.name): \($0.reason)" }
    if !silent.isEmpty {
      notes.append(
        "held at nominal, as no measured call answers to them: "
          + silent.map(\.name).joined(separator: ", "))
    }
    notes += (suggestions ?? []).enumerated().map { index, suggestion in
      let record = Self.record(suggestion)
      func text(_ name: String) -> String {
        if case .text(let text) = record[name] { return text }
        return ""
      }
      return "measure next, \(index + 1): \(text("collective")) of "
        + "\(suggestion.sample.call.bytes) bytes on \(suggestion.sample.layout.nodes) nodes, "
        + "\(text("algorithm")): error of \(suggestion.term) "
        + "\(Int((100 * suggestion.errorBefore).rounded())) % to "
        + "\(Int((100 * suggestion.errorAfter).rounded())) %"
    }
    if suggestions?.isEmpty == true {
      notes.append("measure next: nothing that can be simulated would tell much more")
    }
    return notes + validation.notes
  }

  private var extra: Record {
    var extra = Record([
      "held": .list(
        calibration.calibration.held.map {
          .object(Record(["parameter": .text($0.name), "reason": .text($0.reason)]))
        }),
      "singular_values": .list(calibration.fit.singularValues.map { .number($0) }),
      "residuals": .list(
        calibration.calibration.residuals.map {
          .object(
            Record([
              "window": .text($0.window.rawValue), "calls": .integer($0.calls),
              "median_pct": .number(100 * $0.median), "half_width_pct": .number(100 * $0.halfWidth),
            ]))
        }),
      "correlations": .list(
        calibration.calibration.correlations.map { .list($0.map { .number($0) }) }),
      "converged": .bool(calibration.fit.hasConverged),
      "at_bounds": .list(calibration.atBounds.map { .text($0.name) }),
      "outliers": .list(badRuns.map { .object($0.record) }),
      "far_from_fit": .list(farCalls.map { .object($0.record) }),
      "unusable": .list(validation.unusable.map { .object(Record($0)) }),
    ])
    if let suggestions {
      extra["suggestions"] = .list(suggestions.map { .object(Self.record($0)) })
    }
    return extra
  }

  private static func record(_ suggestion: MeasurementSuggestion) -> Record {
    let sample = suggestion.sample
    return Record([
      "collective": .text(sample.call.collective.rawValue), "algorithm": .text(text(of: sample)),
      "nodes": .integer(sample.layout.nodes), "ranks": .integer(sample.layout.ranks),
      "size_bytes": .integer(sample.call.bytes), "gain": .number(suggestion.gain),
      "term": .text(suggestion.term),
      "error_before_pct": .number(100 * suggestion.errorBefore),
      "error_after_pct": .number(100 * suggestion.errorAfter),
    ])
  }
}

extension CalibrationReport {
  /// An algorithm as one asks for it, and in which form where Weft's runtime runs it.
  private static func text(of sample: CollectiveSample) -> String {
    let name =
      sample.algorithm == .nccl(nil, nil) ? "nccl as it chooses" : sample.algorithm.description
    guard case .runtime(let form) = sample.pricing else { return name }
    var parts = [name]
    if let wire = form.wire { parts.append("\(wire.rawValue)") }
    if let channels = form.channels { parts.append("\(channels) channels") }
    if form.isFused { parts.append("fused") }
    return parts.joined(separator: ", ")
  }
}

extension Sequence {
  /// The elements that meet a condition, and the others, each in order.
  fileprivate func partitioned(_ condition: (Element) -> Bool) -> ([Element], [Element]) {
    (filter(condition), filter { !condition($0) })
  }
}
