/// All-reduce in two steps over symmetric memory: everyone puts everyone's part, adds up its own,
/// and puts the sum into everyone's output.
///
/// Two latencies and a confirmation, 2(R - 1)/R of the data: for larger messages within a node.
/// It is ``OneShotReduceScatter`` followed by ``OneShotAllGather``, of all ranks.
struct TwoShotAllReduce: Schedule {
  static let name = "two-shot"
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

  private var partLength: Int { (elements + layout.ranks - 1) / layout.ranks }

  var buffers: [Buffer] {
    Buffer.caller(elements: elements, inPlace: caller.inPlace) + [
      Buffer("parts", .scratch, elements: (layout.ranks - 1) * partLength)
    ]
  }

  var kernels: [Kernel] { [Kernel("two-shot")] }
  var symmetry: Symmetry { elements % layout.ranks == 0 ? .translation : .none }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    let parts = Parts(of: Region(offset: 0, count: elements), count: layout.ranks)
    func member(_ tag: Int) -> OneShotMember {
      OneShotMember(
        group: .all(layout), me: rank, parts: parts, caller: caller, tag: tag, isSwitched: false)
    }
    return Cursor(
      scatter: OneShotReduceScatter(
        member(0), scratch: caller.firstScratch, placeLength: partLength),
      gather: OneShotAllGather(member(1)))
  }

  /// The state of a rank: that of both steps.
  struct Cursor: OperationCursor {
    var scatter: OneShotReduceScatter
    var gather: OneShotAllGather
    var isScattered = false

    init(scatter: OneShotReduceScatter, gather: OneShotAllGather) {
      self.scatter = scatter
      self.gather = gather
    }

    mutating func next() -> Operation? {
      if !isScattered {
        if let operation = scatter.next() { return operation }
        isScattered = true
      }
      return gather.next()
    }
  }
}
