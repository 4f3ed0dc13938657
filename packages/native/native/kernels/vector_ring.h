// The ring loops of the vectorised paths: buffers of one descriptor are exposed, and taken back for as long as the
// device does what it should. Their twins are in @vio/rings.
//
// Everything the device can write is read once, by an atomic load, and what was read is checked.
#pragma once

#include "common.h"
#include "kernels/layouts.h"

namespace vio {

using namespace vectorJob;

constexpr uint32_t kWrite = 2;
constexpr uint32_t kAvailBit = 1u << 23, kUsedBit = 1u << 31, kBothBits = kAvailBit | kUsedBit;

// One descriptor.
typedef uint32_t Descriptor __attribute__((vector_size(16)));

struct Vector {
  int32_t* job = nullptr;
  uint8_t* memory = nullptr;  // the region
  int64_t memoryBytes = 0;
  int32_t size = 0;
  bool packed = false;
  uint32_t* desc = nullptr;
  uint16_t* avail = nullptr;  // split only
  uint16_t* used = nullptr;
  int32_t* token = nullptr;       // by id; -1: not outstanding
  uint16_t* ids = nullptr;        // free ids, a ring
  uint16_t* followers = nullptr;  // descriptors behind the head, by id
  int32_t* exposed = nullptr;     // bytes exposed, by id; null where nobody wants to know
  Napi::ObjectReference keep;
};

static inline void StoreIfNew(uint32_t* at, uint32_t value) {
  // A cache line that stays clean need not move between cores.
  if (__atomic_load_n(at, __ATOMIC_RELAXED) != value) __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

// Adds `n` buffers, of which there is room; `place` tells where each one is.
template <typename Place>
static void AddSplit(const Vector& v, int32_t n, const int32_t* tokens, Place place) {
  int32_t* job = v.job;
  const uint32_t mask = v.size - 1;
  const uint32_t flags = job[kDeviceWrites] != 0 ? kWrite : 0;
  uint32_t avail = job[kAvailNext];
  uint32_t head = job[kIdHead];
  for (int32_t i = 0; i < n; i++) {
    const uint32_t id = v.ids[head++ & mask] & mask;
    uint32_t address, bytes;
    place(i, &address, &bytes);
    uint32_t* at = v.desc + id * 4;
    StoreIfNew(at, address);
    StoreIfNew(at + 2, bytes);
    StoreIfNew(at + 3, flags);
    uint16_t* entry = v.avail + 2 + (avail++ & mask);
    if (__atomic_load_n(entry, __ATOMIC_RELAXED) != id) __atomic_store_n(entry, id, __ATOMIC_RELAXED);
    v.token[id] = tokens[i];
  }
  job[kIdHead] = head;
  job[kAvailNext] = avail & 0xffff;
  // Sequentially consistent: the device's wish to be kicked is read next.
  __atomic_store_n(v.avail + 1, static_cast<uint16_t>(avail), __ATOMIC_SEQ_CST);
}

template <typename Place>
static void AddPacked(const Vector& v, int32_t n, const int32_t* tokens, Place place) {
  int32_t* job = v.job;
  const int32_t size = v.size;
  const uint32_t high = job[kAddressHigh];
  const uint32_t direction = job[kDeviceWrites] != 0 ? kWrite << 16 : 0;
  uint32_t bits = (job[kAvailWrap] != 0 ? kAvailBit : kUsedBit) | direction;
  int32_t next = job[kAvailNext];
  int32_t head = job[kIdHead];
  uint32_t* first = v.desc + next * 4;
  uint32_t firstWord = 0;
  for (int32_t i = 0; i < n; i++) {
    const uint32_t id = v.ids[head];
    uint32_t address, bytes;
    place(i, &address, &bytes);
    uint32_t* at = v.desc + next * 4;
    if (i == 0) {
      __atomic_store_n(at, address, __ATOMIC_RELAXED);
      __atomic_store_n(at + 1, high, __ATOMIC_RELAXED);
      __atomic_store_n(at + 2, bytes, __ATOMIC_RELAXED);
      firstWord = id | bits;
    } else {
      // All four words at once: a device cannot pass the first head, whose flags come last.
      *reinterpret_cast<volatile Descriptor*>(at) = Descriptor{address, high, bytes, id | bits};
    }
    v.token[id] = tokens[i];
    if (v.exposed != nullptr) v.exposed[id] = bytes;
    if (++head == size) head = 0;
    if (++next == size) {
      next = 0;
      bits ^= kBothBits;
    }
  }
  job[kIdHead] = head;
  job[kAvailNext] = next;
  job[kAvailWrap] = (bits & kAvailBit) != 0;
  __atomic_store_n(first + 3, firstWord, __ATOMIC_SEQ_CST);
}

template <typename Place>
static void Add(const Vector& v, int32_t n, const int32_t* tokens, Place place) {
  if (n <= 0) return;
  if (v.packed) AddPacked(v, n, tokens, place);
  else AddSplit(v, n, tokens, place);
}

// Takes back used buffers for as long as `take(token, length, address)` wants them. -> how many
template <typename Take>
static int32_t ReapSplit(const Vector& v, int32_t max, Take take) {
  int32_t* job = v.job;
  const uint32_t mask = v.size - 1;
  uint16_t last = static_cast<uint16_t>(job[kUsedNext]);
  const int32_t ready = static_cast<uint16_t>(__atomic_load_n(v.used + 1, __ATOMIC_ACQUIRE) - last);
  if (ready > job[kOutstanding]) return 0;
  const int32_t limit = ready < max ? ready : max;
  uint32_t tail = job[kIdTail];
  int32_t n = 0;
  for (; n < limit; n++, last++) {
    const auto* entry = reinterpret_cast<const uint32_t*>(v.used + 2) + (last & mask) * 2;
    const uint32_t id = __atomic_load_n(entry, __ATOMIC_RELAXED);
    if (id > mask || v.token[id] < 0 || v.followers[id] != 0) break;
    if (!take(n, v.token[id], __atomic_load_n(entry + 1, __ATOMIC_RELAXED))) break;
    v.token[id] = -1;
    v.ids[tail++ & mask] = id;
  }
  job[kIdTail] = tail;
  job[kUsedNext] = last;
  return n;
}

// In order, each buffer with a used descriptor of its own; a batch is for TypeScript.
template <typename Take>
static int32_t ReapPacked(const Vector& v, int32_t max, Take take) {
  int32_t* job = v.job;
  const int32_t size = v.size;
  const int32_t limit = max < job[kOutstanding] ? max : job[kOutstanding];
  uint32_t bits = job[kUsedWrap] != 0 ? kBothBits : 0;
  int32_t at = job[kUsedNext];
  int32_t oldest = job[kIdTail];
  int32_t n = 0;
  for (; n < limit; n++) {
    const uint32_t* descriptor = v.desc + at * 4;
    const uint32_t word = __atomic_load_n(descriptor + 3, __ATOMIC_ACQUIRE);
    if ((word & kBothBits) != bits) break;
    const int32_t id = word & 0xffff;
    if (id != oldest || v.token[id] < 0 || v.followers[id] != 0) break;
    if (!take(n, v.token[id], __atomic_load_n(descriptor + 2, __ATOMIC_RELAXED))) break;
    v.token[id] = -1;
    if (++oldest == size) oldest = 0;
    if (++at == size) {
      at = 0;
      bits ^= kBothBits;
    }
  }
  job[kIdTail] = oldest;
  job[kUsedNext] = at;
  job[kUsedWrap] = bits != 0;
  return n;
}

template <typename Take>
static int32_t ReapAll(const Vector& v, int32_t max, Take take) {
  return v.packed ? ReapPacked(v, max, take) : ReapSplit(v, max, take);
}

}  // namespace vio
