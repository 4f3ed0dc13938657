// The process-wide table of live mappings: what the SIGBUS guard may repair and what a copy may touch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vio {

struct Mapping {
  // Zero while the slot is unused. Written last when claimed, first when released: the signal handler reads it
  // without a lock.
  std::atomic<uintptr_t> base{0};
  std::atomic<size_t> size{0};
  std::atomic<size_t> page{4096};
  std::atomic<int32_t> faulted{0};
};

constexpr int kMaxMappings = 4096;
extern Mapping g_mappings[kMaxMappings];

// Returns the slot, or -1 when all are taken.
int ClaimMapping(void* base, size_t size, size_t page);
void ReleaseMapping(int slot);
// Installs the guard once per process.
void InstallSigbusGuard();

}  // namespace vio
