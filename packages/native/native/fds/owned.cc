// Which environment (the main thread, or a worker) owns a descriptor. A worker that is terminated runs no JavaScript any
// more, so nobody closes what it held; its cleanup hook does.
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>

#include "common.h"

namespace vio {

namespace {

// The file behind a descriptor when it was noted down: a number that was closed behind our back may be another's by now.
struct Owned {
  napi_env env;
  dev_t device;
  ino_t inode;
};

std::mutex guard;
std::unordered_map<int, Owned>& Table() {
  static auto* table = new std::unordered_map<int, Owned>();  // outlives every environment
  return *table;
}

void CloseAllOf(void* data) {
  const auto env = static_cast<napi_env>(data);
  const std::lock_guard<std::mutex> lock(guard);
  for (auto entry = Table().begin(); entry != Table().end();) {
    if (entry->second.env != env) {
      ++entry;
      continue;
    }
    struct stat now;
    if (fstat(entry->first, &now) == 0 && now.st_dev == entry->second.device && now.st_ino == entry->second.inode) {
      close(entry->first);
    }
    entry = Table().erase(entry);
  }
}

}  // namespace

int Own(napi_env env, int fd) {
  struct stat file;
  if (fd < 0 || fstat(fd, &file) != 0) return fd;
  const std::lock_guard<std::mutex> lock(guard);
  Table()[fd] = {env, file.st_dev, file.st_ino};
  return fd;
}

void Disown(int fd) {
  const std::lock_guard<std::mutex> lock(guard);
  Table().erase(fd);
}

// ownFd(fd): this environment closes it when it ends, if nobody did before.
static Napi::Value OwnFd(const Napi::CallbackInfo& info) {
  Own(info.Env(), Int(info[0]));
  return info.Env().Undefined();
}

static Napi::Value DisownFd(const Napi::CallbackInfo& info) {
  Disown(Int(info[0]));
  return info.Env().Undefined();
}

static Napi::Value CloseFd(const Napi::CallbackInfo& info) {
  const int fd = Int(info[0]);
  Disown(fd);  // before: from the moment it is closed, another thread may get the number
  if (close(fd) != 0 && errno != EINTR) return ThrowErrno(info.Env(), "close", errno);
  return info.Env().Undefined();
}

void InitOwned(Napi::Env env, Napi::Object exports) {
  napi_add_env_cleanup_hook(env, CloseAllOf, static_cast<napi_env>(env));
  exports.Set("ownFd", Napi::Function::New(env, OwnFd));
  exports.Set("disownFd", Napi::Function::New(env, DisownFd));
  exports.Set("closeFd", Napi::Function::New(env, CloseFd));
}

}  // namespace vio
