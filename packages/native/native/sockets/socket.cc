// Unix stream sockets, non-blocking and close-on-exec, with file descriptors as passengers.
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include "common.h"
#include "sockets/socket.h"

namespace vio {

constexpr int kMaxFdsSent = 253;  // SCM_MAX_FD of the kernel
constexpr int kMaxFdsReceived = 64;  // more than any message of ours has; the kernel closes what does not fit

// socketConnect(path) -> fd. A full backlog is EAGAIN: try again later.
static Napi::Value SocketConnect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct sockaddr_un address;
  if (!SocketAddress(info[0].As<Napi::String>(), &address)) return ThrowErrno(env, "connect", ENAMETOOLONG);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ThrowErrno(env, "socket", errno);
  if (connect(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0) {
    return Napi::Number::New(env, Own(env, fd));
  }
  const int error = errno;
  close(fd);
  return ThrowErrno(env, "connect", error);
}

// A descriptor in reserve: with none left, a connection could neither be served nor be told so.
static std::mutex reserve_guard;
static int reserve = -1;

static void FillReserve() {
  if (reserve < 0) reserve = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

// Takes the connection that waits longest and closes it: its peer need not wait for what will not come.
static void Refuse(int listener) {
  const std::lock_guard<std::mutex> lock(reserve_guard);
  if (reserve < 0) return FillReserve();
  close(reserve);
  reserve = -1;
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) close(fd);
  FillReserve();
}

// socketAccept(fd) -> fd, or -1 when nobody is waiting. Out of descriptors, the connection is refused, and EMFILE says so.
static Napi::Value SocketAccept(const Napi::CallbackInfo& info) {
  const int listener = Int(info[0]);
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
    const int error = errno;
    if (error == EMFILE || error == ENFILE) Refuse(listener);
    return ThrowErrno(info.Env(), "accept4", error);
  }
  return Napi::Number::New(info.Env(), Own(info.Env(), fd));
}

// socketPair() -> [fd, fd]
static Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return ThrowErrno(info.Env(), "socketpair", errno);
  }
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, Napi::Number::New(info.Env(), Own(info.Env(), fds[0])));
  pair.Set(1u, Napi::Number::New(info.Env(), Own(info.Env(), fds[1])));
  return pair;
}

// socketSend(fd, bytes, fds) -> bytes taken, -1 when there is no room now. fds travel with the first byte.
static Napi::Value SocketSend(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto bytes = info[1].As<Napi::Uint8Array>();
  auto fds = info[2].As<Napi::Array>();
  if (fds.Length() > kMaxFdsSent) return ThrowErrno(env, "sendmsg", EINVAL);
  struct iovec part = {bytes.Data(), bytes.ByteLength()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxFdsSent * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fds.Length() > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.Length() * sizeof(int));
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.Length() * sizeof(int));
    for (uint32_t i = 0; i < fds.Length(); i++) {
      const int fd = Int(fds.Get(i));
      memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  const ssize_t n = sendmsg(Int(info[0]), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return ThrowErrno(env, "sendmsg", errno);
  return Napi::Number::New(env, static_cast<double>(n));
}

// socketReceive(fd, bytes, fdsOut) -> bytes, 0 when the peer closed, -1 when nothing is there, and -2 - bytes when
// fds were lost because the message carried too many. Received fds are appended to fdsOut. When this process has no room
// for them, EMFILE is thrown and everything stays in the socket: the bytes are looked at first, and taken only after.
static Napi::Value SocketReceive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int socket = Int(info[0]);
  auto bytes = info[1].As<Napi::Uint8Array>();
  auto out = info[2].As<Napi::Array>();
  struct iovec part = {bytes.Data(), bytes.ByteLength()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxFdsReceived * sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = recvmsg(socket, &message, MSG_PEEK | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return Napi::Number::New(env, -1);
    return ThrowErrno(env, "recvmsg", errno);
  }
  int fds[kMaxFdsReceived];
  size_t count = 0;
  for (struct cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(h), count * sizeof(int));
  }
  const bool lost = (message.msg_flags & MSG_CTRUNC) != 0;
  if (lost && count < kMaxFdsReceived) {
    for (size_t i = 0; i < count; i++) close(fds[i]);
    return ThrowErrno(env, "recvmsg", EMFILE);
  }
  // The same bytes once more, without the descriptors, which are here already. Those of the bytes that follow are peeked at
  // too when these end where a message does: the kernel says here whether any came with what it took.
  struct iovec same = {bytes.Data(), static_cast<size_t>(n)};
  struct msghdr taken = {};
  taken.msg_iov = &same;
  taken.msg_iovlen = 1;
  if (n > 0) n = recvmsg(socket, &taken, MSG_DONTWAIT);
  const int error = errno;
  const bool theirs = n < 0 || (taken.msg_flags & MSG_CTRUNC) == 0;
  for (size_t i = 0; i < count; i++) {
    if (theirs) close(fds[i]);
    else out.Set(out.Length(), Napi::Number::New(env, Own(env, fds[i])));
  }
  if (n < 0) return ThrowErrno(env, "recvmsg", error);
  return Napi::Number::New(env, static_cast<double>(lost && !theirs ? -2 - n : n));
}

// socketReceivePlain(fd, bytes) -> bytes, all of which came without descriptors; 0 when socketReceive has to look (descriptors, the
// peer's close, an error), -1 when nothing is there. The look has no room for descriptors, so that none is made: the kernel says
// whether there were any.
static Napi::Value SocketReceivePlain(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int socket = Int(info[0]);
  auto bytes = info[1].As<Napi::Uint8Array>();
  struct iovec part = {bytes.Data(), bytes.ByteLength()};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t n = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Napi::Number::New(env, -1);
  if (n <= 0 || (message.msg_flags & MSG_CTRUNC) != 0) return Napi::Number::New(env, 0);
  // What was looked at is the head of the stream, and stays that: the same bytes are taken.
  n = recv(socket, bytes.Data(), static_cast<size_t>(n), MSG_DONTWAIT);
  return Napi::Number::New(env, n < 0 ? 0 : static_cast<double>(n));
}

void InitSocket(Napi::Env env, Napi::Object exports) {
  {
    const std::lock_guard<std::mutex> lock(reserve_guard);
    FillReserve();
  }
  exports.Set("socketConnect", Napi::Function::New(env, SocketConnect));
  exports.Set("socketAccept", Napi::Function::New(env, SocketAccept));
  exports.Set("socketPair", Napi::Function::New(env, SocketPair));
  exports.Set("socketSend", Napi::Function::New(env, SocketSend));
  exports.Set("socketReceive", Napi::Function::New(env, SocketReceive));
  exports.Set("socketReceivePlain", Napi::Function::New(env, SocketReceivePlain));
}

}  // namespace vio
