// The vectorised paths of a port: a whole burst in one call, headers and statistics included, for as long as packets
// have one descriptor and the device does what it should. Chains, batches and everything a device does wrong are for
// TypeScript, where the twin of this is (@vio/net).
#include <cstring>
#include <memory>

#include "kernels/vector_ring.h"

namespace vio {

using namespace queueCounter;

static int32_t SizeClass(uint32_t bytes) {
  if (bytes < 64) return kUndersize;
  if (bytes == 64) return kSize64;
  if (bytes < 1024) return kUndersize + 27 - __builtin_clz(bytes);
  return bytes < 1519 ? kSize1024 : kSize1519;
}

// Counts packets as QueueStats does; those of one size, which is most of them, at once.
class Counter {
 public:
  explicit Counter(int32_t* job) : counts_(job + kCounts) { memset(counts_, 0, queueCounter::kWords * sizeof(int32_t)); }

  void Add(const uint8_t* frame, int32_t bytes) {
    if (bytes != size_) {
      Settle();
      size_ = bytes;
    }
    run_++;
    if ((frame[0] & 1) == 0) return;
    counts_[(frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff ? kBroadcast : kMulticast]++;
  }

  void Settle() {
    if (run_ == 0) return;
    counts_[kGoodPackets] += run_;
    counts_[kGoodBytes] += run_ * size_;
    counts_[SizeClass(size_)] += run_;
    run_ = 0;
  }

 private:
  int32_t* counts_;
  int32_t size_ = 0;
  int32_t run_ = 0;
};

// The virtio-net header without offloads. One that is clear already, as a recycled buffer's is, is only read.
static inline void ClearHeader(uint8_t* at, int32_t bytes) {
  uint32_t words[5] = {};
  memcpy(words, at, bytes);
  if ((words[0] | words[1] | words[2] | words[3] | words[4]) != 0) memset(at, 0, bytes);
}

struct Array {
  int32_t* data = nullptr;
  int64_t length = 0;
};

static Array Words(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return {};
  if (type != napi_int32_array) return {};
  return {static_cast<int32_t*>(data), static_cast<int64_t>(length)};
}

struct Call {
  const Vector* vector = nullptr;
  int32_t count = 0;       // entries of every array, from `from` on
  int32_t* entries[4] = {};
  bool valid = true;

  Call(napi_env env, napi_callback_info info, size_t arrays) {
    napi_value arguments[4];
    size_t given = 4;
    void* data;
    napi_get_cb_info(env, info, &given, arguments, nullptr, &data);
    vector = static_cast<const Vector*>(data);
    const int32_t from = vector->job[kFrom];
    count = vector->job[kCount];
    valid = given >= arrays && from >= 0 && count >= 0;
    for (size_t i = 0; i < arrays && valid; i++) {
      const Array array = Words(env, arguments[i]);
      if (static_cast<int64_t>(from) + count > array.length) valid = false;
      else entries[i] = array.data + from;
    }
  }
};

static napi_value Result(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

// receive(buffer, offset, length, segments) -> packets. One with a length that cannot be ends the burst.
static napi_value Receive(napi_env env, napi_callback_info info) {
  const Call call(env, info, 4);
  if (!call.valid) return Result(env, 0);
  const Vector& v = *call.vector;
  const int32_t* job = v.job;
  const int32_t header = job[kHeader], room = job[kDataRoom], stride = job[kStride], base = job[kBase];
  int32_t* const buffers = call.entries[0];
  int32_t* const offsets = call.entries[1];
  int32_t* const lengths = call.entries[2];
  int32_t* const segments = call.entries[3];
  const int32_t n = ReapAll(v, call.count, [&](int32_t i, int32_t token, uint32_t written) {
    const int64_t bytes = static_cast<int64_t>(written) - header;
    const int64_t offset = base + static_cast<int64_t>(token) * stride;
    if (bytes <= 0 || bytes > room || offset < 0 || offset + room > v.memoryBytes) return false;
    // It is looked at next; the line may come while the ring is still being read.
    __builtin_prefetch(v.memory + offset);
    buffers[i] = token;
    offsets[i] = static_cast<int32_t>(offset);
    lengths[i] = static_cast<int32_t>(bytes);
    segments[i] = 1;
    return true;
  });
  Counter counter(v.job);
  for (int32_t i = 0; i < n; i++) counter.Add(v.memory + offsets[i], lengths[i]);
  counter.Settle();
  return Result(env, n);
}

// send(buffer, offset, length, segments) -> packets, up to the first of several segments
static napi_value Send(napi_env env, napi_callback_info info) {
  const Call call(env, info, 4);
  if (!call.valid) return Result(env, 0);
  const Vector& v = *call.vector;
  const int32_t* job = v.job;
  const int32_t header = job[kHeader];
  const int32_t* const offsets = call.entries[1];
  const int32_t* const lengths = call.entries[2];
  const int32_t limit = call.count < job[kFree] ? call.count : job[kFree];
  Counter counter(v.job);
  int32_t n = 0;
  for (; n < limit && call.entries[3][n] == 1; n++) {
    const int64_t offset = offsets[n];
    if (offset < header || lengths[n] < 1 || offset + lengths[n] > v.memoryBytes) break;
    ClearHeader(v.memory + offset - header, header);
    counter.Add(v.memory + offset, lengths[n]);
  }
  counter.Settle();
  const uint32_t shift = job[kAddressLow] - header;
  Add(v, n, call.entries[0], [=](int32_t i, uint32_t* address, uint32_t* bytes) {
    *address = offsets[i] + shift;
    *bytes = lengths[i] + header;
  });
  return Result(env, n);
}

// supply(stack) -> empty buffers exposed
static napi_value Supply(napi_env env, napi_callback_info info) {
  const Call call(env, info, 1);
  if (!call.valid) return Result(env, 0);
  const Vector& v = *call.vector;
  const int32_t* job = v.job;
  const int32_t* tokens = call.entries[0];
  const int32_t n = call.count < job[kFree] ? call.count : job[kFree];
  const uint32_t start = job[kBase] + job[kAddressLow] - job[kHeader];
  const uint32_t stride = job[kStride];
  const uint32_t room = job[kDataRoom] + job[kHeader];
  Add(v, n, tokens, [=](int32_t i, uint32_t* address, uint32_t* bytes) {
    *address = start + tokens[i] * stride;
    *bytes = room;
  });
  return Result(env, n < 0 ? 0 : n);
}

// reap(stack) -> buffers taken back
static napi_value Reap(napi_env env, napi_callback_info info) {
  const Call call(env, info, 1);
  if (!call.valid) return Result(env, 0);
  int32_t* tokens = call.entries[0];
  return Result(env, ReapAll(*call.vector, call.count, [=](int32_t i, int32_t token, uint32_t) {
    tokens[i] = token;
    return true;
  }));
}

template <typename T>
static T* Checked(Napi::Value value, int32_t size) {
  if (!value.IsTypedArray()) return nullptr;
  auto array = value.As<Napi::TypedArrayOf<T>>();
  if (static_cast<int32_t>(array.ElementLength()) < size) {
    throw Napi::RangeError::New(value.Env(), "an array has fewer entries than the ring");
  }
  return array.Data();
}

// createVectorKernel({ job, memory, token, ids, followers, exposed }) -> { receive, send, supply, reap }
static Napi::Value CreateVectorKernel(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto parts = info[0].As<Napi::Object>();
  auto memory = parts.Get("memory").As<Napi::Uint8Array>();
  int32_t* job = Checked<int32_t>(parts.Get("job"), vectorJob::kWords);
  const int32_t size = job[vectorJob::kSize];
  const bool split = job[kPacked] == 0;
  const auto inside = [&](int32_t offset, int64_t bytes) {
    if (offset < 0 || offset + bytes > static_cast<int64_t>(memory.ByteLength())) {
      throw Napi::RangeError::New(env, "a part of the ring lies outside its memory");
    }
    return memory.Data() + offset;
  };
  if (size < 1 || size > 32768 || (split && (size & (size - 1)) != 0)) {
    throw Napi::RangeError::New(env, "no size for a ring");
  }
  auto vector = std::make_unique<Vector>();
  vector->job = job;
  vector->size = size;
  vector->packed = !split;
  vector->memory = memory.Data();
  vector->memoryBytes = static_cast<int64_t>(memory.ByteLength());
  vector->desc = reinterpret_cast<uint32_t*>(inside(job[kDescAt], size * 16));
  if (split) {
    vector->avail = reinterpret_cast<uint16_t*>(inside(job[kAvailAt], 4 + size * 2));
    vector->used = reinterpret_cast<uint16_t*>(inside(job[kUsedAt], 4 + size * 8));
  }
  vector->token = Checked<int32_t>(parts.Get("token"), size);
  vector->ids = Checked<uint16_t>(parts.Get("ids"), size);
  vector->followers = Checked<uint16_t>(parts.Get("followers"), size);
  vector->exposed = Checked<int32_t>(parts.Get("exposed"), size);
  vector->keep = Napi::Persistent(parts);

  Vector* raw = vector.release();
  auto owner = Napi::External<Vector>::New(env, raw, [](Napi::Env, Vector* v) { delete v; });
  Napi::Object kernel = Napi::Object::New(env);
  const auto add = [&](const char* name, napi_callback callback) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, raw, &function);
    Napi::Function f(env, function);
    f.Set("owner", owner);
    kernel.Set(name, f);
  };
  add("receive", Receive);
  add("send", Send);
  add("supply", Supply);
  add("reap", Reap);
  return kernel;
}

void InitVector(Napi::Env env, Napi::Object exports) {
  exports.Set("createVectorKernel", Napi::Function::New(env, CreateVectorKernel));
}

}  // namespace vio
