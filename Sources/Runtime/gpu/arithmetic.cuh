// Sums of packed elements: every addition in fp32, rounded to the type, as the host's reference does.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace weft::gpu {

struct Float {
  static constexpr int bytes = 4;
  static __device__ uint32_t add(uint32_t a, uint32_t b) {
    return __float_as_uint(__uint_as_float(a) + __uint_as_float(b));
  }
};

struct Whole {
  static constexpr int bytes = 4;
  static __device__ uint32_t add(uint32_t a, uint32_t b) { return a + b; }
};

struct Half {
  static constexpr int bytes = 2;
  static __device__ uint32_t add(uint32_t a, uint32_t b) {
    const float2 x = __half22float2(*reinterpret_cast<__half2*>(&a));
    const float2 y = __half22float2(*reinterpret_cast<__half2*>(&b));
    const __half2 sum = __floats2half2_rn(x.x + y.x, x.y + y.y);
    return *reinterpret_cast<const uint32_t*>(&sum);
  }
};

struct Brain {
  static constexpr int bytes = 2;
  static __device__ uint32_t add(uint32_t a, uint32_t b) {
    const float2 x = __bfloat1622float2(*reinterpret_cast<__nv_bfloat162*>(&a));
    const float2 y = __bfloat1622float2(*reinterpret_cast<__nv_bfloat162*>(&b));
    const __nv_bfloat162 sum = __floats2bfloat162_rn(x.x + y.x, x.y + y.y);
    return *reinterpret_cast<const uint32_t*>(&sum);
  }
};

template <typename T>
__device__ uint4 add(uint4 a, uint4 b) {
  return {T::add(a.x, b.x), T::add(a.y, b.y), T::add(a.z, b.z), T::add(a.w, b.w)};
}
template <typename T>
__device__ uint2 add(uint2 a, uint2 b) {
  return {T::add(a.x, b.x), T::add(a.y, b.y)};
}
template <typename T>
__device__ uint32_t add(uint32_t a, uint32_t b) {
  return T::add(a, b);
}
template <typename T>
__device__ uint16_t add(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(T::add(a, b));
}

// Other blocks and other GPUs write what is read here: past the L1 cache.
__device__ inline uint4 load(const uint4* p) { return __ldcg(p); }
__device__ inline uint2 load(const uint2* p) { return __ldcg(p); }
__device__ inline uint32_t load(const uint32_t* p) { return __ldcg(p); }
__device__ inline uint16_t load(const uint16_t* p) { return __ldcg(p); }

// Up to 8 bytes of elements from or to any aligned element; missing ones are zero.
__device__ inline uint2 gather(const uint8_t* p, int bytes) {
  if (bytes == 8 && (reinterpret_cast<uintptr_t>(p) & 7) == 0)
    return load(reinterpret_cast<const uint2*>(p));
  uint2 out = {0, 0};
  if ((reinterpret_cast<uintptr_t>(p) & 3) == 0 && (bytes & 3) == 0) {
    if (bytes >= 4) out.x = load(reinterpret_cast<const uint32_t*>(p));
    if (bytes >= 8) out.y = load(reinterpret_cast<const uint32_t*>(p) + 1);
    return out;
  }
  const auto* halves = reinterpret_cast<const uint16_t*>(p);
  if (bytes >= 2) out.x = load(halves);
  if (bytes >= 4) out.x |= static_cast<uint32_t>(load(halves + 1)) << 16;
  if (bytes >= 6) out.y = load(halves + 2);
  if (bytes >= 8) out.y |= static_cast<uint32_t>(load(halves + 3)) << 16;
  return out;
}

__device__ inline void scatter(uint8_t* p, uint2 value, int bytes) {
  if (bytes == 8 && (reinterpret_cast<uintptr_t>(p) & 7) == 0) {
    *reinterpret_cast<uint2*>(p) = value;
    return;
  }
  if ((reinterpret_cast<uintptr_t>(p) & 3) == 0 && (bytes & 3) == 0) {
    if (bytes >= 4) reinterpret_cast<uint32_t*>(p)[0] = value.x;
    if (bytes >= 8) reinterpret_cast<uint32_t*>(p)[1] = value.y;
    return;
  }
  auto* halves = reinterpret_cast<uint16_t*>(p);
  if (bytes >= 2) halves[0] = static_cast<uint16_t>(value.x);
  if (bytes >= 4) halves[1] = static_cast<uint16_t>(value.x >> 16);
  if (bytes >= 6) halves[2] = static_cast<uint16_t>(value.y);
  if (bytes >= 8) halves[3] = static_cast<uint16_t>(value.y >> 16);
}

}  // namespace weft::gpu
