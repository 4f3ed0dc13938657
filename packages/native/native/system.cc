// Plain fd operations, CPU placement, limits.
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common.h"

namespace vio {

// setNonBlocking(fd): for descriptors that came from elsewhere.
static Napi::Value SetNonBlocking(const Napi::CallbackInfo& info) {
  const int fd = Int(info[0]);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return ThrowErrno(info.Env(), "fcntl", errno);
  if ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ThrowErrno(info.Env(), "fcntl", errno);
  }
  return info.Env().Undefined();
}

static Napi::Value DupFd(const Napi::CallbackInfo& info) {
  const int fd = fcntl(Int(info[0]), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return ThrowErrno(info.Env(), "fcntl", errno);
  return Napi::Number::New(info.Env(), Own(info.Env(), fd));
}

static Napi::Value GetAffinity(const Napi::CallbackInfo& info) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return ThrowErrno(info.Env(), "sched_getaffinity", errno);
  Napi::Array cpus = Napi::Array::New(info.Env());
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET(cpu, &set)) cpus.Set(cpus.Length(), Napi::Number::New(info.Env(), cpu));
  }
  return cpus;
}

// setAffinity(cpus) places the calling thread.
static Napi::Value SetAffinity(const Napi::CallbackInfo& info) {
  auto cpus = info[0].As<Napi::Array>();
  cpu_set_t set;
  CPU_ZERO(&set);
  for (uint32_t i = 0; i < cpus.Length(); i++) {
    const int cpu = Int(cpus.Get(i));
    if (cpu < 0 || cpu >= CPU_SETSIZE) return ThrowErrno(info.Env(), "sched_setaffinity", EINVAL);
    CPU_SET(cpu, &set);
  }
  if (sched_setaffinity(0, sizeof set, &set) != 0) return ThrowErrno(info.Env(), "sched_setaffinity", errno);
  return info.Env().Undefined();
}

#if defined(__x86_64__)
// What the processor has and the kernel keeps for a thread: CPUID says the first, XCR0 the second (Intel SDM 1, 14.3 and
// 15.2). By hand, because __builtin_cpu_supports needs a part of the compiler's runtime that not every libc comes with.
static void VectorExtensions(bool* avx2, bool* avx512f) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return;
  uint32_t kept, high;
  asm("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
  constexpr uint32_t kYmm = 0x6, kZmm = 0xe6;  // XCR0: SSE and AVX; with them opmask, ZMM0-15 and ZMM16-31
  *avx2 = (b & bit_AVX2) && (kept & kYmm) == kYmm;
  *avx512f = (b & bit_AVX512F) && (kept & kZmm) == kZmm;
}
#endif

static Napi::Value CpuFeatures(const Napi::CallbackInfo& info) {
  bool avx2 = false, avx512f = false, neon = false;
#if defined(__x86_64__)
  VectorExtensions(&avx2, &avx512f);
#else
  neon = true;  // part of every arm64
#endif
  Napi::Object features = Napi::Object::New(info.Env());
  features.Set("avx2", Napi::Boolean::New(info.Env(), avx2));
  features.Set("avx512f", Napi::Boolean::New(info.Env(), avx512f));
  features.Set("neon", Napi::Boolean::New(info.Env(), neon));
  return features;
}

// resourceLimit(name) -> [soft, hard] as doubles; infinity for no limit.
static Napi::Value ResourceLimit(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  struct rlimit limit;
  if (getrlimit(name == "memlock" ? RLIMIT_MEMLOCK : RLIMIT_NOFILE, &limit) != 0) {
    return ThrowErrno(info.Env(), "getrlimit", errno);
  }
  const auto number = [&](rlim_t v) {
    return Napi::Number::New(info.Env(), v == RLIM_INFINITY ? 1.0 / 0.0 : static_cast<double>(v));
  };
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, number(limit.rlim_cur));
  pair.Set(1u, number(limit.rlim_max));
  return pair;
}

void ThrowSystemError(napi_env env, const char* syscall, int error) { ThrowErrno(env, syscall, error); }

void InitSystem(Napi::Env env, Napi::Object exports) {
  exports.Set("setNonBlocking", Napi::Function::New(env, SetNonBlocking));
  exports.Set("dupFd", Napi::Function::New(env, DupFd));
  exports.Set("getAffinity", Napi::Function::New(env, GetAffinity));
  exports.Set("setAffinity", Napi::Function::New(env, SetAffinity));
  exports.Set("cpuFeatures", Napi::Function::New(env, CpuFeatures));
  exports.Set("resourceLimit", Napi::Function::New(env, ResourceLimit));
}

}  // namespace vio
