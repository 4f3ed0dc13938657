// Descriptors of a virtqueue (virtio 1.4, 2.7.5 and 2.8.10), as the kernels of both sides read and write them.
#pragma once

#include <cstdint>

namespace vio {

constexpr uint32_t kNextFlag = 1, kWriteFlag = 2, kIndirectFlag = 4;
// Packed rings only: whose turn a descriptor is, with the wrap counters.
constexpr uint32_t kAvailFlag = 1 << 7, kUsedFlag = 1 << 15;

}  // namespace vio
