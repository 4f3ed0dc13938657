// Registers of a device behind a mapped BAR: one access of exactly the width of the register, and never beside the
// mapping. A typed array would leave the width to the compiler.
#include <sys/mman.h>

#include <cstdint>

#include "common.h"
#include "memory/mappings.h"

namespace vio {

struct Registers {
  uint8_t* base;  // null once unmapped
  size_t size;
  int slot;
};

static void Unmap(Registers* registers) {
  if (registers->base == nullptr) return;
  ReleaseMapping(registers->slot);
  munmap(registers->base, registers->size);
  registers->base = nullptr;
}

// mapRegisters(fd, offset, size, writeOnly) -> handle. A device that is pulled out raises SIGBUS, which the guard
// survives.
static Napi::Value MapRegisters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto offset = info[1].As<Napi::Number>().Int64Value();
  const auto size = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  InstallSigbusGuard();
  const int access = info[3].As<Napi::Boolean>() ? PROT_WRITE : PROT_READ | PROT_WRITE;
  void* base = mmap(nullptr, size, access, MAP_SHARED, Int(info[0]), offset);
  if (base == MAP_FAILED) return ThrowErrno(env, "mmap", errno);
  const int slot = ClaimMapping(base, size, 4096);
  if (slot < 0) {
    munmap(base, size);
    return ThrowErrno(env, "mmap", EMFILE);
  }
  auto* registers = new Registers{static_cast<uint8_t*>(base), size, slot};
  return Napi::External<Registers>::New(env, registers, [](Napi::Env, Registers* r) {
    Unmap(r);
    delete r;
  });
}

static Registers* Get(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<Registers>>().Data(); }

static Napi::Value UnmapRegisters(const Napi::CallbackInfo& info) {
  Unmap(Get(info));
  return info.Env().Undefined();
}

static Napi::Value RegistersFaulted(const Napi::CallbackInfo& info) {
  const Registers* registers = Get(info);
  const bool faulted = registers->base != nullptr && g_mappings[registers->slot].faulted.load() != 0;
  return Napi::Boolean::New(info.Env(), faulted);
}

// Where an aligned access of `width` bytes goes, or null when it is not one within the mapping.
static uint8_t* RegisterAt(const Napi::CallbackInfo& info, unsigned width) {
  const Registers* registers = Get(info);
  const auto offset = info[1].As<Napi::Number>().Int64Value();
  if (registers->base == nullptr || offset < 0 || offset % width != 0) return nullptr;
  if (static_cast<size_t>(offset) + width > registers->size) return nullptr;
  return registers->base + offset;
}

template <typename T>
static volatile T* At(uint8_t* place) {
  return reinterpret_cast<volatile T*>(place);
}

// readRegister(handle, offset, width 1 | 2 | 4) -> number; width 8 -> bigint
static Napi::Value ReadRegister(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const unsigned width = Int(info[2]);
  uint8_t* place = width == 0 ? nullptr : RegisterAt(info, width);
  if (place == nullptr) return ThrowErrno(env, "read", EFAULT);
  switch (width) {
    case 1: return Napi::Number::New(env, *At<uint8_t>(place));
    case 2: return Napi::Number::New(env, *At<uint16_t>(place));
    case 4: return Napi::Number::New(env, *At<uint32_t>(place));
    case 8: return Napi::BigInt::New(env, static_cast<uint64_t>(*At<uint64_t>(place)));
    default: return ThrowErrno(env, "read", EINVAL);
  }
}

// writeRegister(handle, offset, width 1 | 2 | 4, number), (handle, offset, 8, bigint). What was written to memory before
// is visible to the device first: a kick must not overtake the ring.
static Napi::Value WriteRegister(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const unsigned width = Int(info[2]);
  uint8_t* place = width == 0 ? nullptr : RegisterAt(info, width);
  if (place == nullptr) return ThrowErrno(env, "write", EFAULT);
  bool lossless = true;
  const uint64_t value = width == 8 ? info[3].As<Napi::BigInt>().Uint64Value(&lossless)
                                    : info[3].As<Napi::Number>().Uint32Value();
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  switch (width) {
    case 1: *At<uint8_t>(place) = static_cast<uint8_t>(value); break;
    case 2: *At<uint16_t>(place) = static_cast<uint16_t>(value); break;
    case 4: *At<uint32_t>(place) = static_cast<uint32_t>(value); break;
    case 8: *At<uint64_t>(place) = value; break;
    default: return ThrowErrno(env, "write", EINVAL);
  }
  return env.Undefined();
}

void InitMmio(Napi::Env env, Napi::Object exports) {
  exports.Set("mapRegisters", Napi::Function::New(env, MapRegisters));
  exports.Set("unmapRegisters", Napi::Function::New(env, UnmapRegisters));
  exports.Set("registersFaulted", Napi::Function::New(env, RegistersFaulted));
  exports.Set("readRegister", Napi::Function::New(env, ReadRegister));
  exports.Set("writeRegister", Napi::Function::New(env, WriteRegister));
}

}  // namespace vio
