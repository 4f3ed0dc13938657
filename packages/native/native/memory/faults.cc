// Memory whose pages come when they are touched (postcopy): a userfaultfd, which whoever sends the pages reads, and a thread
// that gives up on pages that never come. A page that is waited for holds up the thread that touched it, which is the one
// that runs JavaScript: nothing there could end it.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>

#include "memory/area.h"
#include "memory/mappings.h"

// Node exports them, as in fds/watch.cc.
extern "C" {
using uv_thread = unsigned long;
int uv_thread_create(uv_thread*, void (*entry)(void*), void*);
int uv_thread_join(uv_thread*);
}

namespace vio {

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct Faults {
  int fd = -1;        // the userfaultfd
  int wake = -1;      // ends the thread
  int timeout = 0;    // milliseconds that a page may take
  long thread = 0;    // the one that is held up
  uv_thread watcher = 0;
  bool watched = false;
  std::atomic<bool> expired{false};
};

struct Awaited {
  const Faults* owner;
  uint8_t* base;
  size_t size;
  int slot;
};

static std::mutex g_faults_lock;
static std::vector<Awaited> g_ranges;

static uffdio_range Of(const Awaited& range) {
  return {reinterpret_cast<uintptr_t>(range.base), range.size};
}

void ForgetFaults(const void* base) {
  std::lock_guard<std::mutex> hold(g_faults_lock);
  for (size_t i = 0; i < g_ranges.size(); i++) {
    if (g_ranges[i].base != base) continue;
    g_ranges.erase(g_ranges.begin() + static_cast<long>(i));
    return;
  }
}

// Threads that wait for a page of this userfaultfd: those whose wait somebody has read of, too.
static long Waiting(int fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return 0;
  long total = 0;
  char line[128];
  while (fgets(line, sizeof line, file) != nullptr) sscanf(line, "total: %ld", &total);
  fclose(file);
  return total;
}

// What a thread has done so far, in a number that changes while it does anything: faults and time.
static uint64_t Progress(long thread) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%ld/stat", thread);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return 0;
  char line[1024];
  const char* text = fgets(line, sizeof line, file);
  fclose(file);
  text = text == nullptr ? nullptr : strrchr(text, ')');
  if (text == nullptr) return 0;
  unsigned long minor = 0, major = 0, user = 0, system = 0;
  sscanf(text, ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu", &minor, &major, &user, &system);
  return minor * 31 + major * 1000003 + user * 7919 + system * 104729 + 1;
}

// The pages become zeroes that are nobody else's: those of the guest stay as they are, wherever they are.
static void GiveUp(Faults* faults) {
  std::lock_guard<std::mutex> hold(g_faults_lock);
  for (size_t i = 0; i < g_ranges.size();) {
    const Awaited range = g_ranges[i];
    if (range.owner != faults) {
      i++;
      continue;
    }
    faults->expired.store(true, std::memory_order_release);
    g_mappings[range.slot].faulted.store(1, std::memory_order_release);
    PutZeroes(range.base, range.size);
    uffdio_range wake = Of(range);
    ioctl(faults->fd, UFFDIO_WAKE, &wake);
    g_ranges.erase(g_ranges.begin() + static_cast<long>(i));
  }
}

static void Watch(void* data) {
  auto* faults = static_cast<Faults*>(data);
  const int step = faults->timeout < 80 ? faults->timeout / 4 + 1 : faults->timeout < 4000 ? 20 : 200;
  int waited = 0;
  uint64_t before = 0;
  for (;;) {
    pollfd ended = {faults->wake, POLLIN, 0};
    if (poll(&ended, 1, step) > 0) return;
    const uint64_t now = Waiting(faults->fd) > 0 ? Progress(faults->thread) : 0;
    waited = now != 0 && now == before ? waited + step : 0;
    before = now;
    if (waited >= faults->timeout) GiveUp(faults);
  }
}

static void Stop(Faults* faults) {
  if (faults->watched) {
    const uint64_t one = 1;
    (void)!write(faults->wake, &one, sizeof one);
    uv_thread_join(&faults->watcher);
    faults->watched = false;
  }
  {
    std::lock_guard<std::mutex> hold(g_faults_lock);
    for (size_t i = 0; i < g_ranges.size();) {
      if (g_ranges[i].owner != faults) {
        i++;
        continue;
      }
      uffdio_range range = Of(g_ranges[i]);
      ioctl(faults->fd, UFFDIO_UNREGISTER, &range);
      g_ranges.erase(g_ranges.begin() + static_cast<long>(i));
    }
  }
  if (faults->wake >= 0) close(faults->wake);
  if (faults->fd >= 0) close(faults->fd);
  faults->wake = faults->fd = -1;
}

static Faults* GetFaults(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<Faults>>().Data(); }

// faultsOpen(timeoutMs) -> Faults. Where faults of the kernel are not for this process, those of its own code are.
static Napi::Value FaultsOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int flags = O_CLOEXEC | O_NONBLOCK;
  auto fd = static_cast<int>(syscall(SYS_userfaultfd, flags));
  if (fd < 0 && errno == EPERM) fd = static_cast<int>(syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY));
  if (fd < 0) return ThrowErrno(env, "userfaultfd", errno);
  uffdio_api api = {};
  api.api = UFFD_API;
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0 || ioctl(fd, UFFDIO_API, &api) != 0) {
    const int error = errno;
    close(fd);
    if (wake >= 0) close(wake);
    return ThrowErrno(env, "userfaultfd", error);
  }
  auto* faults = new Faults;
  faults->fd = fd;
  faults->wake = wake;
  faults->timeout = Int(info[0]);
  faults->thread = syscall(SYS_gettid);
  return Napi::External<Faults>::New(env, faults, [](Napi::Env, Faults* it) {
    Stop(it);
    delete it;
  });
}

static Napi::Value FaultsFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), GetFaults(info)->fd); }

// faultsAdd(faults, area) -> the address of its first byte. Pages of it that are not there yet are waited for from now on.
static Napi::Value FaultsAdd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Faults* faults = GetFaults(info);
  int slot = -1;
  const Place* place = OpenPlace(info[1], &slot);
  if (place == nullptr || faults->fd < 0) return ThrowErrno(env, "userfaultfd", EINVAL);
  uffdio_register wanted = {};
  const Awaited range = {faults, place->base, place->mapped, slot};
  wanted.range = Of(range);
  wanted.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (ioctl(faults->fd, UFFDIO_REGISTER, &wanted) != 0) return ThrowErrno(env, "userfaultfd", errno);
  std::lock_guard<std::mutex> hold(g_faults_lock);
  g_ranges.push_back(range);
  if (!faults->watched) faults->watched = uv_thread_create(&faults->watcher, Watch, faults) == 0;
  return Napi::BigInt::New(env, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(place->base) + place->lead));
}

static Napi::Value FaultsExpired(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), GetFaults(info)->expired.load(std::memory_order_acquire));
}

static void FaultsEnd(const Napi::CallbackInfo& info) { Stop(GetFaults(info)); }

void InitFaults(Napi::Env env, Napi::Object exports) {
  exports.Set("faultsOpen", Napi::Function::New(env, FaultsOpen));
  exports.Set("faultsFd", Napi::Function::New(env, FaultsFd));
  exports.Set("faultsAdd", Napi::Function::New(env, FaultsAdd));
  exports.Set("faultsExpired", Napi::Function::New(env, FaultsExpired));
  exports.Set("faultsEnd", Napi::Function::New(env, FaultsEnd));
}

}  // namespace vio
