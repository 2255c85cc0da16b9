// What a calibration asks of a machine, apart from schedules. Rows: probe,type,blocks,bytes,value,unit.
#include <algorithm>
#include <cstdio>
#include <functional>

#include "interpreter.cuh"
#include "measure.hpp"

namespace weft::gpu {
namespace {

__global__ void nothing() {}

// out = a (+ b), as the interpreter's blocks do it.
template <typename T, bool adds>
__global__ void stream_through(const uint4* a, const uint4* b, uint4* out, uint64_t words) {
  const uint64_t stride = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i + 3 * stride < words; i += 4 * stride) {
    uint4 value[4], other[4];
#pragma unroll
    for (int k = 0; k < 4; k++) value[k] = load(a + i + k * stride);
    if (adds) {
#pragma unroll
      for (int k = 0; k < 4; k++) other[k] = load(b + i + k * stride);
#pragma unroll
      for (int k = 0; k < 4; k++) value[k] = add<T>(value[k], other[k]);
    }
#pragma unroll
    for (int k = 0; k < 4; k++) out[i + k * stride] = value[k];
  }
  for (; i < words; i += stride) {
    uint4 value = load(a + i);
    if (adds) value = add<T>(value, load(b + i));
    out[i] = value;
  }
}

// Waits for a counter, but not for ever.
__device__ bool reaches(const uint64_t* counter, uint64_t wanted) {
  const uint64_t start = now_ns();
  while (acquire(counter) < wanted)
    if (now_ns() - start > 5'000'000'000ULL) return false;
  return true;
}

// Ranks 0 and 1 take turns: rank 0 stores `words` 16-byte words `burst` times and raises a flag,
// rank 1 answers. Block b is rank first + b. Memory: two flags in lines of their own, then data. With
// `library`, one put by the library carries data and flag.
template <bool library>
__global__ void exchange(
  uint8_t* const* bases, int first, uint64_t words, int burst, int rounds, uint64_t begun) {
  const int rank = first + static_cast<int>(blockIdx.x);
  if (rank > 1) return;
  auto* own_flag = reinterpret_cast<uint64_t*>(bases[rank]);
  auto* peer_flag = reinterpret_cast<uint64_t*>(bases[1 - rank]);
  const auto* source = reinterpret_cast<const uint4*>(bases[rank] + 256);
  // The peer's second half, so that nobody writes what the other reads.
  auto* destination = reinterpret_cast<uint4*>(bases[1 - rank] + 256) + words;
  for (int i = 0; i < rounds; i++) {
    const uint64_t number = begun + i + 1;
    if (rank == 1) {
      int over = 0;
      if (threadIdx.x == 0) over = !reaches(own_flag, number);
      if (__syncthreads_or(over)) return;
    }
#ifdef WEFT_NVSHMEM
    if (library && rank == 0) {
      nvshmemx_putmem_signal_nbi_block(
        reinterpret_cast<uint4*>(bases[0] + 256) + words, source, words * 16, own_flag, number,
        NVSHMEM_SIGNAL_SET, 1);
    }
#endif
    if (!library && rank == 0) {
      for (int k = 0; k < burst; k++) {
        uint64_t at = threadIdx.x;
        for (; at + 3 * blockDim.x < words; at += 4 * blockDim.x) {
          uint4 value[4];
#pragma unroll
          for (int j = 0; j < 4; j++) value[j] = load(source + at + j * blockDim.x);
#pragma unroll
          for (int j = 0; j < 4; j++) destination[at + j * blockDim.x] = value[j];
        }
        for (; at < words; at += blockDim.x) destination[at] = load(source + at);
      }
      __syncthreads();
    }
    int over = 0;
    if (threadIdx.x == 0) {
      if (!library || rank == 1) release(peer_flag, number);
      if (rank == 0) over = !reaches(own_flag, number);
    }
    if (__syncthreads_or(over)) return;
  }
}

// Every rank stores to the next one at the same time, by so many blocks.
__global__ void pour(const uint4* source, uint4* destination, uint64_t words, int rounds) {
  const uint64_t stride = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  const uint64_t own = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int round = 0; round < rounds; round++) {
    uint64_t i = own;
    for (; i + 3 * stride < words; i += 4 * stride) {
      uint4 value[4];
#pragma unroll
      for (int k = 0; k < 4; k++) value[k] = load(source + i + k * stride);
#pragma unroll
      for (int k = 0; k < 4; k++) destination[i + k * stride] = value[k];
    }
    for (; i < words; i += stride) destination[i] = load(source + i);
  }
}

class Probe {
 public:
  explicit Probe(Ranks& ranks) : ranks_(ranks) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
    check(cudaEventCreate(&begin_), "event");
    check(cudaEventCreate(&end_), "event");
  }
  ~Probe() {
    (void)cudaEventDestroy(begin_);
    (void)cudaEventDestroy(end_);
    (void)cudaStreamDestroy(stream_);
  }

  void run() {
    say("probe,type,blocks,bytes,value,unit", "");
    launches();
    adds<Float>("fp32");
    adds<Brain>("bf16");
    exchanges();
    streams();
#ifdef WEFT_NVSHMEM
    collectives();
#endif
  }

 private:
  // The median of several, in microseconds.
  double time(const std::function<void()>& work) {
    std::vector<double> times;
    for (int i = 0; i < 11; i++) {
      ranks_.meet();
      check(cudaEventRecord(begin_, stream_), "event");
      work();
      check(cudaEventRecord(end_, stream_), "event");
      check(cudaStreamSynchronize(stream_), "probe");
      check(cudaGetLastError(), "probe");
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin_, end_), "event");
      if (i > 0) times.push_back(ranks_.largest(milliseconds * 1e3));
    }
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2];
  }

  void say(const std::string& text, const std::string& unit) {
    if (ranks_.first() == 0)
      std::printf("%s%s%s\n", text.c_str(), unit.empty() ? "" : ",", unit.c_str());
  }

  void row(
    const char* probe, const char* type, int blocks, uint64_t bytes, double value,
    const char* unit) {
    char text[160];
    std::snprintf(
      text, sizeof text, "%s,%s,%d,%llu,%.4g", probe, type, blocks,
      static_cast<unsigned long long>(bytes), value);
    say(text, unit);
  }

  void launches() {
    constexpr int count = 200;
    const auto all = [&] {
      for (int i = 0; i < count; i++) nothing<<<1, 32, 0, stream_>>>();
    };
    row("launch-eager", "", 1, 0, time(all) / count, "us");
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capture");
    all();
    check(cudaStreamEndCapture(stream_, &graph), "capture");
    check(cudaGraphInstantiate(&executable, graph, 0), "graph");
    row(
      "launch-graph", "", 1, 0,
      time([&] { check(cudaGraphLaunch(executable, stream_), "graph"); }) / count, "us");
    check(cudaGraphExecDestroy(executable), "graph");
    check(cudaGraphDestroy(graph), "graph");
  }

  template <typename T>
  void adds(const char* type) {
    for (const int blocks : {1, 2, 4, 8, 16, 32, 64, 132}) {
      const uint64_t bytes = static_cast<uint64_t>(blocks) << 21;
      const Allocation memory(3 * bytes);
      auto* a = memory.as<uint4>();
      check(cudaMemset(a, 1, 3 * bytes), "memory");
      const uint64_t words = bytes / 16;
      const double sum = time([&] {
        stream_through<T, true><<<blocks, 512, 0, stream_>>>(a, a + words, a + 2 * words, words);
      });
      row("add", type, blocks, 3 * bytes, 3e-3 * static_cast<double>(bytes) / sum, "GB/s");
      const double copy = time([&] {
        stream_through<T, false><<<blocks, 512, 0, stream_>>>(a, a, a + 2 * words, words);
      });
      row("copy", type, blocks, 2 * bytes, 2e-3 * static_cast<double>(bytes) / copy, "GB/s");
    }
  }

  void exchanges() {
    if (ranks_.count() == 1) return;
    constexpr uint64_t most = 1 << 24;
    ranks_.allocate(2 * most + 256, 2);
    for (uint8_t* memory : ranks_.own()) check(cudaMemset(memory, 0, 2 * most + 256), "memory");
    check(cudaDeviceSynchronize(), "memory");
    if (ranks_.all()[1 - std::min(1, ranks_.first())] == nullptr) return;
    const Allocation table(ranks_.all().size() * sizeof(uint8_t*));
    check(
      cudaMemcpy(
        table.as<void>(), ranks_.all().data(), ranks_.all().size() * sizeof(uint8_t*),
        cudaMemcpyHostToDevice), "upload");
    uint64_t begun = 0;
    const auto take = [&]<bool library = false>(uint64_t bytes, int burst, int rounds) {
      const double total = time([&] {
        exchange<library><<<static_cast<unsigned>(ranks_.own().size()), 512, 0, stream_>>>(
          table.as<uint8_t*>(), ranks_.first(), bytes / 16, burst, rounds, begun);
        begun += rounds;
      });
      return total / rounds;
    };
    const double empty = take(0, 1, 1000);
    row("flag", "", 1, 8, empty / 2, "us");
    for (uint64_t bytes = 16; bytes <= most; bytes *= 4)
      row("put", "", 1, bytes, take(bytes, 1, bytes > 1 << 18 ? 20 : 200) - empty / 2, "us");
#ifdef WEFT_NVSHMEM
    for (uint64_t bytes = 16; bytes <= most; bytes *= 4)
      row(
        "library-put", "", 1, bytes,
        take.template operator()<true>(bytes, 1, bytes > 1 << 18 ? 20 : 200) - empty / 2, "us");
#endif
    for (uint64_t bytes = 1 << 12; bytes <= most; bytes *= 16) {
      const int burst = static_cast<int>(std::max<uint64_t>(1, (1 << 26) / bytes));
      const double bandwidth = static_cast<double>(bytes) * burst / take(bytes, burst, 1) * 1e-3;
      row("put-stream", "", 1, bytes, bandwidth, "GB/s");
    }
  }

  // What links carry when all ranks send: the rate of one rank, by the number of blocks.
  void streams() {
    if (!ranks_.reaches_all() || ranks_.count() < 2) return;
    constexpr uint64_t bytes = 16 << 20;
    constexpr int rounds = 8;
    ranks_.allocate(2 * bytes, ranks_.count());
    const uint8_t* own = ranks_.own()[0];
    uint8_t* next = ranks_.all()[(ranks_.first() + 1) % ranks_.count()] + bytes;
    for (const int blocks : {1, 2, 4, 8, 16, 24, 32, 64, 132}) {
      const double each = time([&] {
        pour<<<blocks, 512, 0, stream_>>>(
          reinterpret_cast<const uint4*>(own), reinterpret_cast<uint4*>(next), bytes / 16, rounds);
      });
      row("put-all", "", blocks, bytes, 1e-3 * static_cast<double>(bytes) * rounds / each, "GB/s");
    }
  }

#ifdef WEFT_NVSHMEM
  // The library's own halves of an all-reduce, by the size of the whole, launched one by one.
  void collectives() {
    // Above this its reduce-scatter has no room for what it receives, unless told otherwise.
    constexpr uint64_t most_reduced = 256 << 10, most = 16 << 20;
    const auto ranks = static_cast<uint64_t>(ranks_.count());
    ranks_.allocate(2 * most, static_cast<int>(ranks));
    auto* memory = reinterpret_cast<float*>(ranks_.own()[0]);
    check(cudaMemset(memory, 0, 2 * most), "memory");
    for (uint64_t bytes = 1 << 10; bytes <= most; bytes *= 4) {
      const uint64_t share = bytes / sizeof(float) / ranks;
      auto* result = memory + most / sizeof(float);
      if (bytes <= most_reduced)
        row(
          "reduce-scatter", "fp32", 1, bytes, repeated([&] {
            nvshmemx_float_sum_reducescatter_on_stream(
              NVSHMEM_TEAM_WORLD, result, memory, share, stream_);
          }), "us");
      row(
        "fcollect", "fp32", 1, bytes, repeated([&] {
          nvshmemx_float_fcollect_on_stream(NVSHMEM_TEAM_WORLD, result, memory, share, stream_);
        }), "us");
    }
  }

  // The time of one of many calls back to back.
  double repeated(const std::function<void()>& call) {
    constexpr int count = 50;
    return time([&] {
             for (int i = 0; i < count; i++) call();
           })
      / count;
  }
#endif

  Ranks& ranks_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

}  // namespace

void probe(const Options&, Ranks& ranks) { Probe(ranks).run(); }

}  // namespace weft::gpu
