// Something that is called many times and measured.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace weft::gpu {

/// CUDA or a library on top of it said no; the runtime ends with exit code 69.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws DeviceError unless the call went well.
void check(cudaError_t status, const char* what);

/// How the kernels of a call are started.
enum class Form {
  /// One kernel for many calls.
  persistent,
  /// One kernel for a call.
  fused,
  /// The kernels of the plan, one after the other.
  split,
};

class Work {
 public:
  virtual ~Work() = default;
  /// Forgets all calls so far.
  virtual void reset() = 0;
  /// Puts calls on a stream, back to back.
  virtual void start(cudaStream_t stream, int calls, Form form) = 0;
  /// Waits for the stream; throws DeviceError that says what went wrong.
  virtual void finish(cudaStream_t stream) = 0;
  /// The version of what does the work, where that is a library.
  virtual std::string version() const { return ""; }
};

}  // namespace weft::gpu
