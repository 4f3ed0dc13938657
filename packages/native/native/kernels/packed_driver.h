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
    kicked = job[kKicked];
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
    job[kKicked] = kicked;
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

  // Takes the tokens of up to `most` buffers at once, as far as each has one descriptor and all is as it should be: the rest is
  // for Peek and Take. Of a device that only reads. -> how many
  int32_t TakeRun(int32_t* token, int32_t most) {
    if (m.exposed != nullptr) return 0;
    const int32_t n = kInOrder ? TakeBatch(token, most) : TakeUsed(token, most);
    outstanding -= n;
    free += n;
    return n;
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

  // Whether four buffers have a descriptor each where nothing wraps.
  bool RoomForFour() const {
    if (free < kFour || next + kFour > size || idHead + kFour > size) return false;
    return kInOrder || (IsId(0) && IsId(1) && IsId(2) && IsId(3));
  }

  void PutFour(const int32_t* token, const int32_t* offset, const int32_t* bytes, int32_t lead) {
    auto* descriptor = reinterpret_cast<volatile Descriptor*>(m.descriptors + next * 4);
    const uint32_t word = availBits | direction, start = low - lead;
    // The first descriptor's word stays what it is: that is for Publish.
    const bool begins = first == nullptr;
    uint32_t kept = 0;
    if (begins) {
      first = m.descriptors + next * 4;
      firstWord = (kInOrder ? idHead : m.ids[idHead]) | word;
      kept = __atomic_load_n(first + 3, __ATOMIC_RELAXED);
    }
    for (int32_t i = 0; i < kFour; i++) {
      const uint32_t id = kInOrder ? idHead + i : m.ids[idHead + i];
      const uint32_t length = bytes[i] + lead;
      descriptor[i] = Descriptor{offset[i] + start, high, length, i == 0 && begins ? kept : id | word};
      m.token[id] = token[i];
      if (m.exposed != nullptr) m.exposed[id] = length;
    }
    if ((idHead += kFour) == size) idHead = 0;
    free -= kFour;
    outstanding += kFour;
    kicked += kFour;
    if ((next += kFour) < size) return;
    next = 0;
    availBits ^= kBoth;
  }

  void Publish() {
    // Sequentially consistent: the device's wish to be kicked is read next.
    __atomic_store_n(first + 3, firstWord, __ATOMIC_SEQ_CST);
    first = nullptr;
  }

  bool KickNeeded() {
    int32_t* job = m.job;
    const int32_t added = kicked;
    if (added == 0) return false;
    kicked = 0;
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

  // Of a batch that the device reported with one descriptor.
  int32_t TakeBatch(int32_t* token, int32_t most) {
    if (batchId == -1) return 0;
    const int32_t ready = (batchId >= idTail ? batchId + 1 : size) - idTail;
    const int32_t n = TakeSingles(m, idTail, token, most < ready ? most : ready);
    if (n == 0) return 0;
    if (batchId == idTail + n - 1) batchId = -1;
    if ((idTail += n) >= size) idTail = 0;
    if ((at += n) < size) return n;
    at -= size;
    usedBits ^= kBoth;
    return n;
  }

  int32_t TakeUsed(int32_t* token, int32_t most) {
    uint16_t* const ids = m.ids;
    int32_t n = 0;
    for (; n < most; n++) {
      const uint32_t word = __atomic_load_n(m.descriptors + at * 4 + 3, __ATOMIC_ACQUIRE);
      const uint32_t id = word & 0xffff;
      if ((word & kBoth) != usedBits || id >= static_cast<uint32_t>(size) || !TakeSingles(m, id, token + n, 1)) break;
      ids[idTail] = id;
      if (++idTail == size) idTail = 0;
      if (++at < size) continue;
      at = 0;
      usedBits ^= kBoth;
    }
    return n;
  }

  bool IsId(int32_t i) const { return m.ids[idHead + i] < size; }

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
    kicked += slots;
  }

  const DriverMemory& m;
  const int32_t size;
  int32_t next, at;
  uint32_t availBits, usedBits;
  int32_t idHead, idTail, free, outstanding;
  int32_t batchId;
  uint32_t batchLength, direction, low, high;
  int32_t kicked, current = 0;
  uint32_t* first = nullptr;
  uint32_t firstWord = 0;
};

}  // namespace vio
