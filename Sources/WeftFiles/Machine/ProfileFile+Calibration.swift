import Weft

extension ProfileFile {
  /// Reads what a calibration says of its errors.
  ///
  /// - Throws: ``InputError`` of kind `badContent` for what is missing or makes no sense.
  static func calibration(_ mapping: YAMLReader) throws(InputError) -> Calibration {
    var reader = mapping
    let topology = try reader.string("topology")
    let sizes = try range(&reader, "sizes")
    let nodes = try range(&reader, "nodes")
    let measured = try reader.strings("measured")
    let scope = Calibration.Scope(
      ranksPerNode: try counts(&reader, "ranks_per_node"),
      typeBits: try counts(&reader, "type_bits"), tuners: try reader.strings("tuners"),
      ratesInNode: try reader.strings("rates_in_node"),
      ratesBetweenNodes: try reader.strings("rates_between_nodes"),
      launches: try reader.strings("launches"))
    let factor = try reader.number("coverage_factor", in: 1...1000)
    var residuals: [Calibration.Residual] = []
    for var entry in try entries(&reader, "residuals") {
      residuals.append(
        Calibration.Residual(
          window: try entry.choice("window", of: Accuracy.Window.self),
          calls: try entry.integer("calls"), median: try entry.number("median", in: 0...100),
          halfWidth: try entry.number("half_width", in: 0...100)))
      try entry.finish()
    }
    // Without these the profile would give intervals where nothing was measured, or too narrow ones.
    for (key, isGiven) in [
      ("measured", !measured.isEmpty), ("ranks_per_node", !scope.ranksPerNode.isEmpty),
      ("launches", !scope.launches.isEmpty), ("residuals", !residuals.isEmpty),
    ] where !isGiven {
      throw reader.error(
        at: key, "a calibration has at least one of these",
        fix: "write the profile anew with weft calibrate")
    }
    let (parameters, correlations) = try fitted(&reader)
    var held: [Calibration.Held] = []
    for var entry in try entries(&reader, "held") {
      held.append(
        Calibration.Held(name: try entry.string("name"), reason: try entry.string("reason")))
      try entry.finish()
    }
    for var entry in try entries(&reader, "data") {
      _ = try entry.string("file")
      _ = try entry.integer("rows")
      try entry.finish()
    }
    try reader.finish()
    return Calibration(
      topology: topology, parameters: parameters, correlations: correlations,
      coverageFactor: factor, residuals: residuals, sizes: sizes, nodes: nodes,
      measured: measured, scope: scope, held: held)
  }

  /// The fitted parameters with the square of their correlations.
  static func fitted(
    _ reader: inout YAMLReader
  ) throws(InputError) -> (parameters: [Calibration.Parameter], correlations: [[Double]]) {
    var parameters: [Calibration.Parameter] = []
    var rows: [[Double]] = []
    for var entry in try entries(&reader, "parameters") {
      parameters.append(
        Calibration.Parameter(
          name: try entry.string("name"), value: try entry.value("value", Self.number),
          standardError: try entry.value("standard_error", Self.number)))
      let row = try entry.strings("correlations").compactMap(Double.init)
      guard row.count == parameters.count - 1, row.allSatisfy({ abs($0) <= 1 }) else {
        throw entry.error(
          at: "correlations", "this is no list of \(parameters.count - 1) numbers in -1 to 1",
          fix: "give the correlation with each parameter above")
      }
      rows.append(row)
      try entry.finish()
    }
    let correlations = parameters.indices.map { row in
      parameters.indices.map { column in
        row == column ? 1 : rows[max(row, column)][min(row, column)]
      }
    }
    return (parameters, correlations)
  }

  private static func entries(
    _ reader: inout YAMLReader, _ key: String
  ) throws(InputError) -> [YAMLReader] {
    var result: [YAMLReader] = []
    for (index, node) in try reader.items(key).enumerated() {
      result.append(try YAMLReader(node, path: reader.full("\(key)[\(index)]")))
    }
    return result
  }

  /// A list of whole numbers; empty if there is none.
  private static func counts(
    _ reader: inout YAMLReader, _ key: String
  ) throws(InputError) -> [Int] {
    let texts = try reader.strings(key)
    let numbers = texts.compactMap(Int.init)
    guard numbers.count == texts.count else {
      throw reader.error(
        at: key, "this is no list of whole numbers", fix: "write it like [4, 8]")
    }
    return numbers
  }

  static func range(
    _ reader: inout YAMLReader, _ key: String
  ) throws(InputError) -> ClosedRange<Int> {
    let numbers = try reader.strings(key).compactMap(Int.init)
    guard numbers.count == 2, numbers[0] >= 1, numbers[0] <= numbers[1] else {
      throw reader.error(
        at: key, "this is no list of a least and a largest number", fix: "write it like [8, 64]")
    }
    return numbers[0]...numbers[1]
  }

  /// A time in seconds, a rate in bytes per second, or a plain number, whichever is written.
  private static func number(_ text: String) throws(QuantityError) -> Double {
    if let number = Double(text) {
      guard number.isFinite, number >= 0 else {
        throw QuantityError(problem: "'\(text)' is out of range", fix: "write 0 or more")
      }
      return number
    }
    if text.hasSuffix("B/s") { return Double(try Quantity.bandwidth(text).bytesPerSecond) }
    return try Quantity.duration(text).seconds
  }
}
