// Counts packets as QueueStats of @vio/net does; those of one size, which is most of them, at once.
#pragma once

#include <cstdint>

#include "kernels/layouts.h"

namespace vio {

class Counters {
 public:
  // Without groups frames are not read: of those that are passed on, the device need not wait for their lines when it writes there again.
  Counters(double* counters, const uint8_t* memory, int64_t memoryBytes, bool groups = true)
      : counters_(counters), memory_(memory), memoryBytes_(memoryBytes), groups_(groups) {}

  void Add(int64_t offset, int32_t bytes) {
    if (bytes != size_) {
      Settle();
      size_ = bytes;
    }
    run_++;
    if (!groups_ || offset < 0 || offset >= memoryBytes_) return;
    const uint8_t* frame = memory_ + offset;
    if ((frame[0] & 1) == 0) return;
    const bool broadcast = offset + 6 <= memoryBytes_ &&
                           (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff;
    counters_[broadcast ? queueCounter::kBroadcast : queueCounter::kMulticast]++;
  }

  // Four packets, all of which lie in the memory.
  void AddFour(const int32_t* offset, const int32_t* bytes) {
    const bool same = ((bytes[0] ^ size_) | (bytes[1] ^ size_) | (bytes[2] ^ size_) | (bytes[3] ^ size_)) == 0;
    if (same && (!groups_ || !AnyForGroups(offset))) {
      run_ += 4;
      return;
    }
    for (int i = 0; i < 4; i++) Add(offset[i], bytes[i]);
  }

  void Settle() {
    if (run_ == 0) return;
    counters_[queueCounter::kGoodPackets] += run_;
    counters_[queueCounter::kGoodBytes] += static_cast<double>(run_) * size_;
    counters_[SizeClass(size_)] += run_;
    run_ = 0;
  }

 private:
  bool AnyForGroups(const int32_t* offset) const {
    return ((memory_[offset[0]] | memory_[offset[1]] | memory_[offset[2]] | memory_[offset[3]]) & 1) != 0;
  }

  static int32_t SizeClass(uint32_t bytes) {
    using namespace queueCounter;
    if (bytes < 64) return kUndersize;
    if (bytes == 64) return kSize64;
    if (bytes < 1024) return kUndersize + 27 - __builtin_clz(bytes);
    return bytes < 1519 ? kSize1024 : kSize1519;
  }

  double* counters_;
  const uint8_t* memory_;
  int64_t memoryBytes_;
  const bool groups_;
  int32_t size_ = 0;
  int32_t run_ = 0;
};

}  // namespace vio
