// The driver's memory as a device's kernel sees it: windows by guest address, each somewhere in the memory of the copy engine. Its
// twin is MemoryMap of @vio/rings.
#pragma once

#include "kernels/copy_engine.h"

namespace vio {

class GuestMemory {
 public:
  // A piece of memory that lies in one window.
  struct Place {
    uint8_t* at;
    int64_t room;  // bytes up to the end of the window
    int32_t window;
  };

  // bases and sizes as in a MemoryMap; handles: what the engine calls each window, -1: it does not know it yet.
  GuestMemory(const Engine* engine, const double* bases, const int32_t* sizes, const int32_t* handles, size_t count)
      : engine_(engine), handles_(handles) {
    for (size_t i = 0; i < count; i++) {
      const auto base = static_cast<uint64_t>(bases[i]);
      const double own = i + 1 < count ? bases[i + 1] - bases[i] : sizes[i];
      windows_.push_back({base, sizes[i], own < sizes[i] ? static_cast<int32_t>(own) : sizes[i]});
    }
  }

  // -> false: nothing lies there, or (*unknown is its window then) the engine does not know it
  bool Find(uint64_t address, int32_t hint, Place* place, int32_t* unknown) const {
    const int32_t window = Owns(hint, address) ? hint : Bisect(address);
    if (window < 0) return false;
    const uint64_t offset = address - windows_[window].base;
    uint8_t* start;
    if (handles_[window] < 0) {
      *unknown = window;
      return false;
    }
    if (!Inside(engine_, handles_[window], 0, windows_[window].size, &start)) return false;
    *place = {start + offset, windows_[window].size - static_cast<int64_t>(offset), window};
    return true;
  }

 private:
  struct Window {
    uint64_t base;
    int32_t size;  // with what it reaches of the next
    int32_t own;
  };

  bool Owns(int32_t window, uint64_t address) const {
    if (static_cast<size_t>(window) >= windows_.size()) return false;
    return address - windows_[window].base < static_cast<uint64_t>(windows_[window].own);
  }

  int32_t Bisect(uint64_t address) const {
    size_t from = 0, to = windows_.size();
    while (from < to) {
      const size_t middle = (from + to) / 2;
      if (windows_[middle].base <= address) from = middle + 1;
      else to = middle;
    }
    if (from == 0) return -1;
    const Window& window = windows_[from - 1];
    return address - window.base < static_cast<uint64_t>(window.size) ? static_cast<int32_t>(from) - 1 : -1;
  }

  const Engine* engine_;
  const int32_t* handles_;
  std::vector<Window> windows_;
};

}  // namespace vio
