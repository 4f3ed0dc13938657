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
  std::atomic<size_t> page{0};
  std::atomic<int32_t> faulted{0};
  // Pages of it that were replaced one by one.
  std::atomic<int32_t> replaced{0};
};

// Half of what Linux gives a process by default (vm.max_map_count). Slots that were never used cost nothing, neither in
// memory nor, as they begin as zeroes, in the file.
constexpr int kMaxMappings = 32768;
extern Mapping g_mappings[kMaxMappings];

// Returns the slot, or -1 when all are taken.
int ClaimMapping(void* base, size_t size, size_t page);
void ReleaseMapping(int slot);
// Replaces whole pages by zeroes that are nobody else's. -> false: for want of memory of every kind they are as before
bool PutZeroes(void* at, size_t size);
// Installs the guard once per process.
void InstallSigbusGuard();

}  // namespace vio
