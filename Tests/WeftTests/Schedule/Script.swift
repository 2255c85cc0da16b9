@testable import Weft

/// A schedule written out operation by operation.
struct Script: Schedule {
  static let name = "script"
  var collective = Collective.allReduce
  var layout = Layout(nodes: 1, ranksPerNode: 2)
  var lanes = 1
  var elements = 4
  var buffers: [Buffer] = []
  var kernels = [Kernel("only")]
  let symmetry = Symmetry.none
  /// The operations of a rank and lane in a call.
  var operations: @Sendable (_ rank: Int, _ lane: Int, _ call: Int) -> [Weft.Operation]

  init(
    ranks: Int = 2, lanes: Int = 1, elements: Int = 4, inPlace: Bool = false, scratch: Int = 0,
    operations: @escaping @Sendable (_ rank: Int, _ lane: Int, _ call: Int) -> [Weft.Operation]
  ) {
    layout = Layout(nodes: 1, ranksPerNode: ranks)
    self.lanes = lanes
    self.elements = elements
    buffers = Buffer.caller(elements: elements, inPlace: inPlace)
    if scratch > 0 { buffers.append(Buffer("scratch", .scratch, elements: scratch)) }
    self.operations = operations
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(operations: operations(rank, lane, call)[...])
  }

  struct Cursor: OperationCursor {
    var operations: ArraySlice<Weft.Operation>
    mutating func next() -> Weft.Operation? { operations.popFirst() }
  }
}

/// The buffers of an out-of-place script.
enum At {
  static func input(_ offset: Int = 0) -> Location { Location(buffer: 0, offset: offset) }
  static func output(_ offset: Int = 0) -> Location { Location(buffer: 1, offset: offset) }
  static func scratch(_ offset: Int = 0) -> Location { Location(buffer: 2, offset: offset) }
}

extension Script {
  /// Two ranks send each other everything and add; correct.
  static let exchange = Script { rank, _, _ in exchange(rank) }

  static func exchange(_ rank: Int) -> [Weft.Operation] {
    [
      .send(At.input(), 4, to: Port(peer: 1 - rank)),
      .receiveReduce(adding: At.input(), into: At.output(), 4, from: Port(peer: 1 - rank)),
    ]
  }

  /// Two ranks put a copy of the input into each other's scratch, wait and add, with or without a
  /// handshake that keeps the next call off until the sum is done.
  static func puts(handshake: Bool) -> Script {
    Script(scratch: 8) { rank, _, call in
      let data = Port(peer: 1 - rank, tag: 0)
      let done = Port(peer: 1 - rank, tag: 1)
      var operations: [Weft.Operation] = handshake && call > 0 ? [.wait(done)] : []
      operations += [
        .copy(At.input(), to: At.scratch(), 4),
        .put(At.scratch(), to: At.scratch(4), 4, at: data),
        .wait(data),
        .add(At.scratch(4), At.input(), into: At.output(), 4),
      ]
      if handshake { operations.append(.signal(done)) }
      return operations
    }
  }
}
