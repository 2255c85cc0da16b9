internal import CWeftPlan
public import Foundation
public import Weft

/// The file that the runtime loads: a ``RuntimePlan`` in the records of `weft_plan.h`.
///
/// Little-endian, versioned, with a checksum. The same C code checks it here and in the runtime.
public enum PlanFile {
  /// What the header of a checked plan says.
  public struct Summary: Hashable, Sendable {
    /// What runs.
    public var algorithm: String
    /// The protocol it is for.
    public var protocolName: String
    /// The number of ranks.
    public var ranks: Int
    /// The number of ranks on a node.
    public var ranksPerNode: Int
    /// The number of lanes of every rank.
    public var lanes: Int
    /// The slots of every connection.
    public var slots: Int
    /// The different calls of a series.
    public var bodies: Int
    /// The size in elements.
    public var elements: Int
    /// The operations of all calls, ranks and lanes.
    public var operations: Int
  }

  /// The bytes of a plan.
  ///
  /// - Throws: ``InputError`` of kind `usage` if the plan exceeds what the format holds.
  public static func data(_ plan: RuntimePlan) throws(InputError) -> Data {
    var body = Data()
    for buffer in plan.buffers { append(record(buffer), to: &body) }
    for kernel in plan.kernels { append(record(kernel), to: &body) }
    var first: UInt64 = 0
    for operations in plan.bodies.joined() {
      append(weft_plan_run(first: first, count: UInt64(operations.count)), to: &body)
      first += UInt64(operations.count)
    }
    for operation in plan.bodies.joined().joined() { append(record(operation), to: &body) }
    var data = Data()
    append(header(plan, operations: first, bodyBytes: body.count), to: &data)
    data.append(body)
    let checksum = data.withUnsafeBytes { weft_plan_checksum($0.baseAddress, $0.count) }
    let place = MemoryLayout<weft_plan_header>.offset(of: \.checksum) ?? 0
    withUnsafeBytes(of: checksum.littleEndian) {
      data.replaceSubrange((data.startIndex + place)..<(data.startIndex + place + 8), with: $0)
    }
    _ = try check(data, kind: .usage, place: plan.algorithm)
    return data
  }

  /// Reads and checks a plan.
  ///
  /// - Throws: ``InputError``: `missing` if the file cannot be read, `badContent` with what is wrong.
  public static func summary(path: String) throws(InputError) -> Summary {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw InputError(
        .missing, place: path, problem: "no such file",
        fix: "write one with weft schedule export --format plan")
    }
    return try check(data, kind: .badContent, place: path)
  }

  /// Checks the bytes of a plan and says what it is.
  ///
  /// - Throws: ``InputError`` with what is wrong.
  static func check(
    _ data: Data, kind: InputError.Kind, place: String
  ) throws(InputError) -> Summary {
    var problem = [CChar](repeating: 0, count: 256)
    let summary: Summary? = data.withUnsafeBytes { bytes in
      var view = weft_plan_view()
      let status = weft_plan_open(
        bytes.baseAddress, bytes.count, &view, &problem, problem.count)
      guard status == 0, let header = view.header?.pointee else { return nil }
      return Summary(header)
    }
    guard let summary else {
      let text = String(
        decoding: problem.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      throw InputError(
        kind, place: place, problem: "the plan cannot be run: \(text)",
        fix: "write it again with weft schedule export --format plan")
    }
    return summary
  }

  private static func append<Record: BitwiseCopyable>(_ record: Record, to data: inout Data) {
    withUnsafeBytes(of: record) { data.append(contentsOf: $0) }
  }
}

// MARK: - Records

extension PlanFile {
  private static func header(
    _ plan: RuntimePlan, operations: UInt64, bodyBytes: Int
  ) -> weft_plan_header {
    var header = weft_plan_header()
    header.magic = WEFT_PLAN_MAGIC
    header.version = WEFT_PLAN_VERSION
    header.header_bytes = UInt32(MemoryLayout<weft_plan_header>.size)
    header.file_bytes = UInt64(MemoryLayout<weft_plan_header>.size + bodyBytes)
    header.collective = value(of: plan.collective).rawValue
    header.type = value(of: plan.type).rawValue
    header.protocol = value(ofProtocol: plan.protocolName).rawValue
    header.ranks = UInt32(clamping: plan.layout.ranks)
    header.ranks_per_node = UInt32(clamping: plan.layout.ranksPerNode)
    header.lanes = UInt32(clamping: plan.lanes)
    header.bodies = UInt32(clamping: plan.bodies.count)
    header.period = UInt32(clamping: plan.period)
    header.slots = UInt32(clamping: plan.slots)
    header.buffers = UInt32(clamping: plan.buffers.count)
    header.kernels = UInt32(clamping: plan.kernels.count)
    header.elements = UInt64(clamping: plan.elements)
    header.bytes = UInt64(clamping: plan.bytes)
    header.operations = operations
    header.channels = UInt32(clamping: plan.channels)
    set(&header.algorithm, to: plan.algorithm)
    set(&header.protocol_name, to: plan.protocolName)
    return header
  }

  /// The header's value of a collective; a new one does not compile until it has one.
  static func value(of collective: Collective) -> weft_plan_collective {
    switch collective {
    case .allReduce: WEFT_PLAN_ALL_REDUCE
    case .allGather: WEFT_PLAN_ALL_GATHER
    case .reduceScatter: WEFT_PLAN_REDUCE_SCATTER
    case .broadcast: WEFT_PLAN_BROADCAST
    case .reduce: WEFT_PLAN_REDUCE_TO_ROOT
    case .allToAll: WEFT_PLAN_ALL_TO_ALL
    }
  }

  /// The header's value of a type; plans have no others than those named.
  private static func value(of type: DataType) -> weft_plan_type {
    switch type {
    case .fp16: WEFT_PLAN_FP16
    case .bf16: WEFT_PLAN_BF16
    case .int32: WEFT_PLAN_INT32
    case .fp32, .fp8, .int8: WEFT_PLAN_FP32
    }
  }

  private static func value(ofProtocol name: String) -> weft_plan_protocol {
    switch name {
    case "ll", "ll8": WEFT_PLAN_LL
    case "ll128": WEFT_PLAN_LL128
    default: WEFT_PLAN_SIMPLE
    }
  }

  private static func record(_ buffer: Weft.Buffer) -> weft_plan_buffer {
    var record = weft_plan_buffer()
    set(&record.name, to: buffer.name)
    record.role =
      switch buffer.role {
      case .input: WEFT_PLAN_INPUT.rawValue
      case .output: WEFT_PLAN_OUTPUT.rawValue
      case .inPlace: WEFT_PLAN_IN_PLACE.rawValue
      case .scratch: WEFT_PLAN_SCRATCH.rawValue
      }
    record.storage =
      switch buffer.storage {
      case .plain: WEFT_PLAN_PLAIN.rawValue
      case .flaggedCells: WEFT_PLAN_FLAGGED_CELLS.rawValue
      }
    record.elements = UInt64(clamping: buffer.elements)
    return record
  }

  private static func record(_ kernel: Weft.Kernel) -> weft_plan_kernel {
    var record = weft_plan_kernel()
    set(&record.name, to: kernel.name)
    record.fills_device = kernel.grid == .device ? 1 : 0
    record.own_stream = kernel.hasOwnStream ? 1 : 0
    return record
  }

  private static func record(_ port: Weft.Port) -> weft_plan_port {
    weft_plan_port(peer: port.peer, lane: port.lane, tag: port.tag)
  }

  private static func record(_ operation: Weft.Operation) -> weft_plan_operation {
    var record = weft_plan_operation()
    record.kind = operation.kind.rawValue
    if operation.kind == .transfer { record.actions = operation.actions.rawValue }
    record.source_buffer = operation.source.buffer
    record.addend_buffer = operation.addend.buffer
    record.destination_buffer = operation.destination.buffer
    record.from = self.record(operation.from)
    record.to = self.record(operation.to)
    record.source_offset = Int64(operation.source.offset)
    record.addend_offset = Int64(operation.addend.offset)
    record.destination_offset = Int64(operation.destination.offset)
    record.count = Int64(operation.count)
    return record
  }

  /// Copies a name into an array of C characters, cut so that a zero follows it.
  private static func set<Characters: BitwiseCopyable>(
    _ characters: inout Characters, to text: String
  ) {
    withUnsafeMutableBytes(of: &characters) { bytes in
      let name = Array(text.utf8.prefix(bytes.count - 1))
      bytes.copyBytes(from: name)
    }
  }
}

extension PlanFile.Summary {
  init(_ header: weft_plan_header) {
    func text<Characters: BitwiseCopyable>(_ characters: Characters) -> String {
      withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    algorithm = text(header.algorithm)
    protocolName = text(header.protocol_name)
    ranks = Int(header.ranks)
    ranksPerNode = Int(header.ranks_per_node)
    lanes = Int(header.lanes)
    slots = Int(header.slots)
    bodies = Int(header.bodies)
    elements = Int(header.elements)
    operations = Int(header.operations)
  }
}
