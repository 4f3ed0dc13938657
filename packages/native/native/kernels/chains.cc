// Whole bursts of packets in chains of any kind in one call: those of several descriptors, with indirect tables, in any windows of
// the driver's memory, and packets over several of its buffers. A packet that needs more than one buffer of this side, and what is
// to be dropped, ends the burst, and is for TypeScript. Its twin is PortableChains of @vio/vhost.
//
// No template, as in singles.cc: what depends on the format is how chains are read (ChainReader) and marked used (Publish).
#include <memory>

#include "kernels/chain_reader.h"
#include "kernels/dirty_log.h"
#include "kernels/net_header.h"

namespace vio {

using namespace chainsJob;

constexpr int32_t kHeaderStride = 20;  // bytes of a header in the job

struct Chains {
  int32_t* job = nullptr;
  const Engine* engine = nullptr;
  std::unique_ptr<GuestMemory> memory;
  Napi::ObjectReference keep;
};

// One burst: which chains hold which packet, and then the copies.
struct ChainRun {
  using Found = ChainReader::Found;
  using Piece = ChainReader::Piece;

  int32_t* job;
  uint8_t* local;
  int64_t localSize;
  int32_t prefix;
  ChainReader reader;
  int32_t packets = 0;
  int32_t firstChain[kSinglesPerRun + 1];
  bool outside = false;  // a local piece is not in local memory
  DirtyLog log;

  ChainRun(int32_t* job, const GuestMemory& memory, uint32_t* table, const uint16_t* avail)
      : job(job), prefix(job[kPrefix]), reader(job, memory, table, avail) {}

  bool IsLocal(int32_t at, int64_t bytes) {
    if (at >= 0 && bytes >= 1 && at + bytes <= localSize) return true;
    outside = true;
    return false;
  }

  // --- From the driver: a chain is a packet, and goes to one local buffer

  void Collect(int32_t wanted) {
    for (; packets < wanted; packets++) {
      const ChainReader::State before = reader.state;
      const Found found = reader.Next();
      if (found == Found::kNone) return;
      const int64_t bytes = found == Found::kChain ? reader.chains[before.chains].bytes - prefix : 0;
      if (bytes < 1 || bytes > job[kMost] || !IsLocal(job[kOffsets + packets], bytes)) {
        reader.state = before;
        job[kBlocked] = 1;
        return;
      }
      job[kLengths + packets] = static_cast<int32_t>(bytes);
    }
  }

  void CopyIn() {
    for (int32_t i = 0; i < packets; i++) {
      const Piece* piece = reader.pieces + reader.chains[i].firstPiece;
      int32_t skip = prefix;
      while (skip >= piece->bytes) skip -= piece++->bytes;
      uint8_t* to = local + job[kOffsets + i];
      for (int32_t left = job[kLengths + i]; left > 0; piece++, skip = 0) {
        const int32_t part = piece->bytes - skip < left ? piece->bytes - skip : left;
        Copy(to, piece->at + skip, static_cast<size_t>(part));
        to += part;
        left -= part;
      }
    }
  }

  // --- To the driver: a packet is of one local piece or more, and goes to one chain, or with MRG_RXBUF to several

  void Supply(int32_t wanted) {
    const int64_t least = job[kMergeable] != 0 ? prefix : prefix + 1;
    int32_t piece = 0;
    for (; packets < wanted; packets++) {
      int64_t left = prefix;
      for (int32_t i = 0; i < job[kPieces + packets]; i++, piece++) {
        if (piece >= kPiecesPerRun || !IsLocal(job[kOffsets + piece], job[kLengths + piece])) {
          outside = true;
          return;
        }
        __builtin_prefetch(local + job[kOffsets + piece]);
        left += job[kLengths + piece];
      }
      const ChainReader::State before = reader.state;
      firstChain[packets] = before.chains;
      for (bool first = true; left > 0; first = false) {
        const Found found = first || job[kMergeable] != 0 ? reader.Next() : Found::kOther;
        const int64_t room = found == Found::kChain ? reader.chains[reader.state.chains - 1].bytes : 0;
        if (found != Found::kChain || (first && room < least)) {
          reader.state = before;
          job[kBlocked] = !first || found != Found::kNone;
          return;
        }
        reader.chains[reader.state.chains - 1].written = static_cast<int32_t>(room < left ? room : left);
        left -= room;
      }
    }
    firstChain[packets] = reader.state.chains;
  }

  void CopyOut() {
    int32_t source = 0;
    for (int32_t i = 0; i < packets; i++) {
      const int32_t chains = (i + 1 < packets ? firstChain[i + 1] : reader.state.chains) - firstChain[i];
      const Piece* piece = reader.pieces + reader.chains[firstChain[i]].firstPiece;
      int32_t at = WriteHeader(piece, i, chains);
      while (at >= piece->bytes) at -= piece++->bytes;
      for (int32_t end = source + job[kPieces + i]; source < end; source++) {
        const uint8_t* from = local + job[kOffsets + source];
        for (int32_t left = job[kLengths + source]; left > 0;) {
          if (at == piece->bytes) {
            piece++;
            at = 0;
          }
          const int32_t part = piece->bytes - at < left ? piece->bytes - at : left;
          Copy(piece->at + at, from, static_cast<size_t>(part));
          from += part;
          at += part;
          left -= part;
        }
      }
    }
  }

  // -> bytes of the header
  int32_t WriteHeader(const Piece* piece, int32_t i, int32_t chains) const {
    if (job[kHeaded] == 0 && piece->bytes >= prefix) {
      WritePlainHeader(piece->at, prefix, chains);
      return prefix;
    }
    uint8_t header[64] = {};
    if (job[kHeaded] != 0) memcpy(header, reinterpret_cast<const uint8_t*>(job + kHeaders) + i * kHeaderStride, kHeaderStride);
    if (prefix >= 12) {
      header[kNumBuffersAt] = static_cast<uint8_t>(chains);
      header[kNumBuffersAt + 1] = static_cast<uint8_t>(chains >> 8);
    }
    for (int32_t done = 0; done < prefix; piece++) {
      const int32_t part = piece->bytes < prefix - done ? piece->bytes : prefix - done;
      memcpy(piece->at, header + done, static_cast<size_t>(part));
      done += part;
    }
    return prefix;
  }

  // --- Afterwards

  // After the copies, and before anything is marked used.
  void MarkData() {
    if (log.bits == nullptr || job[kWritable] == 0) return;
    log.Written();
    for (int32_t c = 0; c < reader.state.chains; c++) {
      int64_t left = reader.chains[c].written;
      for (const Piece* piece = reader.pieces + reader.chains[c].firstPiece; left > 0; piece++) {
        const int64_t part = piece->bytes < left ? piece->bytes : left;
        log.Mark(piece->guest, static_cast<uint64_t>(part));
        left -= part;
      }
    }
  }

  void MarkRing(int32_t at, int32_t count, int32_t front, int32_t each) {
    if (log.bits == nullptr) return;
    const uint64_t high = static_cast<uint32_t>(job[kLogRingHigh]);
    log.MarkRing(high << 32 | static_cast<uint32_t>(job[kLogRingLow]), at, count, job[kSize], front, each);
  }

  void PublishPacked(uint32_t* ring) {
    const int32_t size = job[kSize], count = reader.state.chains;
    const uint32_t both = (kAvailFlag | kUsedFlag) << 16;
    int32_t done = job[kDone], slots = 0;
    uint32_t flags = job[kDoneWrap] != 0 ? both : 0;
    const uint32_t firstFlags = flags;
    const auto word = [&](int32_t c, uint32_t bits) {
      const uint32_t write = reader.chains[c].written == 0 ? 0 : kWriteFlag << 16;
      return static_cast<uint32_t>(reader.chains[c].id) | bits | write;
    };
    uint32_t* first = ring + static_cast<size_t>(done) * 4;
    for (int32_t c = 0; c < count; c++) {
      if (c > 0) {
        uint32_t* descriptor = ring + static_cast<size_t>(done) * 4;
        __atomic_store_n(descriptor + 2, static_cast<uint32_t>(reader.chains[c].written), __ATOMIC_RELAXED);
        __atomic_store_n(descriptor + 3, word(c, flags), __ATOMIC_RELAXED);
      }
      slots += reader.chains[c].slots;
      done += reader.chains[c].slots;
      if (done >= size) {
        done -= size;
        flags ^= both;
      }
    }
    __atomic_store_n(first + 2, static_cast<uint32_t>(reader.chains[0].written), __ATOMIC_RELAXED);
    // The driver reads in ring order: it does not get past the first one before. Sequentially consistent, because its wish to be
    // called is read next.
    __atomic_store_n(first + 3, word(0, firstFlags), __ATOMIC_SEQ_CST);
    job[kSlots] = slots;
    MarkRing(job[kDone], slots, 0, 16);
  }

  void PublishSplit(uint16_t* used) {
    const uint32_t mask = static_cast<uint32_t>(job[kSize]) - 1;
    const int32_t count = reader.state.chains;
    auto* ring = reinterpret_cast<uint32_t*>(used + 2);
    const auto done = static_cast<uint16_t>(job[kDone]);
    for (int32_t c = 0; c < count; c++) {
      uint32_t* entry = ring + ((static_cast<uint32_t>(done) + static_cast<uint32_t>(c)) & mask) * 2;
      const auto id = static_cast<uint32_t>(reader.chains[c].id), written = static_cast<uint32_t>(reader.chains[c].written);
      // A driver that recycles its descriptors in order finds the same entry again: leave the cache line clean.
      if (__atomic_load_n(entry, __ATOMIC_RELAXED) != id) __atomic_store_n(entry, id, __ATOMIC_RELAXED);
      if (__atomic_load_n(entry + 1, __ATOMIC_RELAXED) != written) __atomic_store_n(entry + 1, written, __ATOMIC_RELAXED);
    }
    __atomic_store_n(used + 1, static_cast<uint16_t>(done + count), __ATOMIC_SEQ_CST);
    job[kSlots] = count;
    MarkRing(static_cast<int32_t>(done & mask), count, 4, 8);
  }
};

static bool Between(int32_t value, int32_t least, int32_t most) { return value >= least && value <= most; }

// -> packets moved, or -1 when the job names memory that is not registered.
static int32_t RunChains(const Chains& chains) {
  int32_t* job = chains.job;
  const Engine* engine = chains.engine;
  const int32_t size = job[kSize];
  const int32_t wanted = job[kCount] < kSinglesPerRun ? job[kCount] : kSinglesPerRun;
  job[kBlocked] = job[kLogBeyond] = job[kSlots] = 0;
  job[kUnknown] = -1;
  if (!Between(size, 1, 32768) || !Between(job[kPrefix], 0, kHeaderStride)) return -1;
  uint8_t *table, *avail = nullptr, *used = nullptr;
  const bool packed = job[kPacked] != 0;
  if (!Inside(engine, job[kTable], job[kTableAt], size * 16, &table)) return -1;
  if (packed ? !Between(job[kNext], 0, size - 1) || !Between(job[kDone], 0, size - 1) : (size & (size - 1)) != 0) return -1;
  if (!packed && !Inside(engine, job[kAvail], job[kAvailAt], 4 + size * 2, &avail)) return -1;
  if (!packed && !Inside(engine, job[kUsed], job[kUsedAt], 4 + size * 8, &used)) return -1;

  ChainRun run(job, *chains.memory, reinterpret_cast<uint32_t*>(table), reinterpret_cast<uint16_t*>(avail));
  if (!Inside(engine, job[kLocal], 0, 0, &run.local)) return -1;
  run.localSize = engine->targets[job[kLocal]].size;
  if (job[kLog] >= 0) {
    if (!Inside(engine, job[kLog], 0, 0, &run.log.bits)) return -1;
    run.log.pages = static_cast<uint64_t>(engine->targets[job[kLog]].size) * 8;
  }
  if (!run.reader.Begin(job[kRoom], job[kNextWrap] != 0)) {
    job[kBlocked] = 1;  // nonsense, which the other way says in words
    return 0;
  }
  const bool writable = job[kWritable] != 0;
  if (writable) run.Supply(wanted);
  else run.Collect(wanted);
  job[kUnknown] = run.reader.unknown;
  if (run.outside) return -1;
  if (run.packets == 0) return 0;
  if (writable) run.CopyOut();
  else run.CopyIn();
  run.MarkData();
  if (packed) run.PublishPacked(reinterpret_cast<uint32_t*>(table));
  else run.PublishSplit(reinterpret_cast<uint16_t*>(used));
  job[kWindow] = run.reader.state.window;
  if (run.log.beyond) job[kLogBeyond] = 1;
  return run.packets;
}

static napi_value Run(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  napi_value result;
  napi_create_int32(env, RunChains(*static_cast<const Chains*>(data)), &result);
  return result;
}

// engine.chains(parts) -> run(); parts: job, and of each window its guest address, bytes and handle (-1: it has none yet)
Napi::Value CreateChains(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto parts = info[0].As<Napi::Object>();
  auto job = parts.Get("job").As<Napi::Int32Array>();
  auto bases = parts.Get("guestBase").As<Napi::Float64Array>();
  auto sizes = parts.Get("size").As<Napi::Int32Array>();
  auto handles = parts.Get("handles").As<Napi::Int32Array>();
  const size_t windows = bases.ElementLength();
  if (job.ElementLength() < kWords) throw Napi::RangeError::New(env, "a job has too few words");
  if (sizes.ElementLength() != windows || handles.ElementLength() != windows) {
    throw Napi::RangeError::New(env, "windows have one address, size and handle each");
  }
  auto chains = std::make_unique<Chains>();
  chains->job = job.Data();
  chains->engine = static_cast<const Engine*>(info.Data());
  chains->memory = std::make_unique<GuestMemory>(chains->engine, bases.Data(), sizes.Data(), handles.Data(), windows);
  chains->keep = Napi::Persistent(parts);
  napi_value run;
  napi_create_function(env, "runChains", NAPI_AUTO_LENGTH, Run, chains.get(), &run);
  Napi::Function function(env, run);
  function.Set("owner", Napi::External<Chains>::New(env, chains.release(), [](Napi::Env, Chains* c) { delete c; }));
  // The engine's memory, as well.
  function.Set("engine", info.This());
  return function;
}

}  // namespace vio
