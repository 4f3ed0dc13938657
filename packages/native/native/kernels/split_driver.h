// The driver's side of a split ring, for one call of a kernel. Its twins are SplitDriver and SplitInOrderDriver of
// @vio/rings, which say why things are as they are.
//
// Everything the device can write is read once, by an atomic load, and what was read is checked.
#pragma once

#include "kernels/driver_ring.h"

namespace vio {

template <bool kInOrder>
class SplitRing {
 public:
  explicit SplitRing(const DriverMemory& memory) : m(memory), mask(memory.size - 1) {
    using namespace driverJob;
    const int32_t* job = m.job;
    avail = static_cast<uint16_t>(job[kAvailNext]);
    used = static_cast<uint16_t>(job[kUsedNext]);
    idHead = job[kIdHead];
    idTail = job[kIdTail];
    outstanding = job[kOutstanding];
    batchId = job[kBatchId];
    batchLength = job[kBatchLength];
    flags = job[kDeviceWrites] != 0 ? kWriteFlag : 0;
    low = job[kAddressLow];
    high = job[kAddressHigh];
  }

  void Store() {
    using namespace driverJob;
    int32_t* job = m.job;
    job[kAvailNext] = avail;
    job[kUsedNext] = used;
    job[kIdHead] = idHead;
    job[kIdTail] = idTail;
    job[kFree] = Free();
    job[kOutstanding] = outstanding;
    job[kBatchId] = batchId;
    job[kBatchLength] = batchLength;
  }

  int32_t Free() const { return static_cast<int32_t>(idTail - idHead); }

  // --- Taking back: Look, then for as long as Peek finds something, Take.

  // -> false: used.idx is what it cannot be
  bool Look() {
    ready = static_cast<uint16_t>(__atomic_load_n(m.deviceArea + 1, __ATOMIC_ACQUIRE) - used);
    return ready <= outstanding;
  }

  // -> 1 and what is next, 0 when there is nothing, -1 when it cannot be
  int32_t Peek(int32_t* token, uint32_t* written) {
    if (ready == 0) return 0;
    uint32_t id;
    if (kInOrder && m.exposed == nullptr) {
      // The device only reads: used.idx says everything, and the entries' lines stay with the device.
      id = idTail & mask;
      *written = 0;
    } else if (kInOrder && batchId != -1) {
      id = idTail & mask;
      *written = static_cast<int32_t>(id) == batchId ? batchLength : Exposed(id);
    } else {
      const auto* entry = reinterpret_cast<const uint32_t*>(m.deviceArea + 2) + (used & mask) * 2;
      id = __atomic_load_n(entry, __ATOMIC_RELAXED);
      *written = __atomic_load_n(entry + 1, __ATOMIC_RELAXED);
      if (id > mask) return -1;
      if (kInOrder && id != (idTail & mask)) {
        if (!IsAhead(id)) return -1;
        batchId = id;
        batchLength = *written;
        id = idTail & mask;
        *written = Exposed(id);
      }
    }
    if (m.token[id] < 0) return -1;
    current = id;
    *token = m.token[id];
    return 1;
  }

  void Take() {
    const uint32_t id = current;
    m.token[id] = -1;
    ready--;
    used++;
    outstanding--;
    if (kInOrder) {
      if (static_cast<int32_t>(id) == batchId) batchId = -1;
      idTail += m.followers[id] + 1;
      m.followers[id] = 0;
      return;
    }
    m.ids[idTail++ & mask] = id;
    if (m.followers[id] != 0) FreeFollowers(id);
  }

  // Takes the tokens of up to `most` buffers at once, as far as each has one descriptor and all is as it should be: the rest is
  // for Peek and Take. Of a device that only reads. -> how many
  int32_t TakeRun(int32_t* token, int32_t most) {
    if (m.exposed != nullptr) return 0;
    if (most > ready) most = ready;
    const int32_t n = kInOrder ? TakeOldest(token, most) : TakeUsed(token, most);
    ready -= n;
    used += n;
    outstanding -= n;
    return n;
  }

  // Asks for the descriptors of the next `count` buffers, all at once: the device has read them, and stores, which happen in order,
  // would wait for one line after the other.
  void FetchSlots(int32_t count) const {
    for (int32_t i = 0; i < count; i += kPerLine) PrefetchToWrite(Next(i));
  }

  // As FetchSlots, where buffer i will be at `offset(i)`. A line whose first descriptor says so already stays as it is, most likely,
  // and stays with the device.
  template <typename Offset>
  void FetchChanging(int32_t count, Offset offset) const {
    for (int32_t i = 0; i < count; i += kPerLine) {
      if (__atomic_load_n(Next(i), __ATOMIC_RELAXED) != offset(i) + low) PrefetchToWrite(Next(i));
    }
  }

  // --- Exposing: Put or PutChain for as long as there are free descriptors, then Publish.

  void Put(int32_t token, uint32_t offset, uint32_t bytes) {
    const uint32_t id = NextId();
    uint32_t* at = m.descriptors + id * 4;
    StoreIfNew(at, offset + low);
    StoreIfNew(at + 2, bytes);
    StoreIfNew(at + 3, flags);
    Note(id, token, 0, bytes);
  }

  // -> false: there is no room. The packet is sound.
  bool PutChain(int32_t head, int32_t count, int32_t lead) {
    const bool indirect = count <= m.tableEntries && count <= m.size;
    if ((indirect ? 1 : count) > Free()) return false;
    Segments segments(m, head);
    const uint32_t first = NextId();
    uint32_t id = first;
    uint32_t* table = m.tables + static_cast<int64_t>(first) * m.tableEntries * 4;
    int64_t total = 0;
    for (int32_t i = 0; i < count; i++) {
      int64_t offset = 0;
      int32_t bytes = 0;
      segments.Next(&offset, &bytes, i == 0 ? lead : 0);
      total += bytes;
      const bool more = i < count - 1;
      const uint32_t following = !more ? 0 : indirect ? i + 1 : NextId();
      uint32_t* at = indirect ? table + i * 4 : m.descriptors + id * 4;
      __atomic_store_n(at, static_cast<uint32_t>(offset) + low, __ATOMIC_RELAXED);
      if (indirect) __atomic_store_n(at + 1, high, __ATOMIC_RELAXED);
      __atomic_store_n(at + 2, bytes, __ATOMIC_RELAXED);
      __atomic_store_n(at + 3, flags | (more ? kNextFlag | following << 16 : 0), __ATOMIC_RELAXED);
      if (indirect || !more) continue;
      m.links[id] = following;
      id = following;
    }
    if (indirect) {
      uint32_t* at = m.descriptors + first * 4;
      __atomic_store_n(at, TableAt(table) + low, __ATOMIC_RELAXED);
      __atomic_store_n(at + 2, count * 16, __ATOMIC_RELAXED);
      __atomic_store_n(at + 3, kIndirectFlag, __ATOMIC_RELAXED);
    }
    Note(first, head, indirect ? 0 : count - 1, total);
    return true;
  }

  // Whether four buffers have a descriptor each where nothing wraps.
  bool RoomForFour() const {
    return Free() >= kFour && (idHead & mask) + kFour <= mask + 1 && (avail & mask) + kFour <= mask + 1;
  }

  void PutFour(const int32_t* token, const int32_t* offset, const int32_t* bytes, int32_t lead) {
    const uint16_t* ids = m.ids + (idHead & mask);
    uint16_t* entry = m.driverArea + 2 + (avail & mask);
    const uint32_t start = low - lead;
    for (int32_t i = 0; i < kFour; i++) {
      const uint32_t id = kInOrder ? (idHead + i) & mask : ids[i] & mask;
      const uint32_t length = bytes[i] + lead;
      uint32_t* at = m.descriptors + id * 4;
      StoreIfNew(at, offset[i] + start);
      StoreIfNew(at + 2, length);
      StoreIfNew(at + 3, flags);
      if (__atomic_load_n(entry + i, __ATOMIC_RELAXED) != id) __atomic_store_n(entry + i, id, __ATOMIC_RELAXED);
      m.token[id] = token[i];
      if (m.followers[id] != 0) m.followers[id] = 0;
      if (m.exposed != nullptr) m.exposed[id] = length;
    }
    idHead += kFour;
    avail += kFour;
    outstanding += kFour;
  }

  void Publish() {
    // Sequentially consistent: the device's wish to be kicked is read next.
    __atomic_store_n(m.driverArea + 1, avail, __ATOMIC_SEQ_CST);
  }

  bool KickNeeded() {
    int32_t* job = m.job;
    const auto old = static_cast<uint16_t>(job[driverJob::kKicked]);
    if (avail == old) return false;
    job[driverJob::kKicked] = avail;
    if (job[driverJob::kEventIdx] == 0) return (__atomic_load_n(m.deviceArea, __ATOMIC_SEQ_CST) & 1) == 0;
    return NeedEvent(__atomic_load_n(m.deviceArea + 2 + 4 * m.size, __ATOMIC_SEQ_CST), avail, old);
  }

 private:
  // The descriptor of the buffer that comes `i` buffers after the next one, if all are one descriptor.
  uint32_t* Next(int32_t i) const {
    const uint32_t id = kInOrder ? idHead + i : m.ids[(idHead + i) & mask];
    return m.descriptors + (id & mask) * 4;
  }

  int32_t TakeOldest(int32_t* token, int32_t most) {
    const int32_t first = idTail & mask, left = m.size - first;
    const int32_t n = TakeSingles(m, first, token, most < left ? most : left);
    idTail += n;
    return n;
  }

  int32_t TakeUsed(int32_t* token, int32_t most) {
    const auto* entries = reinterpret_cast<const uint32_t*>(m.deviceArea + 2);
    uint16_t* const ids = m.ids;
    int32_t n = 0;
    for (; n < most; n++) {
      const uint32_t id = __atomic_load_n(entries + ((used + n) & mask) * 2, __ATOMIC_RELAXED);
      if (id > mask || !TakeSingles(m, id, token + n, 1)) break;
      ids[idTail++ & mask] = id;
    }
    return n;
  }

  uint32_t NextId() { return kInOrder ? idHead++ & mask : m.ids[idHead++ & mask] & mask; }
  uint32_t Exposed(uint32_t id) const { return m.exposed == nullptr ? 0 : m.exposed[id]; }
  uint32_t TableAt(const uint32_t* table) const {
    return static_cast<uint32_t>(reinterpret_cast<const uint8_t*>(table) - m.memory);
  }

  // Makes the chain that begins at `id` the next one, and keeps what there is to know of it.
  void Note(uint32_t id, int32_t token, int32_t followers, int64_t bytes) {
    uint16_t* entry = m.driverArea + 2 + (avail++ & mask);
    if (__atomic_load_n(entry, __ATOMIC_RELAXED) != id) __atomic_store_n(entry, id, __ATOMIC_RELAXED);
    m.token[id] = token;
    if (m.followers[id] != followers) m.followers[id] = followers;
    if (m.exposed != nullptr) m.exposed[id] = static_cast<int32_t>(bytes);
    outstanding++;
  }

  // Whether `id` is the head of one of the buffers that the device says it has used.
  bool IsAhead(uint32_t id) const {
    uint32_t head = idTail & mask;
    for (int32_t k = 1; k < ready; k++) {
      head = (head + m.followers[head] + 1) & mask;
      if (head == id) return true;
    }
    return false;
  }

  void FreeFollowers(uint32_t head) {
    uint32_t follower = head;
    for (int32_t left = m.followers[head]; left > 0; left--) {
      follower = m.links[follower] & mask;
      m.ids[idTail++ & mask] = follower;
    }
    m.followers[head] = 0;
  }

  const DriverMemory& m;
  const uint32_t mask;
  uint16_t avail, used;
  uint32_t idHead, idTail;
  int32_t outstanding, ready = 0;
  int32_t batchId;
  uint32_t batchLength, flags, low, high;
  uint32_t current = 0;
};

}  // namespace vio
