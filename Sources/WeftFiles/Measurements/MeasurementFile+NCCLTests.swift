extension MeasurementFile {
  /// Whether a line names the columns of nccl-tests' table.
  static func isColumnHead(_ line: some StringProtocol) -> Bool {
    line.trimmed.hasPrefix("#") && columnHeads(line).starts(with: ["size", "count", "type"])
  }

  /// The first line that is a row of nccl-tests' table: a size, a count, a type and their times.
  static func headlessRow(_ text: String) -> Int? {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    return lines.firstIndex { line in
      // Rows of a CSV, of which there may be many, are known at once.
      guard line.drop(while: \.isWhitespace).first?.isNumber == true, !line.contains(",") else {
        return false
      }
      let words = line.split { $0.isWhitespace }
      return words.count > 8 && words[0].allSatisfy(\.isNumber) && words[1].allSatisfy(\.isNumber)
        && words[2].first?.isLetter == true
    }.map { $0 + 1 }
  }

  private static func columnHeads(_ line: some StringProtocol) -> [String] {
    String(line).split { $0.isWhitespace }.map(String.init).filter { $0 != "#" }
  }

  /// Reads what nccl-tests prints, of one test or of several after each other.
  ///
  /// Lines that are neither comments nor begin with a size are of other programs and ignored. A time
  /// of `N/A` says that the test has no such side, so it is no row. Rows of a test that does not say
  /// what ran, and on which GPUs, tell nothing; if there are no others, that is the error.
  mutating func readNCCLTests(_ text: String) throws(InputError) {
    columns = [
      "system", "gpu", "gpus_per_node", "nodes", "ranks", "library", "version", "collective",
      "dtype", "launch", "inplace", "size_bytes", "time_us",
    ]
    var test = NCCLTest(file: file)
    var number = 0
    var nameless: InputError?
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      let words = line.split { $0.isWhitespace }.map(String.init)
      guard let first = words.first else { continue }
      if first.hasPrefix("#") {
        if test.isOver(at: words) {
          let lacking = finish(test)
          nameless = nameless ?? lacking
          test = NCCLTest(file: file)
        }
        if Self.isColumnHead(line) {
          test.heads = Self.columnHeads(line)
          test.headLine = number
        }
        test.read(comment: words)
      } else if first.allSatisfy(\.isNumber) && !test.heads.isEmpty {
        test.read(row: words, line: number)
      }
    }
    let lacking = finish(test)
    if measurements.isEmpty, let lacking = nameless ?? lacking { throw lacking }
  }

  /// Adds the rows of a test, which knows its collective and its ranks only at its end.
  ///
  /// - Returns: What the test lacks of that, so that its rows are unusable; nil if it has it, or no
  ///   row.
  private mutating func finish(_ test: NCCLTest) -> InputError? {
    unusable += test.unusable
    guard !test.rows.isEmpty else { return nil }
    // Early versions do not print the test's name, but people name files by it.
    let collective = test.collective ?? Self.collective(in: file)
    if let lacking = test.lacking(collective: collective) {
      unusable += test.rows.map {
        UnusableRow(
          file: file, line: $0.line, reason: "\(lacking.problem); \(lacking.fix ?? "")")
      }
      return lacking
    }
    let ranks = test.hosts.count
    let nodes = Set(test.hosts).count
    var shared = ["library": "nccl"]
    shared["version"] = test.version
    shared["collective"] = collective
    shared["gpu"] = test.gpu
    shared["launch"] = test.launch
    shared["ranks"] = String(ranks)
    shared["nodes"] = String(nodes)
    let perNode = ranks % nodes == 0 ? ranks / nodes : nil
    shared["gpus_per_node"] = perNode.map { String($0) }
    for row in test.rows {
      var row = row
      row.cells.merge(shared) { own, _ in own }
      row.ranks = ranks
      row.nodes = nodes
      row.gpusPerNode = perNode
      if let reason = Self.implausible(
        microseconds: row.microseconds, bytes: row.bytes, ranks: row.ranks)
      {
        unusable.append(UnusableRow(file: file, line: row.line, reason: reason))
      } else {
        measurements.append(row)
      }
    }
    return nil
  }

  /// The collective of a name such as `all_reduce_perf`; nil if it names none.
  static func collective(in name: String) -> String? {
    let last = name.split(separator: "/").last ?? ""
    let plain = String(last.map { $0 == "-" ? "_" : $0 })
    let known = ["all_reduce", "all_gather", "reduce_scatter", "broadcast", "alltoall", "reduce"]
    return known.first { plain.contains($0) }.map(NCCLTest.collectiveName)
  }
}

/// One test of nccl-tests' output, read line by line.
struct NCCLTest {
  let file: String
  var heads: [String] = []
  /// The line of the heads.
  var headLine = 0
  var version: String?
  var collective: String?
  var gpu: String?
  var launch: String?
  /// The host of every rank.
  var hosts: [String] = []
  var rows: [Measurement] = []
  var unusable: [UnusableRow] = []

  init(file: String) {
    self.file = file
  }

  /// Whether a comment begins another test.
  func isOver(at words: [String]) -> Bool {
    !rows.isEmpty && (words.contains("nThread") || words.contains("nccl-tests"))
  }

  /// What no row says and the lines above the table do not either, with lines that would; nil if they
  /// say all.
  func lacking(collective: String?) -> InputError? {
    var problems: [String] = []
    var lines: [String] = []
    if collective == nil {
      problems.append("which test ran")
      lines.append(
        "'# Collective test starting: all_reduce_perf' (or the test that ran; a file named after it "
          + "will do too)")
    }
    if hosts.isEmpty {
      problems.append("on which GPUs")
      lines.append("'# Rank 0 on HOST device 0' for every rank")
    }
    guard !problems.isEmpty else { return nil }
    return InputError(
      .badContent, place: "\(file):\(headLine)",
      problem: "no line above the table says " + problems.joined(separator: " and "),
      fix: "put back above it " + lines.joined(separator: " and "))
  }

  mutating func read(comment words: [String]) {
    for word in words {
      for key in ["nccl-headers=", "nccl-library="] where word.hasPrefix(key) {
        version = Int(word.dropFirst(key.count)).map(Self.version) ?? version
      }
    }
    if let test = word(after: "starting:", in: words) ?? word(after: "concluded:", in: words) {
      collective = Self.collectiveName(test)
    }
    if let graph = word(after: "graph:", in: words).flatMap(Int.init) {
      launch = graph > 0 ? "graph" : "eager"
    }
    if words.contains("Rank"), words.contains("device"), let host = word(after: "on", in: words) {
      hosts.append(host)
      if let bus = words.firstIndex(where: { $0.hasPrefix("[") }) {
        gpu = words[(bus + 1)...].joined(separator: " ")
      }
    }
  }

  private func word(after key: String, in words: [String]) -> String? {
    guard let index = words.firstIndex(of: key), index + 1 < words.count else { return nil }
    return words[index + 1]
  }

  mutating func read(row words: [String], line: Int) {
    var words = words
    // Some versions leave the operation blank where there is none.
    if let redop = heads.firstIndex(of: "redop"), redop < words.count, Double(words[redop]) != nil {
      words.insert("", at: redop)
    }
    let times = heads.indices.filter { ["time", "cputime"].contains(heads[$0]) }
    guard let size = Int(words[0]), size > 0 else {
      return refuse(line, "the message is empty")
    }
    guard let last = times.last, words.count > last else {
      return refuse(line, "the row has \(words.count) columns, the head \(heads.count)")
    }
    for (side, index) in times.enumerated() where words[index] != "N/A" {
      let place = side == 0 ? "out of place" : "in place"
      guard heads[index] == "time" else {
        refuse(line, "\(place): the time is that of the host (-C), not of the collective")
        continue
      }
      guard let time = MeasuredTime.microseconds(words[index]) else {
        refuse(line, "\(place): " + MeasuredTime.refusal(of: words[index]))
        continue
      }
      let end = side + 1 < times.count ? times[side + 1] : heads.count
      if let wrong = heads[index..<end].firstIndex(of: "#wrong"), wrong < words.count,
        let count = Int(words[wrong]), count > 0
      {
        refuse(line, "\(place): \(count) elements of the result are wrong")
        continue
      }
      var row = Measurement(
        file: file, line: line, bytes: size, microseconds: time,
        cells: [
          "dtype": words[2], "inplace": String(side), "size_bytes": words[0],
          "time_us": words[index],
        ])
      row.inPlace = side == 1
      rows.append(row)
    }
  }

  private mutating func refuse(_ line: Int, _ reason: String) {
    unusable.append(UnusableRow(file: file, line: line, reason: reason))
  }

  /// NCCL's version of its code: 22703 is 2.27.3, and 2708, of before 2.9, is 2.7.8.
  static func version(_ code: Int) -> String {
    let unit = code >= 10_000 ? 10_000 : 1_000
    return "\(code / unit).\(code % unit / 100).\(code % 100)"
  }

  /// Weft's name of a test: `all_reduce_perf` is `all-reduce`.
  static func collectiveName(_ test: String) -> String {
    var name = test
    if name.hasSuffix("_perf") { name.removeLast("_perf".count) }
    return name == "alltoall" ? "all-to-all" : String(name.map { $0 == "_" ? "-" : $0 })
  }
}
