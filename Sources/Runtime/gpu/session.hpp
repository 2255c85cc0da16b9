// A plan on the device: its tables, its state, and its launches.
#pragma once

#include <cuda_runtime.h>

#include <string>
#include <vector>

#include "device.cuh"
#include "plan.hpp"
#include "work.hpp"

namespace weft::gpu {

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
  Wire wire = Wire::messages;
};

/// How blocks share the work of a kernel.
struct Share {
  bool is_shared = false;
  /// The lanes up to the last that has an operation.
  int lanes = 0;
  /// The elements of the longest operation.
  uint64_t elements = 0;
};

/// Bytes of memory that a rank needs: the program's, and room for messages to ranks out of reach.
uint64_t memory_bytes(const Program& program);

class Session final : public Work {
 public:
  /// `bases` are the memories of all ranks as this device reaches them, null for those it does not.
  /// `own` are those of the local ranks, from `first_rank` on.
  Session(
    const Program& program, int first_rank, const std::vector<uint8_t*>& own,
    const std::vector<uint8_t*>& bases, const Settings& settings);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Poisons the memory of the local ranks and puts all counters to zero.
  void reset() override;
  void start(cudaStream_t stream, int calls, Form form) override;
  /// Throws DeviceError that says which rank got stuck where.
  void finish(cudaStream_t stream) override;

 private:
  void build(const std::vector<uint8_t*>& bases);
  void launch(cudaStream_t stream, int calls, int segment, bool counts);
  std::string told() const;
  size_t lanes() const { return static_cast<size_t>(launch_.ranks) * launch_.lanes; }

  const Program& program_;
  int first_rank_;
  std::vector<uint8_t*> own_;
  Settings settings_;
  Launch launch_{};
  const void* kernel_ = nullptr;
  const void* shared_kernel_ = nullptr;
  size_t shared_bytes_ = 0;
  int processors_ = 0;
  std::vector<Share> shares_;
  Allocation operations_, runs_, ports_, states_, beginnings_, memories_, counters_;
  Report* report_ = nullptr;
  uint32_t* stop_ = nullptr;
};

}  // namespace weft::gpu
