import Weft
import WeftCalibration
import WeftFiles

/// Measured rows gathered to calls, their predictions, and the report of how far they are apart.
struct Validation {
  /// A call with the rows that measured it.
  struct Entry {
    var call: MeasuredCall
    var rows: [Measurement]
    /// What Weft would run; nil until it is planned, and if nothing can serve it.
    var plan: Plan?
    var prediction: CallPredictor.Prediction?

    /// The measured times against the predicted one; nil if there is none.
    var compared: Accuracy.Call? {
      prediction.map {
        Accuracy.Call(
          group: call.group, bytes: call.bytes, measured: rows.map(\.microseconds),
          predicted: $0.microseconds, interval: $0.interval)
      }
    }

    /// The row with the best time, the first of equals.
    var best: Measurement {
      rows.dropFirst().reduce(rows[0]) { $1.microseconds < $0.microseconds ? $1 : $0 }
    }

    /// The call, in place if its best row was.
    var sample: CollectiveSample { call.sample(inPlace: best.inPlace ?? false) }
  }

  private let defaults: MeasuredCall.Defaults
  private var predictor: CallPredictor
  private var places: [MeasuredCall: Int] = [:]
  /// The calls in the order of the rows.
  private(set) var calls: [Entry] = []
  /// The rows that were left out, with the reason.
  private(set) var unusable: [UnusableRow] = []
  private var ownWarnings: [String] = []

  init(topology: Topology, profile: Profile, defaults: MeasuredCall.Defaults) {
    self.defaults = defaults
    predictor = CallPredictor(topology: topology, profile: profile)
  }

  /// Keeps something to warn of.
  mutating func warn(_ text: String) { ownWarnings.append(text) }

  /// Leaves rows out whose file already says why.
  mutating func leaveOut(_ rows: [UnusableRow]) { unusable += rows }

  /// Adds a row to its call, or leaves it out.
  mutating func add(_ row: Measurement) {
    do {
      let call = try MeasuredCall(row, on: topology, defaults)
      if let place = places[call] {
        calls[place].rows.append(row)
      } else {
        places[call] = calls.count
        calls.append(Entry(call: call, rows: [row]))
      }
    } catch {
      leaveOut(row, error.reason)
    }
  }

  private mutating func leaveOut(_ row: Measurement, _ reason: String) {
    unusable.append(UnusableRow(file: row.file, line: row.line, reason: reason))
  }

  /// Plans every call; those that nothing can serve are left out with the reason.
  mutating func plan() throws {
    for index in calls.indices {
      let entry = calls[index]
      switch try predictor.plan(entry.sample) {
      case .success(let plan): calls[index].plan = plan
      case .failure(let error):
        for row in entry.rows { leaveOut(row, error.reason) }
      }
    }
  }

  /// Whether all calls run and cost the same under another profile.
  func isAlike(under other: Profile) throws -> Bool {
    let predictor = CallPredictor(topology: topology, profile: other)
    return try served.allSatisfy { index in
      guard case .success(let plan) = try predictor.plan(calls[index].sample) else { return false }
      return calls[index].plan?.isAlike(plan) == true
    }
  }

  /// What tells a row of a call from others, in whatever file it is.
  func identities(of indices: [Int]) -> [String] {
    indices.flatMap { index in
      let (call, rows) = (calls[index].call, calls[index].rows)
      return rows.map { row in
        "\(call.collective.rawValue) \(call.algorithm) \(call.layout.nodes) "
          + "\(call.layout.ranksPerNode) \(call.type.rawValue) \(row.inPlace ?? false) "
          + "\(row.bytes) \(row.microseconds)"
      }
    }
  }

  /// The indices of the calls that can be predicted.
  var served: [Int] { calls.indices.filter { calls[$0].plan != nil } }

  /// Predicts calls that were planned, under the profile or another one of the machine.
  mutating func predict(
    _ indices: [Int], under profile: Profile? = nil, progress: @Sendable (Int, Int) -> Void
  ) throws {
    let planned = indices.compactMap { index in
      calls[index].plan.map { (index: index, call: (sample: calls[index].sample, plan: $0)) }
    }
    let predictions = try predictor.predictions(
      planned.map(\.call), under: profile, progress: progress)
    for (entry, prediction) in zip(planned, predictions) {
      calls[entry.index].prediction = prediction
    }
  }

  /// The simulations behind the predictions, for a calibration that needs the same ones.
  var model: CollectiveModel { predictor.model }

  /// The profile of the predictions.
  var profile: Profile { predictor.profile }

  /// What calibration takes a call for: its best time.
  func observation(_ index: Int) -> CollectiveCalibration.Observation {
    CollectiveCalibration.Observation(
      sample: calls[index].sample, seconds: calls[index].best.microseconds * 1e-6)
  }

  /// The calls that were measured and predicted.
  var compared: [Accuracy.Call] { calls.compactMap(\.compared) }

  /// The machine of the predictions.
  var topology: Topology { predictor.topology }

  /// The figures of all calls; nil if none could be predicted.
  var overall: Accuracy.Summary? { Accuracy.summary(of: compared) }

  /// Refuses to report on nothing.
  func requireResults(_ reasons: [String] = []) throws(Failure) {
    guard compared.isEmpty else { return }
    guard reasons.isEmpty else {
      throw Failure(
        .badContent, reasons.joined(separator: "; "),
        fix: "give more measurements, or other folds with --folds and --folds-by")
    }
    throw Failure(
      .badContent, "no row can be compared: " + notes.joined(separator: "; "),
      fix: "mend what the reasons name, or give rows that '\(topology.name)' can serve, or another "
        + "--topology")
  }

  /// What may make the comparison unfair.
  var warnings: [String] {
    var seen = Set<String>()
    let gpu = topology.gpu
    var warnings: [String] = calls.compactMap { entry in
      guard let name = entry.rows[0].gpu, seen.insert(name).inserted, !gpu.isNamed(in: name)
      else { return nil }
      let row = entry.rows[0]
      return "\(row.file):\(row.line): rows are of '\(name)', the topology has \(gpu.title)"
    }
    for (index, what) in ["gpu", "interconnect", "environment"].enumerated() {
      var first: [Accuracy.Group: String?] = [:]
      let mixed = calls.first { entry in
        let own = entry.call.setup[index]
        return first.updateValue(own, forKey: entry.call.group).map { $0 != own } ?? false
      }
      if let group = mixed?.call.group {
        warnings.append(
          "\(group.system ?? "a system") has rows of more than one \(what) in a group; choose one "
            + "with --where \(what)=…")
      }
    }
    return ownWarnings + warnings
  }
}
