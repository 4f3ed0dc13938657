// How the two sides of a virtqueue wake each other: eventfds, and what takes their place in frontends that have none
// (pipes, sockets).
//
// A peer holds the same open file description as we do, and O_NONBLOCK lives there: a peer that clears it and fills
// the counter makes a plain write(2) of ours sleep for good, and to ask poll(2) first leaves the time between the two.
// An eventfd has no second description: /proc/self/fd cannot open it again (ENXIO). So each kind is told and drained
// by a call that cannot sleep whatever the flags say:
//
//   eventfd  tell by asynchronous I/O: the completion of a request adds to the eventfd named in it (IOCB_FLAG_RESFD)
//            as the kernel itself does, which never waits. The request asks whether that same eventfd is readable or
//            writable; it always is, so it completes within io_submit(2). One system call instead of another.
//            (pwritev2 with RWF_NOWAIT is refused by every kernel so far, and a helper thread costs a wake-up.)
//            drain by preadv2 with RWF_NOWAIT (Linux 5.8).
//   pipe     tee(2) and splice(2) between it and pipes of our own, with SPLICE_F_NONBLOCK.
//   socket   MSG_DONTWAIT.
//
// Where those are missing (a sandbox, an old kernel), and for anything else, a timer of the thread interrupts the call.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "common.h"
#include "fds/event.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace vio {

constexpr uint64_t kOne = 1;

// A thread's own timer, which ends a system call that should not sleep and does. The signal comes again every
// millisecond: one that comes before the call began is not the last.
class Interrupter {
 public:
  Interrupter() {
    static const bool handled = [] {
      struct sigaction action = {};
      action.sa_handler = [](int) {};
      action.sa_flags = SA_ONSTACK;  // no SA_RESTART: that is the point
      sigaction(Signal(), &action, nullptr);
      return true;
    }();
    struct sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = Signal();
    event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
    made_ = handled && timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
  }
  ~Interrupter() {
    if (made_) timer_delete(timer_);
  }
  // -> what the call says; -1 when there is no timer, for then it must not be made
  template <typename Call>
  ssize_t Run(Call call) {
    if (!made_) return -1;
    constexpr long kMillisecond = 1000000;
    struct itimerspec time = {{0, kMillisecond}, {0, kMillisecond}};
    timer_settime(timer_, 0, &time, nullptr);
    const ssize_t n = call();
    time = {};
    timer_settime(timer_, 0, &time, nullptr);
    return n;
  }

 private:
  static int Signal() { return SIGRTMAX - 2; }
  timer_t timer_;
  bool made_;
};

static bool Ready(int fd, short events) {
  struct pollfd p = {fd, events, 0};
  return poll(&p, 1, 0) == 1 && (p.revents & events) != 0;
}

template <typename Call>
static ssize_t Interruptible(int fd, short events, Call call) {
  if (!Ready(fd, events)) return -1;
  thread_local Interrupter interrupter;
  return interrupter.Run(call);
}

static void TellSlowly(int fd) {
  Interruptible(fd, POLLOUT, [&] { return write(fd, &kOne, sizeof kOne); });
}

static bool DrainSlowly(int fd) {
  char bytes[512];  // an eventfd has 8
  return Interruptible(fd, POLLIN, [&] { return read(fd, bytes, sizeof bytes); }) > 0;
}

// The ring of completions that the kernel maps into this process, as every user of it knows it (libaio, QEMU).
struct CompletionRing {
  uint32_t id, size, head, tail, magic, compatible, incompatible, headerBytes;
};
constexpr uint32_t kRingMagic = 0xa10a10a1;

// One context for all threads; it lives as long as the process. 0: there is none.
static aio_context_t Context() {
  static const aio_context_t context = [] {
    aio_context_t made = 0;
    return syscall(SYS_io_setup, 1, &made) == 0 ? made : 0;
  }();
  return context;
}

// Nobody waits for completions: they are forgotten. Threads may overtake each other here, an older `head` only makes
// room later.
static void Forget(aio_context_t context) {
  auto* ring = reinterpret_cast<CompletionRing*>(context);
  if (ring->magic == kRingMagic && ring->incompatible == 0) {
    __atomic_store_n(&ring->head, __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
    return;
  }
  struct io_event events[16];
  struct timespec now = {0, 0};
  while (syscall(SYS_io_getevents, context, 0, 16, events, &now) > 0) {
  }
}

static void TellEventFd(int fd) {
  const aio_context_t context = Context();
  if (context == 0) return TellSlowly(fd);
  struct iocb request = {};
  request.aio_lio_opcode = IOCB_CMD_POLL;
  request.aio_fildes = static_cast<uint32_t>(fd);
  request.aio_buf = POLLIN | POLLOUT | POLLERR;
  request.aio_flags = IOCB_FLAG_RESFD;
  request.aio_resfd = static_cast<uint32_t>(fd);
  struct iocb* requests[] = {&request};
  for (int attempt = 0; attempt < 2; attempt++) {
    const bool told = syscall(SYS_io_submit, context, 1L, requests) == 1;
    const int error = errno;
    Forget(context);
    if (told || error == EBADF) return;
    if (error != EAGAIN) break;
  }
  TellSlowly(fd);
}

static bool DrainEventFd(int fd) {
  uint64_t count = 0;
  struct iovec into = {&count, sizeof count};
  // Not the function: musl has it since 1.2.5 only. An offset of -1 in two words: where the file is.
  const long n = syscall(SYS_preadv2, fd, &into, 1L, -1L, -1L, RWF_NOWAIT);
  if (n >= 0 || errno == EAGAIN || errno == EBADF) return n == static_cast<long>(sizeof count);
  return DrainSlowly(fd);
}

struct Pipe {
  int out = -1;
  int in = -1;
  Pipe() {
    int both[2];
    if (pipe2(both, O_CLOEXEC | O_NONBLOCK) != 0) return;
    out = both[0];
    in = both[1];
  }
};

// What a telling looks like, for tee: nobody reads it here.
static int Telling() {
  static const int out = [] {
    const Pipe made;
    return made.in >= 0 && write(made.in, &kOne, sizeof kOne) == sizeof kOne ? made.out : -1;
  }();
  return out;
}

static void TellPipe(int fd) {
  const int telling = Telling();
  if (telling < 0) return TellSlowly(fd);
  tee(telling, fd, sizeof kOne, SPLICE_F_NONBLOCK);  // EAGAIN: full, it is told. EPIPE: nobody listens
}

static bool DrainPipe(int fd) {
  static const Pipe sink;
  if (sink.in < 0) return DrainSlowly(fd);
  char bytes[4096];
  const ssize_t n = splice(fd, nullptr, sink.in, nullptr, sizeof bytes, SPLICE_F_NONBLOCK);
  while (read(sink.out, bytes, sizeof bytes) == sizeof bytes) {
  }
  return n > 0;
}

static Napi::Value EventFdCreate(const Napi::CallbackInfo& info) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return ThrowErrno(info.Env(), "eventfd", errno);
  return Napi::Number::New(info.Env(), Own(info.Env(), fd));
}

// eventKind(fd) -> Kind
static Napi::Value EventKind(const Napi::CallbackInfo& info) {
  const int fd = Int(info[0]);
  struct stat file;
  if (fstat(fd, &file) != 0) return ThrowErrno(info.Env(), "fstat", errno);
  Kind kind = kOther;
  if (S_ISFIFO(file.st_mode)) kind = kPipe;
  else if (S_ISSOCK(file.st_mode)) kind = kSocket;
  else if ((file.st_mode & S_IFMT) == 0) {
    constexpr char kName[] = "anon_inode:[eventfd]";
    char name[sizeof kName];
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t n = readlink(path.c_str(), name, sizeof name);
    // Without /proc it is taken for one: each way above says by itself what it cannot do.
    if (n < 0 || (n == sizeof kName - 1 && memcmp(name, kName, n) == 0)) kind = kEventFd;
  }
  return Napi::Number::New(info.Env(), kind);
}

struct Two {
  int32_t fd = -1;
  int32_t kind = kOther;
  Two(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value arguments[2];
    napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
    napi_get_value_int32(env, arguments[0], &fd);
    napi_get_value_int32(env, arguments[1], &kind);
  }
};

// eventFdSignal(fd, kind): adds 1. Where there is no room, the other side is being told already. On the bare C
// interface: every kick and call goes this way.
static napi_value EventFdSignal(napi_env env, napi_callback_info info) {
  const Two what(env, info);
  if (what.fd < 0) return nullptr;
  if (what.kind == kEventFd) TellEventFd(what.fd);
  else if (what.kind == kPipe) TellPipe(what.fd);
  else if (what.kind == kSocket) send(what.fd, &kOne, sizeof kOne, MSG_DONTWAIT | MSG_NOSIGNAL);
  else TellSlowly(what.fd);
  return nullptr;
}

bool DrainEvent(int fd, int kind) {
  if (fd < 0) return false;
  if (kind == kEventFd) return DrainEventFd(fd);
  if (kind == kPipe) return DrainPipe(fd);
  if (kind != kSocket) return DrainSlowly(fd);
  char bytes[4096];
  return recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0;
}

// eventFdDrain(fd, kind) -> true if it had been signalled
static napi_value EventFdDrain(napi_env env, napi_callback_info info) {
  const Two what(env, info);
  napi_value result;
  napi_get_boolean(env, DrainEvent(what.fd, what.kind), &result);
  return result;
}

static void Add(Napi::Env env, Napi::Object exports, const char* name, napi_callback call) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
  exports.Set(name, Napi::Value(env, function));
}

void InitEvent(Napi::Env env, Napi::Object exports) {
  exports.Set("eventFdCreate", Napi::Function::New(env, EventFdCreate));
  exports.Set("eventKind", Napi::Function::New(env, EventKind));
  Add(env, exports, "eventFdSignal", EventFdSignal);
  Add(env, exports, "eventFdDrain", EventFdDrain);
}

}  // namespace vio
