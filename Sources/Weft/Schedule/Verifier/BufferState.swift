/// What an element holds, as a run of them: which call's input, from which position, of which ranks.
struct Content<Multiset: Equatable & Sendable>: Equatable, Sendable {
  enum State: UInt8, Sendable {
    /// Nobody has written it.
    case unwritten
    /// A sum of inputs.
    case data
    /// The product of a fault already reported: reported no more.
    case broken
  }

  var state: State
  /// The call whose input it is.
  var call: Int32
  /// The position in the input minus the position where it lies, the same for a whole run.
  var shift: Int
  /// The ranks added.
  var ranks: Multiset
}

/// A run of elements in flight.
struct Piece<Multiset: Equatable & Sendable>: Sendable {
  var count: Int
  /// With ``Content/shift`` counted from the beginning of the message.
  var content: Content<Multiset>
}

/// Elements of a buffer that hold the same and were last accessed by the same.
struct Segment<Multiset: Equatable & Sendable>: Sendable {
  var content: Content<Multiset>
  /// The last write.
  var write: Stamp
  /// A read since.
  var read: Stamp
  /// Reads since that nothing orders with `read` or with each other.
  var otherReads: [Stamp]
}

/// A buffer as a map from intervals of elements to what they hold.
///
/// Intervals are split where accesses end and never joined again: the next call splits at the same
/// places. So the cost follows the number of chunks, not of elements. An interval's place in the
/// order is apart from its segment, so that a split moves few bytes.
struct BufferState<Multiset: Equatable & Sendable>: Sendable {
  let count: Int
  /// The segments in the order they were made.
  var segments: [Segment<Multiset>]
  /// The first element of every interval, and which segment it is.
  private var starts = [0]
  private var numbers: [Int32] = [0]

  init(count: Int, content: Content<Multiset>) {
    self.count = count
    segments = [Segment(content: content, write: .none, read: .none, otherReads: [])]
  }

  /// The intervals that make up elements `offset ..< offset + length`, after splitting at both ends.
  mutating func isolate(_ offset: Int, _ length: Int) -> Range<Int> {
    let first = boundary(at: offset)
    return first..<boundary(at: offset + length, after: first)
  }

  /// The index in ``segments`` of an interval.
  func segment(_ interval: Int) -> Int { Int(numbers[interval]) }

  /// The elements of an interval.
  func elements(_ interval: Int) -> Range<Int> {
    starts[interval]..<(interval + 1 < starts.count ? starts[interval + 1] : count)
  }

  /// The index of the interval that starts at an element, made so if need be.
  private mutating func boundary(at element: Int, after lower: Int = 0) -> Int {
    if element >= count { return starts.count }
    // Most often an access covers one interval that exists already.
    if lower + 1 < starts.count, starts[lower + 1] == element { return lower + 1 }
    var (low, high) = (lower, starts.count)
    while low < high {
      let middle = (low + high) / 2
      if starts[middle] < element { low = middle + 1 } else { high = middle }
    }
    if low < starts.count, starts[low] == element { return low }
    let upper = segments[segment(low - 1)]
    starts.insert(element, at: low)
    numbers.insert(Int32(segments.count), at: low)
    segments.append(upper)
    return low
  }
}
