// Unix stream sockets, non-blocking and close-on-exec, with file descriptors as passengers.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "common.h"

namespace vio {

constexpr int kMaxFdsSent = 253;  // SCM_MAX_FD of the kernel
constexpr int kMaxFdsReceived = 64;  // more than any message of ours has; the kernel closes what does not fit

static bool Address(const std::string& path, struct sockaddr_un* address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof address->sun_path) return false;
  memcpy(address->sun_path, path.data(), path.size());
  return true;
}

// socketListen(path, backlog, mode) -> fd. mode (-1: as the umask says) holds from the moment the file exists.
static Napi::Value SocketListen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct sockaddr_un address;
  if (!Address(info[0].As<Napi::String>(), &address)) return ThrowErrno(env, "bind", ENAMETOOLONG);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ThrowErrno(env, "socket", errno);
  const int mode = Int(info[2]);
  const char* syscall = "fchmod";
  if (mode < 0 || fchmod(fd, static_cast<mode_t>(mode)) == 0) {
    syscall = "bind";
    if (bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0) {
      syscall = "listen";
      if (listen(fd, Int(info[1])) == 0) return Napi::Number::New(env, fd);
    }
  }
  const int error = errno;
  close(fd);
  return ThrowErrno(env, syscall, error);
}

// socketConnect(path) -> fd. A full backlog is EAGAIN: try again later.
static Napi::Value SocketConnect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct sockaddr_un address;
  if (!Address(info[0].As<Napi::String>(), &address)) return ThrowErrno(env, "connect", ENAMETOOLONG);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ThrowErrno(env, "socket", errno);
  if (connect(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0) {
    return Napi::Number::New(env, fd);
  }
  const int error = errno;
  close(fd);
  return ThrowErrno(env, "connect", error);
}

// socketAccept(fd) -> fd, or -1 when nobody is waiting
static Napi::Value SocketAccept(const Napi::CallbackInfo& info) {
  const int fd = accept4(Int(info[0]), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
    return ThrowErrno(info.Env(), "accept4", errno);
  }
  return Napi::Number::New(info.Env(), fd);
}

// socketPair() -> [fd, fd]
static Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return ThrowErrno(info.Env(), "socketpair", errno);
  }
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, Napi::Number::New(info.Env(), fds[0]));
  pair.Set(1u, Napi::Number::New(info.Env(), fds[1]));
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
// fds were lost because the message carried too many. Received fds are appended to fdsOut.
static Napi::Value SocketReceive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto bytes = info[1].As<Napi::Uint8Array>();
  auto out = info[2].As<Napi::Array>();
  struct iovec part = {bytes.Data(), bytes.ByteLength()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxFdsReceived * sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(Int(info[0]), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return Napi::Number::New(env, -1);
    return ThrowErrno(env, "recvmsg", errno);
  }
  for (struct cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
      out.Set(out.Length(), Napi::Number::New(env, fd));
    }
  }
  const bool lost = (message.msg_flags & MSG_CTRUNC) != 0;
  return Napi::Number::New(env, static_cast<double>(lost ? -2 - n : n));
}

void InitSocket(Napi::Env env, Napi::Object exports) {
  exports.Set("socketListen", Napi::Function::New(env, SocketListen));
  exports.Set("socketConnect", Napi::Function::New(env, SocketConnect));
  exports.Set("socketAccept", Napi::Function::New(env, SocketAccept));
  exports.Set("socketPair", Napi::Function::New(env, SocketPair));
  exports.Set("socketSend", Napi::Function::New(env, SocketSend));
  exports.Set("socketReceive", Napi::Function::New(env, SocketReceive));
}

}  // namespace vio
