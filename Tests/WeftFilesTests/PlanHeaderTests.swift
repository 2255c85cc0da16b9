import CWeftPlan
import Testing

@testable import Weft

/// The header that the runtime reads plans with says what Weft says.
@Suite struct PlanHeaderTests {
  /// The header's value of a kind; a new kind does not compile until it has one.
  private func value(of kind: Operation.Kind) -> weft_plan_kind {
    switch kind {
    case .transfer: WEFT_PLAN_TRANSFER
    case .put: WEFT_PLAN_PUT
    case .signal: WEFT_PLAN_SIGNAL
    case .wait: WEFT_PLAN_WAIT
    case .barrier: WEFT_PLAN_BARRIER
    case .kernel: WEFT_PLAN_KERNEL
    }
  }

  @Test func `kinds have the same values`() {
    let kinds = (0...UInt8.max).compactMap(Operation.Kind.init(rawValue:))
    #expect(kinds.count == 6)
    for kind in kinds { #expect(value(of: kind).rawValue == UInt32(kind.rawValue)) }
  }

  @Test func `actions have the same bits`() {
    let pairs: [(Operation.Actions, weft_plan_action)] = [
      (.receive, WEFT_PLAN_RECEIVE), (.reduce, WEFT_PLAN_REDUCE), (.store, WEFT_PLAN_STORE),
      (.send, WEFT_PLAN_SEND),
    ]
    for (action, bit) in pairs { #expect(UInt32(action.rawValue) == bit.rawValue) }
  }

  @Test func `a record holds every operation in its own types`() {
    let port = Port(peer: .init(Int32.max), lane: .init(Int16.max), tag: .init(Int16.min))
    let place = Location(buffer: 15, offset: 1 << 59)
    let operation = Operation(
      .put, actions: [.receive, .send], from: port, to: .none, source: place, count: .max)
    // No conversion but of Int: a field that became wider than the record's would not compile.
    let record = weft_plan_operation(
      kind: operation.kind.rawValue, actions: operation.actions.rawValue,
      source_buffer: operation.source.buffer, addend_buffer: operation.addend.buffer,
      destination_buffer: operation.destination.buffer, reserved: (0, 0, 0),
      from: weft_plan_port(
        peer: operation.from.peer, lane: operation.from.lane, tag: operation.from.tag),
      to: weft_plan_port(peer: operation.to.peer, lane: operation.to.lane, tag: operation.to.tag),
      source_offset: Int64(operation.source.offset), addend_offset: Int64(operation.addend.offset),
      destination_offset: Int64(operation.destination.offset), count: Int64(operation.count))
    #expect(record.source_buffer == 15 && record.source_offset == 1 << 59 && record.count == .max)
    #expect(record.from.lane == .max && record.from.tag == .min)
    // What the header calls an unused port.
    #expect(record.to.peer == -1)
    #expect(MemoryLayout<weft_plan_operation>.stride == 56)
  }

  @Test func `the magic number reads as text in a file`() {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: WEFT_PLAN_MAGIC >> (8 * UInt64($0))) }
    #expect(String(decoding: bytes, as: UTF8.self) == "WEFTPLAN")
    #expect(WEFT_PLAN_VERSION == 1)
  }
}
