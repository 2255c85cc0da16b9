import Foundation
import Weft
import WeftCalibration
import WeftFiles

/// Measured decode steps and serving runs with what is predicted of them.
struct StepComparison {
  /// The question that the rows answer, each for its own GPUs and workload.
  var request: PredictionRequest
  /// The rows.
  let rows: [StepFile.Row]
  /// What was left out, with the reason.
  private(set) var unusable: [UnusableRow]
  /// What is predicted of each row; nil where nothing is.
  private var predictions: [Prediction.Timing?]
  /// Why a calibrated profile gives predictions no interval.
  private var obstacles: Set<String> = []
  private var timer: CachingTimer<SimulatedTimer>
  /// Names of terms that fits leave alone.
  var held: Set<String> = []
  /// The profile that the user gave; nil if there is none.
  var own: Profile?
  /// What may make a comparison unfair.
  var warnings: [String] = []

  init(request: PredictionRequest, rows: [StepFile.Row], unusable: [UnusableRow]) {
    self.request = request
    self.rows = rows
    self.unusable = unusable
    predictions = Array(repeating: nil, count: rows.count)
    timer = CachingTimer(SimulatedTimer(topology: request.topology, profile: request.profile))
  }

  // MARK: Predicting

  /// Predicts rows under the request's profile or another one; a row that cannot be is left out.
  mutating func predict(_ places: [Int], under profile: Profile? = nil) throws {
    var asked = request
    if let profile { asked.profile = profile }
    asked.plans = [try PlanPattern("tp")]
    for place in places {
      let measurement = rows[place].measurement
      asked.gpuCounts = [measurement.tensor]
      asked.workload = measurement.workload
      do {
        let answer = try asked.bounded(try asked.predictions(timer: &timer), timer: &timer).first
        predictions[place] = answer?.timing
        if let obstacle = answer?.intervalObstacle { obstacles.insert(obstacle) }
        if let reason = answer?.reason { leaveOut(place, reason) }
      } catch let error as WorkloadError {
        leaveOut(place, error.problem)
      }
    }
  }

  private mutating func leaveOut(_ place: Int, _ reason: String) {
    let row = UnusableRow(file: rows[place].file, line: rows[place].line, reason: reason)
    // Folds fit to a row more than once.
    if !unusable.contains(row) { unusable.append(row) }
  }

  /// Predicts every row by a fit to the rows of other batches.
  ///
  /// Of K folds the k-th has every K-th batch.
  /// - Returns: What each fold was fitted to, a line each.
  mutating func predict(folds: Int) throws -> [String] {
    let batches = Set(rows.map(\.measurement.workload.batch)).sorted()
    let places = Dictionary(uniqueKeysWithValues: batches.enumerated().map { ($1, $0 % folds) })
    let fold = rows.map { places[$0.measurement.workload.batch] ?? 0 }
    var notes: [String] = []
    for index in 0..<folds {
      let own = rows.indices.filter { fold[$0] == index }
      let others = rows.indices.filter { fold[$0] != index }
      guard !own.isEmpty, !others.isEmpty else { continue }
      let fitted = try fit(others)
      try predict(own, under: fitted.profile)
      let seen = Set(fitted.rows.map(\.measurement.workload.batch)).sorted()
      let far = fitted.fit.outliers.count
      notes.append(
        "fold \(index + 1) of \(folds): fitted to \(fitted.rows.count) rows, batches "
          + seen.map(String.init).joined(separator: ", ")
          + (far > 0 ? "; \(far) of them left out, being too far from all others" : ""))
    }
    return notes
  }

  // MARK: Fitting

  /// The engine's terms from rows, and the profile with them; a row that nothing can be predicted of
  /// is left out.
  mutating func fit(_ places: [Int]) throws -> Fitted {
    var timer = timer
    var used: [Int] = []
    var terms: [EngineTerms.Row] = []
    var refusal: WorkloadError?
    for place in places {
      do {
        terms += try EngineTerms.rows(of: [rows[place].measurement], in: request, timer: &timer)
        used.append(place)
      } catch let error as WorkloadError {
        leaveOut(place, error.problem)
        refusal = refusal ?? error
      }
    }
    if let refusal, used.isEmpty { throw refusal }
    let measurements = used.map { rows[$0].measurement }
    do {
      try checkUnits(terms)
      var values: [Int: Double] = [:]
      for (place, key) in EngineTerms.keys.enumerated() where held.contains(key.rawValue) {
        values[place] = request.profile[key]?.value ?? 0
      }
      let fit = try EngineFit(terms, held: values)
      let files = rows.reduce(into: [String]()) {
        if !$0.contains($1.file) { $0.append($1.file) }
      }
      // Repeats of a step tell of noise alone, not of what other steps take.
      let different = Set(
        measurements.map { measurement in
          var step = measurement
          step.time = .zero
          return step
        }
      ).count
      let profile = fit.applied(
        to: request.profile, source: "fit to \(files.joined(separator: ", "))",
        calibration: different > fit.fittedTerms
          ? fit.calibration(of: measurements, in: request) : nil)
      return Fitted(fit: fit, profile: profile, rows: used.map { rows[$0] }, different: different)
    } catch let error as FitError {
      throw Failure(.badContent, "\(error)", fix: "give steps of more batches and GPU counts")
    }
  }

  /// Whether all rows are serving runs, whose times are in milliseconds.
  var isServing: Bool { rows.allSatisfy(\.isServing) }

  /// Refuses times that can only be of another unit.
  private func checkUnits(_ terms: [EngineTerms.Row]) throws(Failure) {
    guard let verdict = UnitCheck.verdict(ofMedian: terms.map { $0.time / $0.before }) else {
      return
    }
    throw Failure(
      .badContent, "measured steps are \(verdict.text) than predicted ones in the median",
      fix: "check the unit of \(isServing ? "tpot_ms" : "time_us") "
        + "(\(verdict.units(ofMilliseconds: isServing))), the model and the topology")
  }

  /// Refuses rows of several systems, which do not share an engine's costs, unless they are pooled;
  /// nil where that is not on offer.
  func requireOneSystem(pooled: Bool?) throws(Failure) {
    for column in Self.systemColumns where pooled != true {
      let values = values(of: column)
      guard values.count > 1 else { continue }
      throw Failure(
        .badContent,
        "the rows are of \(values.count) systems, which do not share their costs: \(column) "
          + values.prefix(4).map { "'\($0)'" }.joined(separator: ", "),
        fix: "choose one with --where \(column)=…" + (pooled == nil ? "" : ", or give --pool"))
    }
  }

  /// Whether the rows share a system, so that there is nothing to pool.
  var isOfOneSystem: Bool { Self.systemColumns.allSatisfy { values(of: $0).count == 1 } }

  private static let systemColumns = ["system", "backend_version"]

  private func values(of column: String) -> [String] {
    Set(rows.map { $0.cells[column] ?? "unknown" }).sorted()
  }

  // MARK: Results

  /// The rows as calls that can be summed up; those without a prediction are left out.
  private var compared: [(row: StepFile.Row, timing: Prediction.Timing, call: Accuracy.Call)] {
    zip(rows, predictions).compactMap { row, timing in
      guard let timing, let tpot = timing.tpot else { return nil }
      let group = Accuracy.Group(
        system: row.cells["system"], library: request.engine.name,
        version: row.cells["backend_version"], collective: "decode-step", nodes: 1,
        ranks: row.measurement.tensor, launch: request.engine.decodeLaunch)
      let interval = timing.tpotInterval.map {
        $0.lowerBound.microseconds...$0.upperBound.microseconds
      }
      return (
        row, timing,
        Accuracy.Call(
          group: group, bytes: 0, measured: [row.measurement.time.microseconds],
          predicted: tpot.microseconds, interval: interval)
      )
    }
  }

  /// Measured over predicted times.
  var ratios: [Double] { compared.map { $0.call.best / $0.call.predicted } }

  /// The figures of all rows; nil if none could be predicted.
  var overall: Accuracy.Summary? { Accuracy.summary(of: compared.map(\.call)) }

  /// Refuses to report on nothing.
  func requireResults() throws(Failure) {
    guard compared.isEmpty else { return }
    throw Failure(
      .badContent,
      "no row can be compared: " + Validation.notes(of: unusable).joined(separator: "; "),
      fix: "give rows that '\(request.topology.name)' can serve, or another --topology")
  }

  /// Figures per system and tensor degree, with `listing` every row, and what scaling is.
  func report(rows listing: Bool, asData: Bool, title: String, notes first: [String]) -> Report {
    let compared = compared
    let list = listing ? compared.map { Self.record($0.row, $0.timing, $0.call) } : []
    var notes: [String] = []
    if let overall { notes.append("overall: " + Self.text(overall, "rows")) }
    notes += scalings.map { scaling in
      "scaling from tensor \(scaling.from) to \(scaling.to): \(scaling.pairs) pairs, median error "
        + "\(Validation.short(scaling.median)) %"
    }
    let waiting = compared.count { $0.timing.running < $0.row.measurement.workload.batch }
    if waiting > 0 {
      notes.append(
        "\(waiting) rows have more requests than memory holds; waiting and computing again are in "
          + "no prediction")
    }
    notes += first + Interval.notes(Array(obstacles)) + Validation.notes(of: unusable)
    if listing && !asData {
      return Report(
        list, title: title,
        columns: [
          "file", "line", "system", "ranks", "batch", "prompt", "decode", "measured_ms",
          "predicted_ms", "low_ms", "high_ms", "error_pct",
        ], notes: notes)
    }
    var groups: [Accuracy.Group: [Accuracy.Call]] = [:]
    for entry in compared { groups[entry.call.group, default: []].append(entry.call) }
    let order = groups.keys.sorted { ($0.system ?? "", $0.ranks) < ($1.system ?? "", $1.ranks) }
    let records = order.compactMap { group in
      Accuracy.summary(of: groups[group] ?? []).map { Record(group, window: .all, $0) }
    }
    var extra = Record([
      "overall": overall.map { .object(Record($0)) } ?? .null,
      "scaling": .list(
        scalings.map {
          .object(
            Record([
              "from": .integer($0.from), "to": .integer($0.to), "pairs": .integer($0.pairs),
              "median_abs_pct": .number($0.median),
            ]))
        }),
      "unusable": .list(unusable.map { .object(Record($0)) }),
    ])
    if listing { extra["rows"] = .list(list.map { .object($0) }) }
    return Report(
      records, title: title,
      columns: [
        "system", "library", "ranks", "rows", "median_abs_pct", "p95_abs_pct", "bias_pct",
        "coverage_95_pct",
      ], notes: notes, extra: extra)
  }

  /// How well the ratio of a small to the largest tensor degree at the same work is predicted.
  private struct Scaling {
    var from: Int
    var to: Int
    var pairs: Int
    var median: Double
  }

  private var scalings: [Scaling] {
    let compared = compared
    guard let most = compared.map(\.row.measurement.tensor).max() else { return [] }
    let degrees = Set(compared.map(\.row.measurement.tensor)).sorted().filter { $0 < most }
    return degrees.compactMap { degree in
      let errors = compared.filter { $0.row.measurement.tensor == degree }.compactMap { narrow in
        compared.first {
          $0.row.measurement.tensor == most
            && $0.row.measurement.workload == narrow.row.measurement.workload
            && $0.row.cells["system"] == narrow.row.cells["system"]
        }.map { wide in
          narrow.call.predicted / wide.call.predicted / (narrow.call.best / wide.call.best) - 1
        }
      }
      guard let figures = Accuracy.figures(errors) else { return nil }
      return Scaling(from: degree, to: most, pairs: errors.count, median: figures.median)
    }
  }

  static func text(_ summary: Accuracy.Summary, _ what: String) -> String {
    "\(summary.calls) \(what), median error \(Validation.short(summary.medianAbsolutePercent)) %, "
      + "95th percentile \(Validation.short(summary.p95AbsolutePercent)) %, bias "
      + "\(Validation.short(summary.biasPercent)) %"
      + (summary.coveragePercent.map { ", \(Validation.short($0)) % inside their intervals" } ?? "")
  }

  private static func record(
    _ row: StepFile.Row, _ timing: Prediction.Timing, _ call: Accuracy.Call
  ) -> Record {
    let workload = row.measurement.workload
    return Record([
      "file": .text(row.file), "line": .integer(row.line), "system": Value(row.cells["system"]),
      "ranks": .integer(row.measurement.tensor), "batch": .integer(workload.batch),
      "running": .integer(timing.running), "prompt": .integer(workload.prompt),
      "decode": .integer(workload.decode), "measured_ms": .number(call.best / 1000),
      "predicted_ms": .number(call.predicted / 1000),
      "low_ms": Value(call.interval.map { $0.lowerBound / 1000 }),
      "high_ms": Value(call.interval.map { $0.upperBound / 1000 }),
      "error_pct": .number(100 * call.error),
    ])
  }
}
