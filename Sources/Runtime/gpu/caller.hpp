// The caller's side of a plan on the device: fresh inputs before a call, results counted after it.
#pragma once

#include <cuda_runtime.h>

#include "plan.hpp"

namespace weft::gpu {

/// Poisons the caller's buffers of a rank and fills the input with the numbers of a call.
void fill_inputs(
  cudaStream_t stream, const Program& program, uint32_t rank, uint8_t* memory, Inputs inputs,
  uint64_t call);

/// Adds to `wrong`, in device memory, how many of a rank's results are not what double precision
/// gives.
void count_wrong(
  cudaStream_t stream, const Program& program, uint32_t rank, const uint8_t* memory, Inputs inputs,
  uint64_t call, unsigned long long* wrong);

}  // namespace weft::gpu
