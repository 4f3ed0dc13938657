// Pages of a file mapped in an order of the caller's choice: hugepages that are neighbours in physical memory become
// neighbours in one buffer.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <set>

#include "memory/area.h"
#include "common.h"
#include "memory/mappings.h"

namespace vio {

static bool MapPages(uint8_t* base, int fd, size_t page, const Napi::Array& pages) {
  for (uint32_t i = 0; i < pages.Length(); i++) {
    const auto from = static_cast<off_t>(page) * Int(pages[i]);
    const int flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
    if (mmap(base + i * page, page, PROT_READ | PROT_WRITE, flags, fd, from) == MAP_FAILED) return false;
  }
  return true;
}

// gatherPages(fd, pageSize, pages, total) -> area. Those of the file's `total` pages that are not in the
// list go back to the system.
static Napi::Value GatherPages(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = Int(info[0]);
  const auto page = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  const auto pages = info[2].As<Napi::Array>();
  const size_t size = pages.Length() * page;
  const int nothing = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  // One page more than needed, so that there is an aligned place; what is beside it goes back.
  auto* space = static_cast<uint8_t*>(mmap(nullptr, size + page, PROT_NONE, nothing, -1, 0));
  if (space == MAP_FAILED) return ThrowErrno(env, "mmap", errno);
  const size_t lead = (page - reinterpret_cast<uintptr_t>(space) % page) % page;
  uint8_t* base = space + lead;
  if (lead != 0) munmap(space, lead);
  if (lead != page) munmap(base + size, page - lead);
  InstallSigbusGuard();
  if (!MapPages(base, fd, page, pages)) {
    const int error = errno;
    munmap(base, size);
    return ThrowErrno(env, "mmap", error);
  }
  std::set<int> used;
  for (uint32_t i = 0; i < pages.Length(); i++) used.insert(Int(pages[i]));
  for (int i = 0; i < Int(info[3]); i++) {
    if (used.count(i) == 0) fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(page) * i, page);
  }
  return NewArea(env, {base, size, page, 0, size});
}

void InitGather(Napi::Env env, Napi::Object exports) {
  exports.Set("gatherPages", Napi::Function::New(env, GatherPages));
}

}  // namespace vio
