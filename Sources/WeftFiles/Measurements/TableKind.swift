/// What a CSV of measured times is of, as its columns show.
enum TableKind {
  /// Collectives, and what shows nothing else.
  case calls
  /// Matrix products.
  case products
  /// Calls of attention.
  case attention
  /// Decode steps.
  case steps
  /// Runs of a serving engine.
  case serving

  /// Tells the kind by columns that others do not have; one may be lacking.
  init(_ columns: [String]) {
    let has = Set(columns)
    if has.contains("size_bytes") {
      self = .calls
    } else if has.intersection(["m", "n", "k"]).count > 1 {
      self = .products
    } else if !has.isDisjoint(with: ["kv_heads", "kv_length", "sequence_length"]) {
      self = .attention
    } else if has.contains("context_or_bytes") || has.isSuperset(of: ["tp", "batch"]) {
      self = .steps
    } else if !has.isDisjoint(with: ["tensor_parallel", "ttft_ms", "tpot_ms"]) {
      self = .serving
    } else {
      self = .calls
    }
  }

  /// Tells the kind of a file by its first line; nil if it cannot be read.
  init?(ofFile path: String) {
    guard let text = try? TextFile.read(path) else { return nil }
    let start = text.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
    self.init(start.prefix { !$0.isNewline }.split(separator: ",").map(\.trimmed))
  }

  /// What such rows are called.
  var name: String {
    switch self {
    case .calls: "collectives"
    case .products: "matrix products"
    case .attention: "attention kernels"
    case .steps: "decode steps"
    case .serving: "a serving engine"
    }
  }

  /// The columns that such a file must have.
  func needed(in header: [String]) -> [String] {
    switch self {
    case .calls: ["size_bytes", "time_us"]
    case .products: ["m", "n", "k", "time_us"]
    case .attention:
      [
        "batch", "query_heads", "kv_heads", "head_dim", Self.lengthColumn(header), "time_us",
      ]
    case .steps: ["tp", "batch", "context_or_bytes", "time_us"]
    case .serving:
      ["tensor_parallel", "concurrency", "prompt_tokens", "output_tokens", "tpot_ms"]
    }
  }

  /// That a file of this kind lacks columns, and how they come about; nil if it has them all.
  func lacking(in header: [String], place: String) -> InputError? {
    let needed = needed(in: header)
    return CSVTable.lacking(needed, in: header).map { lacking in
      InputError(
        .badContent, place: place, problem: "the file has times of \(name), but \(lacking)",
        fix: CSVTable.fix(
          for: needed, in: header,
          otherwise: "give the columns " + needed.joined(separator: ",")))
    }
  }

  /// The column of an attention's tokens.
  static func lengthColumn(_ header: [String]) -> String {
    header.contains("sequence_length") ? "sequence_length" : "kv_length"
  }
}
