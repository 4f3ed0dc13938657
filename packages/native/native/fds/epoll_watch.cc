// Readiness of an fd without the runtime's own event loop: a thread for each environment sleeps in epoll and calls over by a
// threadsafe function. For runtimes whose loop has no uv_poll (Bun, Deno); where there is one, it saves the way between threads.
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <unordered_map>

#include "common.h"
#include "fds/event.h"

namespace vio {

constexpr uint32_t kReadable = 1;
constexpr uint32_t kWritable = 2;
constexpr uint32_t kHangup = 4;

struct EpollThread;

// What JavaScript holds of a watched descriptor, and closes explicitly.
struct EpollWatcher {
  EpollThread* thread;
  uint32_t id;
  int fd;
  uint32_t events;
  Napi::FunctionReference callback;
  bool referenced = false;
  int kind = -1;  // of an event that is drained before the callback
};

// All members but the descriptors belong to the thread of JavaScript; the other one only waits, and calls over what it saw.
struct EpollThread {
  Napi::Env env;
  int epoll;
  int end;
  napi_threadsafe_function call = nullptr;
  pthread_t waiter{};
  uint32_t next = 1;
  uint32_t references = 0;
  std::unordered_map<uint32_t, EpollWatcher*> watchers;
  std::unordered_map<int, uint32_t> owners;  // which watcher a number is registered for

  explicit EpollThread(Napi::Env env)
      : env(env), epoll(epoll_create1(EPOLL_CLOEXEC)), end(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~EpollThread() {
    close(epoll);
    close(end);
  }
};

// id in the upper half, what it is ready for in the lower: a call carries a pointer, and no memory is needed for it.
static void* Wait(void* of) {
  auto* thread = static_cast<EpollThread*>(of);
  epoll_event events[64];
  for (;;) {
    const int count = epoll_wait(thread->epoll, events, 64, -1);
    if (count < 0 && errno != EINTR) return nullptr;
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == 0) return nullptr;
      const uint64_t told = events[i].data.u64 << 32 | events[i].events;
      void* data = reinterpret_cast<void*>(told);
      if (napi_call_threadsafe_function(thread->call, data, napi_tsfn_blocking) != napi_ok) return nullptr;
    }
  }
}

// EPOLLRDHUP is asked for by kHangup; epoll tells of EPOLLHUP and EPOLLERR unasked.
static uint32_t EpollBits(uint32_t events) {
  uint32_t bits = 0;
  if (events & kReadable) bits |= EPOLLIN;
  if (events & kWritable) bits |= EPOLLOUT;
  if (events & kHangup) bits |= EPOLLRDHUP;
  return bits;
}

// As uv_poll says it: an error is a hangup, a plain EPOLLHUP is whatever was asked for.
static uint32_t Readiness(uint32_t seen, uint32_t wanted) {
  if (seen & EPOLLERR) return kHangup;
  if (seen == EPOLLHUP) return wanted;
  return (seen & EPOLLIN ? kReadable : 0) | (seen & EPOLLOUT ? kWritable : 0) | (seen & EPOLLRDHUP ? kHangup : 0);
}

// True unless the descriptor was closed under it and its number is another watcher's.
static bool OwnsNumber(EpollThread* thread, const EpollWatcher& watcher) {
  const auto owner = thread->owners.find(watcher.fd);
  return owner != thread->owners.end() && owner->second == watcher.id;
}

static int Arm(EpollThread* thread, const EpollWatcher& watcher, int operation) {
  // Once, then not until it was told: the thread would say the same again and again meanwhile.
  epoll_event event{EpollBits(watcher.events) | EPOLLONESHOT, {}};
  event.data.u64 = watcher.id;
  return epoll_ctl(thread->epoll, operation, watcher.fd, &event);
}

static void Tell(napi_env raw, napi_value, void* context, void* data) {
  if (raw == nullptr) return;  // the environment ends
  auto* thread = static_cast<EpollThread*>(context);
  const auto told = reinterpret_cast<uint64_t>(data);
  const auto id = static_cast<uint32_t>(told >> 32);
  const auto found = thread->watchers.find(id);
  if (found == thread->watchers.end()) return;  // closed since
  EpollWatcher* watcher = found->second;
  const auto seen = static_cast<uint32_t>(told);
  Napi::Env env(raw);
  Napi::HandleScope scope(env);
  try {
    const uint32_t ready = Readiness(seen, watcher->events);
    const bool drained = watcher->kind >= 0 && DrainEvent(watcher->fd, watcher->kind);
    // The thread saw it at once. Whoever has taken it since is the one it was for; of an end, nobody takes anything.
    const bool taken = watcher->kind >= 0 && !drained && ready == kReadable;
    const uint32_t what = watcher->kind < 0 ? ready : drained ? kReadable : kHangup;
    if (!taken) watcher->callback.Call({Napi::Number::New(env, what)});
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
  // The callback may have closed it. What has failed is not watched any more, as with uv_poll.
  if (thread->watchers.count(id) == 0 || (seen & EPOLLERR) || !OwnsNumber(thread, *watcher)) return;
  Arm(thread, *watcher, EPOLL_CTL_MOD);
}

static void Reference(EpollThread* thread, EpollWatcher* watcher, bool referenced) {
  if (watcher->referenced == referenced) return;
  watcher->referenced = referenced;
  thread->references += referenced ? 1 : -1;
  if (thread->references == 0) napi_unref_threadsafe_function(thread->env, thread->call);
  else if (referenced && thread->references == 1) napi_ref_threadsafe_function(thread->env, thread->call);
}

static thread_local std::unordered_map<napi_env, EpollThread*> threads;

static void Stop(void* of) {
  auto* thread = static_cast<EpollThread*>(of);
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(thread->end, &one, sizeof one);
  pthread_join(thread->waiter, nullptr);
  napi_release_threadsafe_function(thread->call, napi_tsfn_abort);
  for (const auto& [id, watcher] : thread->watchers) delete watcher;
  threads.erase(thread->env);
  delete thread;
}

// Begins the waiting thread. Signals are for the others. @returns 0, or an errno
static int Begin(EpollThread* thread) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread->waiter, nullptr, Wait, thread);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

// The thread of this environment, begun when the first descriptor is watched; nullptr with errno when that fails.
static EpollThread* ThreadOf(Napi::Env env) {
  const auto known = threads.find(env);
  if (known != threads.end()) return known->second;
  auto thread = std::make_unique<EpollThread>(env);
  epoll_event ending{EPOLLIN, {}};
  ending.data.u64 = 0;
  if (thread->epoll < 0 || thread->end < 0) return nullptr;
  if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->end, &ending) != 0) return nullptr;
  const napi_value name = Napi::String::New(env, "VioFdWatcher");
  auto& call = thread->call;
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, thread.get(), Tell, &call) !=
      napi_ok) {
    errno = ENOMEM;
    return nullptr;
  }
  napi_unref_threadsafe_function(env, call);
  const int error = Begin(thread.get());
  if (error != 0) {
    napi_release_threadsafe_function(call, napi_tsfn_abort);
    errno = error;
    return nullptr;
  }
  // Made after the function, and so run before the runtime takes the function away.
  napi_add_env_cleanup_hook(env, Stop, thread.get());
  return threads[env] = thread.release();
}

// watch(fd, events, callback(events), kind) -> watcher, as that of the event loop.
static Napi::Value ThreadWatchFd(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  EpollThread* thread = ThreadOf(env);
  if (thread == nullptr) return ThrowErrno(env, "epoll_create1", errno);
  auto watcher = std::make_unique<EpollWatcher>();
  watcher->thread = thread;
  watcher->fd = Int(info[0]);
  watcher->events = static_cast<uint32_t>(Int(info[1]));
  watcher->kind = Int(info[3]);
  do watcher->id = thread->next++;
  while (watcher->id == 0 || thread->watchers.count(watcher->id) != 0);
  if (Arm(thread, *watcher, EPOLL_CTL_ADD) != 0) return ThrowErrno(env, "epoll_ctl", errno);
  watcher->callback = Napi::Persistent(info[2].As<Napi::Function>());
  thread->owners[watcher->fd] = watcher->id;
  thread->watchers[watcher->id] = watcher.get();
  Reference(thread, watcher.get(), true);
  return Napi::External<EpollWatcher>::New(env, watcher.release());
}

static EpollWatcher* GetEpollWatcher(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<EpollWatcher>>().Data(); }

static void ThreadUnwatchFd(const Napi::CallbackInfo& info) {
  EpollWatcher* watcher = GetEpollWatcher(info);
  EpollThread* thread = watcher->thread;
  if (OwnsNumber(thread, *watcher)) {
    epoll_ctl(thread->epoll, EPOLL_CTL_DEL, watcher->fd, nullptr);
    thread->owners.erase(watcher->fd);
  }
  Reference(thread, watcher, false);
  thread->watchers.erase(watcher->id);
  delete watcher;
}

static void ThreadWatcherRef(const Napi::CallbackInfo& info) {
  EpollWatcher* watcher = GetEpollWatcher(info);
  Reference(watcher->thread, watcher, info[1].ToBoolean());
}

void InitEpollWatch(Napi::Env env, Napi::Object exports) {
  Napi::Object engine = Napi::Object::New(env);
  engine.Set("watch", Napi::Function::New(env, ThreadWatchFd));
  engine.Set("unwatch", Napi::Function::New(env, ThreadUnwatchFd));
  engine.Set("reference", Napi::Function::New(env, ThreadWatcherRef));
  exports.Set("threadWatch", engine);
}

}  // namespace vio
