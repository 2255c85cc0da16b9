public import Weft

/// A schedule with one fault, to see whether a check finds it.
public struct Mutant<Base: Schedule>: Schedule {
  /// The schedule without the fault.
  public let base: Base
  /// The fault.
  public let fault: Fault
  /// Where it is.
  public let place: Place

  /// Puts a fault into a schedule.
  public init(of base: Base, _ fault: Fault, at place: Place) {
    self.base = base
    self.fault = fault
    self.place = place
  }

  /// An operation of a schedule.
  public struct Place: Hashable, Sendable {
    /// The rank.
    public var rank: Int
    /// The lane.
    public var lane: Int
    /// The call.
    public var call: Int
    /// The number of the operation in the call.
    public var step: Int

    /// Names an operation.
    public init(rank: Int, lane: Int, call: Int, step: Int) {
      self.rank = rank
      self.lane = lane
      self.call = call
      self.step = step
    }
  }

  /// The name of the base.
  public static var name: String { Base.name }
  /// The collective of the base.
  public var collective: Collective { base.collective }
  /// The layout of the base.
  public var layout: Layout { base.layout }
  /// The lanes of the base.
  public var lanes: Int { base.lanes }
  /// The elements of the base.
  public var elements: Int { base.elements }
  /// The buffers of the base.
  public var buffers: [Buffer] { base.buffers }
  /// The kernels of the base.
  public var kernels: [Kernel] { base.kernels }
  /// A fault in one place leaves no symmetry.
  public var symmetry: Symmetry { .none }

  /// The lane's operations in the base, or those with the fault.
  public func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    let isHere = rank == place.rank && lane == place.lane && call == place.call
    return Cursor(
      base: base.cursor(rank: rank, lane: lane, call: call), fault: isHere ? fault : nil,
      step: place.step, layout: layout, rank: rank)
  }

  /// Yields the operations of the base with the fault among them.
  public struct Cursor: OperationCursor {
    var base: Base.Cursor
    let fault: Fault?
    let step: Int
    let layout: Layout
    let rank: Int
    private var position = -1
    private var extra: Weft.Operation?

    init(base: Base.Cursor, fault: Fault?, step: Int, layout: Layout, rank: Int) {
      self.base = base
      self.fault = fault
      self.step = step
      self.layout = layout
      self.rank = rank
    }

    /// The next operation.
    public mutating func next() -> Weft.Operation? {
      if let operation = extra {
        extra = nil
        return operation
      }
      position += 1
      guard let operation = base.next() else { return nil }
      guard let fault, position == step else { return operation }
      let faulty = fault.applied(to: operation, rank: rank, ranks: layout.ranks)
      guard let first = faulty.first else { return base.next() }
      extra = faulty.count > 1 ? faulty[1] : nil
      return first
    }
  }
}

/// A mistake in one operation.
public enum Fault: String, CaseIterable, Sendable {
  /// An operation that moves data, or a meeting of lanes, is left out.
  case droppedStep
  /// A `wait` or a `signal` is left out.
  case droppedFlag
  /// A message or flag goes to the next rank, or is expected from it.
  case swappedPeer
  /// A local operand is added twice.
  case doubledAdd
  /// The operand is read one chunk away.
  case wrongSource
  /// The result goes one chunk away.
  case wrongDestination
  /// What should be added is not, so it takes the place of the sum.
  case missingAdd
  /// What should be stored is not.
  case missingStore

  /// The operations that take the place of one: none, one or two.
  public func applied(to operation: Weft.Operation, rank: Int, ranks: Int) -> [Weft.Operation] {
    var faulty = operation
    switch self {
    case .droppedStep, .droppedFlag:
      return []
    case .swappedPeer:
      faulty.to.peer = next(operation.to.peer, rank, ranks)
      faulty.from.peer = next(operation.from.peer, rank, ranks)
    case .doubledAdd:
      // The sum goes to its destination, and the operand is added once more to what is there.
      var sum = operation
      sum.actions.remove(.send)
      sum.actions.insert(.store)
      faulty.actions.remove(.receive)
      faulty.addend = operation.destination
      return [sum, faulty]
    case .wrongSource:
      faulty.source.offset = shifted(operation.source.offset, operation.count)
    case .wrongDestination:
      faulty.destination.offset = shifted(operation.destination.offset, operation.count)
    case .missingAdd:
      faulty.actions.remove(.reduce)
    case .missingStore:
      faulty.actions.remove(.store)
    }
    return [faulty]
  }

  /// Another rank that is not oneself.
  private func next(_ peer: Int32, _ rank: Int, _ ranks: Int) -> Int32 {
    guard peer >= 0 else { return peer }
    let next = (Int(peer) + 1) % ranks
    return Int32(next == rank ? (next + 1) % ranks : next)
  }

  private func shifted(_ offset: Int, _ count: Int) -> Int {
    offset >= count ? offset - count : offset + count
  }

  /// Whether the fault makes a difference to an operation that moves something.
  public func applies(to operation: Weft.Operation, lanes: Int) -> Bool {
    switch operation.kind {
    case .barrier, .kernel:
      // Alone on its rank, a lane meets nobody.
      return self == .droppedStep && lanes > 1
    case .signal, .wait:
      return self == .droppedFlag || self == .swappedPeer
    case .put:
      guard operation.count > 0 else { return self == .droppedStep || self == .swappedPeer }
      return [.droppedStep, .swappedPeer, .wrongSource, .wrongDestination].contains(self)
    case .transfer:
      let actions = operation.actions
      let speaks = actions.contains(.send) || actions.contains(.receive)
      switch self {
      case .droppedStep: return speaks || operation.count > 0
      case .droppedFlag: return false
      case .swappedPeer: return speaks
      case .wrongSource:
        return operation.count > 0 && (!actions.contains(.receive) || actions.contains(.reduce))
      case .wrongDestination, .missingStore:
        return operation.count > 0 && actions.contains(.store)
      case .doubledAdd, .missingAdd: return operation.count > 0 && actions.contains(.reduce)
      }
    }
  }
}
