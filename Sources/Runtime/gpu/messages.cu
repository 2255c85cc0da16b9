#include "kernels.hpp"

#include "interpreter.cuh"

namespace weft::gpu {

const void* message_kernel(uint32_t type, Wire wire) {
  switch (wire) {
  case Wire::lines: return kernel_of<Kind::lines>(type);
  case Wire::wide_lines: return kernel_of<Kind::wide_lines>(type);
  default: return kernel_of<Kind::messages>(type);
  }
}

}  // namespace weft::gpu
