/// All-to-all as a group of sends and receives, which is what NCCL makes of it.
///
/// Round d pairs a send to rank r + d with a receive from rank r - d. Rounds are dealt to channels in
/// turn, and a message may be dealt to several channels in parts. The sends and the receives of a
/// channel are two lanes, as NCCL's kernel gives them two groups of warps, so neither waits for the
/// other. Out of place only, as NCCL has it. Serves any number of ranks.
struct GroupedExchange: Schedule {
  static let name = "grouped-send-receive"
  let layout: Layout
  let elements: Int
  /// The number of channels; a channel has a lane that sends and one that receives.
  let channels: Int
  /// The number of channels that share the message of a pair.
  let channelsPerPeer: Int
  /// The largest number of elements that travel as one message.
  let chunkElements: Int

  /// Creates an all-to-all of so many elements.
  ///
  /// - Precondition: a pair has a channel of its own for each part, and a chunk has an element.
  init(
    layout: Layout, elements: Int, channels: Int, channelsPerPeer: Int = 1,
    chunkElements: Int = .max
  ) {
    precondition(
      channelsPerPeer > 0 && channelsPerPeer <= channels && chunkElements > 0,
      "Parts of a message are on channels of their own.")
    self.layout = layout
    self.elements = elements
    self.channels = channels
    self.channelsPerPeer = channelsPerPeer
    self.chunkElements = chunkElements
  }

  var collective: Collective { .allToAll }
  var lanes: Int { 2 * channels }
  var buffers: [Buffer] {
    Buffer.caller(.allToAll, elements: elements, ranks: layout.ranks, inPlace: false)
  }
  var kernels: [Kernel] { [Kernel(Self.name)] }
  var symmetry: Symmetry { .translation }

  func cursor(rank: Int, lane: Int, call: Int) -> Cursor {
    Cursor(
      parts: PartedBuffers(
        .allToAll, elements: elements, rank: rank, ranks: layout.ranks, inPlace: false),
      channels: channels, channelsPerPeer: channelsPerPeer, chunk: chunkElements, lane: lane)
  }

  /// The state of a lane: the part of a round it is at, and how far it is with it.
  struct Cursor: OperationCursor {
    let parts: PartedBuffers
    let channels: Int
    let channelsPerPeer: Int
    let chunk: Int
    let sends: Bool
    let lane: Int
    /// Parts of rounds, counted through; the channel takes every `channels`-th.
    var item: Int
    var start = 0

    init(parts: PartedBuffers, channels: Int, channelsPerPeer: Int, chunk: Int, lane: Int) {
      self.parts = parts
      self.channels = channels
      self.channelsPerPeer = channelsPerPeer
      self.chunk = chunk
      self.lane = lane
      sends = lane % 2 == 0
      item = lane / 2
    }

    mutating func next() -> Operation? {
      while item < parts.ranks * channelsPerPeer {
        // The rank's own part comes first: a copy, done by the lane that sends.
        let (distance, share) = item.quotientAndRemainder(dividingBy: channelsPerPeer)
        let whole = Region(offset: 0, count: parts.count).aligned(share, of: channelsPerPeer)
        guard start < whole.count, sends || distance > 0 else {
          item += channels
          start = 0
          continue
        }
        let count = min(chunk, whole.count - start)
        let offset = whole.offset + start
        start += count
        func place(_ location: Location) -> Location {
          Location(buffer: location.buffer, offset: location.offset + offset)
        }
        if distance == 0 {
          return .copy(
            place(parts.input(parts.rank)), to: place(parts.output(parts.rank)), count)
        }
        if sends {
          let ahead = (parts.rank + distance) % parts.ranks
          return .send(place(parts.input(ahead)), count, to: Port(peer: ahead, lane: lane + 1))
        }
        let behind = (parts.rank + parts.ranks - distance) % parts.ranks
        return .receive(
          place(parts.output(behind)), count, from: Port(peer: behind, lane: lane - 1))
      }
      return nil
    }
  }
}
