// The kernel that executes plans: a block per lane. Nothing here knows an algorithm.
//
// Order. A block's operations follow each other with a barrier between. What a peer wrote is read
// after its counter was seen by an acquire at system scope, or together with its flag (cells and
// lines are 8-byte stores of 4 bytes of data and their flag). Counters are stored by a release after
// a barrier of the block.
#pragma once

#include "arithmetic.cuh"
#include "device.cuh"
#include "weft_plan.h"

#ifdef WEFT_NVSHMEM
#include <nvshmem.h>
#include <nvshmemx.h>
#endif

namespace weft::gpu {

__device__ inline uint64_t acquire(const uint64_t* p) {
  uint64_t value;
  asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
  return value;
}
__device__ inline void release(uint64_t* p, uint64_t value) {
  asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(p), "l"(value) : "memory");
}
// One 8-byte access each: data and flag cannot part.
__device__ inline uint2 load_cell(const uint2* p) {
  uint2 value;
  asm volatile("ld.relaxed.sys.global.v2.u32 {%0, %1}, [%2];"
               : "=r"(value.x), "=r"(value.y) : "l"(p) : "memory");
  return value;
}
__device__ inline void store_cell(uint2* p, uint32_t data, uint32_t flag) {
  asm volatile("st.relaxed.sys.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(data), "r"(flag)
               : "memory");
}
__device__ inline uint4 load_line(const uint4* p) {
  uint4 value;
  asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "l"(p) : "memory");
  return value;
}
__device__ inline void store_line(uint4* p, uint2 data, uint32_t flag) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(data.x), "r"(flag),
               "r"(data.y), "r"(flag) : "memory");
}
__device__ inline uint64_t now_ns() {
  uint64_t value;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(value));
  return value;
}

template <typename T>
class Interpreter {
 public:
  __device__ Interpreter(const Launch& launch, int local_rank, int lane, int part, PortState* states)
      : launch_(launch), states_(states), rank_(launch.first_rank + local_rank),
        local_rank_(local_rank), lane_(lane), part_(part) {
    base_ = launch.bases[rank_];
    ports_ = launch.ports + launch.first_port[local_rank * launch.lanes + lane];
  }

  __device__ void run() {
    const uint64_t begun = launch_.calls_begun[local_rank_];
    for (int i = 0; i < launch_.calls && !stopped_; i++) {
      call_ = begun + i;
      run_call();
      // Lanes of a rank end a call together, as the caller of a call sees it.
      if (launch_.segment < 0 && launch_.lanes > 1) meet();
    }
  }

 private:
  __device__ void run_call() {
    const int repeated = launch_.bodies - launch_.period;
    const int body = call_ < launch_.bodies
      ? static_cast<int>(call_)
      : repeated + static_cast<int>((call_ - repeated) % launch_.period);
    const Run run =
      launch_.runs[(static_cast<uint64_t>(body) * launch_.ranks + local_rank_) * launch_.lanes
                   + lane_];
    int kernel = 0;
    for (step_ = 0; step_ < run.count && !stopped_; step_++) {
      const Operation op = launch_.operations[run.first + step_];
      if (op.kind == WEFT_PLAN_KERNEL) {
        kernel++;
        if (launch_.segment >= 0 && kernel > launch_.segment) return;
        if (launch_.segment < 0 && launch_.lanes > 1) meet();
        continue;
      }
      if (launch_.segment >= 0 && kernel != launch_.segment) continue;
      execute(op);
      // What this block wrote is read by its other threads from here on.
      __syncthreads();
    }
  }

  __device__ void execute(const Operation& op) {
    switch (op.kind) {
    case WEFT_PLAN_TRANSFER:
      if (op.actions & (WEFT_PLAN_RECEIVE | WEFT_PLAN_SEND)) {
        launch_.is_ll ? transfer_lines(op) : transfer(op);
      } else {
        compute(op);
      }
      break;
    case WEFT_PLAN_PUT: put(op); break;
    case WEFT_PLAN_SIGNAL: raise(op.to); break;
    case WEFT_PLAN_WAIT: wait(op); break;
    case WEFT_PLAN_BARRIER:
      if (launch_.lanes > 1) meet();
      break;
    }
  }

  // MARK: - Waiting

  // Whether to go on looking; checks the clock and the others now and then.
  __device__ bool patient(uint32_t& looks, uint64_t& start) {
    if (++looks & 1023) return true;
    const uint64_t now = now_ns();
    if (start == 0) start = now;
    return *launch_.stop == 0 && now - start < launch_.timeout_ns;
  }

  __device__ void give_up(uint32_t what, int peer, uint64_t wanted, uint64_t seen) {
    if (atomicExch_system(const_cast<uint32_t*>(launch_.stop), 1u) == 0) {
      Report& report = *launch_.report;
      report.rank = rank_;
      report.lane = lane_;
      report.peer = peer;
      report.call = call_;
      report.step = step_;
      report.wanted = wanted;
      report.seen = seen;
      report.what = what;
      __threadfence_system();
      report.is_set = 1;
    }
  }

  // All threads get whether the counter has come so far; thread 0 looks.
  __device__ bool await(const uint64_t* counter, uint64_t wanted, uint32_t what, int peer) {
    int is_over = 0;
    if (threadIdx.x == 0) {
      uint32_t looks = 0;
      uint64_t start = 0, seen;
      while ((seen = acquire(counter)) < wanted) {
        if (patient(looks, start)) continue;
        give_up(what, peer, wanted, seen);
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
        if (patient(looks, start)) continue;
        give_up(4, rank_, wanted, seen);
        is_over = 1;
        break;
      }
    }
    stopped_ = __syncthreads_or(is_over) || stopped_;
  }

  // MARK: - Counters

  // Stores a counter at a peer; all threads have come here.
  __device__ void publish(int peer, uint64_t offset, uint64_t value) {
    if (threadIdx.x != 0) return;
    uint8_t* base = launch_.bases[peer];
    if (base != nullptr) {
      release(reinterpret_cast<uint64_t*>(base + offset), value);
      return;
    }
#ifdef WEFT_NVSHMEM
    nvshmemx_signal_op(
      reinterpret_cast<uint64_t*>(base_ + offset), value, NVSHMEM_SIGNAL_SET, peer);
#endif
  }

  __device__ void raise(int number) {
    const Port& port = ports_[number];
    __syncthreads();
    const uint64_t value = states_[number].flags + 1;
    __syncthreads();
    if (threadIdx.x == 0) states_[number].flags = value;
    publish(port.peer, port.flags, value);
  }

  __device__ void wait(const Operation& op) {
    PortState& state = states_[op.from];
    const Port& port = ports_[op.from];
    const uint64_t wanted = state.waited + 1;
    __syncthreads();
    if (threadIdx.x == 0) state.waited = wanted;
    if (op.flags & is_fused) return;
    if (!(op.flags & waits_cells)) {
      await(reinterpret_cast<const uint64_t*>(base_ + port.flags), wanted, 2, port.peer);
      return;
    }
    const uint64_t cells = cells_of(op.count);
    const auto* cell = reinterpret_cast<const uint2*>(base_ + op.source);
    int is_over = 0;
    for (uint64_t i = threadIdx.x; i < cells && !is_over; i += blockDim.x)
      poll(cell + i, flag_of(op), port.peer, is_over);
    stopped_ = __syncthreads_or(is_over);
  }

  // Waits for a slot; all threads get whether there is one.
  __device__ bool has_slot(int number) {
    const Port& port = ports_[number];
    PortState& state = states_[number];
    const uint64_t sent = state.messages;
    if (sent - state.seen < static_cast<uint64_t>(launch_.slots)) return true;
    const uint64_t wanted = sent + 1 - launch_.slots;
    const auto* credit = reinterpret_cast<const uint64_t*>(base_ + port.credit);
    if (!await(credit, wanted, 1, port.peer)) return false;
    if (threadIdx.x == 0) state.seen = acquire(credit);
    __syncthreads();
    return true;
  }

  // MARK: - Messages

  __device__ void transfer(const Operation& op) {
    const bool sends = op.actions & WEFT_PLAN_SEND, receives = op.actions & WEFT_PLAN_RECEIVE;
    const uint8_t* message = nullptr;
    uint8_t* outgoing = nullptr;
    uint64_t taken = 0, sent = 0, slot = 0;
    if (receives) {
      const Port& port = ports_[op.from];
      taken = states_[op.from].messages;
      if (!await(reinterpret_cast<const uint64_t*>(base_ + port.head), taken + 1, 0, port.peer))
        return;
      message = base_ + port.slots + taken % launch_.slots * port.slot_bytes;
    }
    if (sends) {
      if (!has_slot(op.to)) return;
      const Port& port = ports_[op.to];
      sent = states_[op.to].messages;
      slot = sent % launch_.slots * port.slot_bytes;
      uint8_t* base = launch_.bases[port.peer];
      outgoing = base != nullptr ? base + port.slots + slot : base_ + port.staging + slot;
    }
    uint8_t* stored = op.actions & WEFT_PLAN_STORE ? base_ + op.destination : nullptr;
    const uint8_t* source = base_ + op.source;
    const bool reduces = op.actions & WEFT_PLAN_REDUCE;
    const uint8_t* second = reduces ? (receives ? message : base_ + op.addend) : nullptr;
    move(receives && !reduces ? message : source, second, stored, outgoing, op.count * T::bytes, 0, 1);
    __syncthreads();
    if (sends) {
      const Port& port = ports_[op.to];
      if (threadIdx.x == 0) states_[op.to].messages = sent + 1;
#ifdef WEFT_NVSHMEM
      if (launch_.bases[port.peer] == nullptr) {
        nvshmemx_putmem_signal_nbi_block(
          base_ + port.slots + slot, outgoing, op.count * T::bytes,
          reinterpret_cast<uint64_t*>(base_ + port.head), sent + 1, NVSHMEM_SIGNAL_SET, port.peer);
      } else
#endif
        publish(port.peer, port.head, sent + 1);
    }
    if (receives) {
      const Port& port = ports_[op.from];
      if (threadIdx.x == 0) states_[op.from].messages = taken + 1;
      publish(port.peer, port.credit, taken + 1);
    }
  }

  // Lines of 16 bytes with 8 of data: each thread forwards a line as soon as it is there.
  __device__ void transfer_lines(const Operation& op) {
    const bool sends = op.actions & WEFT_PLAN_SEND, receives = op.actions & WEFT_PLAN_RECEIVE;
    const bool reduces = op.actions & WEFT_PLAN_REDUCE;
    uint64_t taken = 0, sent = 0, slot = 0;
    const uint4* incoming = nullptr;
    uint4* outgoing = nullptr;
    int from_peer = -1;
    if (receives) {
      const Port& port = ports_[op.from];
      from_peer = port.peer;
      taken = states_[op.from].messages;
      incoming = reinterpret_cast<const uint4*>(
        base_ + port.slots + taken % launch_.slots * port.slot_bytes);
    }
    if (sends) {
      if (!has_slot(op.to)) return;
      const Port& port = ports_[op.to];
      sent = states_[op.to].messages;
      slot = sent % launch_.slots * port.slot_bytes;
      uint8_t* base = launch_.bases[port.peer];
      outgoing = reinterpret_cast<uint4*>(
        base != nullptr ? base + port.slots + slot : base_ + port.staging + slot);
    }
    const uint64_t bytes = op.count * T::bytes;
    const uint64_t lines = (bytes + 7) / 8;
    uint8_t* stored = op.actions & WEFT_PLAN_STORE ? base_ + op.destination : nullptr;
    int is_over = 0;
    for (uint64_t i = threadIdx.x; i < lines && !is_over; i += blockDim.x) {
      const int length = bytes - i * 8 < 8 ? static_cast<int>(bytes - i * 8) : 8;
      uint2 value = {0, 0};
      if (!receives || reduces) value = gather(base_ + op.source + i * 8, length);
      if (receives) {
        const uint2 data = poll_line(incoming + i, static_cast<uint32_t>(taken + 1), from_peer, is_over);
        value = reduces ? add<T>(data, value) : data;
      } else if (reduces) {
        value = add<T>(value, gather(base_ + op.addend + i * 8, length));
      }
      if (stored != nullptr) scatter(stored + i * 8, value, length);
      if (sends) store_line(outgoing + i, value, static_cast<uint32_t>(sent + 1));
    }
    stopped_ = __syncthreads_or(is_over);
    if (sends) {
      if (threadIdx.x == 0) states_[op.to].messages = sent + 1;
#ifdef WEFT_NVSHMEM
      const Port& port = ports_[op.to];
      if (launch_.bases[port.peer] == nullptr)
        nvshmemx_putmem_nbi_block(base_ + port.slots + slot, outgoing, lines * 16, port.peer);
#endif
    }
    if (receives) {
      const Port& port = ports_[op.from];
      if (threadIdx.x == 0) states_[op.from].messages = taken + 1;
      publish(port.peer, port.credit, taken + 1);
    }
  }

  __device__ uint2 poll_line(const uint4* line, uint32_t flag, int peer, int& is_over) {
    uint32_t looks = 0;
    uint64_t start = 0;
    while (true) {
      const uint4 value = load_line(line);
      if (value.y == flag && value.w == flag) return {value.x, value.z};
      if (patient(looks, start)) continue;
      give_up(0, peer, flag, value.y);
      is_over = 1;
      return {0, 0};
    }
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
      if (patient(looks, start)) continue;
      give_up(3, peer, flag, value.y);
      is_over = 1;
      return 0;
    }
  }

  __device__ uint32_t read(uint64_t place, bool is_cells, uint64_t i, int length) {
    if (is_cells) return load_cell(reinterpret_cast<const uint2*>(base_ + place) + i).x;
    return gather(base_ + place + i * launch_.cell_elements * T::bytes, length).x;
  }

  // Copies and sums within the rank.
  __device__ void compute(const Operation& op) {
    const bool reduces = op.actions & WEFT_PLAN_REDUCE;
    if (!(op.flags & (source_cells | addend_cells | destination_cells))) {
      move(
        base_ + op.source, reduces ? base_ + op.addend : nullptr, base_ + op.destination, nullptr,
        op.count * T::bytes, part_, launch_.split);
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

  __device__ void put(const Operation& op) {
    const Port& port = ports_[op.to];
    uint8_t* base = launch_.bases[port.peer];
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
          move(base_ + op.source, nullptr, base + op.destination, nullptr, op.count * T::bytes, 0, 1);
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

  // MARK: - Moving

  // out = first (+ second), also = out, by as wide accesses as all addresses allow.
  __device__ void move(
    const uint8_t* first, const uint8_t* second, uint8_t* out, uint8_t* also, uint64_t bytes,
    int part, int parts) {
    const auto bits = reinterpret_cast<uintptr_t>(first) | reinterpret_cast<uintptr_t>(second)
      | reinterpret_cast<uintptr_t>(out) | reinterpret_cast<uintptr_t>(also);
    uint64_t done = 0;
    if ((bits & 15) == 0) {
      move_words<uint4>(first, second, out, also, 0, bytes / 16, part, parts);
      done = bytes / 16 * 16;
    } else if ((bits & 3) == 0) {
      move_words<uint32_t>(first, second, out, also, 0, bytes / 4, part, parts);
      done = bytes / 4 * 4;
    }
    if (T::bytes == 2) {
      move_words<uint16_t>(first, second, out, also, done / 2, bytes / 2, part, parts);
    } else {
      move_words<uint32_t>(first, second, out, also, done / 4, bytes / 4, part, parts);
    }
  }

  template <typename Word>
  __device__ void move_words(
    const uint8_t* first, const uint8_t* second, uint8_t* out, uint8_t* also, uint64_t begin,
    uint64_t end, int part, int parts) {
    const auto* a = reinterpret_cast<const Word*>(first);
    const auto* b = reinterpret_cast<const Word*>(second);
    auto* o = reinterpret_cast<Word*>(out);
    auto* p = reinterpret_cast<Word*>(also);
    const uint64_t stride = static_cast<uint64_t>(blockDim.x) * parts;
    uint64_t i = begin + part * blockDim.x + threadIdx.x;
    // Four words of a thread are on their way at a time.
    for (; i + 3 * stride < end; i += 4 * stride) {
      Word value[4];
#pragma unroll
      for (int k = 0; k < 4; k++) value[k] = load(a + i + k * stride);
      if (b != nullptr) {
        Word other[4];
#pragma unroll
        for (int k = 0; k < 4; k++) other[k] = load(b + i + k * stride);
#pragma unroll
        for (int k = 0; k < 4; k++) value[k] = add<T>(value[k], other[k]);
      }
#pragma unroll
      for (int k = 0; k < 4; k++) {
        if (o != nullptr) o[i + k * stride] = value[k];
        if (p != nullptr) p[i + k * stride] = value[k];
      }
    }
    for (; i < end; i += stride) {
      Word value = load(a + i);
      if (b != nullptr) value = add<T>(value, load(b + i));
      if (o != nullptr) o[i] = value;
      if (p != nullptr) p[i] = value;
    }
  }

  const Launch& launch_;
  const Port* ports_;
  PortState* states_;
  uint8_t* base_;
  int rank_;
  int local_rank_;
  int lane_;
  int part_;
  uint64_t call_ = 0;
  uint64_t step_ = 0;
  int stopped_ = 0;
};

/// Blocks: the lanes of the first local rank, of the second, and so on; `split` blocks for each.
template <typename T>
__global__ void __launch_bounds__(1024) interpret(const __grid_constant__ Launch launch) {
  extern __shared__ PortState states[];
  const int lane_number = blockIdx.x / launch.split;
  const int part = blockIdx.x % launch.split;
  const int rank = lane_number / launch.lanes, lane = lane_number % launch.lanes;
  const uint32_t first = launch.first_port[lane_number], last = launch.first_port[lane_number + 1];
  for (uint32_t i = first + threadIdx.x; i < last; i += blockDim.x)
    states[i - first] = launch.states[i];
  __syncthreads();
  Interpreter<T>(launch, rank, lane, part, states).run();
  __syncthreads();
  // Local operations change no port, so any of the blocks that share them may write these back.
  for (uint32_t i = first + threadIdx.x; i < last; i += blockDim.x)
    launch.states[i] = states[i - first];
  // The last block to end notes the calls; nobody reads their number before the next launch.
  if (threadIdx.x != 0 || !launch.counts_calls) return;
  __threadfence();
  if (atomicAdd(launch.ended, 1u) + 1 < gridDim.x) return;
  *launch.ended = 0;
  for (int i = 0; i < launch.ranks; i++) launch.calls_begun[i] += launch.calls;
}

}  // namespace weft::gpu
