#include "caller.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "elements.hpp"
#include "session.hpp"

namespace weft::gpu {
namespace {

constexpr int threads = 256, blocks = 1024;

__device__ double load(uint32_t type, const void* data, uint64_t index) {
  switch (type) {
  case WEFT_PLAN_FP16: return __half2float(static_cast<const __half*>(data)[index]);
  case WEFT_PLAN_BF16: return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[index]);
  case WEFT_PLAN_INT32: return static_cast<const int32_t*>(data)[index];
  default: return static_cast<const float*>(data)[index];
  }
}

__device__ void store(uint32_t type, void* data, uint64_t index, double value) {
  const auto single = static_cast<float>(value);
  switch (type) {
  case WEFT_PLAN_FP16: static_cast<__half*>(data)[index] = __float2half_rn(single); break;
  case WEFT_PLAN_BF16: static_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16_rn(single); break;
  case WEFT_PLAN_INT32: static_cast<int32_t*>(data)[index] = static_cast<int32_t>(value); break;
  default: static_cast<float*>(data)[index] = single; break;
  }
}

__device__ double rounded(uint32_t type, double value) {
  const auto single = static_cast<float>(value);
  switch (type) {
  case WEFT_PLAN_FP16: return __half2float(__float2half_rn(single));
  case WEFT_PLAN_BF16: return __bfloat162float(__float2bfloat16_rn(single));
  case WEFT_PLAN_INT32: return value;
  default: return single;
  }
}

__global__ void fill(Shape shape, void* data, Inputs inputs, uint64_t call) {
  const uint64_t stride = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < shape.input_count(); i += stride)
    store(shape.type, data, shape.input_start() + i, shape.input(inputs, shape.rank, i, call));
}

__global__ void count(
  Shape shape, const void* data, Inputs inputs, uint64_t call, unsigned long long* wrong) {
  const uint64_t stride = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  unsigned long long own = 0;
  for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < shape.result_count(); i += stride) {
    const Expected expected = shape.expected(
      inputs, i, call, [&](double value) { return rounded(shape.type, value); });
    own += shape.is_wrong(inputs, load(shape.type, data, shape.result_start() + i), expected);
  }
  if (own > 0) atomicAdd(wrong, own);
}

}  // namespace

void fill_inputs(
  cudaStream_t stream, const Program& program, uint32_t rank, uint8_t* memory, Inputs inputs,
  uint64_t call) {
  for (const unsigned buffer : {program.input_buffer(), program.output_buffer()})
    check(
      cudaMemsetAsync(
        memory + program.buffer_offset(buffer), poison, program.buffer_bytes(buffer), stream),
      "poison");
  fill<<<blocks, threads, 0, stream>>>(
    program.shape(rank), memory + program.buffer_offset(program.input_buffer()), inputs, call);
  check(cudaGetLastError(), "inputs");
}

void count_wrong(
  cudaStream_t stream, const Program& program, uint32_t rank, const uint8_t* memory, Inputs inputs,
  uint64_t call, unsigned long long* wrong) {
  count<<<blocks, threads, 0, stream>>>(
    program.shape(rank), memory + program.buffer_offset(program.output_buffer()), inputs, call,
    wrong);
  check(cudaGetLastError(), "results");
}

}  // namespace weft::gpu
