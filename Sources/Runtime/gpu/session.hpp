// A plan on the device: its tables, its state, and its launches.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "device.cuh"
#include "plan.hpp"

namespace weft::gpu {

/// CUDA said no; the runtime ends with exit code 69.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(cudaError_t status, const char* what);

/// Device memory that is freed with its owner.
class Allocation {
 public:
  Allocation() = default;
  explicit Allocation(size_t bytes);
  ~Allocation();
  Allocation(Allocation&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  Allocation& operator=(Allocation&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  template <typename T>
  T* as() const { return static_cast<T*>(data_); }

 private:
  void* data_ = nullptr;
};

struct Settings {
  int threads = 512;
  double timeout_seconds = 10;
  bool is_ll = false;
};

/// How the kernels of a call are started.
enum class Form {
  /// One kernel for many calls.
  persistent,
  /// One kernel for a call.
  fused,
  /// The kernels of the plan, one after the other.
  split,
};

/// Bytes of memory that a rank needs: the program's, and room for messages to ranks out of reach.
uint64_t memory_bytes(const Program& program);

class Session {
 public:
  /// `bases` are the memories of all ranks as this device reaches them, null for those it does not.
  /// `own` are those of the local ranks, from `first_rank` on.
  Session(
    const Program& program, int first_rank, const std::vector<uint8_t*>& own,
    const std::vector<uint8_t*>& bases, const Settings& settings);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Poisons the memory of the local ranks and puts all counters to zero.
  void reset();
  /// Starts calls on a stream; more than one are back to back.
  void start(cudaStream_t stream, int calls, Form form);
  /// Waits for the stream. Throws DeviceError that says which rank got stuck where.
  void finish(cudaStream_t stream);
  uint64_t calls() const { return calls_; }
  /// Corrects the number of calls where a graph was captured, which runs later and more than once.
  void uncount(int calls) { calls_ -= static_cast<uint64_t>(calls); }
  const Program& program() const { return program_; }
  int first_rank() const { return first_rank_; }
  int ranks() const { return static_cast<int>(own_.size()); }
  uint8_t* memory(int local_rank) const { return own_[local_rank]; }

 private:
  void build(const std::vector<uint8_t*>& bases);
  void launch(cudaStream_t stream, int calls, int segment, bool counts, bool fills_device);
  std::string told() const;

  const Program& program_;
  int first_rank_;
  std::vector<uint8_t*> own_;
  Settings settings_;
  Launch launch_{};
  const void* kernel_ = nullptr;
  size_t shared_bytes_ = 0;
  int processors_ = 0;
  std::vector<bool> can_fill_;
  size_t port_count_ = 0;
  uint64_t calls_ = 0;
  Allocation operations_, runs_, ports_, states_, first_port_, bases_, counters_;
  Report* report_ = nullptr;
  uint32_t* stop_ = nullptr;
};

}  // namespace weft::gpu
