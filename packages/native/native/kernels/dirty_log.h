// The log of what was written to a guest's memory: a bit for each page of 4 KiB. Its twin is DirtyLog of @vio/rings.
#pragma once

#include <cstdint>

namespace vio {

struct DirtyLog {
  uint8_t* bits = nullptr;  // null: nothing is noted down
  uint64_t pages = 0;
  bool beyond = false;  // something was written that there is no bit for
  uint64_t last = UINT64_MAX;

  // Before the marks of what was written: a bit that is seen set is cleared after that, and the page then taken as it is.
  void Written() {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    last = UINT64_MAX;
  }

  void Mark(uint64_t address, uint64_t bytes) {
    const uint64_t end = (address + bytes - 1) >> 12;
    for (uint64_t page = address >> 12; page <= end; page++) {
      if (page == last) continue;
      last = page;
      if (page >= pages) {
        beyond = true;
        return;
      }
      const uint8_t bit = static_cast<uint8_t>(1 << (page & 7));
      uint8_t* byte = bits + (page >> 3);
      if ((__atomic_load_n(byte, __ATOMIC_RELAXED) & bit) == 0) __atomic_fetch_or(byte, bit, __ATOMIC_RELAXED);
    }
  }

  // Entries of a used or packed ring of `size`, from `at` on: `front` bytes lie before entry 0, each has `each`.
  void MarkRing(uint64_t ring, int32_t at, int32_t count, int32_t size, int32_t front, int32_t each) {
    Written();
    const int32_t first = count < size - at ? count : size - at;
    if (front > 0) Mark(ring, static_cast<uint64_t>(front));
    const uint64_t entries = ring + static_cast<uint64_t>(front);
    Mark(entries + static_cast<uint64_t>(each) * at, static_cast<uint64_t>(each) * first);
    if (count > first) Mark(entries, static_cast<uint64_t>(each) * (count - first));
  }
};

}  // namespace vio
