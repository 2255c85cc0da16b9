// A ring all-reduce written for its schedule: the same messages, slots and flags as the plan of `ring`,
// with nothing looked up. What the interpreter takes longer is what interpreting costs.
#include <algorithm>

#include "baseline.hpp"
#include "wires.cuh"

namespace weft::gpu {
namespace {

/// The two ends of a lane of the ring.
struct Ring {
  uint8_t* base;
  uint8_t* next;
  uint8_t* previous;
  uint64_t input, output;
  uint64_t head_in, slots_in, slot_bytes_in, credit_in;
  uint64_t head_out, slots_out, slot_bytes_out, credit_out;
};

struct RingLaunch {
  const Ring* rings;
  uint64_t* messages;
  uint64_t elements;
  int lanes, ranks, position, slots;
};

struct Part {
  uint64_t offset, count;
};

__device__ Part part(Part whole, uint64_t index, uint64_t parts) {
  const uint64_t each = whole.count / parts, extra = whole.count % parts;
  return {whole.offset + index * each + min(index, extra), each + (index < extra ? 1 : 0)};
}

__device__ void wait_for(const uint64_t* counter, uint64_t wanted) {
  if (threadIdx.x == 0)
    while (acquire(counter) < wanted) {
    }
  __syncthreads();
}

// One step of a ring in messages: what it does is known when it is compiled.
template <typename T, bool receives, bool reduces, bool stores, bool sends>
__device__ void step(const Ring& ring, Part chunk, uint64_t taken, uint64_t sent, int slots) {
  const uint8_t* message = ring.base + ring.slots_in + taken % slots * ring.slot_bytes_in;
  uint8_t* outgoing = ring.next + ring.slots_out + sent % slots * ring.slot_bytes_out;
  if (receives) wait_for(reinterpret_cast<uint64_t*>(ring.base + ring.head_in), taken + 1);
  if (sends && sent >= static_cast<uint64_t>(slots))
    wait_for(reinterpret_cast<uint64_t*>(ring.base + ring.credit_out), sent + 1 - slots);
  const auto* own = reinterpret_cast<const uint4*>(ring.base + ring.input + chunk.offset * T::bytes);
  auto* kept = reinterpret_cast<uint4*>(ring.base + ring.output + chunk.offset * T::bytes);
  const auto* in = reinterpret_cast<const uint4*>(message);
  auto* out = reinterpret_cast<uint4*>(outgoing);
  const uint64_t words = chunk.count * T::bytes / 16;
  constexpr int unroll = 4;
  for (uint64_t i = threadIdx.x; i < words; i += unroll * blockDim.x) {
    uint4 value[unroll];
#pragma unroll
    for (int k = 0; k < unroll; k++)
      if (const uint64_t at = i + k * blockDim.x; at < words)
        value[k] = load((receives ? in : own) + at);
    if (reduces) {
      uint4 other[unroll];
#pragma unroll
      for (int k = 0; k < unroll; k++)
        if (const uint64_t at = i + k * blockDim.x; at < words) other[k] = load(own + at);
#pragma unroll
      for (int k = 0; k < unroll; k++) value[k] = add<T>(other[k], value[k]);
    }
#pragma unroll
    for (int k = 0; k < unroll; k++)
      if (const uint64_t at = i + k * blockDim.x; at < words) {
        if (stores) kept[at] = value[k];
        if (sends) out[at] = value[k];
      }
  }
  __syncthreads();
  if (threadIdx.x == 0 && sends)
    release(reinterpret_cast<uint64_t*>(ring.next + ring.head_out), sent + 1);
  if (threadIdx.x == 0 && receives)
    relaxed(reinterpret_cast<uint64_t*>(ring.previous + ring.credit_in), taken + 1);
}

// The same in lines of data and flags.
template <typename T, bool receives, bool reduces, bool stores, bool sends>
__device__ void step_lines(const Ring& ring, Part chunk, uint64_t taken, uint64_t sent, int slots) {
  if (sends && sent >= static_cast<uint64_t>(slots))
    wait_for(reinterpret_cast<uint64_t*>(ring.base + ring.credit_out), sent + 1 - slots);
  const auto* in =
    reinterpret_cast<const uint4*>(ring.base + ring.slots_in + taken % slots * ring.slot_bytes_in);
  auto* out =
    reinterpret_cast<uint4*>(ring.next + ring.slots_out + sent % slots * ring.slot_bytes_out);
  const auto* own = reinterpret_cast<const uint2*>(ring.base + ring.input + chunk.offset * T::bytes);
  auto* kept = reinterpret_cast<uint2*>(ring.base + ring.output + chunk.offset * T::bytes);
  const uint64_t lines = chunk.count * T::bytes / 8;
  const auto flag_in = static_cast<uint32_t>(taken + 1), flag_out = static_cast<uint32_t>(sent + 1);
  for (uint64_t i = threadIdx.x; i < lines; i += blockDim.x) {
    uint2 value = {0, 0};
    if (!receives || reduces) value = load(own + i);
    if (receives) {
      uint4 line;
      do line = load_line(in + i);
      while (line.y != flag_in || line.w != flag_in);
      const uint2 data = {line.x, line.z};
      value = reduces ? add<T>(data, value) : data;
    }
    if (sends) store_line(out + i, value, flag_out);
    if (stores) kept[i] = value;
  }
  __syncthreads();
  if (threadIdx.x == 0 && receives)
    relaxed(reinterpret_cast<uint64_t*>(ring.previous + ring.credit_in), taken + 1);
}

template <typename T, bool in_lines>
__global__ void __launch_bounds__(most_threads) ring_kernel(const __grid_constant__ RingLaunch launch) {
  const Ring ring = launch.rings[blockIdx.x];
  const uint64_t begun = launch.messages[blockIdx.x];
  const int ranks = launch.ranks, slots = launch.slots;
  const Part lane = part({0, launch.elements}, blockIdx.x, launch.lanes);
  const auto chunk = [&](int step) {
    return part(lane, (launch.position + 2 * ranks - 1 - step) % ranks, ranks);
  };
  const auto act = [&]<bool receives, bool reduces, bool stores, bool sends>(int number) {
    const uint64_t taken = begun + number - 1, sent = begun + number;
    if (in_lines) {
      step_lines<T, receives, reduces, stores, sends>(ring, chunk(number), taken, sent, slots);
    } else {
      step<T, receives, reduces, stores, sends>(ring, chunk(number), taken, sent, slots);
    }
  };
  act.template operator()<false, false, false, true>(0);
  for (int number = 1; number < ranks - 1; number++)
    act.template operator()<true, true, false, true>(number);
  act.template operator()<true, true, true, true>(ranks - 1);
  for (int number = ranks; number < 2 * ranks - 2; number++)
    act.template operator()<true, false, true, true>(number);
  act.template operator()<true, false, true, false>(2 * ranks - 2);
  if (threadIdx.x == 0) launch.messages[blockIdx.x] = begun + 2 * ranks - 2;
}

template <typename T>
const void* kernel_of(Wire wire) {
  return wire == Wire::lines ? reinterpret_cast<const void*>(&ring_kernel<T, true>)
                             : reinterpret_cast<const void*>(&ring_kernel<T, false>);
}

class RingWork final : public Work {
 public:
  RingWork(const Program& program, Ranks& ranks, const Settings& settings)
      : program_(program), memory_(ranks.own()[0]), threads_(settings.threads) {
    const weft_plan_header& header = program.header();
    const int rank = ranks.first(), count = ranks.count();
    const uint64_t chunk = header.elements / header.lanes / header.ranks;
    if (
      std::string(header.algorithm) != "ring" || header.collective != WEFT_PLAN_ALL_REDUCE
      || settings.wire == Wire::wide_lines || !ranks.reaches_all()
      || header.elements % (header.lanes * header.ranks) != 0
      || chunk * program.element_bytes() % 16 != 0)
      throw PlanError(
        "by hand there is only an all-reduce by ring, in messages or LL lines, of whole 16 bytes");
    std::vector<Ring> rings(header.lanes);
    for (const Connection& connection : program.connections()) {
      if (connection.rank == rank) {
        Ring& ring = rings[connection.lane];
        if (connection.source_rank != (rank + count - 1) % count)
          throw PlanError("by hand the ring is in the order of ranks");
        ring.previous = ranks.all()[connection.source_rank];
        ring.head_in = connection.head;
        ring.slots_in = connection.slots;
        ring.slot_bytes_in = connection.slot_bytes;
        ring.credit_in = connection.credit;
      }
      if (connection.source_rank == rank) {
        Ring& ring = rings[connection.source_lane];
        ring.next = ranks.all()[connection.rank];
        ring.head_out = connection.head;
        ring.slots_out = connection.slots;
        ring.slot_bytes_out = connection.slot_bytes;
        ring.credit_out = connection.credit;
      }
    }
    for (Ring& ring : rings) {
      ring.base = memory_;
      ring.input = program.buffer_offset(program.input_buffer());
      ring.output = program.buffer_offset(program.output_buffer());
    }
    rings_ = Allocation(rings.size() * sizeof(Ring));
    check(
      cudaMemcpy(
        rings_.as<void>(), rings.data(), rings.size() * sizeof(Ring), cudaMemcpyHostToDevice),
      "rings");
    messages_ = Allocation(header.lanes * sizeof(uint64_t));
    launch_ = {
      rings_.as<Ring>(), messages_.as<uint64_t>(), header.elements,
      static_cast<int>(header.lanes), count, rank, static_cast<int>(header.slots)};
    switch (header.type) {
    case WEFT_PLAN_FP16: kernel_ = kernel_of<Half>(settings.wire); break;
    case WEFT_PLAN_BF16: kernel_ = kernel_of<Brain>(settings.wire); break;
    case WEFT_PLAN_INT32: kernel_ = kernel_of<Whole>(settings.wire); break;
    default: kernel_ = kernel_of<Float>(settings.wire); break;
    }
  }

  void reset() override {
    const uint64_t begin = program_.control_offset();
    check(cudaMemset(memory_ + begin, 0, program_.memory_bytes() - begin), "counters");
    check(
      cudaMemset(messages_.as<void>(), 0, program_.header().lanes * sizeof(uint64_t)), "messages");
    check(cudaDeviceSynchronize(), "reset");
  }

  void start(cudaStream_t stream, int calls, Form) override {
    for (int i = 0; i < calls; i++) {
      void* arguments[] = {&launch_};
      check(
        cudaLaunchKernel(
          kernel_, dim3(program_.header().lanes), dim3(static_cast<unsigned>(threads_)), arguments,
          0, stream),
        "launch");
    }
  }

  void finish(cudaStream_t stream) override { check(cudaStreamSynchronize(stream), "by hand"); }

 private:
  const Program& program_;
  uint8_t* memory_;
  int threads_;
  Allocation rings_, messages_;
  RingLaunch launch_{};
  const void* kernel_ = nullptr;
};

class ByHand final : public Baseline {
 public:
  explicit ByHand(Ranks& ranks) : ranks_(ranks) {}
  std::unique_ptr<Work> work(const Program& program, const Settings& settings) override {
    return std::make_unique<RingWork>(program, ranks_, settings);
  }

 private:
  Ranks& ranks_;
};

}  // namespace

std::unique_ptr<Baseline> ring_by_hand(Ranks& ranks) {
  if (ranks.count() < 2)
    throw DeviceError("by hand there is a GPU for each of two ranks or more: use --backend nvshmem");
  return std::make_unique<ByHand>(ranks);
}

}  // namespace weft::gpu
