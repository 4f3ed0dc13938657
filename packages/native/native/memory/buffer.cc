// ArrayBuffers over mappings.
//
// Node-API tells V8 of every byte of an external buffer as if it had been allocated, and V8 collects garbage when that
// has grown by 64 MiB: a mapping of 1 GiB costs a full collection, and those of a large guest stop the process for
// seconds. But what is mapped is somebody else's memory. V8 itself does not count a buffer whose memory needs no
// freeing (BackingStore::EmptyDeleter), and what that takes is the same from Node 20 to 26. They are
// declared here and weak: where Node does not have them, its own call does, with its price.
//
// Node is built on libstdc++, a release of this addon on libc++, whose shared_ptr has another name and another layout. So it
// is libstdc++'s that is written down here, which is part of its ABI: a pointer, and a count with five virtual functions.
#include <cstdint>
#include <cstdlib>
#include <typeinfo>

#include "memory/area.h"

#define FROM_NODE __attribute__((weak, visibility("default")))
namespace v8 {
class Isolate {
 public:
  FROM_NODE static Isolate* GetCurrent();
};
class BackingStore {
 public:
  FROM_NODE ~BackingStore();
  static void operator delete(void* store) { ::operator delete(store); }  // it is larger than it looks from here
  FROM_NODE static void EmptyDeleter(void* data, size_t length, void* hint);
};
class Value;
// A handle is the address of a slot of the current scope, which is what a napi_value is.
template <class T>
struct Local {
  T* slot;
};
// std::unique_ptr<BackingStore>, which is returned in memory of the caller because it has a destructor.
struct OwnedStore {
  BackingStore* store;
  ~OwnedStore() { delete store; }
};
// std::shared_ptr<BackingStore>, which is passed by its address.
struct SharedStore {
  BackingStore* store;
  class StoreCount* count;
};
class ArrayBuffer {
 public:
  using Deleter = void (*)(void* data, size_t length, void* hint);
  FROM_NODE static OwnedStore NewBackingStore(void*, size_t, Deleter, void*);
  FROM_NODE static Local<ArrayBuffer> New(Isolate*, SharedStore*) __asm__(
      "_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE");
};
// Members, as functions of what they are members of: the address of one can be looked at.
FROM_NODE bool IsDetachable(const ArrayBuffer*) __asm__("_ZNK2v811ArrayBuffer12IsDetachableEv");
FROM_NODE void SetDetachKey(ArrayBuffer*, Local<Value>) __asm__("_ZN2v811ArrayBuffer12SetDetachKeyENS_5LocalINS_5ValueEEE");
// std::_Sp_counted_base: the order of the functions is what counts.
class StoreCount {
 public:
  explicit StoreCount(BackingStore* store) : store_(store) {}
  virtual ~StoreCount() = default;
  virtual void Dispose() noexcept { delete store_; }  // of the last that shares it
  virtual void Destroy() noexcept { delete this; }    // of the last that knows of it
  virtual void* Deleter(const std::type_info&) noexcept { return nullptr; }

  void Release() {
    if (__atomic_fetch_sub(&uses_, 1, __ATOMIC_ACQ_REL) != 1) return;
    Dispose();
    if (__atomic_fetch_sub(&watchers_, 1, __ATOMIC_ACQ_REL) == 1) Destroy();
  }

 private:
  int uses_ = 1;
  int watchers_ = 1;
  BackingStore* store_;
};
}  // namespace v8

namespace vio {

// Not for the compiler to know: to it, a function always has an address.
static bool There(const void* volatile function) { return function != nullptr; }

bool Uncounted() {
  return There(reinterpret_cast<const void*>(&v8::ArrayBuffer::New)) &&
         There(reinterpret_cast<const void*>(&v8::ArrayBuffer::NewBackingStore)) &&
         There(reinterpret_cast<const void*>(&v8::BackingStore::EmptyDeleter)) &&
         There(reinterpret_cast<const void*>(&v8::Isolate::GetCurrent));
}

// lockBuffer(buffer) -> whether there are locks. Who wants to detach a locked one needs a key, which nobody has. Node does the same
// in its `markAsUntransferable` from version 24 on. Before that it ends the process where a locked buffer is to go.
static Napi::Value LockBuffer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bool possible = There(reinterpret_cast<const void*>(&v8::IsDetachable)) &&
                        There(reinterpret_cast<const void*>(&v8::SetDetachKey));
  // A buffer that is shared by threads has no need of it.
  if (possible && info[0].IsArrayBuffer()) {
    auto* buffer = reinterpret_cast<v8::ArrayBuffer*>(static_cast<napi_value>(info[0]));
    const napi_value key = Napi::Symbol::New(env, "vio");
    if (v8::IsDetachable(buffer)) v8::SetDetachKey(buffer, {reinterpret_cast<v8::Value*>(key)});
  }
  return Napi::Boolean::New(env, possible);
}

struct Finalizer {
  void (*run)(void* hint);
  void* hint;
  int64_t cost;
};

// What a buffer holds that is ours: places in tables of the kernel, address space. V8 is told of that, so that buffers
// nobody uses any more are collected before either is used up.
static int64_t CostOf(size_t size) { return 65536 + static_cast<int64_t>(size >> 16); }

static void Finalize(napi_env env, void*, void* hint) {
  auto* finalizer = static_cast<Finalizer*>(hint);
  finalizer->run(finalizer->hint);
  int64_t total;
  if (finalizer->cost != 0) napi_adjust_external_memory(env, -finalizer->cost, &total);
  delete finalizer;
}

Napi::Value NewBuffer(Napi::Env env, void* data, size_t size, bool ofNode, void (*finalize)(void* hint), void* hint) {
  const bool uncounted = Uncounted();
  // Of one of Node's, what V8 has counted is taken off again.
  const int64_t counted = ofNode ? static_cast<int64_t>(size) : 0;
  auto* finalizer = new Finalizer{finalize, hint, uncounted ? CostOf(size) - counted : 0};
  napi_value buffer;
  napi_status status = napi_ok;
  if (uncounted && !ofNode) {
    v8::OwnedStore owned =
        v8::ArrayBuffer::NewBackingStore(data, size, v8::BackingStore::EmptyDeleter, nullptr);
    v8::SharedStore shared{owned.store, new v8::StoreCount(owned.store)};
    owned.store = nullptr;
    v8::StoreCount* const count = shared.count;  // V8 takes its share, or the whole, out of what it is given
    buffer = reinterpret_cast<napi_value>(v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), &shared).slot);
    if (shared.count == count) count->Release();
    status = napi_add_finalizer(env, buffer, finalizer, [](napi_env env, void* it, void*) { Finalize(env, nullptr, it); },
                                nullptr, nullptr);
  } else {
    status = napi_create_external_arraybuffer(env, data, size, Finalize, finalizer, &buffer);
  }
  if (status == napi_ok) {
    int64_t total;
    if (finalizer->cost != 0) napi_adjust_external_memory(env, finalizer->cost, &total);
    return Napi::Value(env, buffer);
  }
  finalizer->run(finalizer->hint);
  delete finalizer;
  Napi::Error::New(env).ThrowAsJavaScriptException();
  return env.Undefined();
}

// zeroedBuffer(size) -> an external buffer of Node's
static Napi::Value ZeroedBuffer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto size = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  void* data = calloc(1, size);
  if (data == nullptr) throw Napi::RangeError::New(env, "no memory for an array");
  napi_value buffer;
  const napi_finalize finalize = [](napi_env, void* data, void*) { free(data); };
  if (napi_create_external_arraybuffer(env, data, size, finalize, nullptr, &buffer) == napi_ok) return Napi::Value(env, buffer);
  free(data);
  Napi::Error::New(env).ThrowAsJavaScriptException();
  return env.Undefined();
}

void InitBuffer(Napi::Env env, Napi::Object exports) {
  exports.Set("zeroedBuffer", Napi::Function::New(env, ZeroedBuffer));
  exports.Set("lockBuffer", Napi::Function::New(env, LockBuffer));
}

}  // namespace vio
