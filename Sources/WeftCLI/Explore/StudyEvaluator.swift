import ArgumentParser
import Weft
import WeftFiles
import WeftStudy

/// Answers the points of a study as the commands themselves would.
///
/// A point's options become the arguments of `weft simulate` or `weft predict`, which parse and
/// check them; what points share, from the parsed options to the planner of a machine, is made once.
struct StudyEvaluator: PointEvaluator {
  let study: Study
  private var machines: MachineCache
  private var forms: [[String?]: Form] = [:]
  private var last: (texts: [String?], form: Form)?
  private var sizes: [String: Int] = [:]
  /// The names that results had so far.
  private var shapes: [ResultShape] = []
  private let topologySlots: [Int]
  private let formSlots: [Int]
  private let sizeSlot: Int?
  private let nodesSlot: Int?

  /// How many machines or forms are kept; studies that sample machines have no two alike.
  private static let kept = 512

  init(_ study: Study) {
    self.study = study
    machines = MachineCache(study)
    func slot(_ path: String) -> Int? { study.slots.firstIndex { $0.path == path } }
    topologySlots = study.slots.indices.filter { study.slots[$0].use == .topology }
    // Sizes and nodes vary most and are read here, so that they make no forms of their own.
    let isSimulated = study.file.command == .simulate
    sizeSlot = isSimulated ? slot("size") : nil
    nodesSlot = isSimulated ? slot("nodes") : nil
    let numbers = [sizeSlot, nodesSlot, slot("topology")].compactMap(\.self)
    formSlots = study.slots.indices.filter {
      study.slots[$0].use == .option && !numbers.contains($0)
    }
  }

  /// The options of a point that are not its size, nodes or machine.
  private final class Form {
    enum Command {
      case simulate(CallRequest, NCCLVersion, gpusPerNode: Int?)
      case predict(PredictCommand, ModelFile, EngineFile)
    }
    let command: Command
    let profile: String?
    let key: ResultKey

    init(command: Command, profile: String?, key: ResultKey) {
      self.command = command
      self.profile = profile
      self.key = key
    }
  }

  /// Everything that decided results so far and is no text of the study.
  var documents: [ResultStore.Document] { machines.documents + others }
  private var others: [ResultStore.Document] = []
}

// MARK: - Points

extension StudyEvaluator {
  mutating func key(_ values: [String]) throws -> ResultKey {
    let texts = study.texts(values)
    do {
      let form = try form(texts)
      var key = form.key
      key.add(try machine(texts, form).key)
      if let nodesSlot { key.add(texts[nodesSlot] ?? "") }
      guard let sizeSlot else { return key }
      let group = key
      key.add(String(try bytes(texts[sizeSlot])))
      return ResultKey(group: group, member: key)
    } catch {
      // A point that is impossible has its texts for a key.
      var key = ResultKey(of: "\(WeftCommand.version) \(study.file.command.rawValue) impossible")
      for (slot, text) in zip(study.slots, texts) {
        key.add(slot.path)
        key.add(text ?? "")
      }
      _ = try Failure.reason(error)
      return key
    }
  }

  mutating func result(_ values: [String]) throws -> StoredResult {
    let texts = study.texts(values)
    do {
      return try record(texts).stored(like: &shapes)
    } catch {
      return Record(["reason": .text(try Failure.reason(error))]).stored(like: &shapes)
    }
  }

  /// Reads all of a point that can be wrong by itself; see ``Study/check()``.
  ///
  /// Where paths are given, axes set only these of the machine's values, and those that decide
  /// which values it has.
  mutating func check(_ values: [String], setting paths: [String]? = nil) throws {
    var texts = study.texts(values)
    if let paths {
      for slot in topologySlots {
        let path = study.slots[slot].path
        if !paths.contains(path), !Study.shapes.contains(path) {
          texts[slot] = study.slots[slot].base
        }
      }
    }
    let form = try form(texts)
    _ = try machine(texts, form)
    if let sizeSlot { _ = try bytes(texts[sizeSlot]) }
    if let nodesSlot { _ = try nodes(texts[nodesSlot]) }
  }

  /// Whether the machine of a point has all values of the topology that some paths lead to.
  mutating func hasValues(at paths: [String], _ values: [String]) -> Bool {
    let own = topologySlots.filter {
      paths.contains(study.slots[$0].path) && !Study.shapes.contains(study.slots[$0].path)
    }
    return own.isEmpty
      || machines.hasValues(
        at: own.map { study.slots[$0].path }, study.texts(values), topologySlots)
  }

  private mutating func record(_ texts: [String?]) throws -> Record {
    let form = try form(texts)
    let machine = try machine(texts, form)
    var record: Record
    switch form.command {
    case .simulate(var request, let version, let gpusPerNode):
      if let sizeSlot { request.call.bytes = try bytes(texts[sizeSlot]) }
      let memory = machine.topology.gpu.memory
      guard request.call.bytes <= memory.bytes else {
        throw Failure(.usage, "\(request.call.bytes) bytes do not fit into a GPU of \(memory)")
      }
      let nodes = try nodesSlot.map { try self.nodes(texts[$0]) } ?? 1
      let planner = try machine.planner(nodes, gpusPerNode, version)
      // A closed form takes no longer than to ask whether there is one.
      if request.network != .analytic {
        try request.check(operations: try request.operations(on: planner), on: planner)
      }
      record = try request.answer(planner).record
    case .predict(let command, let model, let engine):
      record = try machine.prediction(command, model, engine)
    }
    record.append("nics_per_node", .integer(machine.topology.node.nics))
    record.append(
      "link_GBps", .number(Double(machine.topology.network.bandwidth.bytesPerSecond) / 1e9))
    record.append(
      "network_latency_us", .number(machine.topology.network.latency.microseconds))
    return record
  }
}

// MARK: - What points share

extension StudyEvaluator {
  private mutating func machine(
    _ texts: [String?], _ form: Form
  ) throws -> MachineCache.Machine {
    try machines.machine(texts, topologySlots, profile: form.profile)
  }

  private mutating func form(_ texts: [String?]) throws -> Form {
    let own = formSlots.map { texts[$0] }
    if let last, last.texts == own { return last.form }
    if let form = forms[own] {
      last = (own, form)
      return form
    }
    if forms.count >= Self.kept { forms = [:] }
    let form = try parse(own)
    forms[own] = form
    last = (own, form)
    return form
  }

  private mutating func parse(_ texts: [String?]) throws -> Form {
    var key = ResultKey(of: "\(WeftCommand.version) \(study.file.command.rawValue)")
    var arguments = ["--quiet", "--topology", "none"]
    var collective: String?
    var profile: String?
    for (slot, text) in zip(formSlots, texts) {
      guard let text else { continue }
      let path = study.slots[slot].path
      key.add(path)
      key.add(text)
      try Self.checkOption(path, text, study.file.command)
      switch (path, text) {
      case ("collective", _): collective = text
      case ("profile", _): profile = text
      case (_, "true"): arguments.append("--" + path)
      case (_, "false"): break
      default: arguments += ["--" + path, text]
      }
    }
    switch study.file.command {
    case .simulate:
      guard let collective else {
        throw Failure(
          .badContent, "the study's base names no collective",
          fix: "add 'collective: all-reduce' under 'base:'")
      }
      let command = try SimulateCommand.parse([collective] + arguments)
      let (request, version) = try command.request(bytes: 1 << 20)
      return Form(
        command: .simulate(request, version, gpusPerNode: command.machine.gpusPerNode),
        profile: profile, key: key)
    case .predict:
      let command = try PredictCommand.parse(arguments)
      guard let name = command.model else {
        throw Failure(
          .badContent, "the study names no model", fix: "add 'model: NAME' under 'base:'")
      }
      let model = try study.data.model(name)
      let engine = try study.data.engine(command.engine)
      let parameters = Profile.Key.allCases.compactMap { key in
        engine.profile[key].map { "\(key.rawValue) = \($0.value)\n" }
      }
      let documents = [
        ResultStore.Document(kind: "model", name: model.model.name, text: "\(model.model)"),
        ResultStore.Document(
          kind: "engine", name: engine.engine.name,
          text: "\(engine.engine)\n\(parameters.joined())"),
      ]
      for document in documents {
        if !others.contains(document) { others.append(document) }
        key.add(document.hash)
      }
      return Form(command: .predict(command, model, engine), profile: profile, key: key)
    }
  }

  /// Options that say how a command prints, or several values at once, are not a point's.
  private static func checkOption(
    _ path: String, _ text: String, _ command: StudyFile.Command
  ) throws {
    let foreign = [
      "format", "output", "quiet", "timing", "data-dir", "set", "show-topology", "explain", "help",
      "version", "min-bytes", "max-bytes", "step-factor", "trials", "seed",
      "what-if", "measured", "where", "study", "placement", "hostfile", "slow-gpu", "slow-nic",
      "failed-nic", "launch-jitter", "network-jitter",
    ]
    guard !foreign.contains(path) else {
      throw Failure(
        .badContent, "'\(path)' is no option of a point",
        fix: path.hasSuffix("bytes") || path == "step-factor"
          ? "make 'size' an axis, like {from: 8, to: 128M, factor: 2}" : "leave it out")
    }
    guard !text.contains(",") else {
      throw Failure(
        .badContent, "'\(path)' names several values: '\(text)'",
        fix: "make it an axis: '\(path): [\(text)]' under 'axes:'")
    }
  }

  private mutating func bytes(_ text: String?) throws -> Int {
    guard let text else { return 1 << 20 }
    if let known = sizes[text] { return known }
    let bytes: Int
    do {
      bytes = try Quantity.messageSize(text).bytes
    } catch {
      throw Failure(.usage, "size: \(error.problem)", fix: error.fix)
    }
    guard bytes > 0 else {
      throw Failure(.usage, "size: \(text) is not a message", fix: "give at least one byte")
    }
    if sizes.count >= 1 << 16 { sizes = [:] }
    sizes[text] = bytes
    return bytes
  }

  private func nodes(_ text: String?) throws -> Int {
    guard let text else { return 1 }
    guard let nodes = Int(text) else {
      throw Failure(.usage, "nodes: '\(text)' is not a number of nodes", fix: "write it like '4'")
    }
    return nodes
  }
}

extension Failure {
  /// Why a point is impossible, in one line.
  ///
  /// - Throws: The error itself if it is not about the point but about Weft or its surroundings.
  static func reason(_ error: any Error) throws -> String {
    func line(_ problem: String, _ fix: String?) -> String {
      problem + (fix.map { "; " + $0 } ?? "")
    }
    switch error {
    case let failure as Failure where [.usage, .badContent].contains(failure.status):
      return line(failure.problem, failure.fix)
    case let error as InputError where error.kind != .missing:
      return line(error.problem, error.fix)
    case let error as WorkloadError: return error.description
    default:
      guard SimulateCommand.exitCode(for: error) == .validationFailure else { throw error }
      return SimulateCommand.message(for: error)
    }
  }
}
