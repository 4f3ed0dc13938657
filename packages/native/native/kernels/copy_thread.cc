// A thread that copies beside the one of JavaScript. Its queue is a ring of descriptors with one producer and one consumer and no
// lock: JavaScript writes descriptors, and a call publishes how many there are by one store; the thread publishes how many it has
// done by another, for which no call is needed.
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <vector>

#include "kernels/copy_engine.h"
#include "kernels/descriptor.h"
#include "kernels/layouts.h"
#include "kernels/transfers.h"

// Node exports them, as in fds/watch.cc.
extern "C" {
using uv_thread = unsigned long;
int uv_thread_create(uv_thread*, void (*entry)(void*), void*);
int uv_thread_join(uv_thread*);
}

namespace vio {

constexpr int kSpinsPerLook = 64;
// Some hundred microseconds, which is what a ring full of long packets takes. A thread that waits longer asks whether its CPU is wanted:
// that is a system call, after which a processor may have to look all addresses up again.
constexpr int kPatience = 4096;

// A memory that copies may name. Written by JavaScript's thread before a descriptor names it is published, and again only
// when none does any more.
struct Shared {
  uint8_t* base = nullptr;
  int64_t size = 0;
};

struct CopyThread {
  int32_t* control = nullptr;            // copyThreadControl
  const int32_t* descriptors = nullptr;  // two numbers each: first copy, how many
  const int32_t* copies = nullptr;       // kCopyWords numbers each: source offset, destination offset, bytes and pair
  const int32_t* pairs = nullptr;        // two numbers each: source memory, destination memory
  int32_t* failed = nullptr;             // 1: the descriptor names memory that is not there
  int32_t descriptorMask = 0;
  int32_t copyMask = 0;
  int32_t described = 0;  // JavaScript's thread only: the copies up to this one are submitted
  int64_t spin = 0;  // nanoseconds until it sleeps
  std::vector<Shared> memories;
  std::vector<js::Reference> keep;  // JavaScript's thread only
  js::Reference arrays;
  uv_thread thread = 0;
  bool running = false;
};

static int32_t Load(const int32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void Store(int32_t* word, int32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }

static void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

static int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static uint8_t* At(const CopyThread* it, int32_t memory, int32_t offset, int32_t bytes) {
  if (memory < 0 || static_cast<size_t>(memory) >= it->memories.size() || offset < 0) return nullptr;
  const Shared& shared = it->memories[memory];
  if (static_cast<int64_t>(offset) + bytes > shared.size) return nullptr;
  return shared.base + offset;
}

// Of the rings: the kernel that writes them is in the other thread (notes.cc).
static int32_t Note(const int32_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

static bool RunDescriptor(const CopyThread* it, int32_t number) {
  const int32_t* descriptor = it->descriptors + static_cast<int64_t>(number & it->descriptorMask) * kDescriptorWords;
  const int32_t first = Note(descriptor);
  const int32_t count = Note(descriptor + 1);
  for (int32_t i = 0; i < count; i++) {
    const int32_t* copy = it->copies + static_cast<int64_t>((first + i) & it->copyMask) * kCopyWords;
    const uint32_t note = static_cast<uint32_t>(Note(copy + 2));
    const int32_t* pair = it->pairs + static_cast<size_t>(note >> kCopyNoteBits) * 2;
    const auto bytes = static_cast<int32_t>(note & kLongestCopy);
    const uint8_t* from = At(it, pair[0], Note(copy), bytes);
    uint8_t* to = At(it, pair[1], Note(copy + 1), bytes);
    if (from == nullptr || to == nullptr) return false;
    Copy(to, from, bytes);
  }
  return true;
}

static void Futex(int32_t* word, int operation, int32_t value) {
  syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

// Sleeps unless something was published meanwhile: whoever publishes looks at `asleep` after that.
static void Sleep(CopyThread* it, int32_t tail) {
  int32_t* asleep = it->control + copyThreadControl::kAsleep;
  Store(asleep, 1);
  const bool idle = Load(it->control + copyThreadControl::kHead) == tail;
  if (idle && Load(it->control + copyThreadControl::kStop) == 0) Futex(asleep, FUTEX_WAIT, 1);
  Store(asleep, 0);
}

static void Work(void* data) {
  auto* it = static_cast<CopyThread*>(data);
  const int32_t* head = it->control + copyThreadControl::kHead;
  int32_t tail = 0;
  int64_t idleSince = Now();
  for (;;) {
    const int32_t end = Load(head);
    if (end == tail) {
      if (Load(it->control + copyThreadControl::kStop) != 0) return;
      for (int i = 0; i < kSpinsPerLook && Load(head) == tail; i++) Pause();
      if (Load(head) != tail || Now() - idleSince < it->spin) continue;
      Sleep(it, tail);
      idleSince = Now();
      continue;
    }
    while (tail != end) {
      const bool right = RunDescriptor(it, tail);
      it->failed[tail & it->descriptorMask] = right ? 0 : 1;
      if (!right) __atomic_fetch_add(it->control + copyThreadControl::kFailures, 1, __ATOMIC_RELAXED);
      tail = (tail + 1) & kNumberMask;
      __atomic_store_n(it->control + copyThreadControl::kTail, tail, __ATOMIC_RELEASE);
    }
    idleSince = Now();
  }
}

static void Wake(CopyThread* it) {
  int32_t* asleep = it->control + copyThreadControl::kAsleep;
  if (__atomic_exchange_n(asleep, 0, __ATOMIC_SEQ_CST) != 0) Futex(asleep, FUTEX_WAKE, 1);
}

// What was published is done first.
static void Stop(CopyThread* it) {
  if (!it->running) return;
  it->running = false;
  Store(it->control + copyThreadControl::kStop, 1);
  Wake(it);
  uv_thread_join(&it->thread);
}

static CopyThread* Get(const js::CallbackInfo& info) { return static_cast<CopyThread*>(info.Data()); }

// register(memory, buffer, byteOffset, byteLength); the caller checked that the buffer has this part.
static void RegisterMemory(const js::CallbackInfo& info) {
  CopyThread* it = Get(info);
  const auto memory = static_cast<size_t>(Int(info[0]));
  if (memory >= it->memories.size()) throw js::RangeError(info.Env(), "there are too many memories");
  auto buffer = info[1].As<js::ArrayBuffer>();
  it->keep[memory] = js::Persistent(buffer);
  it->memories[memory].base = static_cast<uint8_t*>(buffer.Data()) + info[2].As<js::Number>().Int64Value();
  it->memories[memory].size = info[3].As<js::Number>().Int64Value();
}

static void UnregisterMemory(const js::CallbackInfo& info) {
  CopyThread* it = Get(info);
  const auto memory = static_cast<size_t>(Int(info[0]));
  if (memory >= it->memories.size()) return;
  it->memories[memory] = Shared();
  it->keep[memory].Reset();
}

// Asks for a part of a ring of `entries` that is written next, as its only owner.
static void FetchEntries(const int32_t* ring, int32_t entries, int32_t words, int32_t from, int32_t count) {
  constexpr int32_t kWordsPerLine = 16;
  const int64_t size = static_cast<int64_t>(entries) * words;
  int64_t at = static_cast<int64_t>(from & (entries - 1)) * words;
  for (int64_t left = static_cast<int64_t>(count) * words; left > 0; left -= kWordsPerLine) {
    PrefetchToWrite(ring + at);
    at += kWordsPerLine;
    if (at >= size) at -= size;
  }
}

// More are not asked for at a time: so many copies are 48 lines.
constexpr int32_t kMostFetched = 256;

// Most likely the next descriptors are as many as the last ones. Their entries were read by the thread, on another core, and stores
// happen in order: without this they wait for one line after the other, which costs more than a small copy.
static void FetchNext(CopyThread* it, int32_t tail, int32_t head) {
  const int32_t count = (head - tail) & kNumberMask;
  if (count == 0 || count > it->descriptorMask) return;
  const int32_t* last = it->descriptors + static_cast<int64_t>((head - 1) & it->descriptorMask) * 2;
  const int32_t end = (last[0] + last[1]) & kNumberMask;
  const int32_t copies = (end - it->described) & kNumberMask;
  it->described = end;
  FetchEntries(it->descriptors, it->descriptorMask + 1, 2, head, count < kMostFetched ? count : kMostFetched);
  FetchEntries(it->copies, it->copyMask + 1, kCopyWords, end, copies < kMostFetched ? copies : kMostFetched);
}

// submit(head), as CopyQueue has it
static napi_value Submit(napi_env env, napi_callback_info info) {
  void* data;
  napi_value argument;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  int32_t head = 0;
  napi_get_value_int32(env, argument, &head);
  auto* it = static_cast<CopyThread*>(data);
  int32_t* published = it->control + copyThreadControl::kHead;
  const int32_t before = *published;
  // Sequentially consistent: whether the thread is about to sleep is read next.
  Store(published, head);
  if (Load(it->control + copyThreadControl::kAsleep) != 0) Wake(it);
  FetchNext(it, before, head);
  return nullptr;
}

// Returns when all that was published is done.
static void Drain(const js::CallbackInfo& info) {
  CopyThread* it = Get(info);
  if (!it->running) return;
  Wake(it);
  const int32_t head = Load(it->control + copyThreadControl::kHead);
  for (int i = 1; __atomic_load_n(it->control + copyThreadControl::kTail, __ATOMIC_ACQUIRE) != head; i++) {
    if (i >= kPatience && i % kSpinsPerLook == 0) sched_yield();
    else Pause();
  }
}

static void StopThread(const js::CallbackInfo& info) { Stop(Get(info)); }

static int32_t* Words(const js::Object& arrays, const char* name, size_t* count) {
  auto array = arrays.Get(name).As<js::Int32Array>();
  *count = array.ElementLength();
  return array.Data();
}

// createCopyThread({ control, descriptors, copies, pairs, failed }, memories, spinMicroseconds)
//   -> { register, unregister, submit, drain, stop }
static js::Value CreateCopyThread(const js::CallbackInfo& info) {
  js::Env env = info.Env();
  auto arrays = info[0].As<js::Object>();
  auto made = std::make_unique<CopyThread>();
  size_t control, descriptors, copies, pairs, failed;
  made->control = Words(arrays, "control", &control);
  made->descriptors = Words(arrays, "descriptors", &descriptors);
  made->copies = Words(arrays, "copies", &copies);
  made->pairs = Words(arrays, "pairs", &pairs);
  made->failed = Words(arrays, "failed", &failed);
  const bool fits = control >= copyThreadControl::kWords && failed > 0 && descriptors == 2 * failed &&
                    copies % kCopyWords == 0 && pairs == 2 * kCopyPairs;
  if (!fits) throw js::TypeError(env, "the rings do not fit each other");
  made->descriptorMask = static_cast<int32_t>(failed) - 1;
  made->copyMask = static_cast<int32_t>(copies / kCopyWords) - 1;
  made->spin = info[2].As<js::Number>().Int64Value() * 1000;
  made->memories.resize(static_cast<size_t>(Int(info[1])));
  made->keep.resize(made->memories.size());
  made->arrays = js::Persistent(arrays);
  CopyThread* it = made.release();
  auto owner = js::External<CopyThread>::New(env, it, [](CopyThread* thread) {
    Stop(thread);
    delete thread;
  });
  const int error = uv_thread_create(&it->thread, Work, it);
  if (error != 0) {
    ThrowSystemError(env, "uv_thread_create", -error);
    throw js::Failure();
  }
  it->running = true;
  js::Object result = js::Object::New(env);
  const auto add = [&](const char* name, js::Function function) {
    function.Set("owner", owner);
    result.Set(name, function);
  };
  add("register", js::Function::New<RegisterMemory>(env, "register", it));
  add("unregister", js::Function::New<UnregisterMemory>(env, "unregister", it));
  add("submit", js::Function::Bare(env, "submit", Submit, it));
  add("drain", js::Function::New<Drain>(env, "drain", it));
  add("stop", js::Function::New<StopThread>(env, "stop", it));
  return result;
}

void InitCopyThread(napi_env env, napi_value exports) { js::Export<CreateCopyThread>(env, exports, "createCopyThread"); }

}  // namespace vio
