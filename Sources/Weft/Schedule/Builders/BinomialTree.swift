/// All-reduce by a binomial tree: reduce to rank 0, then broadcast, whole messages.
///
/// 2 ceil(log2 R) steps on the longest path. Serves any number of ranks. Source: Thakur,
/// Rabenseifner and Gropp 2005, doi:10.1177/1094342005051521.
struct BinomialTree: Schedule {
  static let name = "binomial-tree"
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
  var kernels: [Kernel] { [Kernel("binomial-tree")] }
  var symmetry: Symmetry { .none }

  func cursor(rank: Int, lane: Int, call: Int) -> GroupTree {
    GroupTree(
      group: .all(layout), me: rank, whole: Region(offset: 0, count: elements),
      source: caller.input, destination: caller.output)
  }
}
