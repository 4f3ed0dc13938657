// Descriptors of a virtqueue (virtio 1.4, 2.7.5 and 2.8.10), as the kernels of both sides read and write them.
#pragma once

#include <cstdint>

namespace vio {

constexpr uint32_t kNextFlag = 1, kWriteFlag = 2, kIndirectFlag = 4;
// Packed rings only: whose turn a descriptor is, with the wrap counters.
constexpr uint32_t kAvailFlag = 1 << 7, kUsedFlag = 1 << 15;

// Asks for a cache line that is going to be written: as its only owner. What compilers make of __builtin_prefetch(at, 1) for any
// x86-64 asks for a copy of it, and the store asks once more. A processor that does not know the instruction passes over it.
inline void PrefetchToWrite(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace vio
