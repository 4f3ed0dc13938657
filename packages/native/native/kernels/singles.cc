// Whole bursts of the simplest packets in one call: chains of one descriptor are fetched off a ring, checked, copied
// between the driver's memory and local buffers, and marked used. What is not of that kind ends the burst, and is for
// TypeScript. Its twin is PortableSingles of @vio/vhost.
//
// Everything in shared memory is read once, by an atomic load, and what was read is checked.
#include "kernels/counters.h"
#include "kernels/device_ring.h"
#include "kernels/net_header.h"

namespace vio {

using namespace singlesJob;

struct Singles {
  int32_t* job = nullptr;
  const Engine* engine = nullptr;
  double* counters = nullptr;  // null: whoever asked counts
  js::Reference keep;
  js::Reference keepCounters;
};

struct Packet {
  uint8_t* data;  // where the header begins
  uint8_t* local;
  int32_t bytes;  // without the header
  uint16_t id;
};

// One burst: checks descriptors against the job, then copies.
struct Burst {
  DeviceMemory& device;
  int32_t* const job;
  uint8_t* data = nullptr;
  uint8_t* const local;
  const int64_t localSize;
  const uint64_t base;
  const int64_t bytes;
  const int32_t prefix;
  const int32_t most;
  const uint32_t flags;  // what those of a descriptor must be
  const int32_t* const offsets;
  int32_t* const lengths;
  int32_t count = 0;
  bool outside = false;  // a local buffer is not in local memory
  Packet packets[kSinglesPerRun];

  explicit Burst(DeviceMemory& device)
      : device(device),
        job(device.job),
        local(device.local),
        localSize(device.localSize),
        base(device.Address(kLow, kHigh)),
        bytes(job[kBytes]),
        prefix(job[kPrefix]),
        most(job[kMost]),
        flags(job[kWritable] != 0 ? kWriteFlag : 0),
        offsets(job + kOffsets),
        lengths(job + kLengths) {}

  // Takes the descriptor, or answers false: it is of another kind.
  bool Add(const Head& head, uint32_t flagsRead, uint16_t id) {
    Single single;
    if (!single.Read(head, flagsRead, flags, base, bytes)) return false;
    const int32_t room = single.length - prefix;
    const bool writable = flags != 0;
    const int32_t packet = writable ? lengths[count] : room;
    if (packet < 1 || packet > room || packet > most) return false;
    const int32_t at = offsets[count];
    if (at < 0 || at + static_cast<int64_t>(packet) > localSize) {
      outside = true;
      return false;
    }
    uint8_t* start = data + single.offset;
    if (writable) {
      // The line that is written: a header, which a recycled buffer has already, is mostly in the one before it. Stores happen in
      // order, and each would wait for its line, and twice: for a copy of it, and to be its only owner.
      PrefetchToWrite(start + prefix);
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

  // In local memory, which the driver cannot change.
  void Count(double* counters) const {
    if (counters == nullptr) return;
    Counters all(counters, local, localSize);
    for (int32_t i = 0; i < count; i++) all.Add(packets[i].local - local, packets[i].bytes);
    all.Settle();
  }

  // After the copies, and before anything is marked used.
  void MarkData() {
    DirtyLog& log = device.log;
    if (log.bits == nullptr || flags == 0) return;
    log.Written();
    const uint64_t window = device.Address(kLogDataLow, kLogDataHigh);
    for (int32_t i = 0; i < count; i++) {
      log.Mark(window + static_cast<uint64_t>(packets[i].data - data), static_cast<uint64_t>(packets[i].bytes + prefix));
    }
  }

  // What the used descriptor says.
  uint32_t Written(int32_t i) const { return flags == 0 ? 0 : packets[i].bytes + prefix; }
  // With IN_ORDER one used entry stands for all that were only read.
  bool OneForAll() const { return job[kInOrder] != 0 && flags == 0; }
};

// -> packets moved, or -1 when one is outside of local memory
template <typename Ring>
static int32_t RunRing(Burst& burst, double* counters) {
  int32_t* job = burst.job;
  Ring ring(burst.device);
  if (!ring.Look()) {
    job[kBlocked] = 1;  // nonsense, which the other way says in words
    return 0;
  }
  const int32_t wanted = burst.device.wanted;
  while (burst.count < wanted) {
    Head head;
    const Found found = ring.Full() ? Found::kOther : ring.Peek(&head);
    if (found == Found::kNone) break;
    if (found == Found::kOther || !burst.Add(head, Ring::Flags(head.last), Ring::Id(head, head.last))) {
      job[kBlocked] = 1;
      break;
    }
    ring.Take(1);
  }
  if (burst.outside) return -1;
  if (burst.count == 0) return 0;
  burst.CopyAll();
  burst.MarkData();
  ring.Publish(burst.count, burst.OneForAll(),
               [&](int32_t i) { return UsedChain{burst.packets[i].id, burst.Written(i), 1}; });
  burst.device.Settle();
  burst.Count(counters);
  return burst.count;
}

// -> packets moved, or -1 when the job names memory that is not registered.
static int32_t RunSingles(const Singles& singles) {
  DeviceMemory device;
  int32_t* job = singles.job;
  if (!device.Open(singles.engine, job, 64)) return -1;
  Burst burst(device);
  if (!Inside(singles.engine, job[kData], job[kDataAt], job[kBytes], &burst.data)) return -1;
  return job[kPacked] != 0 ? RunRing<PackedDeviceRing>(burst, singles.counters) : RunRing<SplitDeviceRing>(burst, singles.counters);
}

static napi_value Run(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  napi_value result;
  napi_create_int32(env, RunSingles(*static_cast<const Singles*>(data)), &result);
  return result;
}

js::Value CreateSingles(const js::CallbackInfo& info) {
  js::Env env = info.Env();
  auto job = info[0].As<js::Int32Array>();
  if (job.ElementLength() < kWords) throw js::RangeError(env, "a job has too few words");
  auto* singles = new Singles;
  singles->job = job.Data();
  singles->engine = static_cast<const Engine*>(info.Data());
  singles->keep = js::Persistent(job);
  if (info[1].IsTypedArray()) {
    auto counters = info[1].As<js::Float64Array>();
    if (counters.ElementLength() < queueCounter::kWords) throw js::RangeError(env, "too few counters");
    singles->counters = counters.Data();
    singles->keepCounters = js::Persistent(counters);
  }
  js::Function function = js::Function::Bare(env, "runSingles", Run, singles);
  function.Set("owner", js::External<Singles>::New(env, singles));
  // The engine's memory, as well.
  function.Set("engine", info.This());
  return function;
}

}  // namespace vio
