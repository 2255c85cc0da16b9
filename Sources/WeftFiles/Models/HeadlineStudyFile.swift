public import Weft

/// A study of headline comparisons: machines x models x workloads x GPU counts, each as tensor
/// parallelism across nodes and as a hybrid, and what was published about them.
public struct HeadlineStudyFile: Sendable {
  /// The short name.
  public let name: String
  /// One line for a person.
  public let title: String
  /// The engine's name.
  public let engine: String
  /// The GPU counts.
  public let gpus: [Int]
  /// The models' names.
  public let models: [String]
  /// The libraries of all-reduces.
  public let libraries: [AllReduceLibrary]
  /// The machines with the hybrid plan of each.
  public let machines: [Machine]
  /// The workloads by name.
  public let workloads: [Workload]
  /// What is assumed, each in one line.
  public let notes: [String]
  /// The published comparisons.
  public let headlines: [Headline]

  /// A machine of a study.
  public struct Machine: Sendable {
    /// The topology's name.
    public var topology: String
    /// The plan with tensor parallelism in the node and pipelining between nodes.
    public var hybrid: String
  }

  /// A workload of a study.
  public struct Workload: Sendable {
    /// What the study calls it.
    public var name: String
    /// The sequences and tokens.
    public var workload: InferenceWorkload
  }

  /// A published comparison.
  public struct Headline: Sendable {
    /// The claim in words.
    public var claim: String
    /// What is compared.
    public var kind: Kind

    /// The kinds of comparison.
    public enum Kind: Sendable {
      /// The best gain of NVRAR over NCCL in one all-reduce, over sizes and GPU counts.
      case allReduceGain(topology: String, published: Double)
      /// The best gain of NVRAR over NCCL in batch latency, over GPU counts unless one is given.
      case latencyGain(
        topology: String, model: String, workload: String, gpus: Int?, published: Double)
      /// Which of the two plans has the lower latency.
      case order(workload: String, tensorWins: Bool)
      /// Whether all-reduces are the largest part of a decode step.
      case allReduceBinds(workload: String)
    }
  }

  /// Reads a study.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` with the line of
  ///   what is wrong.
  public init(path: String) throws(InputError) {
    var reader = try YAMLDocument(path: path).reader()
    guard !reader.contains("command") || reader.contains("kind") else {
      throw reader.error(
        at: "command", "this study is answered by weft explore, not by weft predict",
        fix: "run 'weft explore \(path) --store FILE'")
    }
    let kind = try reader.string("kind")
    guard kind == "headlines" else {
      throw reader.error(
        at: "kind", "'\(kind)' is no study of predictions", fix: "give a file of kind headlines")
    }
    name = try reader.string("name")
    title = try reader.string("title")
    engine = try reader.string("engine")
    gpus = try Self.counts(&reader)
    models = try reader.strings("models")
    var libraries: [AllReduceLibrary] = []
    for text in try reader.strings("all_reduce") {
      guard let library = AllReduceLibrary(rawValue: text) else {
        throw reader.error(
          at: "all_reduce", "'\(text)' is not known",
          fix: "use \(AllReduceLibrary.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      libraries.append(library)
    }
    self.libraries = libraries
    var machines: [Machine] = []
    for node in try reader.items("machines") {
      var item = try YAMLReader(node, path: "machines")
      machines.append(
        Machine(topology: try item.string("topology"), hybrid: try item.string("hybrid")))
      try item.finish()
    }
    self.machines = machines
    var workloads: [Workload] = []
    for node in try reader.items("workloads") {
      workloads.append(try Self.workload(YAMLReader(node, path: "workloads")))
    }
    self.workloads = workloads
    notes = try reader.strings("notes")
    var headlines: [Headline] = []
    for node in try reader.items("headlines") {
      headlines.append(try Self.headline(YAMLReader(node, path: "headlines")))
    }
    self.headlines = headlines
    try reader.finish()
  }

  private static func counts(_ reader: inout YAMLReader) throws(InputError) -> [Int] {
    var counts: [Int] = []
    for text in try reader.strings("gpus") {
      guard let count = Int(text), count > 0 else {
        throw reader.error(
          at: "gpus", "'\(text)' is not a number of GPUs", fix: "write a list like [8, 16]")
      }
      counts.append(count)
    }
    return counts
  }

  private static func workload(_ mapping: YAMLReader) throws(InputError) -> Workload {
    var reader = mapping
    let name = try reader.string("name")
    let (batch, prompt) = (try reader.integer("batch"), try reader.integer("prompt"))
    let decode = try reader.integer("decode")
    try reader.finish()
    do {
      return Workload(
        name: name,
        workload: try InferenceWorkload(batch: batch, prompt: prompt, decode: decode))
    } catch {
      throw reader.error(at: "batch", error.problem, fix: error.fix)
    }
  }

  private static func headline(_ mapping: YAMLReader) throws(InputError) -> Headline {
    var reader = mapping
    let claim = try reader.string("claim")
    let name = try reader.string("kind")
    let kind: Headline.Kind
    switch name {
    case "all-reduce-gain":
      kind = .allReduceGain(
        topology: try reader.string("topology"), published: try published(&reader))
    case "latency-gain":
      kind = .latencyGain(
        topology: try reader.string("topology"), model: try reader.string("model"),
        workload: try reader.string("workload"), gpus: try reader.optionalInteger("gpus"),
        published: try published(&reader))
    case "order":
      let workload = try reader.string("workload")
      let faster = try reader.string("faster")
      guard ["tensor", "hybrid"].contains(faster) else {
        throw reader.error(
          at: "faster", "'\(faster)' is not known", fix: "write tensor or hybrid")
      }
      kind = .order(workload: workload, tensorWins: faster == "tensor")
    case "all-reduce-binds": kind = .allReduceBinds(workload: try reader.string("workload"))
    default:
      throw reader.error(
        at: "kind", "'\(name)' is not known",
        fix: "use all-reduce-gain, latency-gain, order or all-reduce-binds")
    }
    try reader.finish()
    return Headline(claim: claim, kind: kind)
  }

  private static func published(_ reader: inout YAMLReader) throws(InputError) -> Double {
    try reader.number("published", in: 0.01...1000)
  }
}

extension DataDirectory {
  /// The path of a shipped study by its name, or of the user's own.
  ///
  /// - Throws: ``InputError`` of kind `missing`, with the shipped names, if it is neither.
  public func study(_ nameOrPath: String) throws(InputError) -> HeadlineStudyFile {
    let shipped = names(in: "topologies/studies")
    let headlines = shipped.filter { name in
      let document = try? YAMLDocument(path: "\(path)/topologies/studies/\(name).yaml")
      return document?.root["kind"]?.text == "headlines"
    }
    if shipped.contains(nameOrPath) {
      guard headlines.contains(nameOrPath) else {
        throw InputError(
          .usage, problem: "--study \(nameOrPath): this study is answered by weft explore",
          fix: "run 'weft explore \(nameOrPath) --store FILE', or predict one of "
            + headlines.joined(separator: ", "))
      }
      return try HeadlineStudyFile(path: "\(path)/topologies/studies/\(nameOrPath).yaml")
    }
    guard nameOrPath.contains("/") || nameOrPath.hasSuffix(".yaml") else {
      throw InputError(
        .missing, problem: "there is no study '\(nameOrPath)'",
        fix: "shipped are \(headlines.joined(separator: ", ")); or give the path of a file")
    }
    return try HeadlineStudyFile(path: nameOrPath)
  }
}
