// Character devices: ioctls, whose structures TypeScript lays out, and what they need around them.
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

namespace vio {

static Napi::Value OpenDevice(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ThrowErrno(info.Env(), "open", errno);
  return Napi::Number::New(info.Env(), Own(info.Env(), fd));
}

// The size field that the kernel's _IOC encoding has, in bytes; 0 for requests older than the encoding.
static size_t RequestSize(uint32_t request) { return (request >> 16) & 0x3fff; }

// ioctl(fd, request, argument): bytes are read and written in place, a number is passed by value.
static Napi::Value Ioctl(const Napi::CallbackInfo& info) {
  const int fd = Int(info[0]);
  const uint32_t request = info[1].As<Napi::Number>().Uint32Value();
  int result;
  if (info[2].IsTypedArray()) {
    auto bytes = info[2].As<Napi::Uint8Array>();
    if (bytes.ByteLength() < RequestSize(request)) return ThrowErrno(info.Env(), "ioctl", EINVAL);
    result = ioctl(fd, request, bytes.Data());
  } else {
    result = ioctl(fd, request, static_cast<unsigned long>(info[2].As<Napi::Number>().Int64Value()));
  }
  if (result < 0) return ThrowErrno(info.Env(), "ioctl", errno);
  return Napi::Number::New(info.Env(), result);
}

// An ioctl that may sleep, on a thread of libuv's pool. The bytes are kept alive and are the kernel's until it ends.
class IoctlWorker : public Napi::AsyncWorker {
 public:
  IoctlWorker(Napi::Env env, int fd, uint32_t request, Napi::Uint8Array bytes)
      : Napi::AsyncWorker(env, "vio:ioctl"),
        deferred_(Napi::Promise::Deferred::New(env)),
        bytes_(Napi::Persistent(bytes)),
        data_(bytes.Data()),
        fd_(fd),
        request_(request) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override {
    result_ = ioctl(fd_, request_, data_);
    if (result_ < 0) error_ = errno;
  }

  void OnOK() override {
    if (result_ < 0) deferred_.Reject(ErrnoError(Env(), "ioctl", error_).Value());
    else deferred_.Resolve(Napi::Number::New(Env(), result_));
  }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::Reference<Napi::Uint8Array> bytes_;
  uint8_t* data_;
  int fd_;
  uint32_t request_;
  int result_ = 0;
  int error_ = 0;
};

// ioctlAsync(fd, request, bytes) -> promise of the result
static Napi::Value IoctlAsync(const Napi::CallbackInfo& info) {
  const uint32_t request = info[1].As<Napi::Number>().Uint32Value();
  auto bytes = info[2].As<Napi::Uint8Array>();
  if (bytes.ByteLength() < RequestSize(request)) return ThrowErrno(info.Env(), "ioctl", EINVAL);
  auto* worker = new IoctlWorker(info.Env(), Int(info[0]), request, bytes);
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

// controlSocket() -> a socket that interface ioctls go through; it belongs to this thread's network namespace.
static Napi::Value ControlSocket(const Napi::CallbackInfo& info) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ThrowErrno(info.Env(), "socket", errno);
  return Napi::Number::New(info.Env(), Own(info.Env(), fd));
}

// enterNetwork(fd): moves this thread to the network namespace of the descriptor.
static Napi::Value EnterNetwork(const Napi::CallbackInfo& info) {
  if (setns(Int(info[0]), CLONE_NEWNET) != 0) return ThrowErrno(info.Env(), "setns", errno);
  return info.Env().Undefined();
}

// bufferAddress(buffer) -> where it lies in this process, for kernels that are told addresses.
static Napi::Value BufferAddress(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<uintptr_t>(info[0].As<Napi::ArrayBuffer>().Data());
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(address));
}

void InitDevice(Napi::Env env, Napi::Object exports) {
  exports.Set("openDevice", Napi::Function::New(env, OpenDevice));
  exports.Set("ioctl", Napi::Function::New(env, Ioctl));
  exports.Set("ioctlAsync", Napi::Function::New(env, IoctlAsync));
  exports.Set("controlSocket", Napi::Function::New(env, ControlSocket));
  exports.Set("enterNetwork", Napi::Function::New(env, EnterNetwork));
  exports.Set("bufferAddress", Napi::Function::New(env, BufferAddress));
}

}  // namespace vio
