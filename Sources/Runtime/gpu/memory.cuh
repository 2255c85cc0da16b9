// Accesses to memory that other blocks and other GPUs read and write.
#pragma once

#include <cstdint>

namespace weft::gpu {

__device__ inline uint64_t acquire(const uint64_t* p) {
  uint64_t value;
  asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
  return value;
}
__device__ inline void release(uint64_t* p, uint64_t value) {
  asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(p), "l"(value) : "memory");
}
__device__ inline void relaxed(uint64_t* p, uint64_t value) {
  asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(p), "l"(value) : "memory");
}
// One 8-byte access each: data and flag cannot part.
__device__ inline uint2 load_cell(const uint2* p) {
  uint2 value;
  asm volatile("ld.relaxed.sys.global.v2.u32 {%0, %1}, [%2];"
               : "=r"(value.x), "=r"(value.y) : "l"(p) : "memory");
  return value;
}
__device__ inline void store_cell(uint2* p, uint32_t data, uint32_t flag) {
  asm volatile("st.relaxed.sys.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(data), "r"(flag)
               : "memory");
}
__device__ inline uint4 load_line(const uint4* p) {
  uint4 value;
  asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "l"(p) : "memory");
  return value;
}
__device__ inline void store_line(uint4* p, uint2 data, uint32_t flag) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(data.x), "r"(flag),
               "r"(data.y), "r"(flag) : "memory");
}
__device__ inline void store_wide(uint4* p, uint4 value) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(value.x),
               "r"(value.y), "r"(value.z), "r"(value.w) : "memory");
}
// Loads that are not put off to where their value is used first.
__device__ inline uint64_t load_now(const uint64_t* p) {
  uint64_t value;
  asm volatile("ld.global.u64 %0, [%1];" : "=l"(value) : "l"(p));
  return value;
}
__device__ inline uint4 load_now(const uint4* p) {
  uint4 value;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "l"(p));
  return value;
}
__device__ inline uint64_t now_ns() {
  uint64_t value;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(value));
  return value;
}

}  // namespace weft::gpu
