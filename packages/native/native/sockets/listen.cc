// Listening on a path: one winner among those who begin at once, and rights that nobody can turn to another file.
//
// All of it happens under a lock on the directory. So a socket file on which nobody listens really is stale, not one whose
// owner is between bind and listen, and between the look at it and its removal nobody puts another one there. Who cannot
// have the lock (a directory that may not be read, somebody who sits on it) does without.
//
// chmod and chown of a path that others may replace would change what they put there. A socket with an owner or a mode is
// made in a directory that only this user may enter, and is given its name last.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "common.h"
#include "sockets/socket.h"

namespace vio {

namespace {

constexpr int kLockTries = 100;  // a millisecond each; those who listen hold it for microseconds
constexpr unsigned kRenameNoReplace = 1;  // RENAME_NOREPLACE

struct Request {
  std::string path;
  int backlog;
  int mode;  // -1: as the umask says
  uid_t uid;  // -1: this process's
  gid_t gid;
};

// What became of it: a descriptor, or the call that failed.
struct Listening {
  int fd = -1;
  const char* syscall = nullptr;
  int error = 0;
  struct stat file = {};
};

Listening Failed(const char* syscall, int fd = -1) {
  Listening failed;
  failed.syscall = syscall;
  failed.error = errno;
  if (fd >= 0) close(fd);
  return failed;
}

// The directory of the socket, locked if possible, and the name in it.
class Directory {
 public:
  explicit Directory(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
    name = slash == std::string::npos ? path : path.substr(slash + 1);
    fd = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) fd = open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    for (int i = 0; i < kLockTries && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; i++) usleep(1000);
  }
  ~Directory() {
    if (fd >= 0) close(fd);  // and with it the lock
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  int fd;
  std::string name;
};

// @returns 0, or -1 with errno
int Bind(int fd, const std::string& path) {
  struct sockaddr_un address;
  if (!SocketAddress(path, &address)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address);
}

int NewSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

Listening ListenAt(const Request& request, const Directory& directory) {
  const int fd = NewSocket();
  if (fd < 0) return Failed("socket");
  if (Bind(fd, request.path) != 0) return Failed("bind", fd);
  Listening made;
  made.fd = fd;
  if (listen(fd, request.backlog) != 0) return Failed("listen", fd);
  fstatat(directory.fd, directory.name.c_str(), &made.file, AT_SYMLINK_NOFOLLOW);
  return made;
}

// Gives what is in the private directory its place; never over something that is there.
int Publish(int from, const Directory& to) {
  if (syscall(SYS_renameat2, from, "socket", to.fd, to.name.c_str(), kRenameNoReplace) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;  // file systems that have no such rename have links
  return linkat(from, "socket", to.fd, to.name.c_str(), 0);
}

// In a directory of ours, opened as `fd`.
Listening ListenWithin(int directory, const Request& request, const Directory& to) {
  const int fd = NewSocket();
  if (fd < 0) return Failed("socket");
  if (Bind(fd, "/proc/self/fd/" + std::to_string(directory) + "/socket") != 0) return Failed("bind", fd);
  if (request.mode >= 0 && fchmodat(directory, "socket", static_cast<mode_t>(request.mode), 0) != 0)
    return Failed("chmod", fd);
  if (fchownat(directory, "socket", request.uid, request.gid, AT_SYMLINK_NOFOLLOW) != 0) return Failed("chown", fd);
  if (listen(fd, request.backlog) != 0) return Failed("listen", fd);
  Listening made;
  made.fd = fd;
  if (fstatat(directory, "socket", &made.file, AT_SYMLINK_NOFOLLOW) != 0) return Failed("stat", fd);
  if (Publish(directory, to) != 0) {
    if (errno == EEXIST) errno = EADDRINUSE;
    return Failed("bind", fd);
  }
  return made;
}

Listening ListenWithRights(const Request& request, const Directory& to) {
  char name[32];
  uint64_t random;
  do {
    if (getrandom(&random, sizeof random, 0) != sizeof random) return Failed("getrandom");
    snprintf(name, sizeof name, ".vio-%016llx", static_cast<unsigned long long>(random));
  } while (mkdirat(to.fd, name, 0700) != 0 && errno == EEXIST);
  const int own = openat(to.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (own < 0) return Failed("mkdir");
  struct stat made;
  Listening result;
  // Somebody may have put another directory in its place.
  if (fstat(own, &made) != 0 || made.st_uid != geteuid() || (made.st_mode & 0077) != 0) {
    errno = EACCES;
    result = Failed("mkdir");
  } else {
    result = ListenWithin(own, request, to);
    unlinkat(own, "socket", 0);
  }
  close(own);
  unlinkat(to.fd, name, AT_REMOVEDIR);
  return result;
}

// Removes a socket file on which nobody listens. @returns false when something else is there
bool RemoveStale(const Request& request, const Directory& directory) {
  struct stat found;
  if (fstatat(directory.fd, directory.name.c_str(), &found, 0) != 0 || !S_ISSOCK(found.st_mode)) return false;
  struct sockaddr_un address;
  const int probe = NewSocket();
  if (probe < 0 || !SocketAddress(request.path, &address)) return false;
  const bool refused = connect(probe, reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0 &&
                       errno == ECONNREFUSED;
  close(probe);
  return refused && unlinkat(directory.fd, directory.name.c_str(), 0) == 0;
}

Listening Listen(const Request& request) {
  const Directory directory(request.path);
  const bool rights = request.mode >= 0 || request.uid != static_cast<uid_t>(-1) || request.gid != static_cast<gid_t>(-1);
  if (directory.fd < 0) return Failed("bind");
  const auto attempt = [&] { return rights ? ListenWithRights(request, directory) : ListenAt(request, directory); };
  const Listening first = attempt();
  if (first.error != EADDRINUSE || !RemoveStale(request, directory)) return first;
  return attempt();
}

}  // namespace

// socketListen(path, backlog, mode, uid, gid) -> { fd, device, inode }, the last two of the socket file.
static Napi::Value SocketListen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto id = [&](size_t i) { return static_cast<uint32_t>(info[i].As<Napi::Number>().Int64Value()); };
  const Listening made = Listen({info[0].As<Napi::String>(), Int(info[1]), Int(info[2]), id(3), id(4)});
  if (made.fd < 0) return ThrowErrno(env, made.syscall, made.error);
  Napi::Object result = Napi::Object::New(env);
  result.Set("fd", Napi::Number::New(env, Own(env, made.fd)));
  result.Set("device", Napi::Number::New(env, static_cast<double>(made.file.st_dev)));
  result.Set("inode", Napi::Number::New(env, static_cast<double>(made.file.st_ino)));
  return result;
}

void InitListen(Napi::Env env, Napi::Object exports) {
  exports.Set("socketListen", Napi::Function::New(env, SocketListen));
}

}  // namespace vio
