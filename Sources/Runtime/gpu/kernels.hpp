// Kernels that are compiled apart.
#pragma once

#include "device.cuh"

namespace weft::gpu {

/// The kernel for plans whose operations all send or receive messages; `type` as in the plan's header.
const void* message_kernel(uint32_t type, Wire wire);

}  // namespace weft::gpu
