// Shared memory: memfds, mappings as ArrayBuffers, and their end.
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common.h"
#include "mappings.h"

namespace vio {

// memfdCreate(name, size, hugeShift) -> fd, sealed against shrinking. hugeShift: 0, 21 (2 MiB) or 30 (1 GiB).
static Napi::Value MemfdCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string name = info[0].As<Napi::String>();
  const auto size = info[1].As<Napi::Number>().Int64Value();
  const unsigned shift = Int(info[2]);
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (shift != 0) flags |= MFD_HUGETLB | (shift << MFD_HUGE_SHIFT);
  const int fd = memfd_create(name.c_str(), flags);
  if (fd < 0) return ThrowErrno(env, "memfd_create", errno);
  const char* failed = nullptr;
  if (ftruncate(fd, size) != 0) failed = "ftruncate";
  else if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) failed = "fcntl";
  if (failed != nullptr) {
    const int error = errno;
    close(fd);
    return ThrowErrno(env, failed, error);
  }
  return Napi::Number::New(env, Own(env, fd));
}

static size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

struct View {
  void* base;
  size_t size;
  int slot;
};

// The address space goes when the ArrayBuffer is collected; the pages may have gone before, see UnmapPages.
static void FinalizeView(Napi::Env, void*, View* view) {
  ReleaseMapping(view->slot);
  munmap(view->base, view->size);
  delete view;
}

// mapFd(fd, offset, size, populate, lock) -> { buffer, slot }. The caller has checked that a Buffer can be that long.
static Napi::Value MapFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = Int(info[0]);
  const auto offset = info[1].As<Napi::Number>().Int64Value();
  const auto size = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  struct statfs fs;
  if (fstatfs(fd, &fs) != 0) return ThrowErrno(env, "fstatfs", errno);
  constexpr long kHugetlbfsMagic = 0x958458f6;
  const size_t page = fs.f_type == kHugetlbfsMagic ? static_cast<size_t>(fs.f_bsize) : PageSize();
  const size_t mapped = (size + page - 1) / page * page;  // as the kernel rounds; huge pages end only as a whole
  InstallSigbusGuard();
  const int flags = MAP_SHARED | (info[3].ToBoolean() ? MAP_POPULATE : 0);
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, flags, fd, offset);
  if (base == MAP_FAILED) return ThrowErrno(env, "mmap", errno);
  if (info[4].ToBoolean() && mlock2(base, mapped, 0) != 0) {  // sanitizers make mlock do nothing, this not
    const int error = errno;
    munmap(base, mapped);
    return ThrowErrno(env, "mlock", error);
  }
  const int slot = ClaimMapping(base, mapped, page);
  if (slot < 0) {
    munmap(base, mapped);
    return ThrowErrno(env, "mmap", EMFILE);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("buffer", Napi::ArrayBuffer::New(env, base, size, FinalizeView, new View{base, mapped, slot}));
  result.Set("slot", Napi::Number::New(env, slot));
  return result;
}

// unmapPages(slot): the shared pages are replaced by private zero pages. Nothing is detached: stale views read
// zeroes, and V8 keeps its assumption that no buffer in this process was ever detached.
static Napi::Value UnmapPages(const Napi::CallbackInfo& info) {
  const Mapping& m = g_mappings[Int(info[0])];
  void* base = reinterpret_cast<void*>(m.base.load(std::memory_order_relaxed));
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap(base, m.size.load(std::memory_order_relaxed), PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) {
    return ThrowErrno(info.Env(), "mmap", errno);
  }
  return info.Env().Undefined();
}

static Napi::Value MappingFaulted(const Napi::CallbackInfo& info) {
  const int slot = Int(info[0]);
  return Napi::Boolean::New(info.Env(), g_mappings[slot].faulted.load(std::memory_order_acquire) != 0);
}

// seals(fd) -> bit mask of F_SEAL_*, or -1 when the file has none.
static Napi::Value Seals(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), fcntl(Int(info[0]), F_GET_SEALS));
}

void InitMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(PageSize())));
  exports.Set("memfdCreate", Napi::Function::New(env, MemfdCreate));
  exports.Set("mapFd", Napi::Function::New(env, MapFd));
  exports.Set("unmapPages", Napi::Function::New(env, UnmapPages));
  exports.Set("mappingFaulted", Napi::Function::New(env, MappingFaulted));
  exports.Set("seals", Napi::Function::New(env, Seals));
}

}  // namespace vio
