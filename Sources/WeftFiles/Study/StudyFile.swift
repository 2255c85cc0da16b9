/// A study: one request, what varies in it, and what is sought.
///
///     name: latency-of-a-network
///     title: How much latency a decode step bears
///     command: predict
///     base: {topology: flat, model: llama-3.1-405b, gpus: 64, plan: tp}
///     axes:
///       network.latency: {from: 0.5 us, to: 8 us, steps: 5, scale: log}
///       all-reduce: [nccl, nvrar]
///     require: [fits == true]
///     objectives: [{minimize: tpot_ms}]
///
/// A path without a dot is an option of the command, as its flag is called; any other is a value of
/// the topology, as `--set` takes it. What the values mean is the reader's business.
public struct StudyFile: Sendable {
  /// The commands that a study repeats.
  public enum Command: String, CaseIterable, Sendable {
    /// One collective call.
    case simulate
    /// One inference of a language model.
    case predict
  }

  /// A value for a path.
  public struct Setting: Sendable {
    /// An option's name, or the dotted path of a topology's value.
    public var path: String
    /// The value, as a flag would have it.
    public var value: String
    /// Where it is written.
    public var origin: YAMLNode.Origin
  }

  /// What is to be made small or large.
  public struct Objective: Hashable, Sendable {
    /// The name of a result, such as `tpot_ms`.
    public var metric: String
    /// Whether larger is better.
    public var isMaximized: Bool
    /// Where it is written.
    public var origin: YAMLNode.Origin
  }

  /// What the machine costs in an hour, in any one currency.
  public struct Prices: Hashable, Sendable {
    /// The price of a GPU and its share of the node.
    public var gpuHour = 0.0
    /// The price of a network port, whatever its rate.
    public var linkHour = 0.0
    /// The price of each GB/s of a network port.
    public var linkGBpsHour = 0.0
  }

  /// How points are chosen.
  public enum Sampling: Hashable, Sendable {
    /// Every combination of the axes' values.
    case grid
    /// So many points, each axis cut into as many strata (McKay, Beckman and Conover 1979).
    case latinHypercube(points: Int)
    /// So many points of Sobol's sequence.
    case sobol(points: Int)
  }

  /// Where further points go once the first are known.
  public enum Refinement: Hashable, Sendable {
    /// Between neighbours on the Pareto front.
    case pareto(points: Int)
    /// Along an axis, to where another value of `axis` becomes the best.
    case crossover(points: Int, of: String, along: String, by: String?)
  }

  /// How the decision map is laid out; what is nil is chosen by its reader.
  public struct Decision: Hashable, Sendable {
    /// The axis whose best value is sought.
    public var choose: String?
    /// The axis of the rows.
    public var rows: String?
    /// The axis of the columns.
    public var columns: String?
    /// The result that decides.
    public var metric: String?
  }

  /// The file as the user named it.
  public let file: String
  /// The whole text.
  public let text: String
  /// The short name.
  public let name: String
  /// What the study asks, in one line.
  public let title: String
  /// The command that is repeated.
  public let command: Command
  /// What all points share.
  public let base: [Setting]
  /// What varies, the first slowest.
  public let axes: [Axis]
  /// What points, or their results, must meet.
  public let conditions: [Condition]
  /// What is sought; may be empty.
  public let objectives: [Objective]
  /// What the machine costs; nil if that is not asked.
  public let prices: Prices?
  /// How points are chosen.
  public let sampling: Sampling
  /// The seed of random points.
  public let seed: UInt64
  /// Where further points go; nil for none.
  public let refinement: Refinement?
  /// How decisions are laid out.
  public let decision: Decision

  /// Reads a study.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` with the line of
  ///   what is wrong.
  public init(path: String) throws(InputError) {
    self = try StudyFile(text: try TextFile.read(path), file: path)
  }

  /// Reads a study from its text; `file` is what errors name.
  ///
  /// - Throws: ``InputError`` of kind `badContent` with the line of what is wrong.
  public init(text: String, file: String) throws(InputError) {
    var reader = try YAMLDocument(text: text, file: file).reader()
    self.file = file
    self.text = text
    if try reader.optionalString("kind") == "headlines" {
      throw reader.error(
        at: "kind", "this study compares predictions with published headlines",
        fix: "run weft predict --study with it")
    }
    name = try reader.string("name")
    title = try reader.optionalString("title") ?? name
    command = try reader.choice("command", of: Command.self)
    base = try Self.settings(try reader.requiredNode("base"), path: "base")
    axes = try Self.axes(try reader.requiredNode("axes"))
    conditions = try Self.conditions(&reader)
    objectives = try Self.objectives(&reader)
    prices = try Self.prices(&reader)
    (sampling, seed) = try Self.sampling(&reader)
    refinement = try Self.refinement(&reader)
    decision = try Self.decision(&reader)
    try reader.finish()
    try check()
  }
}

// MARK: - Parts

extension StudyFile {
  /// The most points that a study may ask for.
  public static let largest = 10_000_000

  /// Reads `path: value` lines.
  static func settings(_ node: YAMLNode, path: String) throws(InputError) -> [Setting] {
    guard case .mapping(let entries) = node.content else {
      throw InputError(
        .badContent, place: node.origin.place, problem: "'\(path)' is \(node.kindName)",
        fix: "write 'option: value' lines under '\(path):'")
    }
    var settings: [Setting] = []
    for entry in entries {
      guard let text = entry.value.text else {
        throw InputError(
          .badContent, place: entry.value.origin.place,
          problem: "'\(entry.key)' is \(entry.value.kindName), not a single value",
          fix: entry.value.isNull
            ? "write a value after it"
            : "name a value of the topology by its dotted path, such as 'network.latency: 2 us'; "
              + "what varies belongs under 'axes'")
      }
      settings.append(Setting(path: entry.key, value: text, origin: entry.value.origin))
    }
    return settings
  }

  private static func axes(_ node: YAMLNode) throws(InputError) -> [Axis] {
    guard case .mapping(let entries) = node.content, !entries.isEmpty else {
      throw InputError(
        .badContent, place: node.origin.place, problem: "'axes' names nothing that varies",
        fix: "write lines like 'nodes: [2, 4, 8]' under 'axes:'")
    }
    var axes: [Axis] = []
    for entry in entries { axes.append(try Axis(entry)) }
    return axes
  }

  private static func conditions(_ reader: inout YAMLReader) throws(InputError) -> [Condition] {
    var conditions: [Condition] = []
    for node in try reader.items("require") {
      guard let text = node.text else {
        throw InputError(
          .badContent, place: node.origin.place, problem: "a condition is \(node.kindName)",
          fix: "write it like '- tpot_ms <= 50'")
      }
      conditions.append(try Condition(text, origin: node.origin))
    }
    return conditions
  }

  private static func objectives(_ reader: inout YAMLReader) throws(InputError) -> [Objective] {
    var objectives: [Objective] = []
    for node in try reader.items("objectives") {
      guard case .mapping(let entries) = node.content, entries.count == 1,
        let entry = entries.first,
        ["minimize", "maximize"].contains(entry.key), let metric = entry.value.text
      else {
        throw InputError(
          .badContent, place: node.origin.place, problem: "this is no objective",
          fix: "write it like '- minimize: tpot_ms' or '- maximize: tokens_per_s_per_gpu'")
      }
      objectives.append(
        Objective(metric: metric, isMaximized: entry.key == "maximize", origin: node.origin))
    }
    return objectives
  }

  private static func prices(_ reader: inout YAMLReader) throws(InputError) -> Prices? {
    guard var mapping = try reader.optionalMapping("prices") else { return nil }
    var prices = Prices()
    prices.gpuHour = try mapping.optionalNumber("gpu_hour", in: 0...1e6) ?? 0
    prices.linkHour = try mapping.optionalNumber("link_hour", in: 0...1e6) ?? 0
    prices.linkGBpsHour = try mapping.optionalNumber("link_GBps_hour", in: 0...1e6) ?? 0
    try mapping.finish()
    return prices
  }

  private static func sampling(
    _ reader: inout YAMLReader
  ) throws(InputError) -> (Sampling, UInt64) {
    guard var mapping = try reader.optionalMapping("sampling") else { return (.grid, 0) }
    let method = try mapping.choice("method", among: ["grid", "latin-hypercube", "sobol"])
    let seed = UInt64(try mapping.optionalInteger("seed", in: 0...Int.max) ?? 0)
    let sampling: Sampling
    switch method {
    case "latin-hypercube":
      sampling = .latinHypercube(points: try mapping.integer("points", in: 1...largest))
    case "sobol": sampling = .sobol(points: try mapping.integer("points", in: 1...largest))
    default: sampling = .grid
    }
    try mapping.finish()
    return (sampling, seed)
  }

  private static func refinement(_ reader: inout YAMLReader) throws(InputError) -> Refinement? {
    guard var mapping = try reader.optionalMapping("refine") else { return nil }
    let toward = try mapping.choice("toward", among: ["pareto", "crossover"])
    let points = try mapping.integer("points", in: 1...largest)
    var refinement = Refinement.pareto(points: points)
    if toward == "crossover" {
      refinement = .crossover(
        points: points, of: try mapping.string("of"), along: try mapping.string("along"),
        by: try mapping.optionalString("by"))
    }
    try mapping.finish()
    return refinement
  }

  private static func decision(_ reader: inout YAMLReader) throws(InputError) -> Decision {
    guard var mapping = try reader.optionalMapping("decide") else { return Decision() }
    let decision = Decision(
      choose: try mapping.optionalString("choose"), rows: try mapping.optionalString("rows"),
      columns: try mapping.optionalString("columns"), metric: try mapping.optionalString("by"))
    try mapping.finish()
    return decision
  }
}

// MARK: - Checks across parts

extension StudyFile {
  /// An error in the file as a whole.
  private func wrong(_ origin: YAMLNode.Origin?, _ problem: String, fix: String) -> InputError {
    InputError(.badContent, place: origin?.place ?? file, problem: problem, fix: fix)
  }

  private func check() throws(InputError) {
    var owners: [String: String] = [:]
    for axis in axes {
      for path in axis.paths {
        if let owner = owners.updateValue(axis.name, forKey: path), owner != axis.name {
          throw wrong(
            axis.origin, "the axes '\(owner)' and '\(axis.name)' both set \(path)",
            fix: "let one axis set it")
        }
      }
    }
    try checkGrid()
    let names = axes.map(\.name)
    func known(_ name: String?, _ key: String) throws(InputError) {
      guard let name, !names.contains(name) else { return }
      throw wrong(
        nil, "\(key): there is no axis '\(name)'",
        fix: "the axes are " + names.joined(separator: ", "))
    }
    try known(decision.choose, "decide.choose")
    try known(decision.rows, "decide.rows")
    try known(decision.columns, "decide.columns")
    switch refinement {
    case .crossover(_, let axis, let along, _):
      try known(axis, "refine.of")
      try known(along, "refine.along")
      guard case .range = axes.first(where: { $0.name == along })?.values, axis != along else {
        throw wrong(
          nil, "refine.along: there is nothing between the values of '\(along)'",
          fix: "make it a range, like {from: 8, to: 128M, factor: 4}")
      }
    case .pareto where objectives.isEmpty:
      throw wrong(
        nil, "refine.toward: a Pareto front needs objectives", fix: "add 'objectives:'")
    case .pareto, nil: break
    }
  }

  private func checkGrid() throws(InputError) {
    guard sampling == .grid else { return }
    var count = 1
    for axis in axes {
      guard let steps = axis.steps else {
        throw wrong(
          axis.origin, "the range '\(axis.name)' has no steps, which a grid needs",
          fix: "add steps: N, factor: F or step: S, or sample it with 'sampling:'")
      }
      count = count.multipliedReportingOverflow(by: steps).partialValue
      guard count > 0 && count <= Self.largest else {
        throw wrong(
          axis.origin, "the grid has more than \(Self.largest) points",
          fix: "take fewer values, or sample it with 'sampling: {method: sobol, points: N}'")
      }
    }
  }
}
