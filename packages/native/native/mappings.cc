// The SIGBUS guard. A peer may truncate the file behind a mapping at any time; the next access would kill the
// process. The guard puts a private zero page there instead and marks the mapping, so the access completes and the
// owner can notice and stop.
#include "mappings.h"

#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <mutex>

namespace vio {

Mapping g_mappings[kMaxMappings];

static std::mutex g_lock;  // claims and releases only; the handler never takes it
static struct sigaction g_previous;

static bool Repair(uintptr_t address) {
  for (Mapping& m : g_mappings) {
    const uintptr_t base = m.base.load(std::memory_order_acquire);
    if (base == 0 || address < base) continue;
    const size_t size = m.size.load(std::memory_order_acquire);
    if (address - base >= size) continue;
    const size_t page = m.page.load(std::memory_order_acquire);
    // The slot may have changed hands between the two loads; then it was never the slot of this address.
    if (m.base.load(std::memory_order_relaxed) != base) continue;
    void* at = reinterpret_cast<void*>(address & ~(page - 1));
    // mmap is a plain system call and safe in a handler; only its errno must not reach the interrupted code.
    const int error = errno;
    if (mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return false;
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
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = OnSigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &g_previous);
  });
}

int ClaimMapping(void* base, size_t size, size_t page) {
  std::lock_guard<std::mutex> hold(g_lock);
  for (int i = 0; i < kMaxMappings; i++) {
    Mapping& m = g_mappings[i];
    if (m.base.load(std::memory_order_relaxed) != 0) continue;
    m.size.store(size, std::memory_order_release);
    m.page.store(page, std::memory_order_release);
    m.faulted.store(0, std::memory_order_relaxed);
    m.base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
    return i;
  }
  return -1;
}

void ReleaseMapping(int slot) {
  std::lock_guard<std::mutex> hold(g_lock);
  g_mappings[slot].base.store(0, std::memory_order_release);
}

}  // namespace vio
