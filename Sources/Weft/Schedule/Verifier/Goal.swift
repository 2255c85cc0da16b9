/// What the ranks of a collective hold before and after a call.
struct Goal: Sendable {
  /// A part of a result.
  struct Part: Sendable {
    /// Where it lies in the output.
    var place: Region
    /// The position in the inputs that its first element is made of.
    var position: Int
    /// The rank whose input it is; nil for the sum of all.
    var rank: Int?
  }

  let collective: Collective
  let elements: Int
  let ranks: Int

  private var whole: Region { Region(offset: 0, count: elements) }

  /// Where a rank's input lies in its buffer; nil if the rank brings nothing.
  func input(of rank: Int, inPlace: Bool) -> Region? {
    switch collective {
    case .allGather:
      let part = whole.part(rank, of: ranks)
      return inPlace ? part : Region(offset: 0, count: part.count)
    case .broadcast: return rank == 0 ? whole : nil
    case .allReduce, .reduceScatter, .reduce, .allToAll: return whole
    }
  }

  /// What a rank's result is made of; nothing if the rank gets none.
  func result(of rank: Int, inPlace: Bool) -> [Part] {
    let part = whole.part(rank, of: ranks)
    switch collective {
    case .allReduce:
      return [Part(place: whole, position: 0, rank: nil)]
    case .reduce:
      return rank == 0 ? [Part(place: whole, position: 0, rank: nil)] : []
    case .broadcast:
      return [Part(place: whole, position: 0, rank: 0)]
    case .reduceScatter:
      let place = inPlace ? part : Region(offset: 0, count: part.count)
      return [Part(place: place, position: part.offset, rank: nil)]
    case .allGather:
      return (0..<ranks).map { Part(place: whole.part($0, of: ranks), position: 0, rank: $0) }
    case .allToAll:
      return (0..<ranks).map {
        Part(place: whole.part($0, of: ranks), position: part.offset, rank: $0)
      }
    }
  }

  /// Whether a rank has an output of its own: only the root of a reduce does, unless in place.
  func hasOutput(_ rank: Int) -> Bool { collective != .reduce || rank == 0 }
}
