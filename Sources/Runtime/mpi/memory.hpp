// The memory of all ranks as one rank reaches it: by loads and stores on the same host, by MPI-3
// one-sided puts beyond.
#pragma once

#include <mpi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

class Memory {
 public:
  /// Takes `bytes` of window memory on every rank. `nodes` groups ranks that share memory with
  /// transport `rma`: those of other groups are reached by MPI alone, even on the same host.
  Memory(uint64_t bytes, uint32_t ranks_per_node, const std::string& transport);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* own() const { return own_; }
  uint64_t size() const { return bytes_; }
  /// The memory of a rank that is reached by stores; null for others.
  std::byte* direct(int rank) const { return direct_[rank]; }

  /// Copies into the memory of a rank that is not reached by stores, and waits until it is there.
  void put(const void* data, uint64_t bytes, int rank, uint64_t offset);
  /// Stores a counter after everything that this rank stored or put there before.
  void publish(uint64_t value, int rank, uint64_t offset);
  /// Reads a counter of the own memory before everything that is read there after.
  uint64_t observe(uint64_t offset);
  /// Lets MPI make progress on what others do to this rank.
  void progress();
  /// Meets all ranks, with all memory as it was left.
  void fence();

 private:
  uint64_t bytes_;
  std::byte* own_ = nullptr;
  std::vector<std::byte*> direct_;
  MPI_Comm host_ = MPI_COMM_NULL;
  MPI_Win shared_ = MPI_WIN_NULL;
  MPI_Win remote_ = MPI_WIN_NULL;
};

}  // namespace weft
