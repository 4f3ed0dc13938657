// The driver's side of a virtqueue, as the kernels see it: memory and notes that they share with a queue in TypeScript,
// whose state a job brings and takes back.
#pragma once

#include <cstdint>

#include "kernels/descriptor.h"
#include "kernels/js.h"
#include "kernels/layouts.h"

namespace vio {

// Descriptors of a cache line.
constexpr int32_t kPerLine = 4;

// Packets that are put on a ring at a time, where nothing about them is out of the ordinary.
constexpr int32_t kFour = 4;

// One descriptor.
typedef uint32_t Descriptor __attribute__((vector_size(16), aligned(4)));

// What BufferNotes of @vio/rings is, and a BufferPool; by id, and by buffer.
struct DriverMemory {
  int32_t* job = nullptr;
  uint8_t* memory = nullptr;  // the region
  int64_t memoryBytes = 0;
  int32_t size = 0;
  uint32_t* descriptors = nullptr;
  uint16_t* driverArea = nullptr;
  uint16_t* deviceArea = nullptr;
  uint32_t* tables = nullptr;
  int32_t tableEntries = 0;

  uint16_t* ids = nullptr;
  int32_t* token = nullptr;
  uint16_t* followers = nullptr;
  uint16_t* links = nullptr;   // split only
  int32_t* exposed = nullptr;  // with IN_ORDER where the device writes, else null

  int32_t* stack = nullptr;
  int32_t* next = nullptr;
  int32_t* dataOffset = nullptr;
  int32_t* dataLength = nullptr;
  int32_t capacity = 0;
};

// Takes the tokens of up to `most` ids from `first` on, as far as each is of a buffer of one descriptor. -> how many
inline int32_t TakeSingles(const DriverMemory& m, int32_t first, int32_t* token, int32_t most) {
  int32_t* own = m.token + first;
  const uint16_t* followers = m.followers + first;
  int32_t n = 0;
  for (; n < most && static_cast<uint32_t>(own[n]) < static_cast<uint32_t>(m.capacity) && followers[n] == 0; n++) {
    token[n] = own[n];
    own[n] = -1;
  }
  return n;
}

inline void StoreIfNew(uint32_t* at, uint32_t value) {
  // A cache line that stays clean need not move between cores.
  if (__atomic_load_n(at, __ATOMIC_RELAXED) != value) __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

// Whether moving an index from `old` to `next` passes `event` (virtio 1.4, 2.7.7.2).
inline bool NeedEvent(uint16_t event, uint16_t next, uint16_t old) {
  return static_cast<uint16_t>(next - event - 1) < static_cast<uint16_t>(next - old);
}

// The segments of a packet that starts at a buffer of the pool, checked: what an application wrote may be anything.
class Segments {
 public:
  Segments(const DriverMemory& m, int32_t head) : m_(m), buffer_(head) {}

  // -> false: there is no such buffer, or its data lies outside the region
  bool Next(int64_t* offset, int32_t* bytes, int32_t lead) {
    if (buffer_ < 0 || buffer_ >= m_.capacity) return false;
    *offset = static_cast<int64_t>(m_.dataOffset[buffer_]) - lead;
    *bytes = m_.dataLength[buffer_];
    if (*bytes < 0 || *offset < 0 || *offset + lead + *bytes > m_.memoryBytes) return false;
    *bytes += lead;
    buffer_ = m_.next[buffer_];
    return true;
  }

  bool AtEnd() const { return buffer_ == -1; }

  // Whether there are exactly `count`, all of them sound.
  static bool Sound(const DriverMemory& m, int32_t head, int32_t count, int32_t lead) {
    Segments segments(m, head);
    int64_t offset;
    int32_t bytes;
    for (int32_t i = 0; i < count; i++) {
      if (!segments.Next(&offset, &bytes, i == 0 ? lead : 0)) return false;
    }
    return segments.AtEnd();
  }

 private:
  const DriverMemory& m_;
  int32_t buffer_;
};

}  // namespace vio
