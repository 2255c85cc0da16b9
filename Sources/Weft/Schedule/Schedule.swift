/// A collective as a program: for every rank and lane, the operations it does, in order.
///
/// One schedule serves three interpreters: ``Verifier`` proves it, ``Simulation`` times it, and the
/// runtime runs it. It knows a ``Layout`` and no machine, no protocol and no time. Nothing is
/// materialised: a lane is a small cursor that yields its next operation.
public protocol Schedule: Sendable {
  /// The state of one lane: plain counters.
  associatedtype Cursor: OperationCursor

  /// The name on the command line.
  static var name: String { get }
  /// What it computes; an all-reduce unless it says otherwise.
  var collective: Collective { get }
  /// How the ranks lie on nodes.
  var layout: Layout { get }
  /// The number of lanes of every rank: thread blocks that run side by side.
  var lanes: Int { get }
  /// The size of the collective in elements, as ``Collective`` counts it.
  var elements: Int { get }
  /// The buffers of every rank, input first, then output (the same one in place), then scratch.
  var buffers: [Buffer] { get }
  /// The kernels of one call; the first is launched when the call begins.
  var kernels: [Kernel] { get }
  /// How the schedule looks the same from different nodes.
  var symmetry: Symmetry { get }

  /// A lane's operations in the given call of a series of back-to-back calls, counted from 0.
  func cursor(rank: Int, lane: Int, call: Int) -> Cursor

  /// The number of operations of a lane, the same on every rank, where it is known without going
  /// through them; nil if it is not.
  func operationCount(lane: Int) -> Int?
}

extension Schedule {
  /// An all-reduce.
  public var collective: Collective { .allReduce }

  /// Not known.
  public func operationCount(lane: Int) -> Int? { nil }
}

/// Yields the operations of a lane, one by one.
public protocol OperationCursor: Sendable {
  /// The next operation; nil when the call is done.
  mutating func next() -> Operation?
}

/// One of a rank's buffers.
public struct Buffer: Hashable, Sendable {
  /// What the caller and the schedule use a buffer for.
  public enum Role: Sendable {
    /// The caller's data, not to be changed.
    case input
    /// Where the caller finds the result.
    case output
    /// The caller's data, replaced by the result.
    case inPlace
    /// The schedule's own, kept from call to call.
    case scratch
  }

  /// How elements lie in it.
  public enum Storage: Sendable {
    /// One after the other.
    case plain
    /// In cells of 4 bytes of data and a 4-byte flag, so that data and flag arrive together.
    case flaggedCells

    /// Stored bytes per byte of data.
    public var expansion: Int { self == .plain ? 1 : 2 }
  }

  /// A name for messages.
  public var name: String
  /// What it is used for.
  public var role: Role
  /// How elements lie in it.
  public var storage: Storage
  /// Its length in elements.
  public var elements: Int

  init(_ name: String, _ role: Role, elements: Int, storage: Storage = .plain) {
    self.name = name
    self.role = role
    self.storage = storage
    self.elements = elements
  }

  /// The caller's buffers: one in place, or an input and an output.
  static func caller(
    _ collective: Collective = .allReduce, elements: Int, ranks: Int = 1, inPlace: Bool
  ) -> [Buffer] {
    inPlace
      ? [Buffer("data", .inPlace, elements: elements)]
      : [
        Buffer(
          "input", .input, elements: collective.inputElements(elements, ranks: ranks)),
        Buffer(
          "output", .output, elements: collective.outputElements(elements, ranks: ranks)),
      ]
  }
}

/// One kernel of a call.
public struct Kernel: Hashable, Sendable {
  /// How many thread blocks a kernel starts.
  public enum Grid: Sendable {
    /// One per lane.
    case lanes
    /// As many as the device holds: it moves data at the memory's rate.
    case device
  }

  /// A name for messages.
  public var name: String
  /// How many thread blocks it starts.
  public var grid: Grid
  /// Whether it runs on a stream of its own, so that events fork to it and join after it.
  public var hasOwnStream: Bool

  init(_ name: String, grid: Grid = .lanes, hasOwnStream: Bool = false) {
    self.name = name
    self.grid = grid
    self.hasOwnStream = hasOwnStream
  }
}

/// How a schedule looks the same from every node.
///
/// The map of a node to another carries each rank to the one at the same position, and every
/// operation of the first to that of the second. With such a symmetry one node stands for all.
public enum Symmetry: Hashable, Sendable {
  /// Every node has its own part.
  case none
  /// Adding a number to all node numbers, modulo their count, changes nothing.
  case translation
  /// Exclusive-or of all node numbers with a number changes nothing.
  case xor
}

/// The caller's buffers as builders address them.
struct CallerBuffers: Sendable {
  var input: UInt8
  var output: UInt8

  init(inPlace: Bool) {
    input = 0
    output = inPlace ? 0 : 1
  }

  var inPlace: Bool { input == output }

  /// The first buffer that is not the caller's.
  var firstScratch: UInt8 { output + 1 }

  func input(_ region: Region) -> Location { Location(buffer: input, offset: region.offset) }
  func output(_ region: Region) -> Location { Location(buffer: output, offset: region.offset) }
}
