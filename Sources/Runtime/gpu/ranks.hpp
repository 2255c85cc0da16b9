// The ranks that a process of the runtime stands for, and what they need of each other outside of
// kernels. One implementation keeps all ranks on one GPU, the other is NVSHMEM's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weft::gpu {

class Ranks {
 public:
  virtual ~Ranks() = default;
  /// The number of ranks of the job; 0 if it is whatever a plan asks for.
  virtual int count() const = 0;
  /// The first rank of this process.
  virtual int first() const = 0;
  /// Takes memory of so many bytes for each of the ranks of this process: all of `ranks` on one GPU.
  virtual void allocate(uint64_t bytes, int ranks) = 0;
  /// The memories of the ranks of this process.
  virtual const std::vector<uint8_t*>& own() const = 0;
  /// The memories of all ranks, null for those out of reach.
  virtual const std::vector<uint8_t*>& all() const = 0;
  /// Whether every rank's memory is reached by stores.
  virtual bool reaches_all() const = 0;
  /// Gives all processes the first one's bytes, 256 at most.
  virtual void share(void* data, size_t bytes) = 0;
  /// Meets all processes.
  virtual void meet() = 0;
  /// The largest of a number over all processes, and the sum.
  virtual double largest(double value) = 0;
  virtual double sum(double value) = 0;
  /// Words for the samples: how ranks are placed.
  virtual std::string name() const = 0;
};

/// All ranks on the current GPU.
std::unique_ptr<Ranks> ranks_of_one_gpu();

#ifdef WEFT_NVSHMEM
/// One rank per process through NVSHMEM. `bootstrap` is a file that all processes see, for the id.
std::unique_ptr<Ranks> ranks_of_nvshmem(const std::string& bootstrap, const std::string& transport);
#endif

}  // namespace weft::gpu
