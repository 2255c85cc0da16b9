import Weft

extension ProfileFile {
  /// Reads what a calibration on decode steps says of its errors.
  ///
  /// - Throws: ``InputError`` of kind `badContent` for what is missing or makes no sense.
  static func stepCalibration(_ mapping: YAMLReader) throws(InputError) -> StepCalibration {
    var reader = mapping
    let model = try reader.string("model")
    let engine = try reader.string("engine")
    let weights = try reader.optionalString("weights") ?? ""
    let keyValues = try reader.optionalString("kv_cache") ?? ""
    let topology = try reader.string("topology")
    let gpus = try range(&reader, "gpus")
    let nodes = try reader.integer("nodes", in: 1...1 << 30)
    let batches = try range(&reader, "batches")
    let factor = try reader.number("coverage_factor", in: 1...1000)
    let steps = try reader.integer("steps", in: 1...1 << 30)
    let median = try reader.number("median", in: 0...100)
    let halfWidth = try reader.number("half_width", in: 0...100)
    let (parameters, correlations) = try fitted(&reader)
    for parameter in parameters where Profile.Key(rawValue: parameter.name) == nil {
      throw reader.error(
        at: "parameters", "there is no parameter '\(parameter.name)'",
        fix: "write the profile anew with weft calibrate")
    }
    try reader.finish()
    return StepCalibration(
      model: model, engine: engine, topology: topology, parameters: parameters,
      correlations: correlations, coverageFactor: factor, steps: steps, median: median,
      halfWidth: halfWidth, gpus: gpus, batches: batches, nodes: nodes,
      weights: weights, keyValues: keyValues)
  }
}

extension CalibratedProfile {
  /// What the file says of a calibration on decode steps.
  func lines(of calibration: StepCalibration) -> [String] {
    var lines = ["steps:"]
    lines.append("  model: \(quoted(calibration.model))")
    lines.append("  engine: \(quoted(calibration.engine))")
    if !calibration.weights.isEmpty { lines.append("  weights: \(quoted(calibration.weights))") }
    if !calibration.keyValues.isEmpty {
      lines.append("  kv_cache: \(quoted(calibration.keyValues))")
    }
    lines.append("  topology: \(quoted(calibration.topology))")
    lines.append("  gpus: [\(calibration.gpus.lowerBound), \(calibration.gpus.upperBound)]")
    lines.append("  nodes: \(calibration.nodes)")
    lines.append(
      "  batches: [\(calibration.batches.lowerBound), \(calibration.batches.upperBound)]")
    lines.append("  coverage_factor: \(short(calibration.coverageFactor))")
    lines.append("  steps: \(calibration.steps)")
    lines.append(
      "  # Of |ln(predicted / measured)|: the median, and what holds 95 % of further steps.")
    lines.append("  median: \(short(calibration.median))")
    lines.append("  half_width: \(short(calibration.halfWidth))")
    return lines
      + parameterLines(calibration.parameters, calibration.correlations) { _ in .duration }
  }
}
