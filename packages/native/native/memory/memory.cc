// Shared memory: memfds, and mappings of files.
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory/area.h"
#include "common.h"
#include "memory/mappings.h"

namespace vio {

// All pages of a file are there afterwards. Where a control group limits huge pages, it is this that fails; the touch of one that is
// not there would be a SIGBUS.
static bool TakePages(int fd, off_t size) {
  while (fallocate(fd, 0, 0, size) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

// memfdCreate(name, size, hugeShift, take) -> fd, sealed against shrinking. hugeShift: 0, 21 (2 MiB) or 30 (1 GiB). take: its pages
// at once, not when they are touched.
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
  else if (info[3].As<Napi::Boolean>() && !TakePages(fd, size)) failed = "fallocate";
  else if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) failed = "fcntl";
  if (failed != nullptr) {
    const int error = errno;
    close(fd);
    return ThrowErrno(env, failed, error);
  }
  return Napi::Number::New(env, Own(env, fd));
}

static size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

enum MapFlags { kPopulate = 1, kLock = 2, kWithin = 4 };

// mapFd(fd, offset, size, flags) -> area. kWithin: the offset need not be a multiple of the page size of the file; what
// of the page is in front of it is mapped as well.
static Napi::Value MapFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = Int(info[0]);
  const auto offset = info[1].As<Napi::Number>().Int64Value();
  const auto size = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  const int wanted = Int(info[3]);
  struct statfs fs;
  if (fstatfs(fd, &fs) != 0) return ThrowErrno(env, "fstatfs", errno);
  constexpr long kHugetlbfsMagic = 0x958458f6;
  const size_t page = fs.f_type == kHugetlbfsMagic ? static_cast<size_t>(fs.f_bsize) : PageSize();
  const size_t lead = (wanted & kWithin) != 0 ? static_cast<size_t>(offset) % page : 0;
  const size_t mapped = (lead + size + page - 1) / page * page;  // as the kernel rounds; huge pages end only as a whole
  InstallSigbusGuard();
  const int flags = MAP_SHARED | ((wanted & kPopulate) != 0 ? MAP_POPULATE : 0);
  const off_t from = offset - static_cast<off_t>(lead);
  auto* base = static_cast<uint8_t*>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, flags, fd, from));
  if (base == MAP_FAILED) return ThrowErrno(env, "mmap", errno);
  if ((wanted & kLock) != 0 && mlock2(base, mapped, 0) != 0) {  // sanitizers make mlock do nothing, this not
    const int error = errno;
    munmap(base, mapped);
    return ThrowErrno(env, "mlock", error);
  }
  return NewArea(env, {base, mapped, page, lead, size});
}

// seals(fd) -> bit mask of F_SEAL_*, or -1 when the file has none.
static Napi::Value Seals(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), fcntl(Int(info[0]), F_GET_SEALS));
}

void InitMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(PageSize())));
  exports.Set("memfdCreate", Napi::Function::New(env, MemfdCreate));
  exports.Set("mapFd", Napi::Function::New(env, MapFd));
  exports.Set("seals", Napi::Function::New(env, Seals));
}

}  // namespace vio
