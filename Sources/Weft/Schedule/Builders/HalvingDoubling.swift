/// All-reduce by recursive halving, then recursive doubling: 2 log2 R steps, 2(R - 1)/R of the data.
///
/// Each step of the first half exchanges half of what is left with the nearest rank not yet met, so
/// the large halves stay inside a node; the second half gathers in the opposite order. Serves any
/// number of ranks, those beyond a power of two folded in (``DoublingGroup``). Source: Rabenseifner
/// 2004, doi:10.1007/978-3-540-24685-5_1.
struct HalvingDoubling: Schedule {
  static let name = "halving-doubling"
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
  var kernels: [Kernel] { [Kernel("halving-doubling")] }

  var symmetry: Symmetry {
    layout.ranks.nonzeroBitCount == 1 && elements % layout.ranks == 0 ? .xor : .none
  }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      group: DoublingGroup(members: layout.ranks, me: rank), caller: caller,
      whole: Region(offset: 0, count: elements))
  }

  /// The state of a rank: what it does next and the parts it still holds.
  struct Cursor: OperationCursor {
    let group: DoublingGroup
    let caller: CallerBuffers
    let whole: Region
    /// The parts, of `core`, that this member reduces now or has finished.
    var held: Range<Int>
    var position = 0
    var hasResult = false

    init(group: DoublingGroup, caller: CallerBuffers, whole: Region) {
      self.group = group
      self.caller = caller
      self.whole = whole
      held = 0..<group.core
    }

    mutating func next() -> Operation? {
      defer { position += 1 }
      if group.members == 1 {
        return position > 0 || caller.inPlace
          ? nil : .copy(caller.input(whole), to: caller.output(whole), whole.count)
      }
      if group.isExtra, let standIn = group.folded {
        switch position {
        case 0: return .send(caller.input(whole), whole.count, to: Port(peer: standIn))
        case 1: return .receive(caller.output(whole), whole.count, from: Port(peer: standIn))
        default: return nil
        }
      }
      var index = position
      if let extra = group.folded {
        if index == 0 { return receiveReduce(whole, from: extra) }
        index -= 1
      }
      if index < 2 * group.steps { return halving(step: index / 2, sends: index % 2 == 0) }
      index -= 2 * group.steps
      if index < 2 * group.steps {
        return doubling(step: group.steps - 1 - index / 2, sends: index % 2 == 0)
      }
      if index == 2 * group.steps, let extra = group.folded {
        return .send(caller.output(whole), whole.count, to: Port(peer: extra))
      }
      return nil
    }

    private mutating func halving(step: Int, sends: Bool) -> Operation {
      let middle = held.lowerBound + held.count / 2
      let low = held.lowerBound..<middle
      let high = middle..<held.upperBound
      let keepsHigh = group.me & (1 << step) != 0
      if sends {
        let given = whole.parts(keepsHigh ? low : high, of: group.core)
        let from = hasResult ? caller.output(given) : caller.input(given)
        return .send(from, given.count, to: Port(peer: group.partner(step: step)))
      }
      held = keepsHigh ? high : low
      return receiveReduce(whole.parts(held, of: group.core), from: group.partner(step: step))
    }

    private mutating func doubling(step: Int, sends: Bool) -> Operation {
      let peer = Port(peer: group.partner(step: step))
      if sends {
        let mine = whole.parts(held, of: group.core)
        return .send(caller.output(mine), mine.count, to: peer)
      }
      let keptHigh = group.me & (1 << step) != 0
      let other =
        keptHigh
        ? held.lowerBound - held.count..<held.lowerBound
        : held.upperBound..<held.upperBound + held.count
      held = min(held.lowerBound, other.lowerBound)..<max(held.upperBound, other.upperBound)
      let theirs = whole.parts(other, of: group.core)
      return .receive(caller.output(theirs), theirs.count, from: peer)
    }

    private mutating func receiveReduce(_ region: Region, from peer: Int) -> Operation {
      let own = hasResult ? caller.output(region) : caller.input(region)
      hasResult = true
      return .receiveReduce(
        adding: own, into: caller.output(region), region.count, from: Port(peer: peer))
    }
  }
}
