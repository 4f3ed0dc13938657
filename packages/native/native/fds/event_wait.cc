// One wait on many events, for threads that block: what is waited for is bound once (an epoll), and the way from the wake-up to the
// packet is as short as it can be. Of an eventfd, epoll tells every signal once, whether it was drained before or not; so that is
// left for later, and to wait is one system call. Anything else is drained at once: what a pipe is told that holds something is not news.
//
// Whoever waits alone for one eventfd sleeps in a read of it: what signals it wakes him and nothing else, and there is nothing to drain.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <vector>

#include "common.h"
#include "fds/event.h"

namespace vio {

constexpr uint32_t kTimer = UINT32_MAX;
// In place of a timeout: there is none, and nobody else takes the events.
constexpr int32_t kAlone = -2;

struct EventWait {
  int epoll = -1;
  int timer = -1;
  bool blocking = false;  // a read of the only event sleeps
  std::vector<int32_t> fds, kinds;
  std::vector<bool> told;  // signalled, and not drained
  int32_t* signalled = nullptr;
  Napi::Reference<Napi::Int32Array> keep;
};

static int Wait(const EventWait& wait, epoll_event* events, int most, int timeoutMs) {
  using Clock = std::chrono::steady_clock;
  if (timeoutMs < 0) {
    int count;
    while ((count = epoll_wait(wait.epoll, events, most, -1)) < 0 && errno == EINTR) {
    }
    return count;
  }
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeoutMs);
  for (int left = timeoutMs;;) {
    const int count = epoll_wait(wait.epoll, events, most, left);
    if (count >= 0 || errno != EINTR) return count;
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    left = rest > 0 ? static_cast<int>(rest) : 0;
  }
}

// Sleeps until the only event is signalled, and takes it. -> false: it cannot be waited for in this way
static bool Read(EventWait& wait) {
  if (wait.fds.size() != 1 || wait.kinds[0] != kEventFd) return false;
  const int fd = wait.fds[0];
  if (!wait.blocking) {
    const int flags = fcntl(fd, F_GETFL);
    wait.blocking = flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
  }
  uint64_t count;
  ssize_t n;
  // The flag is also the peer's, who may set it again.
  while ((n = read(fd, &count, sizeof count)) < 0 && errno == EINTR) {
  }
  return n == static_cast<ssize_t>(sizeof count);
}

static napi_value Number(napi_env env, int32_t number) {
  napi_value value;
  napi_create_int32(env, number, &value);
  return value;
}

// Whether JavaScript may still run in this thread. Where a request to end it comes while Node-API is at work, Node-API's own
// handler takes it, and nobody hears of it again; but from then on calls like this one are refused.
static bool MayRun(napi_env env) {
  napi_value global;
  bool has;
  return napi_get_global(env, &global) == napi_ok && napi_has_named_property(env, global, "process", &has) == napi_ok;
}

// wait(timeoutMs) -> events that were signalled; 0: time is over, or the thread should see whether it is to end; -1: it is. timeoutMs: -1
// for ever, or kAlone. On the bare C interface, as every call that is made for each packet.
static napi_value WaitForEvents(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument;
  void* data;
  int32_t timeout = 0;
  napi_get_cb_info(env, info, &argc, &argument, nullptr, &data);
  napi_get_value_int32(env, argument, &timeout);
  auto& wait = *static_cast<EventWait*>(data);
  if (timeout == kAlone && Read(wait)) {
    wait.signalled[0] = 1;
    return Number(env, 1);
  }
  epoll_event events[16];
  const int count = Wait(wait, events, 16, timeout);
  if (count < 0) {
    ErrnoError(env, "epoll_wait", errno).ThrowAsJavaScriptException();
    return nullptr;
  }
  int32_t told = 0;
  bool ends = false;
  for (int i = 0; i < count; i++) {
    const uint32_t at = events[i].data.u32;
    if (at == kTimer) {
      uint64_t times;
      [[maybe_unused]] const ssize_t n = read(wait.timer, &times, sizeof times);
      ends = !MayRun(env);
      continue;
    }
    if (wait.kinds[at] == kEventFd) {
      wait.told[at] = true;
      wait.signalled[at] = 1;
      told++;
      continue;
    }
    // A hangup is told, too: whoever waits would sleep for ever.
    const bool drained = DrainEvent(wait.fds[at], wait.kinds[at]);
    wait.signalled[at] = drained;
    told += drained || (events[i].events & (EPOLLHUP | EPOLLERR)) != 0;
  }
  return Number(env, ends ? -1 : told);
}

// take(): drains what `wait` has told of and left.
static napi_value TakeEvents(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  auto& wait = *static_cast<EventWait*>(data);
  for (size_t i = 0; i < wait.told.size(); i++) {
    if (!wait.told[i]) continue;
    wait.told[i] = false;
    DrainEvent(wait.fds[i], wait.kinds[i]);
  }
  return nullptr;
}

static int Watch(int epoll, int fd, uint32_t as, uint32_t how = 0) {
  epoll_event event{EPOLLIN | how, {}};
  event.data.u32 = as;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static Napi::Function Call(Napi::Env env, const char* name, napi_callback call, EventWait* wait) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, wait, &function);
  return Napi::Function(env, function);
}

// createEventWait(fds, kinds, signalled, wakeMs) -> { wait, take, fds }: `fds` are to be closed when it is done with. wakeMs: it returns
// so often at least, by a timer that runs on, because to set and cancel one for each wait is on the way to the packet; 0: it does not.
static Napi::Value CreateEventWait(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto fds = info[0].As<Napi::Int32Array>(), kinds = info[1].As<Napi::Int32Array>();
  auto signalled = info[2].As<Napi::Int32Array>();
  const int wake = Int(info[3]);
  const size_t count = fds.ElementLength();
  if (kinds.ElementLength() < count || signalled.ElementLength() < count) {
    throw Napi::RangeError::New(env, "every event has a kind, and a word");
  }
  auto wait = std::make_unique<EventWait>();
  wait->fds.assign(fds.Data(), fds.Data() + count);
  wait->kinds.assign(kinds.Data(), kinds.Data() + count);
  wait->told.resize(count);
  wait->signalled = signalled.Data();
  wait->keep = Napi::Persistent(signalled);
  const auto fail = [&](const char* what, int error) {
    if (wait->epoll >= 0) close(wait->epoll);
    if (wait->timer >= 0) close(wait->timer);
    return ThrowErrno(env, what, error);
  };
  wait->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (wait->epoll < 0) return fail("epoll_create1", errno);
  for (uint32_t i = 0; i < count; i++) {
    if (Watch(wait->epoll, wait->fds[i], i, wait->kinds[i] == kEventFd ? uint32_t{EPOLLET} : 0) != 0) return fail("epoll_ctl", errno);
  }
  Napi::Array opened = Napi::Array::New(env);
  if (wake > 0) {
    wait->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (wait->timer < 0) return fail("timerfd_create", errno);
    const timespec every = {wake / 1000, wake % 1000 * 1000000L};
    const itimerspec time = {every, every};
    if (timerfd_settime(wait->timer, 0, &time, nullptr) != 0 || Watch(wait->epoll, wait->timer, kTimer) != 0) {
      return fail("timerfd_settime", errno);
    }
    opened.Set(1u, Napi::Number::New(env, Own(env, wait->timer)));
  }
  opened.Set(0u, Napi::Number::New(env, Own(env, wait->epoll)));

  Napi::Function waits = Call(env, "wait", WaitForEvents, wait.get()), takes = Call(env, "take", TakeEvents, wait.get());
  const auto owner = Napi::External<EventWait>::New(env, wait.release(), [](Napi::Env, EventWait* w) { delete w; });
  waits.Set("owner", owner);
  takes.Set("owner", owner);
  Napi::Object result = Napi::Object::New(env);
  result.Set("wait", waits);
  result.Set("take", takes);
  result.Set("fds", opened);
  return result;
}

void InitEventWait(Napi::Env env, Napi::Object exports) {
  exports.Set("createEventWait", Napi::Function::New(env, CreateEventWait));
}

}  // namespace vio
