/// One measured time of a collective, as a row of a file has it; nil is what the row leaves blank.
public struct Measurement: Hashable, Sendable {
  /// The file as the user named it.
  public var file: String
  /// The line in the file.
  public var line: Int
  /// The GPUs of a node, in use or not.
  public var gpusPerNode: Int?
  /// The number of nodes.
  public var nodes: Int?
  /// The number of ranks.
  public var ranks: Int?
  /// Whether input and output were one buffer.
  public var inPlace: Bool?
  /// The size as nccl-tests counts it.
  public var bytes: Int
  /// The measured time of a call.
  public var microseconds: Double
  /// NVRAR's thread blocks.
  public var blocks: Int?
  /// NVRAR's chunk parameter.
  public var chunk: Int?
  /// The cells that are not blank as they were written, by the name of their column.
  public var cells: [String: String]

  /// Creates a measurement of a size and a time; all else is unknown.
  public init(
    file: String, line: Int, bytes: Int, microseconds: Double, cells: [String: String] = [:]
  ) {
    self.file = file
    self.line = line
    self.bytes = bytes
    self.microseconds = microseconds
    self.cells = cells
  }

  /// The header of a measurement CSV with all columns that Weft reads in every one.
  public static let columns = [
    "system", "gpu", "gpus_per_node", "nodes", "ranks", "interconnect", "library", "version",
    "collective", "algorithm", "protocol", "dtype", "launch", "inplace", "environment",
    "size_bytes", "time_us", "source",
  ]

  /// The columns that hold numbers.
  public static let numericColumns: Set = [
    "gpus_per_node", "nodes", "ranks", "inplace", "size_bytes", "time_us", "num_blocks",
    "chunk_parameter",
  ]
}

// MARK: - Text columns

extension Measurement {
  /// The system that was measured.
  public var system: String? { cells["system"] }
  /// The GPU by its marketing name.
  public var gpu: String? { cells["gpu"] }
  /// The network between nodes, with its software.
  public var interconnect: String? { cells["interconnect"] }
  /// The library that ran, such as `nccl`.
  public var library: String? { cells["library"] }
  /// The library's version.
  public var version: String? { cells["version"] }
  /// The collective, such as `all-reduce`.
  public var collective: String? { cells["collective"] }
  /// The algorithm that was forced or logged.
  public var algorithm: String? { cells["algorithm"] }
  /// The protocol that was forced or logged.
  public var protocolName: String? { cells["protocol"] }
  /// The type of the elements.
  public var dataType: String? { cells["dtype"] }
  /// How kernels were started.
  public var launch: String? { cells["launch"] }
  /// Variables that were set.
  public var environment: String? { cells["environment"] }
  /// Where the row was published.
  public var source: String? { cells["source"] }

  /// Whether the cell of a column has a text in it, in any case; a number must be equal.
  ///
  /// A blank cell holds nothing.
  public func matches(column: String, _ text: String) -> Bool {
    guard let cell = cells[column] else { return false }
    if Self.numericColumns.contains(column), let left = Double(cell), let right = Double(text) {
      return left == right
    }
    return cell.lowercased().contains(text.lowercased())
  }
}

/// A row that cannot be used, with the reason.
public struct UnusableRow: Hashable, Sendable {
  /// The file as the user named it.
  public var file: String
  /// The line in the file.
  public var line: Int
  /// Why, in words.
  public var reason: String

  /// Creates a row with the reason.
  public init(file: String, line: Int, reason: String) {
    self.file = file
    self.line = line
    self.reason = reason
  }
}
