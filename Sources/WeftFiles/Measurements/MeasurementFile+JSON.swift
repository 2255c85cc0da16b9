extension MeasurementFile {
  /// Reads the JSON file of nccl-tests (`-J`), whole or a list of such objects.
  ///
  /// Its truth values are the texts "true" and "false", times may be the text "nan", and a side that
  /// was not run is null.
  mutating func readNCCLTestsJSON(_ document: YAMLDocument) throws(InputError) {
    columns = [
      "gpu", "gpus_per_node", "nodes", "ranks", "library", "version", "collective", "dtype",
      "launch", "inplace", "environment", "size_bytes", "time_us",
    ]
    if case .sequence(let objects) = document.root.content {
      for object in objects { try readTest(object) }
    } else {
      try readTest(document.root)
    }
  }

  private mutating func readTest(_ root: YAMLNode) throws(InputError) {
    guard case .sequence(let results)? = root["results"]?.content else {
      throw InputError(
        .badContent, place: root.origin.place,
        problem: "the JSON has no list 'results', as nccl-tests writes it",
        fix: "give a file of nccl-tests' -J, NCCL Inspector's JSON lines, or a measurement CSV")
    }
    let shared = sharedCells(root)
    for result in results {
      let line = result.line
      guard let size = result["size"]?.text.flatMap(Double.init).flatMap(Int.init(exactly:)),
        size > 0
      else {
        refuse(line, "the message is empty, or its size is no whole number")
        continue
      }
      for (side, name) in ["out_of_place", "in_place"].enumerated() {
        guard let values = result[name], !values.isNull else { continue }
        let place = side == 0 ? "out of place" : "in place"
        guard let text = values["time"]?.text else {
          refuse(
            line,
            values["cpu_time"] == nil
              ? "\(place): there is no time"
              : "\(place): the time is that of the host (-C), not of the collective")
          continue
        }
        if let wrong = values["nwrong"]?.text.flatMap(Double.init), wrong > 0 {
          refuse(line, "\(place): \(Int(wrong)) elements of the result are wrong")
          continue
        }
        var cells = shared
        cells["dtype"] = result["type"]?.text
        cells["inplace"] = String(side)
        add(size: size, time: text, place: place, line: line, cells: cells)
      }
    }
  }

  /// What all results of a test have in common.
  private func sharedCells(_ root: YAMLNode) -> [String: String] {
    var cells = ["library": "nccl"]
    cells["version"] = root["nccl_version"]?.text.map { text in
      Int(text).map(NCCLTest.version) ?? text
    }
    let arguments = root["args"]?.texts ?? []
    cells["collective"] =
      arguments.first.flatMap { Self.collective(in: $0) } ?? Self.collective(in: file)
    let variables = (root["env"]?.texts ?? []).filter { text in
      ["NCCL_", "FI_", "OMPI_", "UCX_"].contains { text.hasPrefix($0) }
    }
    if !variables.isEmpty { cells["environment"] = variables.sorted().joined(separator: " ") }
    let configuration = root["config"]
    if let graph = configuration?["graph"]?.text {
      cells["launch"] = graph == "0" || graph == "false" ? "eager" : "graph"
    }
    if case .sequence(let devices)? = configuration?["devices"]?.content, !devices.isEmpty {
      let nodes = Set(devices.compactMap { $0["hostname"]?.text }).count
      cells["gpu"] = devices.compactMap { $0["device_info"]?.text }.first
      cells["ranks"] = String(devices.count)
      cells["nodes"] = String(max(1, nodes))
      if devices.count % max(1, nodes) == 0 {
        cells["gpus_per_node"] = String(devices.count / max(1, nodes))
      }
    }
    return cells
  }

  // MARK: - NCCL Inspector

  /// Reads the JSON lines of NCCL's Inspector: one per rank and call, or per rank and summary.
  ///
  /// A call is as long as on its slowest rank of those in the file.
  mutating func readInspector(_ text: String) throws(InputError) {
    struct Call: Hashable {
      var communicator: String
      var name: String
      var number: String
    }
    columns = [
      "nodes", "ranks", "gpus_per_node", "library", "version", "collective", "size_bytes",
      "time_us",
    ]
    var order: [Call] = []
    var slowest: [Call: Measurement] = [:]
    var number = 0
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      guard !line.trimmed.isEmpty else { continue }
      let root: YAMLNode
      do {
        root = try YAMLDocument(text: String(line), file: file).root
      } catch {
        refuse(number, "this is no JSON object")
        continue
      }
      guard let values = root["coll_perf"] else {
        refuse(number, "the line has no coll_perf")
        continue
      }
      guard let name = values["coll"]?.text, let time = values["coll_exec_time_us"]?.text,
        let size = values["coll_msg_size_bytes"]?.text.flatMap(Int.init)
      else {
        refuse(number, "coll, coll_msg_size_bytes or coll_exec_time_us is missing")
        continue
      }
      guard size > 0 else {
        refuse(number, "the message is empty")
        continue
      }
      guard let microseconds = MeasuredTime.microseconds(time) else {
        refuse(number, "coll_exec_time_us " + MeasuredTime.refusal(of: time))
        continue
      }
      let header = root["header"]
      let call = Call(
        communicator: header?["id"]?.text ?? "", name: name,
        number: values["coll_sn"]?.text ?? "line \(number)")
      var row = Measurement(
        file: file, line: number, bytes: size, microseconds: microseconds,
        cells: ["library": "nccl", "collective": Self.inspectorName(name)])
      row.cells["size_bytes"] = String(size)
      row.cells["time_us"] = time
      row.cells["version"] = root["metadata"]?["nccl_version"]?.text
      row.ranks = header?["n_ranks"]?.text.flatMap(Int.init)
      row.nodes = header?["nnodes"]?.text.flatMap(Int.init)
      row.cells["ranks"] = row.ranks.map { String($0) }
      row.cells["nodes"] = row.nodes.map { String($0) }
      if let old = slowest[call] {
        if microseconds > old.microseconds { slowest[call] = row }
      } else {
        order.append(call)
        slowest[call] = row
      }
    }
    for row in order.compactMap({ slowest[$0] }) {
      if let reason = Self.implausible(
        microseconds: row.microseconds, bytes: row.bytes, ranks: row.ranks)
      {
        refuse(row.line, reason)
      } else {
        measurements.append(row)
      }
    }
  }

  /// `AllReduce` is `all-reduce`.
  private static func inspectorName(_ name: String) -> String {
    var result = ""
    for character in name {
      if character.isUppercase && !result.isEmpty { result += "-" }
      result += character.lowercased()
    }
    return result
  }

  // MARK: - OSU

  /// Whether a line is the first of a table of the OSU micro-benchmarks.
  static func isOSUTitle(_ line: some StringProtocol) -> Bool {
    let words = line.split { $0.isWhitespace }
    return words.count > 3 && words[0] == "#" && words[1] == "OSU"
  }

  /// Reads tables of the OSU micro-benchmarks, one or several after each other.
  ///
  /// The tables do not name ranks and nodes. Sizes of all-gather, reduce-scatter and all-to-all are
  /// those of one rank's part, which cannot be told in nccl-tests' terms without the ranks.
  mutating func readOSU(_ text: String) throws(InputError) {
    columns = ["library", "collective", "launch", "size_bytes", "time_us"]
    var name: String?
    var library: String?
    var number = 0
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      let words = line.split { $0.isWhitespace }.map(String.init)
      if Self.isOSUTitle(line) {
        library = words[2].uppercased().hasPrefix("NCCL") ? "nccl" : nil
        name = words.dropFirst(2).lazy.compactMap { Self.osuNames[$0.lowercased()] }.first
        if !words.contains("Latency") {
          refuse(number, "the table '\(words.dropFirst().joined(separator: " "))' has no times")
          name = nil
        }
        continue
      }
      guard let first = words.first, let size = Int(first), words.count >= 2 else { continue }
      guard let name else {
        refuse(number, "the table is of nothing that Weft times")
        continue
      }
      guard !Self.osuParts.contains(name) else {
        refuse(
          number, "OSU's sizes of \(name) are those of a part, and the table does not say the ranks"
        )
        continue
      }
      var cells = ["collective": name, "launch": "eager"]
      cells["library"] = library
      add(size: size, time: words[1], place: "the average", line: number, cells: cells)
    }
  }

  private static let osuNames = [
    "allreduce": "all-reduce", "allgather": "all-gather", "alltoall": "all-to-all",
    "reduce_scatter": "reduce-scatter", "bcast": "broadcast", "broadcast": "broadcast",
    "reduce": "reduce",
  ]
  private static let osuParts: Set = ["all-gather", "reduce-scatter", "all-to-all"]

  // MARK: - Rows

  private mutating func refuse(_ line: Int, _ reason: String) {
    unusable.append(UnusableRow(file: file, line: line, reason: reason))
  }

  private mutating func add(
    size: Int, time text: String, place: String, line: Int, cells: [String: String]
  ) {
    guard size > 0 else { return refuse(line, "the message is empty") }
    guard let time = MeasuredTime.microseconds(text) else {
      return refuse(line, "\(place): " + MeasuredTime.refusal(of: text))
    }
    var row = Measurement(file: file, line: line, bytes: size, microseconds: time, cells: cells)
    row.cells["size_bytes"] = String(size)
    row.cells["time_us"] = text
    row.ranks = cells["ranks"].flatMap { Int($0) }
    row.nodes = cells["nodes"].flatMap { Int($0) }
    row.gpusPerNode = cells["gpus_per_node"].flatMap { Int($0) }
    row.inPlace = cells["inplace"].map { $0 == "1" }
    if let reason = Self.implausible(microseconds: time, bytes: size, ranks: row.ranks) {
      return refuse(line, reason)
    }
    measurements.append(row)
  }
}

extension YAMLNode {
  /// The line in its file; 1 if it has none.
  fileprivate var line: Int {
    if case .file(_, let line) = origin { line } else { 1 }
  }

  /// The texts of a list; nil if this is none.
  fileprivate var texts: [String]? {
    guard case .sequence(let nodes) = content else { return nil }
    return nodes.compactMap(\.text)
  }
}
