// The kernel that executes plans: a block per lane. Nothing here knows an algorithm.
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

/// Copies records of whole 16 bytes by all threads of a block.
template <typename Item>
__device__ void copy(Item* to, const Item* from, int count) {
  static_assert(sizeof(Item) % sizeof(uint4) == 0);
  const int words = count * static_cast<int>(sizeof(Item) / sizeof(uint4));
  for (int i = threadIdx.x; i < words; i += blockDim.x)
    reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
}

/// What a block has in shared memory besides its ports.
struct Workbench {
  Operation window[window_length];
  Move moves[window_length];
  Watch watch;
};

template <typename T>
class Interpreter {
 public:
  __device__ Interpreter(
    const Launch& launch, int local_rank, int lane, int part, uint64_t begun, uint8_t* base,
    Workbench* bench, PortState* states, const Port* ports, Run first)
      : launch_(launch), ports_(ports), states_(states), window_(bench->window),
        watch_(bench->watch), moves_(bench->moves), first_(first), base_(base),
        local_rank_(local_rank), lane_(lane), part_(part), begun_(begun) {
    if (threadIdx.x == 0)
      watch_ = {&launch, launch.first_rank + local_rank, lane, begun, 0};
  }

  __device__ void run() {
    for (int i = 0; i < launch_.calls && !stopped_; i++) {
      call_ = begun_ + i;
      if (threadIdx.x == 0) watch_.call = call_;
      run_call();
      // Lanes of a rank end a call together, as the caller of a call sees it; the last one's end is
      // that of the launch.
      if (launch_.segment < 0 && launch_.lanes > 1 && i + 1 < launch_.calls) meet();
    }
  }

 private:
  __device__ void run_call() {
    Run run = first_;
    uint64_t skipped = 0;
    // The only run of a lane has been fetched, and so have its first operations.
    const bool is_only = launch_.bodies == 1 && launch_.kernels == 1;
    if (!is_only) run = find_run(skipped);
    for (uint64_t i = 0; i < run.count && !stopped_; i++) {
      const uint64_t place = i % window_length;
      if (place == 0) {
        const uint64_t left = run.count - i;
        const int count = static_cast<int>(min(left, static_cast<uint64_t>(window_length)));
        const bool is_there =
          is_only && i == 0 && (call_ == begun_ || run.count <= window_length);
        // The first thread may still be ending the operation before.
        if (i > 0 || call_ > begun_) __syncthreads();
        if (!is_there) read_ahead(run.first + i, count);
        prepare(count);
      }
      if (threadIdx.x == 0) watch_.step = skipped + i;
      const Operation& op = window_[place];
      if (op.kind == WEFT_PLAN_TRANSFER && op.actions & (WEFT_PLAN_RECEIVE | WEFT_PLAN_SEND)) {
        transfer(op, moves_[place]);
        continue;
      }
      if (op.kind == WEFT_PLAN_KERNEL) {
        if (launch_.lanes > 1) meet();
      } else {
        execute(op, moves_[place]);
      }
      // What this block wrote is read by its other threads from here on.
      __syncthreads();
    }
  }

  // The operations of this launch, and how many of the call come before them.
  __device__ Run find_run(uint64_t& skipped) const {
    const int repeated = launch_.bodies - launch_.period;
    const int body = call_ < launch_.bodies
      ? static_cast<int>(call_)
      : repeated + static_cast<int>((call_ - repeated) % launch_.period);
    const uint64_t lane =
      (static_cast<uint64_t>(body) * launch_.ranks + local_rank_) * launch_.lanes + lane_;
    const Run* runs = launch_.runs + lane * launch_.kernels;
    Run run = runs[max(launch_.segment, 0)];
    if (launch_.segment > 0) skipped = run.first - runs[0].first;
    if (launch_.segment < 0 && launch_.kernels > 1) {
      const Run last = runs[launch_.kernels - 1];
      run.count = last.first + last.count - run.first;
    }
    return run;
  }

  // Fetches the next operations together, so that one latency is paid for all.
  __device__ void read_ahead(uint64_t first, int count) {
    copy(window_, launch_.operations + first, count);
    __syncthreads();
  }

  // Works out the places of the operations that were fetched, a thread for each. What a port has done
  // is known up to here; what the operations before do to it is counted.
  __device__ void prepare(int count) {
    if (threadIdx.x < count) {
      const Operation op = window_[threadIdx.x];
      const bool receives = op.actions & WEFT_PLAN_RECEIVE, sends = op.actions & WEFT_PLAN_SEND;
      const bool reduces = op.actions & WEFT_PLAN_REDUCE;
      Move move{};
      move.bytes = op.count * T::bytes;
      if (!receives || reduces) move.source = base_ + op.source;
      if (!receives && reduces) move.addend = base_ + op.addend;
      if (op.actions & WEFT_PLAN_STORE) move.stored = base_ + op.destination;
      if (receives) {
        const Port& port = ports_[op.from];
        move.taken = states_[op.from].messages;
        for (int i = 0; i < threadIdx.x; i++)
          if (window_[i].actions & WEFT_PLAN_RECEIVE && window_[i].from == op.from) move.taken++;
        move.incoming = base_ + port.slots + slot_of(port, move.taken);
        move.flag_in = static_cast<uint32_t>(move.taken + 1);
        move.from_peer = port.peer;
      }
      if (sends) {
        const Port& port = ports_[op.to];
        move.sent = states_[op.to].messages;
        for (int i = 0; i < threadIdx.x; i++)
          if (window_[i].actions & WEFT_PLAN_SEND && window_[i].to == op.to) move.sent++;
        move.outgoing = (port.base != nullptr ? port.base + port.slots : base_ + port.staging)
          + slot_of(port, move.sent);
        move.flag_out = static_cast<uint32_t>(move.sent + 1);
      }
      if (op.kind == WEFT_PLAN_PUT && ports_[op.to].base != nullptr)
        move.outgoing = ports_[op.to].base + op.destination;
      moves_[threadIdx.x] = move;
    }
    __syncthreads();
  }

  __device__ __forceinline__ void execute(const Operation& op, const Move& move) {
    switch (op.kind) {
    case WEFT_PLAN_TRANSFER: compute(op, move); break;
    case WEFT_PLAN_PUT: put(op, move); break;
    case WEFT_PLAN_SIGNAL: raise(op.to); break;
    case WEFT_PLAN_WAIT: wait(op); break;
    case WEFT_PLAN_BARRIER:
      if (launch_.lanes > 1) meet();
      break;
    }
  }

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

  __device__ void raise(int number) {
    const Port& port = ports_[number];
    __syncthreads();
    const uint64_t value = states_[number].flags + 1;
    __syncthreads();
    if (threadIdx.x == 0) states_[number].flags = value;
    announce(port, port.flags, value);
  }

  __device__ void wait(const Operation& op) {
    PortState& state = states_[op.from];
    const Port& port = ports_[op.from];
    const uint64_t wanted = state.waited + 1;
    __syncthreads();
    if (threadIdx.x == 0) state.waited = wanted;
    if (op.flags & is_fused) return;
    if (!(op.flags & waits_cells)) {
      await(counter(port.flags), wanted, 2, port.peer);
      return;
    }
    const uint64_t cells = cells_of(op.count);
    const auto* cell = reinterpret_cast<const uint2*>(base_ + op.source);
    int is_over = 0;
    for (uint64_t i = threadIdx.x; i < cells && !is_over; i += blockDim.x)
      poll(cell + i, flag_of(op), port.peer, is_over);
    stopped_ = __syncthreads_or(is_over);
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

  // MARK: - Messages

  // The slot of a port's message; the number of slots is a power of two, or the remainder is taken.
  __device__ uint64_t slot_of(const Port& port, uint64_t message) const {
    const auto slots = static_cast<uint64_t>(launch_.slots);
    return ((slots & (slots - 1)) == 0 ? message & (slots - 1) : message % slots) * port.slot_bytes;
  }

  __device__ __forceinline__ void transfer(const Operation& op, const Move& move) {
    const bool sends = op.actions & WEFT_PLAN_SEND, receives = op.actions & WEFT_PLAN_RECEIVE;
    if (receives && launch_.wire == Wire::messages) {
      const Port& port = ports_[op.from];
      if (!await(counter(port.head), move.taken + 1, 0, port.peer)) return;
    }
    if (sends && !has_slot(op.to, move.sent)) return;
    const int is_over = by_actions(op.actions, [&]<int bits>() -> int {
      const Actions<bits> act;
      switch (launch_.wire) {
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
      if (launch_.wire == Wire::messages) announce(port, port.head, move.sent + 1);
      return;
    }
#ifdef WEFT_NVSHMEM
    uint8_t* slot = base_ + port.slots + slot_of(port, move.sent);
    if (launch_.wire == Wire::messages) {
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

  // MARK: - Cells

  __device__ uint64_t cells_of(uint64_t count) const {
    return (count + launch_.cell_elements - 1) / launch_.cell_elements;
  }

  // Unique among the writes of a cell: the call, and the number of the put in it.
  __device__ uint32_t flag_of(const Operation& op) const {
    return static_cast<uint32_t>(call_ + 1) * launch_.cell_stride + op.cell_flag;
  }

  __device__ uint32_t poll(const uint2* cell, uint32_t flag, int peer, int& is_over) {
    uint32_t looks = 0;
    uint64_t start = 0;
    while (true) {
      const uint2 value = load_cell(cell);
      if (value.y == flag) return value.x;
      if (watch_.patient(looks, start)) continue;
      watch_.give_up(3, peer, flag, value.y);
      is_over = 1;
      return 0;
    }
  }

  __device__ uint32_t read(uint64_t place, bool is_cells, uint64_t i, int length) {
    if (is_cells) return load_cell(reinterpret_cast<const uint2*>(base_ + place) + i).x;
    return gather(base_ + place + i * launch_.cell_elements * T::bytes, length).x;
  }

  // Copies and sums within the rank.
  __device__ void compute(const Operation& op, const Move& move) {
    const bool reduces = op.actions & WEFT_PLAN_REDUCE;
    if (!(op.flags & (source_cells | addend_cells | destination_cells))) {
      if (reduces) {
        move_message<T, WEFT_PLAN_REDUCE | WEFT_PLAN_STORE>(move, part_, launch_.split);
      } else {
        move_message<T, WEFT_PLAN_STORE>(move, part_, launch_.split);
      }
      return;
    }
    const uint64_t cells = cells_of(op.count);
    const int cell_bytes = launch_.cell_elements * T::bytes;
    const uint64_t stride = static_cast<uint64_t>(blockDim.x) * launch_.split;
    const bool polls = op.flags & polls_source;
    const uint32_t flag = polls ? flag_of(op) : 0;
    const int peer = polls ? ports_[op.from].peer : -1;
    int is_over = 0;
    for (uint64_t i = part_ * blockDim.x + threadIdx.x; i < cells && !is_over; i += stride) {
      const uint64_t rest = op.count * T::bytes - i * cell_bytes;
      const int length = rest < cell_bytes ? static_cast<int>(rest) : cell_bytes;
      // The local operand is on its way while the flag is awaited.
      const uint32_t second = reduces ? read(op.addend, op.flags & addend_cells, i, length) : 0;
      uint32_t value = polls
        ? poll(reinterpret_cast<const uint2*>(base_ + op.source) + i, flag, peer, is_over)
        : read(op.source, op.flags & source_cells, i, length);
      if (reduces) value = add<T>(value, second);
      if (op.flags & destination_cells) {
        store_cell(reinterpret_cast<uint2*>(base_ + op.destination) + i, value, 0);
      } else {
        scatter(base_ + op.destination + i * cell_bytes, {value, 0}, length);
      }
    }
    if (polls) stopped_ = __syncthreads_or(is_over);
  }

  __device__ void put(const Operation& op, const Move& move) {
    const Port& port = ports_[op.to];
    uint8_t* base = port.base;
    if (!(op.flags & destination_cells)) {
      if (base != nullptr) {
        if (op.flags & source_cells) {
          const int cell_bytes = launch_.cell_elements * T::bytes;
          for (uint64_t i = threadIdx.x; i < cells_of(op.count); i += blockDim.x) {
            const uint64_t rest = op.count * T::bytes - i * cell_bytes;
            scatter(
              base + op.destination + i * cell_bytes, {read(op.source, true, i, cell_bytes), 0},
              rest < cell_bytes ? static_cast<int>(rest) : cell_bytes);
          }
        } else {
          move_message<T, WEFT_PLAN_SEND>(move, 0, 1);
        }
        raise(op.to);
        return;
      }
#ifdef WEFT_NVSHMEM
      __syncthreads();
      const uint64_t value = states_[op.to].flags + 1;
      __syncthreads();
      if (threadIdx.x == 0) states_[op.to].flags = value;
      nvshmemx_putmem_signal_nbi_block(
        base_ + op.destination, base_ + op.source, op.count * T::bytes,
        reinterpret_cast<uint64_t*>(base_ + port.flags), value, NVSHMEM_SIGNAL_SET, port.peer);
#endif
      return;
    }
    const uint32_t flag = flag_of(op);
    const uint64_t cells = cells_of(op.count);
    const int cell_bytes = launch_.cell_elements * T::bytes;
    // A peer out of reach gets the own cells as they are, so their flags are set first.
    auto* out = reinterpret_cast<uint2*>(
      base != nullptr ? base + op.destination : base_ + op.source);
    for (uint64_t i = threadIdx.x; i < cells; i += blockDim.x) {
      const uint64_t rest = op.count * T::bytes - i * cell_bytes;
      const int length = rest < cell_bytes ? static_cast<int>(rest) : cell_bytes;
      store_cell(out + i, read(op.source, op.flags & source_cells, i, length), flag);
    }
    // The flags are the notice; the count goes on for signals that follow.
    __syncthreads();
    if (threadIdx.x == 0) states_[op.to].flags++;
#ifdef WEFT_NVSHMEM
    if (base == nullptr)
      nvshmemx_putmem_nbi_block(
        base_ + op.destination, base_ + op.source, cells * 8, port.peer);
#endif
  }

  const Launch& launch_;
  const Port* ports_;
  PortState* states_;
  Operation* window_;
  Watch& watch_;
  Move* moves_;
  Run first_;
  uint8_t* base_;
  int local_rank_;
  int lane_;
  int part_;
  uint64_t begun_;
  uint64_t call_ = 0;
  int stopped_ = 0;
};

/// Blocks: the lanes of the first local rank, of the second, and so on; `split` blocks for each.
template <typename T>
__global__ void __launch_bounds__(most_threads) interpret(const __grid_constant__ Launch launch) {
  extern __shared__ uint4 shared[];
  const int lane_number = blockIdx.x / launch.split;
  const int part = blockIdx.x % launch.split;
  const int rank = lane_number / launch.lanes, lane = lane_number % launch.lanes;
  auto* bench = reinterpret_cast<Workbench*>(shared);
  auto* states = reinterpret_cast<PortState*>(bench + 1);
  auto* ports = reinterpret_cast<Port*>(states + launch.most_ports);
  // Nothing here depends on anything else, so one latency is paid for all.
  const uint64_t begun = launch.calls_begun[lane_number];
  const Run first = launch.runs[static_cast<uint64_t>(lane_number) * launch.kernels];
  uint8_t* base = launch.memories[rank];
  copy(bench->window, launch.beginnings + lane_number * window_length, window_length);
  copy(states, launch.states + lane_number * launch.most_ports, launch.most_ports);
  copy(ports, launch.ports + lane_number * launch.most_ports, launch.most_ports);
  __syncthreads();
  Interpreter<T>(launch, rank, lane, part, begun, base, bench, states, ports, first).run();
  __syncthreads();
  // Local operations change no port, so any of the blocks that share them may write these back.
  copy(launch.states + lane_number * launch.most_ports, states, launch.most_ports);
  // Nobody reads the number of calls before the next launch, and the last kernel is never shared.
  if (threadIdx.x == 0 && launch.counts_calls)
    launch.calls_begun[lane_number] = begun + launch.calls;
}

}  // namespace weft::gpu
