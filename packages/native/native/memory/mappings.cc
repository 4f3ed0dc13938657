// The SIGBUS guard. A peer may truncate the file behind a mapping at any time; the next access would kill the
// process. The guard puts a private zero page there instead and marks the mapping, so the access completes and the
// owner can notice and stop. Where very many pages are gone, zeroes take the place of all of the mapping.
#include "memory/mappings.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

namespace vio {

Mapping g_mappings[kMaxMappings];

static std::mutex g_lock;  // claims and releases only; the handler never takes it
static std::atomic<int> g_end{0};  // no slot from here on was ever used
static struct sigaction g_previous;

// Pages that may be replaced one by one, of all mappings that live. Each splits its mapping, and who shares memory chooses which
// pages are gone: as many as the kernel lets a process have mappings (vm.max_map_count), and the next fault would end it.
constexpr int32_t kMostReplaced = 4096;
static std::atomic<int32_t> g_replaced{0};

// System calls only, which are safe in a signal handler.
bool PutZeroes(void* at, size_t size) {
  const int access = PROT_READ | PROT_WRITE;
  const int fresh = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  // Private memory counts in full under RLIMIT_DATA, and a mapping over another may exceed that limit, after which this
  // process gets no memory at all. It counts in full as well where the system promises no more than it has
  // (vm.overcommit_memory 2). A file of nothing counts by the page that is written to.
  rlimit data{};
  const bool limited = getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY;
  if (!limited && mmap(at, size, access, fresh, -1, 0) != MAP_FAILED) return true;
  const int fd = memfd_create("vio-closed", MFD_CLOEXEC);
  if (fd < 0) return false;
  const bool put = ftruncate(fd, static_cast<off_t>(size)) == 0 &&
                   mmap(at, size, access, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
  close(fd);
  return put;
}

// While there are few, what is still there of a file stays: one that was truncated is seen to be, and let go.
static bool Replace(Mapping& m, uintptr_t base, size_t size, uintptr_t address, size_t page) {
  if (g_replaced.load(std::memory_order_relaxed) < kMostReplaced &&
      PutZeroes(reinterpret_cast<void*>(address & ~(page - 1)), page)) {
    m.replaced.fetch_add(1, std::memory_order_relaxed);
    g_replaced.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  if (!PutZeroes(reinterpret_cast<void*>(base), size)) return false;
  g_replaced.fetch_sub(m.replaced.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  return true;
}

static bool Repair(uintptr_t address) {
  const int end = g_end.load(std::memory_order_acquire);
  for (int i = 0; i < end; i++) {
    Mapping& m = g_mappings[i];
    const uintptr_t base = m.base.load(std::memory_order_acquire);
    if (base == 0 || address < base) continue;
    const size_t size = m.size.load(std::memory_order_acquire);
    if (address - base >= size) continue;
    const size_t page = m.page.load(std::memory_order_acquire);
    // The slot may have changed hands between the two loads; then it was never the slot of this address.
    if (m.base.load(std::memory_order_relaxed) != base) continue;
    const int error = errno;  // the interrupted code must not see another
    if (!Replace(m, base, size, address, page)) return false;
    errno = error;
    m.faulted.store(1, std::memory_order_release);
    return true;
  }
  return false;
}

static void OnSigbus(int signal, siginfo_t* info, void* context) {
  const bool access = info->si_code > 0;  // by the kernel; a signal sent by kill has no address
  if (access && Repair(reinterpret_cast<uintptr_t>(info->si_addr))) return;
  // Not ours: whoever was here before decides, else the default action ends the process.
  if (g_previous.sa_flags & SA_SIGINFO) {
    if (g_previous.sa_sigaction != nullptr) return g_previous.sa_sigaction(signal, info, context);
  } else if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    return g_previous.sa_handler(signal);
  }
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &fallback, nullptr);
  raise(signal);  // pending until this handler returns, then it ends the process as without us
}

void InstallSigbusGuard() {
  // Once, by the first of all threads. Not std::call_once: its pthread_once would ask for glibc 2.34.
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = OnSigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &g_previous) == 0;
  }();
  (void)installed;
}

static int g_hint = 0;  // no slot before this one is free

int ClaimMapping(void* base, size_t size, size_t page) {
  std::lock_guard<std::mutex> hold(g_lock);
  for (int i = g_hint; i < kMaxMappings; i++) {
    Mapping& m = g_mappings[i];
    if (m.base.load(std::memory_order_relaxed) != 0) continue;
    m.size.store(size, std::memory_order_release);
    m.page.store(page, std::memory_order_release);
    m.faulted.store(0, std::memory_order_relaxed);
    m.base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
    g_hint = i + 1;
    if (i >= g_end.load(std::memory_order_relaxed)) g_end.store(i + 1, std::memory_order_release);
    return i;
  }
  return -1;
}

void ReleaseMapping(int slot) {
  std::lock_guard<std::mutex> hold(g_lock);
  g_mappings[slot].base.store(0, std::memory_order_release);
  g_replaced.fetch_sub(g_mappings[slot].replaced.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  if (slot < g_hint) g_hint = slot;
}

}  // namespace vio
