// A lane at work: it waits for its peers, gets its messages through, and keeps account of its ports.
//
// Order. A block's operations follow each other with a barrier between. What a peer wrote is read
// after its counter was seen by an acquire at system scope, or together with its flag (cells and
// lines are 8-byte stores of 4 bytes of data and their flag; a wide line is a warp's 128-byte store).
// Counters that announce data are stored by a release after a barrier of the block. Counters that give
// a slot back announce nothing: what was read has arrived in registers before the barrier, so they are
// relaxed stores, which need not wait until this block's stores to peers have arrived.
#pragma once

#include "device.cuh"
#include "wires.cuh"
#include "weft_plan.h"

#ifdef WEFT_NVSHMEM
#include <nvshmem.h>
#include <nvshmemx.h>
#endif

namespace weft::gpu {

/// What a kernel is made for: any plan, or one whose operations all send or receive messages, over one
/// wire. The code of what a plan cannot need would take registers, and time to fetch.
enum class Kind : int32_t {
  any = -1,
  messages = static_cast<int32_t>(Wire::messages),
  lines = static_cast<int32_t>(Wire::lines),
  wide_lines = static_cast<int32_t>(Wire::wide_lines),
};

/// What a block has in shared memory besides its ports.
struct Workbench {
  Operation window[window_length];
  Watch watch;
};

template <typename T, Kind kind>
class Lane {
 protected:
  __device__ Lane(
    const Launch& launch, int local_rank, int lane, uint64_t begun, uint8_t* base,
    Workbench* bench, PortState* states, const Port* ports)
      : launch_(launch), ports_(ports), states_(states), window_(bench->window),
        watch_(bench->watch), base_(base), local_rank_(local_rank), lane_(lane), call_(begun) {
    if (threadIdx.x == 0)
      watch_ = {&launch, ports, launch.first_rank + local_rank, lane, begun, 0, 0};
  }

  __device__ Wire wire() const {
    if constexpr (kind == Kind::any) return launch_.wire;
    return static_cast<Wire>(kind);
  }

  // Notes how far the ports are when a call begins; the next barrier makes it known.
  __device__ void begin_call() {
    for (int i = threadIdx.x; i < launch_.most_ports; i += blockDim.x)
      states_[i].before_call = states_[i].messages;
  }

  // The messages that an operation takes and sends, and their slots. The operation says what those
  // before it in the call did to its ports.
  __device__ __forceinline__ Move place(const Operation& op) const {
    Move move;
    move.source = op.source;
    move.addend = op.addend;
    move.stored = op.destination;
    move.bytes = op.count * T::bytes;
    if (op.actions & WEFT_PLAN_RECEIVE) {
      move.taken = states_[op.from].before_call + op.taken_before;
      move.incoming = op.taken_slots + slot_of(move.taken) * op.taken_slot_bytes;
    } else {
      move.incoming = nullptr;
    }
    if (op.actions & WEFT_PLAN_SEND) {
      move.sent = states_[op.to].before_call + op.sent_before;
      move.outgoing = op.sent_slots + slot_of(move.sent) * op.sent_slot_bytes;
    } else {
      move.outgoing = op.sent_slots;
    }
    move.port = op.from;
    return move;
  }

  // The slot of a message; the number of slots is a power of two, or the remainder is taken.
  __device__ uint64_t slot_of(uint64_t message) const {
    const auto slots = static_cast<uint64_t>(launch_.slots);
    return (slots & (slots - 1)) == 0 ? message & (slots - 1) : remainder(message, slots);
  }

  static __device__ __noinline__ uint64_t remainder(uint64_t a, uint64_t b) { return a % b; }

  // MARK: - Waiting

  // All threads get whether the counter has come so far; thread 0 looks.
  __device__ bool await(const uint64_t* counter, uint64_t wanted, uint32_t what, int peer) {
    int is_over = 0;
    if (threadIdx.x == 0) {
      uint32_t looks = 0;
      uint64_t start = 0, seen;
      while ((seen = acquire(counter)) < wanted) {
        if (watch_.patient(looks, start)) continue;
        watch_.give_up(what, peer, wanted, seen);
        is_over = 1;
        break;
      }
    }
    stopped_ = __syncthreads_or(is_over);
    return !stopped_;
  }

  __device__ void meet() {
    __syncthreads();
    int is_over = 0;
    if (threadIdx.x == 0) {
      unsigned long long* counter = &launch_.meetings[local_rank_];
      __threadfence();
      const unsigned long long ticket = atomicAdd(counter, 1ULL);
      const unsigned long long wanted =
        (ticket / static_cast<unsigned>(launch_.lanes) + 1) * launch_.lanes;
      uint32_t looks = 0;
      uint64_t start = 0, seen;
      while ((seen = acquire(reinterpret_cast<uint64_t*>(counter))) < wanted) {
        if (watch_.patient(looks, start)) continue;
        watch_.give_up(4, watch_.rank, wanted, seen);
        is_over = 1;
        break;
      }
    }
    stopped_ = __syncthreads_or(is_over) || stopped_;
  }

  // MARK: - Counters

  // Stores a counter that announces data at a peer; all threads have come here.
  __device__ void announce(const Port& port, uint64_t offset, uint64_t value) {
    if (threadIdx.x != 0) return;
    if (port.base != nullptr) {
      release(reinterpret_cast<uint64_t*>(port.base + offset), value);
      return;
    }
    signal(port, offset, value);
  }

  // Gives a slot back to the sender; all threads have come here.
  __device__ void return_slot(int number, uint64_t taken) {
    if (threadIdx.x != 0) return;
    const Port& port = ports_[number];
    states_[number].messages = taken;
    if (port.base != nullptr) {
      relaxed(reinterpret_cast<uint64_t*>(port.base + port.credit), taken);
      return;
    }
    signal(port, port.credit, taken);
  }

  __device__ void signal(const Port& port, uint64_t offset, uint64_t value) {
#ifdef WEFT_NVSHMEM
    nvshmemx_signal_op(
      counter(offset), value, NVSHMEM_SIGNAL_SET, port.peer);
#endif
  }

  // Waits for the slot of a message; all threads get whether there is one.
  __device__ bool has_slot(int number, uint64_t sent) {
    const Port& port = ports_[number];
    PortState& state = states_[number];
    if (sent - state.seen < static_cast<uint64_t>(launch_.slots)) return true;
    const uint64_t* credit = counter(port.credit);
    if (!await(credit, sent + 1 - launch_.slots, 1, port.peer)) return false;
    if (threadIdx.x == 0) state.seen = acquire(credit);
    __syncthreads();
    return true;
  }

  __device__ __forceinline__ void transfer(const Operation& op) {
    const Move move = place(op);
    const bool sends = op.actions & WEFT_PLAN_SEND, receives = op.actions & WEFT_PLAN_RECEIVE;
    if (receives && wire() == Wire::messages) {
      const Port& port = ports_[op.from];
      if (!await(counter(port.head), move.taken + 1, 0, port.peer)) return;
    }
    if (sends && !has_slot(op.to, move.sent)) return;
    const int is_over = by_actions(op.actions, [&]<int bits>() -> int {
      const Actions<bits> act;
      switch (wire()) {
      case Wire::lines:
        return in_words(move) ? move_lines<T, true>(act, watch_, move)
                              : move_odd_lines<T>(bits, watch_, move);
      case Wire::wide_lines:
        return in_words(move) ? move_wide_lines<T, true>(act, watch_, move)
                              : move_odd_wide_lines<T>(bits, watch_, move);
      default:
        move_message<T, bits>(move, 0, 1);
        return 0;
      }
    });
    stopped_ = __syncthreads_or(is_over);
    if (sends) send(op.to, move);
    if (receives) return_slot(op.from, move.taken + 1);
  }

  __device__ static bool in_words(const Move& move) {
    const auto low = reinterpret_cast<uintptr_t>(move.source)
      | reinterpret_cast<uintptr_t>(move.addend) | reinterpret_cast<uintptr_t>(move.stored);
    return ((low | move.bytes) & 7) == 0;
  }

  // Announces a message, and puts it where stores do not reach; all threads have come here.
  __device__ void send(int number, const Move& move) {
    const Port& port = ports_[number];
    if (threadIdx.x == 0) states_[number].messages = move.sent + 1;
    if (port.base != nullptr) {
      if (wire() == Wire::messages) announce(port, port.head, move.sent + 1);
      return;
    }
#ifdef WEFT_NVSHMEM
    uint8_t* slot = base_ + port.slots + slot_of(move.sent) * port.slot_bytes;
    if (wire() == Wire::messages) {
      nvshmemx_putmem_signal_nbi_block(
        slot, move.outgoing, move.bytes, counter(port.head), move.sent + 1, NVSHMEM_SIGNAL_SET,
        port.peer);
    } else {
      // Lines of 16 bytes hold 8; wide ones go to peers in reach alone.
      nvshmemx_putmem_nbi_block(slot, move.outgoing, (move.bytes + 7) / 8 * 16, port.peer);
    }
#endif
  }

  __device__ uint64_t* counter(uint64_t offset) const {
    return reinterpret_cast<uint64_t*>(base_ + offset);
  }

  const Launch& launch_;
  const Port* ports_;
  PortState* states_;
  Operation* window_;
  Watch& watch_;
  uint8_t* base_;
  int local_rank_;
  int lane_;
  uint64_t call_;
  int stopped_ = 0;
};

}  // namespace weft::gpu
