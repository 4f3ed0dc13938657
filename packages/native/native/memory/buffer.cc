// ArrayBuffers over mappings.
//
// Node-API tells V8 of every byte of an external buffer as if it had been allocated, and V8 collects garbage when that
// has grown by 64 MiB: a mapping of 1 GiB costs a full collection, and those of a large guest stop the process for
// seconds. But what is mapped is somebody else's memory. V8 itself does not count a buffer whose memory needs no
// freeing (BackingStore::EmptyDeleter), and what that takes is the same from Node 20 to 26. They are
// declared here and weak: where Node does not have them, its own call does, with its price.
#include <memory>

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
// A handle is the address of a slot of the current scope, which is what a napi_value is.
template <class T>
struct Local {
  T* slot;
};
class ArrayBuffer {
 public:
  using Deleter = void (*)(void* data, size_t length, void* hint);
  FROM_NODE static std::unique_ptr<BackingStore> NewBackingStore(void*, size_t, Deleter, void*);
  FROM_NODE static Local<ArrayBuffer> New(Isolate*, std::shared_ptr<BackingStore>);
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

struct Finalizer {
  void (*run)(void* hint);
  void* hint;
  int64_t cost;
};

// What a buffer holds that is ours: places in tables of the kernel, address space. V8 is told of that, so that buffers
// nobody uses any more are collected before either is used up.
static int64_t CostOf(size_t size) { return 65536 + static_cast<int64_t>(size >> 16); }

Napi::Value NewBuffer(Napi::Env env, void* data, size_t size, void (*finalize)(void* hint), void* hint) {
  const bool uncounted = Uncounted();
  auto* finalizer = new Finalizer{finalize, hint, uncounted ? CostOf(size) : 0};
  const napi_finalize run = [](napi_env env, void* data, void*) {
    auto* finalizer = static_cast<Finalizer*>(data);
    finalizer->run(finalizer->hint);
    int64_t total;
    if (finalizer->cost != 0) napi_adjust_external_memory(env, -finalizer->cost, &total);
    delete finalizer;
  };
  napi_value buffer;
  napi_status status = napi_ok;
  if (uncounted) {
    std::shared_ptr<v8::BackingStore> store =
        v8::ArrayBuffer::NewBackingStore(data, size, v8::BackingStore::EmptyDeleter, nullptr);
    buffer = reinterpret_cast<napi_value>(v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), store).slot);
    status = napi_add_finalizer(env, buffer, finalizer, run, nullptr, nullptr);
    int64_t total;
    napi_adjust_external_memory(env, finalizer->cost, &total);
  } else {
    const napi_finalize external = [](napi_env, void*, void* hint) {
      auto* finalizer = static_cast<Finalizer*>(hint);
      finalizer->run(finalizer->hint);
      delete finalizer;
    };
    status = napi_create_external_arraybuffer(env, data, size, external, finalizer, &buffer);
  }
  if (status == napi_ok) return Napi::Value(env, buffer);
  finalizer->run(finalizer->hint);
  delete finalizer;
  Napi::Error::New(env).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace vio
