// Whole bursts of the simplest packets in one call: chains of one descriptor are fetched off a ring, checked, copied
// between the driver's memory and local buffers, and marked used. What is not of that kind ends the burst, and is for
// TypeScript. Its twin is PortableSingles of @vio/vhost.
//
// Everything in shared memory is read once, by an atomic load, and what was read is checked.
//
// No template, unlike the driver's side: what depends on the format is one function each (RunPacked, RunSplit), what does
// not is written once (Burst), and direction and order are numbers that a burst does not change.
#include "kernels/copy_engine.h"
#include "kernels/descriptor.h"
#include "kernels/dirty_log.h"
#include "kernels/layouts.h"
#include "kernels/net_header.h"

namespace vio {

using namespace singlesJob;

constexpr int32_t kLargestBuffer = 0x3fffffff;

struct Singles {
  int32_t* job = nullptr;
  const Engine* engine = nullptr;
  Napi::Reference<Napi::Int32Array> keep;
};

struct Packet {
  uint8_t* data;  // where the header begins
  uint8_t* local;
  int32_t bytes;  // without the header
  uint16_t id;
};

// One burst: checks descriptors against the job, then copies.
struct Burst {
  int32_t* job;
  uint8_t* data;
  uint8_t* local;
  int64_t localSize;
  uint64_t base;
  int64_t bytes;
  int32_t prefix;
  int32_t most;
  uint32_t flags;  // what those of a descriptor must be
  int32_t* offsets;
  int32_t* lengths;
  int32_t count = 0;
  bool outside = false;  // a local buffer is not in local memory
  DirtyLog log;
  Packet packets[kSinglesPerRun];

  static uint32_t Load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

  // Takes the descriptor, or answers false: it is of another kind.
  bool Add(const uint32_t* descriptor, uint32_t flagsRead, uint16_t id) {
    const uint64_t address = Load(descriptor) | static_cast<uint64_t>(Load(descriptor + 1)) << 32;
    const uint32_t length = Load(descriptor + 2);
    if ((flagsRead & (kNextFlag | kWriteFlag | kIndirectFlag)) != flags) return false;
    if (length > static_cast<uint32_t>(kLargestBuffer)) return false;
    const uint64_t offset = address - base;
    if (offset > static_cast<uint64_t>(bytes) || length > bytes - offset) return false;
    const int32_t room = static_cast<int32_t>(length) - prefix;
    const bool writable = flags != 0;
    const int32_t packet = writable ? lengths[count] : room;
    if (packet < 1 || packet > room || packet > most) return false;
    const int32_t at = offsets[count];
    if (at < 0 || at + static_cast<int64_t>(packet) > localSize) {
      outside = true;
      return false;
    }
    uint8_t* start = data + offset;
    if (writable) {
      __builtin_prefetch(start, 1);
      __builtin_prefetch(local + at);
    } else {
      __builtin_prefetch(start + prefix);
      __builtin_prefetch(local + at, 1);
    }
    packets[count++] = {start, local + at, packet, id};
    return true;
  }

  void CopyAll() {
    for (int32_t i = 0; i < count; i++) {
      const Packet& packet = packets[i];
      if (flags == 0) {
        Copy(packet.local, packet.data + prefix, packet.bytes);
        lengths[i] = packet.bytes;
      } else {
        WritePlainHeader(packet.data, prefix, 1);
        Copy(packet.data + prefix, packet.local, packet.bytes);
      }
    }
  }

  uint64_t Address(int low, int high) const {
    return static_cast<uint32_t>(job[low]) | static_cast<uint64_t>(static_cast<uint32_t>(job[high])) << 32;
  }

  // After the copies, and before anything is marked used.
  void MarkData() {
    if (log.bits == nullptr || flags == 0) return;
    log.Written();
    const uint64_t window = Address(kLogDataLow, kLogDataHigh);
    for (int32_t i = 0; i < count; i++) {
      log.Mark(window + static_cast<uint64_t>(packets[i].data - data), static_cast<uint64_t>(packets[i].bytes + prefix));
    }
  }

  void MarkRing(int32_t at, int32_t front, int32_t each) {
    if (log.bits != nullptr) log.MarkRing(Address(kLogRingLow, kLogRingHigh), at, count, job[kSize], front, each);
  }

  // What the used descriptor says.
  uint32_t Written(int32_t i) const { return flags == 0 ? 0 : packets[i].bytes + prefix; }
  // With IN_ORDER one used entry stands for all that were only read.
  bool OneForAll() const { return job[kInOrder] != 0 && flags == 0; }
};

static void RunPacked(Burst& burst, uint32_t* ring, int32_t wanted) {
  int32_t* job = burst.job;
  const int32_t size = job[kSize];
  const int32_t room = job[kRoom];
  const int32_t limit = wanted < room ? wanted : room;
  const uint32_t both = (kAvailFlag | kUsedFlag) << 16;
  uint32_t expected = (job[kNextWrap] != 0 ? kAvailFlag : kUsedFlag) << 16;
  int32_t next = job[kNext];
  job[kBlocked] = limit < wanted;
  while (burst.count < limit) {
    const uint32_t* descriptor = ring + next * 4;
    const uint32_t word = __atomic_load_n(descriptor + 3, __ATOMIC_ACQUIRE);
    if ((word & both) != expected) {
      job[kBlocked] = 0;
      break;
    }
    if (!burst.Add(descriptor, word >> 16, word & 0xffff)) {
      job[kBlocked] = 1;
      break;
    }
    if (++next == size) {
      next = 0;
      expected ^= both;
    }
  }
  if (burst.count == 0 || burst.outside) return;
  burst.CopyAll();
  burst.MarkData();

  int32_t done = job[kDone];
  uint32_t flags = job[kDoneWrap] != 0 ? both : 0;
  uint32_t* first = ring + done * 4;
  const auto word = [&](int32_t i) {
    return burst.packets[i].id | flags | (burst.flags != 0 ? kWriteFlag << 16 : 0);
  };
  const uint32_t firstWord = word(burst.OneForAll() ? burst.count - 1 : 0);
  for (int32_t i = 1; i < burst.count; i++) {
    if (++done == size) {
      done = 0;
      flags ^= both;
    }
    if (burst.OneForAll()) continue;
    uint32_t* descriptor = ring + done * 4;
    __atomic_store_n(descriptor + 2, burst.Written(i), __ATOMIC_RELAXED);
    __atomic_store_n(descriptor + 3, word(i), __ATOMIC_RELAXED);
  }
  __atomic_store_n(first + 2, burst.Written(0), __ATOMIC_RELAXED);
  // The driver reads in ring order: it does not get past the first one before. Sequentially consistent, because its
  // wish to be called is read next.
  __atomic_store_n(first + 3, firstWord, __ATOMIC_SEQ_CST);
  burst.MarkRing(job[kDone], 0, 16);
}

static void RunSplit(Burst& burst, uint32_t* table, uint16_t* avail, uint16_t* used, int32_t wanted) {
  int32_t* job = burst.job;
  const uint32_t mask = job[kSize] - 1;
  const uint16_t next = static_cast<uint16_t>(job[kNext]);
  const int32_t available = static_cast<uint16_t>(__atomic_load_n(avail + 1, __ATOMIC_ACQUIRE) - next);
  if (available > job[kRoom]) {
    job[kBlocked] = 1;  // nonsense, which the other way says in words
    return;
  }
  const int32_t limit = wanted < available ? wanted : available;
  while (burst.count < limit) {
    const uint32_t head = __atomic_load_n(avail + 2 + ((next + burst.count) & mask), __ATOMIC_RELAXED);
    if (head > mask) break;
    const uint32_t* descriptor = table + head * 4;
    if (!burst.Add(descriptor, Burst::Load(descriptor + 3) & 0xffff, head)) break;
  }
  job[kBlocked] = burst.count < limit;
  if (burst.count == 0 || burst.outside) return;
  burst.CopyAll();
  burst.MarkData();

  auto* ring = reinterpret_cast<uint32_t*>(used + 2);
  const uint16_t done = static_cast<uint16_t>(job[kDone]);
  const bool one = burst.OneForAll();
  for (int32_t i = one ? burst.count - 1 : 0; i < burst.count; i++) {
    uint32_t* entry = ring + ((done + (one ? 0 : i)) & mask) * 2;
    const uint32_t id = burst.packets[i].id;
    const uint32_t written = burst.Written(i);
    // A driver that recycles its descriptors in order finds the same entry again: leave the cache line clean.
    if (Burst::Load(entry) != id) __atomic_store_n(entry, id, __ATOMIC_RELAXED);
    if (Burst::Load(entry + 1) != written) __atomic_store_n(entry + 1, written, __ATOMIC_RELAXED);
  }
  __atomic_store_n(used + 1, static_cast<uint16_t>(done + burst.count), __ATOMIC_SEQ_CST);
  burst.MarkRing(done & mask, 4, 8);
}

static bool InRange(int32_t value, int32_t least, int32_t most) { return value >= least && value <= most; }

// -> packets moved, or -1 when the job names memory that is not registered.
static int32_t RunSingles(const Singles& singles) {
  int32_t* job = singles.job;
  const Engine* engine = singles.engine;
  const int32_t size = job[kSize];
  const int32_t wanted = job[kCount] < kSinglesPerRun ? job[kCount] : kSinglesPerRun;
  job[kBlocked] = 0;
  job[kLogBeyond] = 0;
  if (!InRange(size, 1, 32768) || !InRange(job[kPrefix], 0, 64)) return -1;

  Burst burst;
  uint8_t* table;
  burst.job = job;
  if (!Inside(engine, job[kTable], job[kTableAt], size * 16, &table)) return -1;
  if (!Inside(engine, job[kData], job[kDataAt], job[kBytes], &burst.data)) return -1;
  if (!Inside(engine, job[kLocal], 0, 0, &burst.local)) return -1;
  burst.localSize = engine->targets[job[kLocal]].size;
  burst.base = static_cast<uint32_t>(job[kLow]) | static_cast<uint64_t>(static_cast<uint32_t>(job[kHigh])) << 32;
  burst.bytes = job[kBytes];
  burst.prefix = job[kPrefix];
  burst.most = job[kMost];
  burst.flags = job[kWritable] != 0 ? kWriteFlag : 0;
  burst.offsets = job + kOffsets;
  burst.lengths = job + kLengths;
  if (job[kLog] >= 0) {
    if (!Inside(engine, job[kLog], 0, 0, &burst.log.bits)) return -1;
    burst.log.pages = static_cast<uint64_t>(engine->targets[job[kLog]].size) * 8;
  }

  if (job[kPacked] != 0) {
    if (!InRange(job[kNext], 0, size - 1) || !InRange(job[kDone], 0, size - 1)) return -1;
    RunPacked(burst, reinterpret_cast<uint32_t*>(table), wanted);
  } else {
    uint8_t* avail;
    uint8_t* used;
    if ((size & (size - 1)) != 0) return -1;
    if (!Inside(engine, job[kAvail], job[kAvailAt], 4 + size * 2, &avail)) return -1;
    if (!Inside(engine, job[kUsed], job[kUsedAt], 4 + size * 8, &used)) return -1;
    RunSplit(burst, reinterpret_cast<uint32_t*>(table), reinterpret_cast<uint16_t*>(avail),
             reinterpret_cast<uint16_t*>(used), wanted);
  }
  if (burst.log.beyond) job[kLogBeyond] = 1;
  return burst.outside ? -1 : burst.count;
}

static napi_value Run(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  napi_value result;
  napi_create_int32(env, RunSingles(*static_cast<const Singles*>(data)), &result);
  return result;
}

Napi::Value CreateSingles(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto job = info[0].As<Napi::Int32Array>();
  if (job.ElementLength() < kWords) throw Napi::RangeError::New(env, "a job has too few words");
  auto* singles = new Singles;
  singles->job = job.Data();
  singles->engine = static_cast<const Engine*>(info.Data());
  singles->keep = Napi::Persistent(job);
  napi_value run;
  napi_create_function(env, "runSingles", NAPI_AUTO_LENGTH, Run, singles, &run);
  Napi::Function function(env, run);
  function.Set("owner", Napi::External<Singles>::New(env, singles, [](Napi::Env, Singles* s) { delete s; }));
  // The engine's memory, as well.
  function.Set("engine", info.This());
  return function;
}

}  // namespace vio
