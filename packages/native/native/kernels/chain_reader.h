// Reads chains off a driver's ring as they are: several descriptors, indirect tables, in any windows of its memory, split between
// windows. Everything in shared memory is read once, and what was read is checked; what TypeScript would refuse ends the reading.
// Its twin is ChainBuilder of @vio/rings, over SplitDevice and PackedDevice.
#pragma once

#include "kernels/descriptor.h"
#include "kernels/guest_memory.h"
#include "kernels/layouts.h"

namespace vio {

class ChainReader {
 public:
  enum Found { kNone, kOther, kChain };

  struct Piece {
    uint8_t* at;
    int32_t bytes;
    uint64_t guest;
  };

  struct Chain {
    int32_t id, slots, firstPiece;
    int64_t bytes;
    int32_t written;
  };

  // Where the reading stands: kept before a packet, for one whose chains are not all there.
  struct State {
    int32_t chains = 0, pieces = 0;
    int32_t next = 0;         // packed: the slot; split: chains behind the first
    uint32_t expected = 0;    // packed: the two bits of an available descriptor
    int32_t room = 0;         // packed: slots that may be taken; split: chains that are there
    int32_t window = 0;
  };

  Chain chains[kPiecesPerRun];
  Piece pieces[kPiecesPerRun];
  State state;
  int32_t unknown = -1;

  ChainReader(const int32_t* job, const GuestMemory& memory, uint32_t* table, const uint16_t* avail)
      : memory_(memory),
        table_(table),
        avail_(avail),
        size_(job[chainsJob::kSize]),
        start_(job[chainsJob::kNext]),
        tables_(job[chainsJob::kTables]),
        packed_(job[chainsJob::kPacked] != 0),
        writable_(job[chainsJob::kWritable] != 0) {
    state.window = job[chainsJob::kData];
  }

  // -> false: an index that makes no sense
  bool Begin(int32_t room, bool wrap) {
    state.room = room;
    if (packed_) {
      state.next = start_;
      state.expected = (wrap ? kAvailFlag : kUsedFlag) << 16;
      return true;
    }
    const uint16_t index = __atomic_load_n(avail_ + 1, __ATOMIC_ACQUIRE);
    state.room = static_cast<uint16_t>(index - static_cast<uint16_t>(start_));
    return state.room <= room;
  }

  // Takes the next chain; kOther leaves everything as it was.
  Found Next() {
    const State before = state;
    if (before.chains == kPiecesPerRun) return kOther;
    Chain& chain = chains[state.chains];
    chain = {0, 1, state.pieces, 0, 0};
    writableSeen_ = false;
    descriptors_ = 0;
    const Found found = packed_ ? NextPacked(&chain) : NextSplit(&chain);
    if (found != kChain) state = before;
    else state.chains++;
    return found;
  }

 private:
  struct Words {
    uint32_t low, high, length, last;
    uint64_t Address() const { return low | static_cast<uint64_t>(high) << 32; }
  };

  static uint32_t Load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

  Words Slot(int32_t index) const {
    const uint32_t* at = table_ + static_cast<size_t>(index) * 4;
    return {Load(at), Load(at + 1), Load(at + 2), Load(at + 3)};
  }

  Found NextSplit(Chain* chain) {
    if (state.next == state.room) return kNone;
    const uint32_t mask = static_cast<uint32_t>(size_) - 1;
    const uint32_t head = __atomic_load_n(avail_ + 2 + ((start_ + state.next) & mask), __ATOMIC_RELAXED);
    if (head > mask) return kOther;
    chain->id = static_cast<int32_t>(head);
    Words words = Slot(static_cast<int32_t>(head));
    for (;;) {
      if (words.last & kIndirectFlag) {
        if ((words.last & kNextFlag) || !SplitTable(words, chain)) return kOther;
        break;
      }
      if (!Add(words, (words.last & kWriteFlag) != 0, chain)) return kOther;
      if (!(words.last & kNextFlag)) break;
      const uint32_t index = words.last >> 16;
      if (index > mask) return kOther;
      words = Slot(static_cast<int32_t>(index));
    }
    state.next++;
    return kChain;
  }

  Found NextPacked(Chain* chain) {
    const uint32_t both = (kAvailFlag | kUsedFlag) << 16;
    int32_t at = state.next;
    const uint32_t first = __atomic_load_n(table_ + static_cast<size_t>(at) * 4 + 3, __ATOMIC_ACQUIRE);
    if ((first & both) != state.expected) return kNone;
    Words words = Slot(at);
    words.last = first;
    for (chain->slots = 1;; chain->slots++) {
      if (chain->slots > state.room) return kOther;
      const uint32_t flags = words.last >> 16;
      chain->id = static_cast<int32_t>(words.last & 0xffff);
      if (flags & kIndirectFlag) {
        if ((flags & kNextFlag) || !PackedTable(words, chain)) return kOther;
        break;
      }
      if (!Add(words, (flags & kWriteFlag) != 0, chain)) return kOther;
      if (!(flags & kNextFlag)) break;
      if (++at == size_) at = 0;
      words = Slot(at);
    }
    state.room -= chain->slots;
    state.next += chain->slots;
    if (state.next >= size_) {
      state.next -= size_;
      state.expected ^= both;
    }
    return kChain;
  }

  bool IsTable(const Words& words) const { return tables_ > 0 && words.length != 0 && (words.length & 15) == 0; }

  // Entries linked by `next`, from entry 0 on (spec 2.7.5.3).
  bool SplitTable(const Words& words, Chain* chain) {
    if (!IsTable(words)) return false;
    const uint32_t entries = words.length >> 4;
    uint32_t index = 0;
    for (uint32_t visited = 1; visited <= entries; visited++) {
      Words entry;
      if (!Entry(words.Address() + static_cast<uint64_t>(index) * 16, &entry) || (entry.last & kIndirectFlag)) return false;
      if (!Add(entry, (entry.last & kWriteFlag) != 0, chain)) return false;
      if (!(entry.last & kNextFlag)) return true;
      index = entry.last >> 16;
      if (index >= entries) return false;
    }
    return false;
  }

  // All entries in order, whatever their flags (spec 2.8.7).
  bool PackedTable(const Words& words, Chain* chain) {
    if (!IsTable(words)) return false;
    const uint32_t entries = words.length >> 4;
    for (uint32_t index = 0; index < entries; index++) {
      Words entry;
      if (!Entry(words.Address() + static_cast<uint64_t>(index) * 16, &entry)) return false;
      const bool writable = tables_ == 1 ? ((entry.last >> 16) & kWriteFlag) != 0 : tables_ == 3;
      if (!Add(entry, writable, chain)) return false;
    }
    return true;
  }

  // Copies an entry of a table, which may lie across windows and need not be aligned.
  bool Entry(uint64_t address, Words* entry) {
    auto* to = reinterpret_cast<uint8_t*>(entry);
    for (int64_t done = 0; done < 16;) {
      GuestMemory::Place place;
      if (!memory_.Find(address + static_cast<uint64_t>(done), tableWindow_, &place, &unknown)) return false;
      tableWindow_ = place.window;
      const int64_t part = place.room < 16 - done ? place.room : 16 - done;
      memcpy(to + done, place.at, static_cast<size_t>(part));
      done += part;
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);  // what is looked at from here on is the copy
    return true;
  }

  // Adds the buffer of one descriptor: a piece for each window it lies in.
  bool Add(const Words& words, bool writable, Chain* chain) {
    if (++descriptors_ > size_ || descriptors_ > kPiecesPerRun) return false;
    if (writable) writableSeen_ = true;
    else if (writableSeen_) return false;
    if (words.length == 0) return true;
    if (writable != writable_) return false;
    uint64_t address = words.Address();
    for (int64_t left = words.length; left > 0;) {
      GuestMemory::Place place;
      if (state.pieces == kPiecesPerRun || !memory_.Find(address, state.window, &place, &unknown)) return false;
      state.window = place.window;
      const int64_t bytes = place.room < left ? place.room : left;
      if (writable) __builtin_prefetch(place.at, 1);
      else __builtin_prefetch(place.at);
      pieces[state.pieces++] = {place.at, static_cast<int32_t>(bytes), address};
      address += static_cast<uint64_t>(bytes);
      left -= bytes;
    }
    chain->bytes += words.length;
    return true;
  }

  const GuestMemory& memory_;
  uint32_t* const table_;
  const uint16_t* const avail_;
  const int32_t size_;
  const int32_t start_;
  const int32_t tables_;
  const bool packed_;
  const bool writable_;
  int32_t tableWindow_ = 0;
  int32_t descriptors_ = 0;
  bool writableSeen_ = false;
};

}  // namespace vio
