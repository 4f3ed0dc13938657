// Reads chains off a driver's ring as they are: several descriptors, indirect tables, in any windows of its memory, split between
// windows. Everything in shared memory is read once, and what was read is checked; what TypeScript would refuse ends the reading.
// Its twin is ChainBuilder of @vio/rings, over SplitDevice and PackedDevice.
#pragma once

#include "kernels/device_ring.h"
#include "kernels/guest_memory.h"

namespace vio {

template <typename Ring>
class ChainReader {
 public:
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
    int32_t window = 0;
  };

  Chain chains[kPiecesPerRun];
  Piece pieces[kPiecesPerRun];
  State state;
  int32_t unknown = -1;

  ChainReader(const DeviceMemory& device, const GuestMemory& memory, Ring& ring)
      : memory_(memory),
        ring_(ring),
        table_(device.table),
        size_(device.size),
        tables_(device.job[chainsJob::kTables]),
        writable_(device.job[chainsJob::kWritable] != 0) {
    state.window = device.job[chainsJob::kData];
  }

  // Takes the next chain; kOther leaves everything as it was.
  Found Next() {
    if (state.chains == kPiecesPerRun) return Found::kOther;
    const int32_t firstPiece = state.pieces, window = state.window;
    Chain& chain = chains[state.chains];
    chain = {0, 1, firstPiece, 0, 0};
    writableSeen_ = false;
    descriptors_ = 0;
    const Found found = Read(&chain);
    if (found != Found::kChain) {
      state.pieces = firstPiece;
      state.window = window;
      return found;
    }
    ring_.Take(chain.slots);
    state.chains++;
    return found;
  }

 private:
  struct Words {
    uint32_t low, high, length, last;
    bool Has(uint32_t flag) const { return (Ring::Flags(last) & flag) != 0; }
    uint64_t Address() const { return low | static_cast<uint64_t>(high) << 32; }
  };

  Words Slot(int32_t index) const {
    const uint32_t* at = table_ + static_cast<size_t>(index) * 4;
    return {Load(at), Load(at + 1), Load(at + 2), Load(at + 3)};
  }

  // Follows a chain of the ring to its end; the ring stays where it is.
  Found Read(Chain* chain) {
    Head head;
    const Found found = ring_.Peek(&head);
    if (found != Found::kChain) return found;
    int32_t index = head.index;
    Words words = Slot(index);
    words.last = head.last;
    for (int32_t count = 1;; count++) {
      chain->slots = Ring::Slots(count);
      if (chain->slots > ring_.position.room) return Found::kOther;
      if (words.Has(kIndirectFlag)) {
        if (words.Has(kNextFlag) || !Table(words, chain)) return Found::kOther;
        break;
      }
      if (!Add(words, words.Has(kWriteFlag), chain)) return Found::kOther;
      if (!words.Has(kNextFlag)) break;
      index = ring_.Following(index, words.last);
      if (index < 0) return Found::kOther;
      words = Slot(index);
    }
    chain->id = Ring::Id(head, words.last);
    return Found::kChain;
  }

  bool Table(const Words& words, Chain* chain) {
    if constexpr (Ring::kPacked) return PackedTable(words, chain);
    else return SplitTable(words, chain);
  }

  bool IsTable(const Words& words) const { return tables_ > 0 && words.length != 0 && (words.length & 15) == 0; }

  // Entries linked by `next`, from entry 0 on (spec 2.7.5.3).
  bool SplitTable(const Words& words, Chain* chain) {
    if (!IsTable(words)) return false;
    const uint32_t entries = words.length >> 4;
    uint32_t index = 0;
    for (uint32_t visited = 1; visited <= entries; visited++) {
      Words entry;
      if (!Entry(words.Address() + static_cast<uint64_t>(index) * 16, &entry) || entry.Has(kIndirectFlag)) return false;
      if (!Add(entry, entry.Has(kWriteFlag), chain)) return false;
      if (!entry.Has(kNextFlag)) return true;
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
      const bool writable = tables_ == 1 ? entry.Has(kWriteFlag) : tables_ == 3;
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
  Ring& ring_;
  const uint32_t* const table_;
  const int32_t size_;
  const int32_t tables_;
  const bool writable_;
  int32_t tableWindow_ = 0;
  int32_t descriptors_ = 0;
  bool writableSeen_ = false;
};

}  // namespace vio
