// Moves the packets of a port's queue, a burst in one call: everything from the ring to the burst and back, headers,
// counters, the pool and the kick included. What is not as it should be ends the run, and is for TypeScript, where the twins
// are: RxQueue, MergeableRxQueue and TxQueue of @vio/net.
//
// Nothing is passed but the numbers in the job. Bursts are bound to slots, and held, when they are first seen.
#include <algorithm>
#include <memory>

#include "kernels/counters.h"
#include "kernels/net_header.h"
#include "kernels/packed_driver.h"
#include "kernels/split_driver.h"

namespace vio {

using namespace driverJob;

constexpr int32_t kBursts = 8;

// The arrays of a burst, `capacity` entries each.
struct Bound {
  int32_t* buffer = nullptr;
  int32_t* offset = nullptr;
  int32_t* length = nullptr;
  int32_t* segments = nullptr;
  Offloads offloads;
  int32_t capacity = 0;
  js::Reference keep;
};

struct Driver {
  DriverMemory memory;
  double* counters = nullptr;
  Bound bursts[kBursts];
  js::Reference keep;

  int32_t Header() const { return memory.job[kHeader]; }

  const Bound* Burst() const {
    const int32_t slot = memory.job[kBurst];
    return slot < 0 || slot >= kBursts ? nullptr : &bursts[slot];
  }
};

// Gives a packet's buffers back to the pool. -> false: they are not such as can be
static bool Release(const DriverMemory& m, int32_t head, bool chains) {
  int32_t* top = m.job + kPoolFree;
  if (!chains) {
    if (*top < 0 || *top >= m.capacity) return false;
    m.stack[(*top)++] = head;
    return true;
  }
  for (int32_t buffer = head; buffer != -1;) {
    if (buffer < 0 || buffer >= m.capacity || *top < 0 || *top >= m.capacity) return false;
    const int32_t following = m.next[buffer];
    m.next[buffer] = -1;
    m.stack[(*top)++] = buffer;
    buffer = following;
  }
  return true;
}

// --- Receiving

// A packet of several buffers, as far as it has come; what MergeableRxQueue keeps between two bursts.
struct Part {
  explicit Part(const DriverMemory& memory) : m(memory), job(memory.job) {}

  bool Open() const { return job[kPartMissing] > 0; }
  bool Sound() const { return !Open() || (Is(job[kPartHead]) && Is(job[kPartTail])); }

  void Begin(int32_t buffer, int32_t offset, int32_t bytes, int32_t buffers) {
    Keep(buffer, offset, bytes);
    job[kPartHead] = job[kPartTail] = buffer;
    job[kPartBytes] = bytes > job[kDataRoom] ? -1 : bytes;
    job[kPartBuffers] = buffers;
    job[kPartMissing] = buffers - 1;
  }

  // -> bytes of the packet with this buffer, which has data from its very start
  int32_t With(uint32_t written) const {
    const bool fits = written <= static_cast<uint32_t>(job[kDataRoom] + job[kHeader]);
    const int64_t bytes = static_cast<int64_t>(job[kPartBytes]) + written;
    return fits && job[kPartBytes] >= 0 && bytes <= INT32_MAX ? static_cast<int32_t>(bytes) : -1;
  }

  void Append(int32_t buffer, int32_t offset, uint32_t written) {
    job[kPartBytes] = With(written);
    Keep(buffer, offset, static_cast<int32_t>(written));
    m.next[job[kPartTail]] = buffer;
    job[kPartTail] = buffer;
    job[kPartMissing]--;
  }

 private:
  bool Is(int32_t buffer) const { return buffer >= 0 && buffer < m.capacity; }

  void Keep(int32_t buffer, int32_t offset, int32_t bytes) {
    m.dataOffset[buffer] = offset;
    m.dataLength[buffer] = bytes;
  }

  const DriverMemory& m;
  int32_t* const job;
};

// Gives the device empty buffers, once `least` descriptors are free. A pool that is short of them is for TypeScript.
template <typename Ring>
static void Supply(const DriverMemory& m, Ring& ring, int32_t least) {
  int32_t* job = m.job;
  const int32_t n = ring.Free();
  if (n < 1 || n < least || n > job[kPoolFree] || job[kPoolFree] > m.capacity) return;
  const uint32_t start = job[kBase] - job[kHeader];
  const uint32_t stride = job[kStride];
  const uint32_t bytes = job[kDataRoom] + job[kHeader];
  const int32_t* tokens = m.stack + job[kPoolFree] - n;
  const auto offset = [=](int32_t i) { return start + static_cast<uint32_t>(tokens[i]) * stride; };
  ring.FetchChanging(n, offset);
  for (int32_t i = 0; i < n; i++) ring.Put(tokens[i], offset(i), bytes);
  job[kPoolFree] -= n;
  ring.Publish();
  job[kKick] |= ring.KickNeeded();
}

template <typename Ring, bool kMergeable>
static void Receive(Driver& driver) {
  const DriverMemory& m = driver.memory;
  int32_t* job = m.job;
  const Bound* burst = driver.Burst();
  if (burst == nullptr) return;
  const int32_t header = driver.Header(), room = job[kDataRoom], stride = job[kStride], base = job[kBase];
  Ring ring(m);
  Part part(m);
  int32_t n = 0;
  int32_t left = burst->capacity;  // buffers, however few packets they make
  if (!part.Sound() || !ring.Look()) job[kBlocked] = 1;
  // Before packets are taken: what the last ones lay in has come back by now, in order, and goes to the same descriptors once more.
  else Supply(m, ring, job[kFreeThreshold]);
  for (; left > 0 && job[kBlocked] == 0; left--) {
    int32_t token;
    uint32_t written;
    const int32_t found = ring.Peek(&token, &written);
    if (found <= 0) {
      job[kBlocked] = found < 0;
      break;
    }
    const int64_t offset = base + static_cast<int64_t>(token) * stride;
    const int64_t bytes = static_cast<int64_t>(static_cast<int32_t>(written)) - header;
    job[kBlocked] = token >= m.capacity || offset < header || offset + room > m.memoryBytes;
    if (job[kBlocked] != 0) break;
    const auto at = static_cast<int32_t>(offset);
    if (kMergeable && part.Open()) {
      // The last buffer of a packet with a length that cannot be is for TypeScript, which drops it.
      if (job[kPartMissing] == 1 && part.With(written) <= 0) {
        job[kBlocked] = 1;
        break;
      }
      ring.Take();
      part.Append(token, at - header, written);
      if (part.Open()) continue;
      const int32_t head = job[kPartHead];
      burst->buffer[n] = head;
      burst->offset[n] = m.dataOffset[head];
      burst->length[n] = job[kPartBytes];
      burst->segments[n++] = job[kPartBuffers];
      continue;
    }
    const int32_t buffers = kMergeable && bytes >= 0 ? NumBuffers(m.memory + offset - header) : 1;
    // One buffer of no length, or more than a ring has: TypeScript says what is wrong.
    job[kBlocked] = buffers == 1 ? bytes <= 0 || bytes > room : buffers > m.size;
    if (job[kBlocked] != 0) break;
    // It is looked at next; the line may come while the ring is still being read.
    if (job[kGroups] != 0) __builtin_prefetch(m.memory + offset);
    ring.Take();
    if (kMergeable && buffers > 1) {
      part.Begin(token, at, static_cast<int32_t>(bytes), buffers);
      continue;
    }
    burst->buffer[n] = token;
    burst->offset[n] = at;
    burst->length[n] = static_cast<int32_t>(bytes);
    burst->segments[n++] = 1;
  }
  Counters counters(driver.counters, m.memory, m.memoryBytes, job[kGroups] != 0);
  for (int32_t i = 0; i < n; i++) counters.Add(burst->offset[i], burst->length[i]);
  counters.Settle();
  job[kPackets] = n;
  // Whoever takes much at a time would leave the device with nothing for as long as he works on it.
  if (job[kBlocked] == 0) Supply(m, ring, std::max(job[kFreeThreshold], m.size / 2 + 1));
  ring.Store();
}

// --- Sending

// Gives the buffers of all packets that the device has read back to the pool. -> false: there is something for TypeScript
template <typename Ring>
static bool Reap(const DriverMemory& m, Ring& ring) {
  int32_t* job = m.job;
  const bool chains = job[kChains] > 0;
  if (!ring.Look()) return false;
  for (;;) {
    const int32_t top = job[kPoolFree];
    if (!chains && top >= 0 && top < m.capacity) job[kPoolFree] += ring.TakeRun(m.stack + top, m.capacity - top);
    int32_t token;
    uint32_t written;
    const int32_t found = ring.Peek(&token, &written);
    if (found <= 0) return found == 0;
    if (token >= m.capacity || job[kPoolFree] < 0 || job[kPoolFree] >= m.capacity) return false;
    ring.Take();
    if (chains && m.next[token] != -1) job[kChains]--;
    if (!Release(m, token, chains)) return false;
  }
}

// Whether what is sent was taken off the pool last: it was filled here, and not forwarded.
static bool Filled(const DriverMemory& m, int32_t last) {
  const int32_t top = m.job[kPoolFree];
  return top >= 0 && top < m.capacity && m.stack[top] == last;
}

// Asks for the lines in which the next packets begin, those of the buffers on top of the pool, which the device has read. Whoever
// fills them would wait for one after the other, as stores happen in order. Of what is forwarded, the device is the next to write.
static void FetchNext(const DriverMemory& m, int32_t count) {
  const int32_t* job = m.job;
  const int32_t top = job[kPoolFree];
  if (top > m.capacity) return;
  for (int32_t i = top - 1; i >= 0 && i >= top - count; i--) {
    PrefetchToWrite(m.memory + job[kBase] + static_cast<int64_t>(m.stack[i]) * job[kStride]);
  }
}

// Whether the packets `at` to `at + 3` have one buffer each and are such as can be. Of one that is not, or of several buffers,
// nothing is said: it is looked at alone.
static bool AreSingles(const DriverMemory& m, const Bound& burst, int32_t at, int32_t header) {
  typedef int32_t Signed __attribute__((vector_size(16), aligned(4)));
  typedef uint32_t Words __attribute__((vector_size(16)));
  const auto four = [at](const int32_t* array) { return (Words) * reinterpret_cast<const Signed*>(array + at); };
  const Words offset = four(burst.offset), length = four(burst.length);
  const auto bytes = static_cast<uint32_t>(m.memoryBytes < INT32_MAX ? m.memoryBytes : INT32_MAX);
  // One less, and a length of 0 is as much too long as a negative one.
  const auto bad = (four(burst.segments) != 1) | (four(burst.buffer) >= static_cast<uint32_t>(m.capacity)) |
                   (length - 1 >= bytes) | (offset - header > bytes) | (offset > bytes - length);
  return (bad[0] | bad[1] | bad[2] | bad[3]) == 0;
}

// kSingles: packets have one buffer, and their headers say nothing; others are for TypeScript, which drops them.
template <typename Ring, bool kSingles>
static void Send(Driver& driver) {
  const DriverMemory& m = driver.memory;
  int32_t* job = m.job;
  const Bound* burst = driver.Burst();
  if (burst == nullptr) return;
  const int32_t header = driver.Header(), from = job[kFrom];
  const int32_t end = job[kEnd] < burst->capacity ? job[kEnd] : burst->capacity;
  Ring ring(m);
  Counters counters(driver.counters, m.memory, m.memoryBytes, job[kGroups] != 0);
  const HeaderWriter headers(job, burst->offloads);
  const int32_t most = kSingles ? 1 : m.size;
  const bool filled = from >= 0 && from < end && Filled(m, burst->buffer[end - 1]);
  if (ring.Free() < end - from || (!kSingles && job[kChains] > 0)) job[kBlocked] = !Reap(m, ring);
  ring.FetchSlots(ring.Free() < end - from ? ring.Free() : end - from);
  int32_t i = from;
  const bool plain = kSingles || burst->offloads.flags == nullptr;
  for (; i >= 0 && i < end && job[kBlocked] == 0; i++) {
    if (plain) {
      while (end - i >= kFour && ring.RoomForFour() && AreSingles(m, *burst, i, header)) {
        const int32_t* offsets = burst->offset + i;
        for (int32_t k = 0; k < kFour; k++) ClearHeader(m.memory + offsets[k] - header, header);
        ring.PutFour(burst->buffer + i, offsets, burst->length + i, header);
        counters.AddFour(offsets, burst->length + i);
        i += kFour;
      }
      if (i == end) break;
    }
    const int64_t offset = burst->offset[i];
    const int32_t bytes = burst->length[i], segments = burst->segments[i], head = burst->buffer[i];
    if (ring.Free() == 0 && segments <= most) break;
    const bool sound = segments <= most && offset >= header && bytes >= 1 && offset < m.memoryBytes && head >= 0 && head < m.capacity &&
                       (segments == 1 ? offset + bytes <= m.memoryBytes
                                      : !kSingles && segments > 1 && Segments::Sound(m, head, segments, header));
    if (!sound) {
      job[kBlocked] = 1;
      break;
    }
    if constexpr (kSingles) ClearHeader(m.memory + offset - header, header);
    else headers.Write(m.memory + offset - header, i);
    if (kSingles || segments == 1) ring.Put(head, static_cast<uint32_t>(offset) - header, bytes + header);
    else if (ring.PutChain(head, segments, header)) job[kChains]++;
    else break;
    counters.Add(offset, bytes);
  }
  counters.Settle();
  job[kPackets] = i - from;
  if (i > from) {
    ring.Publish();
    job[kKick] = ring.KickNeeded();
  }
  if (filled) FetchNext(m, end - from);
  ring.Store();
}

template <typename Ring>
static void Collect(Driver& driver) {
  Ring ring(driver.memory);
  driver.memory.job[kBlocked] = !Reap(driver.memory, ring);
  ring.Store();
}

// --- What JavaScript sees

template <void (*kRun)(Driver&)>
static napi_value Call(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  auto* driver = static_cast<Driver*>(data);
  int32_t* job = driver->memory.job;
  job[kPackets] = job[kBlocked] = job[kKick] = 0;
  kRun(*driver);
  return nullptr;
}

template <typename T>
static T* Checked(const js::Object& parts, const char* name, int64_t entries) {
  const js::Value value = parts.Get(name);
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  auto array = value.As<js::TypedArrayOf<T>>();
  if (static_cast<int64_t>(array.ElementLength()) >= entries) return array.Data();
  throw js::RangeError(parts.Env(), "too few entries: ", name);
}

// bind(slot, burst) -> undefined; the burst is held until another one takes the slot
static void Bind(const js::CallbackInfo& info) {
  auto* driver = static_cast<Driver*>(info.Data());
  const int32_t slot = Int(info[0]);
  if (slot < 0 || slot >= kBursts) throw js::RangeError(info.Env(), "no such slot");
  auto burst = info[1].As<js::Object>();
  Bound bound;
  bound.capacity = static_cast<int32_t>(burst.Get("buffer").As<js::Int32Array>().ElementLength());
  bound.buffer = Checked<int32_t>(burst, "buffer", bound.capacity);
  bound.offset = Checked<int32_t>(burst, "offset", bound.capacity);
  bound.length = Checked<int32_t>(burst, "length", bound.capacity);
  bound.segments = Checked<int32_t>(burst, "segments", bound.capacity);
  if (burst.Get("offloads").IsObject()) {
    auto offloads = burst.Get("offloads").As<js::Object>();
    Offloads& to = bound.offloads;
    to.flags = Checked<uint8_t>(offloads, "flags", bound.capacity);
    to.gsoType = Checked<uint8_t>(offloads, "gsoType", bound.capacity);
    to.headerLength = Checked<uint16_t>(offloads, "headerLength", bound.capacity);
    to.segmentSize = Checked<uint16_t>(offloads, "segmentSize", bound.capacity);
    to.checksumStart = Checked<uint16_t>(offloads, "checksumStart", bound.capacity);
    to.checksumOffset = Checked<uint16_t>(offloads, "checksumOffset", bound.capacity);
  }
  bound.keep = js::Persistent(burst);
  driver->bursts[slot] = std::move(bound);
}

static std::unique_ptr<Driver> NewDriver(js::Env env, const js::Object& parts) {
  auto driver = std::make_unique<Driver>();
  DriverMemory& m = driver->memory;
  m.job = Checked<int32_t>(parts, "job", driverJob::kWords);
  const int32_t* job = m.job;
  m.memory = Checked<uint8_t>(parts, "memory", 1);
  m.memoryBytes = static_cast<int64_t>(parts.Get("memory").As<js::Uint8Array>().ElementLength());
  m.size = job[kSize];
  const bool split = job[kPacked] == 0;
  if (m.size < 1 || m.size > 32768 || (split && (m.size & (m.size - 1)) != 0)) {
    throw js::RangeError(env, "no size for a ring");
  }
  if (job[kHeader] < 0 || job[kHeader] > 20) throw js::RangeError(env, "no size for a header");
  const auto part = [&](int32_t offset, int64_t bytes, int32_t alignment) {
    if (offset >= 0 && offset % alignment == 0 && offset + bytes <= m.memoryBytes) return m.memory + offset;
    throw js::RangeError(env, "a part of the ring lies outside its memory");
  };
  m.descriptors = reinterpret_cast<uint32_t*>(part(job[kDescriptors], int64_t{m.size} * 16, 4));
  m.driverArea = reinterpret_cast<uint16_t*>(part(job[kDriverArea], split ? 6 + m.size * 2 : 4, 2));
  m.deviceArea = reinterpret_cast<uint16_t*>(part(job[kDeviceArea], split ? 6 + m.size * 8 : 4, 4));
  m.tableEntries = job[kTableEntries];
  if (m.tableEntries < 0 || m.tableEntries > 32768) throw js::RangeError(env, "no size for a table");
  m.tables = reinterpret_cast<uint32_t*>(part(job[kTables], int64_t{m.size} * m.tableEntries * 16, 4));
  m.ids = Checked<uint16_t>(parts, "ids", m.size);
  m.token = Checked<int32_t>(parts, "token", m.size);
  m.followers = Checked<uint16_t>(parts, "followers", m.size);
  m.links = Checked<uint16_t>(parts, "links", m.size);
  m.exposed = Checked<int32_t>(parts, "exposed", m.size);
  m.capacity = static_cast<int32_t>(parts.Get("stack").As<js::Int32Array>().ElementLength());
  m.stack = Checked<int32_t>(parts, "stack", m.capacity);
  m.next = Checked<int32_t>(parts, "next", m.capacity);
  m.dataOffset = Checked<int32_t>(parts, "dataOffset", m.capacity);
  m.dataLength = Checked<int32_t>(parts, "dataLength", m.capacity);
  driver->counters = Checked<double>(parts, "counters", queueCounter::kWords);
  const bool notes = m.ids != nullptr && m.token != nullptr && m.followers != nullptr && (!split || m.links != nullptr);
  const bool pool = m.next != nullptr && m.dataOffset != nullptr && m.dataLength != nullptr;
  if (!notes || !pool || driver->counters == nullptr) throw js::TypeError(env, "an array is missing");
  driver->keep = js::Persistent(parts);
  return driver;
}

template <typename Ring>
static std::pair<napi_callback, napi_callback> BurstCalls(bool mergeable, bool simple) {
  return {mergeable ? Call<Receive<Ring, true>> : Call<Receive<Ring, false>>,
          simple ? Call<Send<Ring, true>> : Call<Send<Ring, false>>};
}

template <template <bool> class Ring>
static void AddCalls(napi_callback calls[3], const int32_t* job) {
  const bool inOrder = job[kInOrder] != 0, mergeable = job[kMergeable] != 0, simple = job[kSimple] != 0;
  const auto [receive, send] =
      inOrder ? BurstCalls<Ring<true>>(mergeable, simple) : BurstCalls<Ring<false>>(mergeable, simple);
  calls[0] = receive;
  calls[1] = send;
  calls[2] = inOrder ? Call<Collect<Ring<true>>> : Call<Collect<Ring<false>>>;
}

// createDriverKernel(parts) -> { receive, send, reap, bind }
static js::Value CreateDriverKernel(const js::CallbackInfo& info) {
  js::Env env = info.Env();
  auto owned = NewDriver(env, info[0].As<js::Object>());
  const int32_t* job = owned->memory.job;
  napi_callback calls[3];
  if (job[kPacked] != 0) AddCalls<PackedRing>(calls, job);
  else AddCalls<SplitRing>(calls, job);

  Driver* driver = owned.release();
  auto owner = js::External<Driver>::New(env, driver);
  js::Object kernel = js::Object::New(env);
  const char* const names[] = {"receive", "send", "reap"};
  for (int i = 0; i < 3; i++) {
    const js::Function function = js::Function::Bare(env, names[i], calls[i], driver);
    function.Set("owner", owner);
    kernel.Set(names[i], function);
  }
  auto bind = js::Function::New<Bind>(env, "bind", driver);
  bind.Set("owner", owner);
  kernel.Set("bind", bind);
  return kernel;
}

void InitDriver(napi_env env, napi_value exports) { js::Export<CreateDriverKernel>(env, exports, "createDriverKernel"); }

}  // namespace vio
