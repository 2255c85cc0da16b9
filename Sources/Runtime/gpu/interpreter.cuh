// The kernel that executes plans: a block per lane. Nothing here knows an algorithm.
#pragma once

#include "lane.cuh"

namespace weft::gpu {

/// `is_shared`: several blocks share the lane, which has one local operation and then signals.
template <typename T, Kind kind, bool is_shared = false>
class Interpreter : Lane<T, kind> {
 public:
  __device__ Interpreter(
    const Launch& launch, int local_rank, int lane, int part, uint64_t begun, uint8_t* base,
    Workbench* bench, PortState* states, const Port* ports, Run first)
      : Lane<T, kind>(launch, local_rank, lane, begun, base, bench, states, ports), first_(first),
        part_(part), begun_(begun) {}

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

  /// Whether what the ports have done is this block's to keep: of those that share a lane, it is the
  /// one that went on alone, or the first.
  __device__ bool keeps_ports() const { return is_last_ || (part_ == 0 && !is_left_); }

 private:
  using Base = Lane<T, kind>;
  using Base::announce, Base::await, Base::base_, Base::begin_call, Base::call_, Base::counter,
    Base::lane_, Base::launch_, Base::local_rank_, Base::meet, Base::place, Base::ports_,
    Base::states_, Base::stopped_, Base::transfer, Base::watch_, Base::window_;

  __device__ void run_call() {
    Run run = first_;
    uint64_t skipped = 0;
    // The only run of a lane has been fetched, and so have its first operations.
    const bool is_only = launch_.bodies == 1 && launch_.kernels == 1;
    if (!is_only) run = find_run(skipped);
    if (call_ > begun_) {
      // The first thread may still be ending the operation before.
      __syncthreads();
      begin_call();
      __syncthreads();
    }
    for (uint64_t begin = 0; begin < run.count && !stopped_; begin += window_length) {
      const int count =
        static_cast<int>(min(run.count - begin, static_cast<uint64_t>(window_length)));
      const bool is_there =
        is_only && begin == 0 && (call_ == begun_ || run.count <= window_length);
      if (begin > 0) __syncthreads();
      if (!is_there) read_ahead(run.first + begin, count);
      if (threadIdx.x == 0) watch_.window = skipped + begin;
      for (int place = 0; place < count && !stopped_; place++) {
        if (threadIdx.x == 0) watch_.place = place;
        do_next(window_[place]);
      }
    }
  }

  __device__ __forceinline__ void do_next(const Operation& op) {
    if constexpr (is_shared) {
      if (op.kind == WEFT_PLAN_TRANSFER) {
        compute(op);
      } else if (is_last_ || comes_last()) {
        raise(op.to);
      } else {
        stopped_ = true;
      }
    } else if constexpr (kind != Kind::any) {
      transfer(op);
    } else {
      if (op.kind == WEFT_PLAN_TRANSFER && op.actions & (WEFT_PLAN_RECEIVE | WEFT_PLAN_SEND)) {
        transfer(op);
        return;
      }
      if (op.kind == WEFT_PLAN_KERNEL) {
        if (launch_.lanes > 1) meet();
      } else {
        execute(op);
      }
      // What this block wrote is read by its other threads from here on.
      __syncthreads();
    }
  }

  // Whether all other blocks that share the lane have done their part, so that this one goes on alone.
  __device__ bool comes_last() {
    __syncthreads();
    bool last = false;
    if (threadIdx.x == 0) {
      __threadfence_system();
      unsigned long long& done = launch_.parts_done[local_rank_ * launch_.lanes + lane_];
      last = (atomicAdd(&done, 1) + 1) % launch_.split == 0;
      __threadfence_system();
    }
    is_last_ = __syncthreads_or(last);
    is_left_ = !is_last_;
    return is_last_;
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
    const auto* from = reinterpret_cast<const uint4*>(launch_.operations + first);
    for (int i = threadIdx.x; i < count * words_of<Operation>; i += blockDim.x)
      reinterpret_cast<uint4*>(window_)[i] = from[i];
    __syncthreads();
  }

  // MARK: - Operations without messages

  __device__ __forceinline__ void execute(const Operation& op) {
    switch (op.kind) {
    case WEFT_PLAN_TRANSFER: compute(op); break;
    case WEFT_PLAN_PUT: put(op); break;
    case WEFT_PLAN_SIGNAL: raise(op.to); break;
    case WEFT_PLAN_WAIT: wait(op); break;
    case WEFT_PLAN_BARRIER:
      if (launch_.lanes > 1) meet();
      break;
    }
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
    const auto* cell = reinterpret_cast<const uint2*>(op.source);
    int is_over = 0;
    for (uint64_t i = threadIdx.x; i < cells && !is_over; i += blockDim.x)
      poll(cell + i, flag_of(op), port.peer, is_over);
    stopped_ = __syncthreads_or(is_over);
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

  __device__ uint32_t read(const uint8_t* place, bool is_cells, uint64_t i, int length) {
    if (is_cells) return load_cell(reinterpret_cast<const uint2*>(place) + i).x;
    return gather(place + i * launch_.cell_elements * T::bytes, length).x;
  }

  // Copies and sums within the rank.
  __device__ void compute(const Operation& op) {
    const int part = is_shared ? part_ : 0, parts = is_shared ? launch_.split : 1;
    const Move move = place(op);
    const bool reduces = op.actions & WEFT_PLAN_REDUCE;
    if (!(op.flags & (source_cells | addend_cells | destination_cells))) {
      if (reduces) {
        move_message<T, WEFT_PLAN_REDUCE | WEFT_PLAN_STORE>(move, part, parts);
      } else {
        move_message<T, WEFT_PLAN_STORE>(move, part, parts);
      }
      return;
    }
    const uint64_t cells = cells_of(op.count);
    const int cell_bytes = launch_.cell_elements * T::bytes;
    const uint64_t stride = static_cast<uint64_t>(blockDim.x) * parts;
    const bool polls = op.flags & polls_source;
    const uint32_t flag = polls ? flag_of(op) : 0;
    const int peer = polls ? ports_[op.from].peer : -1;
    int is_over = 0;
    for (uint64_t i = part * blockDim.x + threadIdx.x; i < cells && !is_over; i += stride) {
      const uint64_t rest = op.count * T::bytes - i * cell_bytes;
      const int length = rest < cell_bytes ? static_cast<int>(rest) : cell_bytes;
      // The local operand is on its way while the flag is awaited.
      const uint32_t second = reduces ? read(op.addend, op.flags & addend_cells, i, length) : 0;
      uint32_t value = polls
        ? poll(reinterpret_cast<const uint2*>(op.source) + i, flag, peer, is_over)
        : read(op.source, op.flags & source_cells, i, length);
      if (reduces) value = add<T>(value, second);
      if (op.flags & destination_cells) {
        store_cell(reinterpret_cast<uint2*>(op.destination) + i, value, 0);
      } else {
        scatter(op.destination + i * cell_bytes, {value, 0}, length);
      }
    }
    if (polls) stopped_ = __syncthreads_or(is_over);
  }

  __device__ void put(const Operation& op) {
    const Port& port = ports_[op.to];
    uint8_t* there = op.sent_slots;
    if (!(op.flags & destination_cells)) {
      if (there != nullptr) {
        if (op.flags & source_cells) {
          const int cell_bytes = launch_.cell_elements * T::bytes;
          for (uint64_t i = threadIdx.x; i < cells_of(op.count); i += blockDim.x) {
            const uint64_t rest = op.count * T::bytes - i * cell_bytes;
            scatter(
              there + i * cell_bytes, {read(op.source, true, i, cell_bytes), 0},
              rest < cell_bytes ? static_cast<int>(rest) : cell_bytes);
          }
        } else {
          move_message<T, WEFT_PLAN_SEND>(place(op), 0, 1);
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
        op.destination, op.source, op.count * T::bytes,
        reinterpret_cast<uint64_t*>(base_ + port.flags), value, NVSHMEM_SIGNAL_SET, port.peer);
#endif
      return;
    }
    const uint32_t flag = flag_of(op);
    const uint64_t cells = cells_of(op.count);
    const int cell_bytes = launch_.cell_elements * T::bytes;
    // A peer out of reach gets the own cells as they are, so their flags are set first.
    auto* out = reinterpret_cast<uint2*>(there != nullptr ? there : const_cast<uint8_t*>(op.source));
    for (uint64_t i = threadIdx.x; i < cells; i += blockDim.x) {
      const uint64_t rest = op.count * T::bytes - i * cell_bytes;
      const int length = rest < cell_bytes ? static_cast<int>(rest) : cell_bytes;
      store_cell(out + i, read(op.source, op.flags & source_cells, i, length), flag);
    }
    // The flags are the notice; the count goes on for signals that follow.
    __syncthreads();
    if (threadIdx.x == 0) states_[op.to].flags++;
#ifdef WEFT_NVSHMEM
    if (there == nullptr)
      nvshmemx_putmem_nbi_block(op.destination, op.source, cells * 8, port.peer);
#endif
  }

  Run first_;
  int part_;
  uint64_t begun_;
  // Of the blocks that share a lane, the one that goes on after the shared operation, and the others.
  bool is_last_ = false, is_left_ = false;
};

/// Blocks: the lanes, the local ranks, and `split` that share the work of a lane if it `is_shared`.
template <typename T, Kind kind, bool is_shared = false>
__global__ void __launch_bounds__(most_threads) interpret(const __grid_constant__ Launch launch) {
  extern __shared__ uint4 shared[];
  const int lane = blockIdx.x, rank = blockIdx.y, part = blockIdx.z;
  const int lane_number = rank * launch.lanes + lane;
  auto* bench = reinterpret_cast<Workbench*>(shared);
  auto* states = reinterpret_cast<PortState*>(bench + 1);
  auto* ports = reinterpret_cast<Port*>(states + launch.most_ports);
  const uint64_t begun = load_now(&launch.calls_begun[lane_number]);
  const auto run =
    load_now(reinterpret_cast<const uint4*>(&launch.runs[lane_number * launch.kernels]));
  uint8_t* base = reinterpret_cast<uint8_t*>(
    load_now(reinterpret_cast<const uint64_t*>(&launch.memories[rank])));
  // Nothing here depends on anything else, and all of it is on its way before any is put down: one
  // latency is paid for all.
  const auto* operations =
    reinterpret_cast<const uint4*>(launch.beginnings + lane_number * window_length);
  auto* old_states = reinterpret_cast<uint4*>(launch.states + lane_number * launch.most_ports);
  const auto* all_ports =
    reinterpret_cast<const uint4*>(launch.ports + lane_number * launch.most_ports);
  constexpr int window_words = window_length * words_of<Operation>;
  const int state_words = launch.most_ports * words_of<PortState>;
  const int port_words = launch.most_ports * words_of<Port>;
  for (int i = threadIdx.x; i < max(window_words, port_words); i += blockDim.x) {
    uint4 operation, state, port;
    if (i < window_words) operation = operations[i];
    if (i < state_words) state = old_states[i];
    if (i < port_words) port = all_ports[i];
    if (i < window_words) reinterpret_cast<uint4*>(bench->window)[i] = operation;
    if (i < state_words) {
      // A call's first kernel notes the messages so far, which begin a port's record, in the last word
      // of it; later kernels find them there. Each word has one writer.
      const int word = i % words_of<PortState>;
      const bool begins = launch.segment <= 0;
      if (!begins || word < words_of<PortState> - 1) reinterpret_cast<uint4*>(states)[i] = state;
      if (begins && word == 0)
        states[i / words_of<PortState>].before_call =
          state.x | static_cast<uint64_t>(state.y) << 32;
    }
    if (i < port_words) reinterpret_cast<uint4*>(ports)[i] = port;
  }
  __syncthreads();
  Interpreter<T, kind, is_shared> interpreter(launch, rank, lane, part, begun, base, bench, states, ports,
    {run.x | static_cast<uint64_t>(run.y) << 32, run.z | static_cast<uint64_t>(run.w) << 32});
  interpreter.run();
  __syncthreads();
  if (!is_shared || interpreter.keeps_ports())
    for (int i = threadIdx.x; i < state_words; i += blockDim.x)
      old_states[i] = reinterpret_cast<const uint4*>(states)[i];
  // Nobody reads the number of calls before the next launch, and the last kernel is never shared.
  if (threadIdx.x == 0 && launch.counts_calls)
    launch.calls_begun[lane_number] = begun + launch.calls;
}

/// The kernel of a type of elements and a kind; `type` as in the plan's header.
template <Kind kind, bool is_shared = false>
const void* kernel_of(uint32_t type) {
  switch (type) {
  case WEFT_PLAN_FP16: return reinterpret_cast<const void*>(&interpret<Half, kind, is_shared>);
  case WEFT_PLAN_BF16: return reinterpret_cast<const void*>(&interpret<Brain, kind, is_shared>);
  case WEFT_PLAN_INT32: return reinterpret_cast<const void*>(&interpret<Whole, kind, is_shared>);
  default: return reinterpret_cast<const void*>(&interpret<Float, kind, is_shared>);
  }
}

}  // namespace weft::gpu
