// What the interpreter's kernel reads: plain records in device memory, built from a Program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::gpu {

/// Properties of a device operation, as bits.
enum Flag : uint8_t {
  source_cells = 1,
  addend_cells = 2,
  destination_cells = 4,
  /// A wait whose put is into cells: their flags are polled, not a counter.
  waits_cells = 8,
  /// A wait that is left to the next operation, which polls the cells that it reads.
  is_fused = 16,
  /// The source is polled for `cell_flag` while it is read.
  polls_source = 32,
};

/// How messages travel.
enum class Wire : int32_t {
  /// Data, then a counter.
  messages,
  /// Lines of 16 bytes: twice 4 bytes of data and a flag.
  lines,
  /// Lines of 128 bytes with 120 of data and a flag, where a warp's store of one arrives whole.
  wide_lines,
};

/// An operation with everything resolved that does not change from call to call.
struct alignas(16) Operation {
  uint8_t kind;
  uint8_t actions;
  uint8_t flags;
  uint8_t reserved;
  /// Numbers in the lane's table of ports, -1 for none.
  int16_t from;
  int16_t to;
  /// For what receives: the messages that the lane has taken of `from` before in the call.
  uint32_t taken_before;
  union {
    /// For what sends: the messages that the lane has sent to `to` before in the call.
    uint32_t sent_before;
    /// For a put into cells or who waits for one: a number that is unique in a call.
    uint32_t cell_flag;
  };
  /// What is read and written of the rank's own memory; null where it is nothing. For a put, where it
  /// would lie in this rank's memory.
  const uint8_t* source;
  const uint8_t* addend;
  uint8_t* destination;
  /// The first slots of the messages that are taken and sent. For a put, its place at the peer, null if
  /// that is out of reach of stores.
  const uint8_t* taken_slots;
  uint8_t* sent_slots;
  uint64_t taken_slot_bytes;
  uint64_t sent_slot_bytes;
  /// Elements; for a kernel, its number.
  uint64_t count;
};

/// One end of a connection as the lane's block uses it.
struct alignas(16) Port {
  /// The peer's memory, null if it is not reached by stores.
  uint8_t* base;
  int32_t peer;
  int32_t reserved;
  uint64_t head;
  uint64_t flags;
  uint64_t credit;
  uint64_t slots;
  uint64_t slot_bytes;
  /// Where this rank prepares messages for a peer that it cannot store to; same size as the slots.
  uint64_t staging;
};

/// How far a port is; kept from call to call.
struct alignas(16) PortState {
  uint64_t messages;
  uint64_t flags;
  uint64_t seen;
  uint64_t waited;
  /// The messages before the call.
  uint64_t before_call;
};
static_assert(offsetof(PortState, messages) == 0);
static_assert(offsetof(PortState, before_call) == sizeof(PortState) - 16);

/// The operations of a lane in one kernel of a call body.
struct alignas(16) Run {
  uint64_t first;
  uint64_t count;
};

/// The most threads of a block: more would have too few registers for what is on its way.
constexpr int most_threads = 512;

/// A record's size in 16 bytes, which are copied together.
template <typename Item>
constexpr int words_of = static_cast<int>(sizeof(Item) / 16);

/// How many operations a block reads at a time.
constexpr int window_length = 32;

/// What a block writes before it gives up.
struct Report {
  uint32_t is_set;
  int32_t rank;
  int32_t lane;
  int32_t peer;
  uint64_t call;
  uint64_t step;
  uint64_t wanted;
  uint64_t seen;
  /// 0 a message, 1 a slot, 2 a flag, 3 cells, 4 lanes.
  uint32_t what;
};

/// Everything of one launch.
struct Launch {
  const Operation* operations;
  const Run* runs;
  /// Per local rank and lane: as many ports as the lane with most has, and what they have done.
  const Port* ports;
  PortState* states;
  /// Per local rank and lane: the first operations of the first body, where it is the only one.
  const Operation* beginnings;
  /// The memory of every local rank.
  uint8_t* const* memories;
  /// Per local rank: a counter of lanes that have met.
  unsigned long long* meetings;
  /// Per local rank and lane: the number of calls begun.
  uint64_t* calls_begun;
  /// Per local rank and lane: blocks that have done their part of a shared operation, so far.
  unsigned long long* parts_done;
  /// In memory that the host sees at any time: raised by whoever gives up.
  Report* report;
  volatile uint32_t* stop;
  int first_rank;
  int ranks;
  int lanes;
  int most_ports;
  int kernels;
  int bodies;
  int period;
  int slots;
  /// Elements that share a cell.
  int cell_elements;
  Wire wire;
  /// Numbers of puts into cells in one call, and one.
  uint32_t cell_stride;
  /// Calls that this launch does; with `segment` at least 0, only that kernel of one call.
  int calls;
  int segment;
  /// Whether the calls are over with this launch.
  int counts_calls;
  /// Blocks that share the operations of a lane, where its kernel fills the device.
  int split;
  uint64_t timeout_ns;
};

}  // namespace weft::gpu
