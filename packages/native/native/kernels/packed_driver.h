// The driver's side of a packed ring, for one call of a kernel. Its twins are PackedDriver and PackedInOrderDriver of
// @vio/rings, which say why things are as they are.
//
// Everything the device can write is read once, by an atomic load, and what was read is checked.
#pragma once

#include "kernels/driver_ring.h"

namespace vio {

template <bool kInOrder>
class PackedRing {
 public:
  explicit PackedRing(const DriverMemory& memory) : m(memory), size(memory.size) {
    using namespace driverJob;
    const int32_t* job = m.job;
    next = job[kAvailNext];
    availBits = job[kAvailWrap] != 0 ? kAvail : kUsed;
    at = job[kUsedNext];
    usedBits = job[kUsedWrap] != 0 ? kBoth : 0;
    idHead = job[kIdHead];
    idTail = job[kIdTail];
    free = job[kFree];
    outstanding = job[kOutstanding];
    batchId = job[kBatchId];
    batchLength = job[kBatchLength];
    direction = job[kDeviceWrites] != 0 ? kWriteFlag << 16 : 0;
    low = job[kAddressLow];
    high = job[kAddressHigh];
  }

  void Store() {
    using namespace driverJob;
    int32_t* job = m.job;
    job[kAvailNext] = next;
    job[kAvailWrap] = availBits == kAvail;
    job[kUsedNext] = at;
    job[kUsedWrap] = usedBits != 0;
    job[kIdHead] = idHead;
    job[kIdTail] = idTail;
    job[kFree] = free;
    job[kOutstanding] = outstanding;
    job[kBatchId] = batchId;
    job[kBatchLength] = batchLength;
  }

  int32_t Free() const { return free; }

  // --- Taking back: Look, then for as long as Peek finds something, Take.

  bool Look() { return true; }

  // -> 1 and what is next, 0 when there is nothing, -1 when it cannot be
  int32_t Peek(int32_t* token, uint32_t* written) {
    int32_t id;
    if (kInOrder && batchId != -1) {
      id = idTail;
      *written = id == batchId ? batchLength : Exposed(id);
    } else {
      const uint32_t* descriptor = m.descriptors + at * 4;
      const uint32_t word = __atomic_load_n(descriptor + 3, __ATOMIC_ACQUIRE);
      if ((word & kBoth) != usedBits || (kInOrder && outstanding == 0)) return 0;
      id = word & 0xffff;
      if (id >= size || m.token[id] < 0) return -1;
      *written = __atomic_load_n(descriptor + 2, __ATOMIC_RELAXED);
      if (kInOrder && id != idTail) {
        batchId = id;
        batchLength = *written;
        id = idTail;
        *written = Exposed(id);
      }
    }
    if (m.token[id] < 0) return -1;
    current = id;
    *token = m.token[id];
    return 1;
  }

  void Take() {
    const int32_t id = current;
    const int32_t slots = m.followers[id] + 1;
    m.token[id] = -1;
    outstanding--;
    free += slots;
    if (slots > 1) m.followers[id] = 0;
    if (kInOrder) {
      if (id == batchId) batchId = -1;
    } else {
      m.ids[idTail] = id;
    }
    if (++idTail == size) idTail = 0;
    at += slots;
    if (at >= size) {
      at -= size;
      usedBits ^= kBoth;
    }
  }

  // Asks for the next `count` descriptors, all at once: see SplitRing.
  void FetchSlots(int32_t count) const {
    for (int32_t i = 0, slot = next; i < count; i += kPerLine) {
      PrefetchToWrite(m.descriptors + slot * 4);
      slot += kPerLine;
      if (slot >= size) slot -= size;
    }
  }

  // All of them change, and have been written by the device.
  template <typename Offset>
  void FetchChanging(int32_t count, Offset) const {
    FetchSlots(count);
  }

  // --- Exposing: Put or PutChain for as long as there are free descriptors, then Publish.

  void Put(int32_t token, uint32_t offset, uint32_t bytes) {
    const uint32_t id = NextId();
    Write(offset, bytes, id | availBits | direction);
    Note(id, token, 1, bytes);
  }

  // -> false: there is no room. The packet is sound.
  bool PutChain(int32_t head, int32_t count, int32_t lead) {
    const bool indirect = count <= m.tableEntries && count <= m.size;
    const int32_t slots = indirect ? 1 : count;
    if (slots > free) return false;
    Segments segments(m, head);
    const uint32_t id = NextId();
    uint32_t* table = m.tables + static_cast<int64_t>(id) * m.tableEntries * 4;
    int64_t total = 0;
    for (int32_t i = 0; i < count; i++) {
      int64_t offset = 0;
      int32_t bytes = 0;
      segments.Next(&offset, &bytes, i == 0 ? lead : 0);
      total += bytes;
      const uint32_t start = static_cast<uint32_t>(offset);
      const uint32_t length = static_cast<uint32_t>(bytes);
      if (indirect) {
        *reinterpret_cast<volatile Descriptor*>(table + i * 4) = Descriptor{start + low, high, length, direction};
      } else {
        Write(start, length, id | availBits | direction | (i < count - 1 ? kNextFlag << 16 : 0));
      }
    }
    if (indirect) {
      const auto place = static_cast<uint32_t>(reinterpret_cast<const uint8_t*>(table) - m.memory);
      Write(place, count * 16, id | availBits | kIndirectFlag << 16);
    }
    Note(id, head, slots, total);
    return true;
  }

  void Publish() {
    // Sequentially consistent: the device's wish to be kicked is read next.
    __atomic_store_n(first + 3, firstWord, __ATOMIC_SEQ_CST);
    first = nullptr;
  }

  bool KickNeeded() {
    int32_t* job = m.job;
    const int32_t added = job[driverJob::kKicked];
    if (added == 0) return false;
    job[driverJob::kKicked] = 0;
    const uint32_t wish = __atomic_load_n(reinterpret_cast<uint32_t*>(m.deviceArea), __ATOMIC_SEQ_CST);
    const uint32_t flags = (wish >> 16) & 3;
    if (job[driverJob::kEventIdx] == 0 || flags != 2) return flags != 1;
    // More than a ring has passed every event there is.
    if (added > size) return true;
    const bool sameWrap = ((wish >> 15) & 1) == (availBits == kAvail ? 1u : 0u);
    // An event of the other round lies a whole ring behind (2.8.10).
    return NeedEvent((wish & 0x7fff) - (sameWrap ? 0 : size), next, next - added);
  }

 private:
  static constexpr uint32_t kAvail = kAvailFlag << 16, kUsed = kUsedFlag << 16, kBoth = kAvail | kUsed;

  uint32_t NextId() {
    const uint32_t id = kInOrder ? idHead : m.ids[idHead];
    if (++idHead == size) idHead = 0;
    return id < static_cast<uint32_t>(size) ? id : 0;
  }

  uint32_t Exposed(int32_t id) const { return m.exposed == nullptr ? 0 : m.exposed[id]; }

  // The first descriptor's word is for Publish: a device cannot pass it, so the others are written as they come.
  void Write(uint32_t offset, uint32_t bytes, uint32_t word) {
    uint32_t* descriptor = m.descriptors + next * 4;
    if (first == nullptr) {
      first = descriptor;
      firstWord = word;
      __atomic_store_n(descriptor, offset + low, __ATOMIC_RELAXED);
      __atomic_store_n(descriptor + 1, high, __ATOMIC_RELAXED);
      __atomic_store_n(descriptor + 2, bytes, __ATOMIC_RELAXED);
    } else {
      *reinterpret_cast<volatile Descriptor*>(descriptor) = Descriptor{offset + low, high, bytes, word};
    }
    if (++next < size) return;
    next = 0;
    availBits ^= kBoth;
  }

  void Note(uint32_t id, int32_t token, int32_t slots, int64_t bytes) {
    m.token[id] = token;
    if (slots > 1) m.followers[id] = slots - 1;
    if (m.exposed != nullptr) m.exposed[id] = static_cast<int32_t>(bytes);
    free -= slots;
    outstanding++;
    m.job[driverJob::kKicked] += slots;
  }

  const DriverMemory& m;
  const int32_t size;
  int32_t next, at;
  uint32_t availBits, usedBits;
  int32_t idHead, idTail, free, outstanding;
  int32_t batchId;
  uint32_t batchLength, direction, low, high;
  int32_t current = 0;
  uint32_t* first = nullptr;
  uint32_t firstWord = 0;
};

}  // namespace vio
