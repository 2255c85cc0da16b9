/// The ranks of a recursive algorithm: the largest power of two of them, and the rest folded in.
///
/// Member i of the first `core` members works; member `core + i` hands its data to member i before
/// and gets the result from it after. Costs two more steps for those pairs.
struct DoublingGroup: Sendable {
  // In 32 bits, as every lane keeps a group.
  private let count: Int32
  private let own: Int32
  private let inner: Int32

  var members: Int { Int(count) }
  var me: Int { Int(own) }
  var core: Int { Int(inner) }

  init(members: Int, me: Int) {
    count = Int32(members)
    own = Int32(me)
    inner = 1 << Int32(Int.bitWidth - 1 - members.leadingZeroBitCount)
  }

  /// The number of pairwise steps among the core.
  var steps: Int { core.trailingZeroBitCount }

  /// Whether this member is folded in rather than part of the core.
  var isExtra: Bool { me >= core }

  /// The extra member that this one stands in for, or for an extra its stand-in; nil if none.
  var folded: Int? {
    if isExtra { return me - core }
    return me + core < members ? me + core : nil
  }

  /// The core member to exchange with in a step.
  func partner(step: Int) -> Int { me ^ (1 << step) }
}

/// All-reduce by recursive doubling: log2 R exchanges of the whole data.
///
/// Nearest ranks first, so the first steps stay inside a node. Serves any number of ranks, those
/// beyond a power of two folded in (``DoublingGroup``). Source: Thakur, Rabenseifner and Gropp
/// 2005, doi:10.1177/1094342005051521.
struct RecursiveDoubling: Schedule {
  static let name = "recursive-doubling"
  let layout: Layout
  let elements: Int
  let lanes = 1
  let caller: CallerBuffers

  /// Creates the schedule for so many elements.
  init(layout: Layout, elements: Int, inPlace: Bool) {
    self.layout = layout
    self.elements = elements
    caller = CallerBuffers(inPlace: inPlace)
  }

  var buffers: [Buffer] { Buffer.caller(elements: elements, inPlace: caller.inPlace) }
  var kernels: [Kernel] { [Kernel("recursive-doubling")] }
  var symmetry: Symmetry { layout.ranks.nonzeroBitCount == 1 ? .xor : .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      group: DoublingGroup(members: layout.ranks, me: rank), caller: caller, elements: elements)
  }

  /// The state of a rank: its place in the folded exchange.
  struct Cursor: OperationCursor {
    private let group: DoublingGroup
    private let caller: CallerBuffers
    private let elements: Int
    private var position: Int32 = 0

    fileprivate init(group: DoublingGroup, caller: CallerBuffers, elements: Int) {
      self.group = group
      self.caller = caller
      self.elements = elements
    }

    @inline(__always)
    mutating func next() -> Operation? {
      let place = Int(position)
      position += 1
      let whole = Region(offset: 0, count: elements)
      let data = place > group.firstReceive ? caller.output(whole) : caller.input(whole)
      switch group.action(at: place) {
      case .foldOut(let peer), .send(let peer, step: _), .handBack(let peer):
        return .send(data, whole.count, to: Port(peer: peer))
      case .foldIn(let peer), .receive(let peer, step: _):
        return .receiveReduce(
          adding: data, into: caller.output(whole), whole.count, from: Port(peer: peer))
      case .takeResult(let peer):
        return .receive(caller.output(whole), whole.count, from: Port(peer: peer))
      case .alone:
        return caller.inPlace
          ? nil : .copy(caller.input(whole), to: caller.output(whole), whole.count)
      case .done:
        return nil
      }
    }
  }
}

// MARK: - The folded exchange

extension DoublingGroup {
  /// What a member does at a place of a folded exchange; peers are member numbers.
  enum Action {
    /// An extra hands its data to its stand-in.
    case foldOut(to: Int)
    /// A stand-in adds its extra's data to its own.
    case foldIn(from: Int)
    /// A core member sends in a pairwise step.
    case send(to: Int, step: Int)
    /// A core member receives in a pairwise step.
    case receive(from: Int, step: Int)
    /// A stand-in sends the result to its extra.
    case handBack(to: Int)
    /// An extra takes the result.
    case takeResult(from: Int)
    /// A single member keeps what it has.
    case alone
    case done
  }

  /// The place, from 0, at which a member first receives.
  var firstReceive: Int { !isExtra && folded != nil ? 0 : 1 }

  /// What this member does at a place, from 0, of a folded exchange: fold in, a send and a receive per
  /// step, hand back.
  @inline(__always)
  func action(at position: Int) -> Action {
    if isExtra {
      switch position {
      case 0: return .foldOut(to: me - core)
      case 1: return .takeResult(from: me - core)
      default: return .done
      }
    }
    let extra = folded
    if position == 0, let extra { return .foldIn(from: extra) }
    let index = extra == nil ? position : position - 1
    let step = index >> 1
    if step < steps {
      let peer = partner(step: step)
      return index & 1 == 0 ? .send(to: peer, step: step) : .receive(from: peer, step: step)
    }
    if index == 2 * steps, let extra { return .handBack(to: extra) }
    return members == 1 && position == 0 ? .alone : .done
  }
}
