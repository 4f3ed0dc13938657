// Listening on a port of an address. Names are looked up by Node; what is accepted is a stream like any other.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "common.h"

namespace vio {

// An address in figures, as in 127.0.0.1 or fe80::1%eth0. nullptr: it is none.
static struct addrinfo* Resolve(const std::string& address, int port) {
  struct addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  struct addrinfo* found = nullptr;
  return getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) == 0 ? found : nullptr;
}

// tcpListen(address, port, backlog) -> fd
static Napi::Value TcpListen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct addrinfo* where = Resolve(info[0].As<Napi::String>(), Int(info[1]));
  if (where == nullptr) return ThrowErrno(env, "bind", EADDRNOTAVAIL);
  const char* failed = nullptr;
  const int on = 1;
  const int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) failed = "socket";
  // Connections of a process that has ended keep the port for a minute.
  else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) failed = "setsockopt";
  else if (bind(fd, where->ai_addr, where->ai_addrlen) != 0) failed = "bind";
  else if (listen(fd, Int(info[2])) != 0) failed = "listen";
  const int error = errno;
  freeaddrinfo(where);
  if (failed == nullptr) return Napi::Number::New(env, Own(env, fd));
  if (fd >= 0) close(fd);
  return ThrowErrno(env, failed, error);
}

// tcpAddress(fd) -> [address, port], of a socket's own end; undefined when it is of another kind.
static Napi::Value TcpAddress(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct sockaddr_storage name = {};
  socklen_t length = sizeof name;
  if (getsockname(Int(info[0]), reinterpret_cast<struct sockaddr*>(&name), &length) != 0)
    return ThrowErrno(env, "getsockname", errno);
  if (name.ss_family != AF_INET && name.ss_family != AF_INET6) return env.Undefined();
  char address[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<struct sockaddr*>(&name), length, address, sizeof address, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return env.Undefined();
  Napi::Array both = Napi::Array::New(env, 2);
  both.Set(0u, Napi::String::New(env, address));
  both.Set(1u, Napi::Number::New(env, std::stoi(port)));
  return both;
}

void InitTcp(Napi::Env env, Napi::Object exports) {
  exports.Set("tcpListen", Napi::Function::New(env, TcpListen));
  exports.Set("tcpAddress", Napi::Function::New(env, TcpAddress));
}

}  // namespace vio
