// The device's side of a ring, for one call of a kernel: what is available from a position on, and marking a burst used. Its twins
// are PackedDevice and SplitDevice of @vio/rings, which say why things are as they are.
//
// Everything the driver can write is read once, by an atomic load, and what was read is checked.
#pragma once

#include "kernels/copy_engine.h"
#include "kernels/descriptor.h"
#include "kernels/dirty_log.h"
#include "kernels/layouts.h"

namespace vio {

// Both jobs begin with the same words.
namespace deviceJob = singlesJob;
static_assert(static_cast<int>(deviceJob::kPacked) == chainsJob::kPacked &&
              static_cast<int>(deviceJob::kLogBeyond) == chainsJob::kLogBeyond);

inline uint32_t Load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

inline bool Between(int32_t value, int32_t least, int32_t most) { return value >= least && value <= most; }

// What a job names, checked.
struct DeviceMemory {
  int32_t* job = nullptr;
  int32_t size = 0;
  int32_t wanted = 0;  // packets
  uint32_t* table = nullptr;
  uint16_t* avail = nullptr;  // split only, as `used`
  uint16_t* used = nullptr;
  uint8_t* local = nullptr;
  int64_t localSize = 0;
  DirtyLog log;

  // -> false: it names memory that is not registered, or a position that cannot be
  bool Open(const Engine* engine, int32_t* words, int32_t longestPrefix) {
    using namespace deviceJob;
    job = words;
    size = job[kSize];
    wanted = job[kCount] < kSinglesPerRun ? job[kCount] : kSinglesPerRun;
    job[kBlocked] = job[kLogBeyond] = 0;
    if (!Between(size, 1, 32768) || !Between(job[kPrefix], 0, longestPrefix)) return false;
    if (!Part(engine, kTable, size * 16, &table) || !Inside(engine, job[kLocal], 0, 0, &local)) return false;
    localSize = engine->targets[job[kLocal]].size;
    if (job[kLog] >= 0) {
      if (!Inside(engine, job[kLog], 0, 0, &log.bits)) return false;
      log.pages = static_cast<uint64_t>(engine->targets[job[kLog]].size) * 8;
    }
    if (job[kPacked] != 0) return Between(job[kNext], 0, size - 1) && Between(job[kDone], 0, size - 1);
    return (size & (size - 1)) == 0 && Part(engine, kAvail, 4 + size * 2, &avail) && Part(engine, kUsed, 4 + size * 8, &used);
  }

  bool IsLocal(int32_t at, int64_t bytes) const { return at >= 0 && bytes >= 1 && at + bytes <= localSize; }

  // Two words of the job.
  uint64_t Address(int low, int high) const {
    return static_cast<uint32_t>(job[low]) | static_cast<uint64_t>(static_cast<uint32_t>(job[high])) << 32;
  }

  // `count` entries of the used or packed ring were written, as DirtyLog::MarkRing has them.
  void MarkRing(int32_t at, int32_t count, int32_t front, int32_t each) {
    using namespace deviceJob;
    if (log.bits != nullptr) log.MarkRing(Address(kLogRingLow, kLogRingHigh), at, count, size, front, each);
  }

  // The last thing of a run: says what of it the log had no bit for.
  void Settle() const { job[deviceJob::kLogBeyond] = log.beyond; }

 private:
  template <typename T>
  bool Part(const Engine* engine, int handle, int32_t bytes, T** part) const {
    uint8_t* at;
    if (!Inside(engine, job[handle], job[handle + 1], bytes, &at)) return false;
    *part = reinterpret_cast<T*>(at);
    return true;
  }
};

// kOther: there is something, and it is for TypeScript.
enum class Found { kNone, kOther, kChain };

// The first descriptor of a chain, with its last word as it was read.
struct Head {
  const uint32_t* descriptor;
  int32_t index;
  uint32_t last;
};

// Longest buffer that is taken whole.
constexpr int32_t kLongestBuffer = 0x3fffffff;

// The buffer of a chain of one descriptor, as it was read once: where it begins in the window, and its bytes.
struct Single {
  int32_t offset, length;

  // -> false: it is of another kind than `kind`, too long, or not within the window
  bool Read(const Head& head, uint32_t flagsRead, uint32_t kind, uint64_t base, int64_t bytes) {
    const uint64_t address = Load(head.descriptor) | static_cast<uint64_t>(Load(head.descriptor + 1)) << 32;
    const uint32_t read = Load(head.descriptor + 2);
    if ((flagsRead & (kNextFlag | kWriteFlag | kIndirectFlag)) != kind) return false;
    if (read > static_cast<uint32_t>(kLongestBuffer)) return false;
    const uint64_t at = address - base;
    if (at > static_cast<uint64_t>(bytes) || read > bytes - at) return false;
    offset = static_cast<int32_t>(at);
    length = static_cast<int32_t>(read);
    return true;
  }
};

// What a used entry or descriptor says of a chain, and the slots of a packed ring that it gives back.
struct UsedChain {
  uint32_t id, written;
  int32_t slots;
};

class PackedDeviceRing {
 public:
  static constexpr bool kPacked = true;

  struct Position {
    int32_t next = 0;
    uint32_t expected = 0;  // the two bits of an available descriptor
    int32_t room = 0;       // slots that may be taken
  };

  Position position;

  explicit PackedDeviceRing(DeviceMemory& memory) : m(memory), table(memory.table), size(memory.size) {}

  bool Look() {
    using namespace deviceJob;
    position = {m.job[kNext], (m.job[kNextWrap] != 0 ? kAvailFlag : kUsedFlag) << 16, m.job[kRoom]};
    return true;
  }

  bool Full() const { return position.room <= 0; }

  Found Peek(Head* head) const {
    const uint32_t* descriptor = table + static_cast<size_t>(position.next) * 4;
    const uint32_t last = __atomic_load_n(descriptor + 3, __ATOMIC_ACQUIRE);
    if ((last & kBoth) != position.expected) return Found::kNone;
    *head = {descriptor, position.next, last};
    return Found::kChain;
  }

  static uint32_t Flags(uint32_t last) { return last >> 16; }
  // Of a chain whose last descriptor ends so.
  static int32_t Id(const Head&, uint32_t last) { return static_cast<int32_t>(last & 0xffff); }
  // -> the descriptor after the one at `index`
  int32_t Following(int32_t index, uint32_t) const { return index + 1 == size ? 0 : index + 1; }
  static int32_t Slots(int32_t descriptors) { return descriptors; }

  void Take(int32_t slots) {
    position.room -= slots;
    position.next += slots;
    if (position.next < size) return;
    position.next -= size;
    position.expected ^= kBoth;
  }

  // Marks `count` chains used, of which chain(i) says what; one: by an entry for all. -> slots
  template <typename Chain>
  int32_t Publish(int32_t count, bool one, const Chain& chain) {
    const int32_t begin = m.job[deviceJob::kDone];
    int32_t done = begin, slots = 0;
    uint32_t flags = m.job[deviceJob::kDoneWrap] != 0 ? kBoth : 0;
    uint32_t* first = table + static_cast<size_t>(begin) * 4;
    const uint32_t firstWord = Word(chain(one ? count - 1 : 0), flags);
    for (int32_t i = 0; i < count; i++) {
      const UsedChain used = chain(i);
      if (i > 0 && !one) {
        uint32_t* descriptor = table + static_cast<size_t>(done) * 4;
        __atomic_store_n(descriptor + 2, used.written, __ATOMIC_RELAXED);
        __atomic_store_n(descriptor + 3, Word(used, flags), __ATOMIC_RELAXED);
      }
      slots += used.slots;
      done += used.slots;
      if (done >= size) {
        done -= size;
        flags ^= kBoth;
      }
    }
    __atomic_store_n(first + 2, chain(0).written, __ATOMIC_RELAXED);
    // The driver reads in ring order: it does not get past the first one before. Sequentially consistent, because its wish to be
    // called is read next.
    __atomic_store_n(first + 3, firstWord, __ATOMIC_SEQ_CST);
    m.MarkRing(begin, slots, 0, 16);
    return slots;
  }

 private:
  static constexpr uint32_t kBoth = (kAvailFlag | kUsedFlag) << 16;

  static uint32_t Word(const UsedChain& used, uint32_t flags) {
    return used.id | flags | (used.written == 0 ? 0 : kWriteFlag << 16);
  }

  DeviceMemory& m;
  uint32_t* const table;
  const int32_t size;
};

class SplitDeviceRing {
 public:
  static constexpr bool kPacked = false;

  struct Position {
    int32_t next = 0;  // chains behind the first
    int32_t room = 0;  // chains that are there
  };

  Position position;

  explicit SplitDeviceRing(DeviceMemory& memory)
      : m(memory),
        table(memory.table),
        avail(memory.avail),
        start(static_cast<uint16_t>(memory.job[deviceJob::kNext])),
        mask(static_cast<uint32_t>(memory.size) - 1) {}

  // -> false: an index that makes no sense
  bool Look() {
    position = {0, static_cast<uint16_t>(__atomic_load_n(avail + 1, __ATOMIC_ACQUIRE) - start)};
    return position.room <= m.job[deviceJob::kRoom];
  }

  // All that are there may be taken.
  bool Full() const { return false; }

  Found Peek(Head* head) const {
    if (position.next == position.room) return Found::kNone;
    const uint32_t index = __atomic_load_n(avail + 2 + ((start + static_cast<uint32_t>(position.next)) & mask), __ATOMIC_RELAXED);
    if (index > mask) return Found::kOther;
    const uint32_t* descriptor = table + index * 4;
    *head = {descriptor, static_cast<int32_t>(index), Load(descriptor + 3)};
    return Found::kChain;
  }

  static uint32_t Flags(uint32_t last) { return last & 0xffff; }
  static int32_t Id(const Head& head, uint32_t) { return head.index; }
  // -> the descriptor that this one names, -1: there is none
  int32_t Following(int32_t, uint32_t last) const { return last >> 16 > mask ? -1 : static_cast<int32_t>(last >> 16); }
  static int32_t Slots(int32_t) { return 1; }

  void Take(int32_t) { position.next++; }

  // As that of a packed ring.
  template <typename Chain>
  int32_t Publish(int32_t count, bool one, const Chain& chain) {
    const auto done = static_cast<uint16_t>(m.job[deviceJob::kDone]);
    auto* entries = reinterpret_cast<uint32_t*>(m.used + 2);
    for (int32_t i = one ? count - 1 : 0; i < count; i++) {
      uint32_t* entry = entries + ((done + static_cast<uint32_t>(one ? 0 : i)) & mask) * 2;
      const UsedChain used = chain(i);
      // A driver that recycles its descriptors in order finds the same entry again: leave the cache line clean.
      if (Load(entry) != used.id) __atomic_store_n(entry, used.id, __ATOMIC_RELAXED);
      if (Load(entry + 1) != used.written) __atomic_store_n(entry + 1, used.written, __ATOMIC_RELAXED);
    }
    __atomic_store_n(m.used + 1, static_cast<uint16_t>(done + count), __ATOMIC_SEQ_CST);
    m.MarkRing(static_cast<int32_t>(done & mask), count, 4, 8);
    return count;
  }

 private:
  DeviceMemory& m;
  uint32_t* const table;
  const uint16_t* const avail;
  const uint16_t start;
  const uint32_t mask;
};

}  // namespace vio
