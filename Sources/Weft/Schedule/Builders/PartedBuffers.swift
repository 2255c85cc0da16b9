/// The caller's buffers of a collective that deals its data to the ranks, as one rank addresses them.
struct PartedBuffers: Sendable {
  let collective: Collective
  let rank: Int
  let ranks: Int
  /// The length of every part.
  let count: Int
  let inPlace: Bool

  init(_ collective: Collective, elements: Int, rank: Int, ranks: Int, inPlace: Bool) {
    self.collective = collective
    self.rank = rank
    self.ranks = ranks
    self.inPlace = inPlace
    count = elements / ranks
  }

  /// Part `index` of the input; of an all-gather the one part there is, the rank's own.
  func input(_ index: Int) -> Location {
    let isAlone = collective == .allGather && !inPlace
    return Location(buffer: 0, offset: isAlone ? 0 : index * count)
  }

  /// Part `index` of the output; of a reduce-scatter the one part there is, the rank's own.
  func output(_ index: Int) -> Location {
    let isAlone = collective == .reduceScatter && !inPlace
    return Location(buffer: inPlace ? 0 : 1, offset: isAlone ? 0 : index * count)
  }

  /// The rank's own part from input to output; nil if it is there already.
  var keepOwn: Operation? {
    inPlace ? nil : .copy(input(rank), to: output(rank), count)
  }
}
