// Readiness of an fd on Node's own event loop (uv_poll).
//
// The few libuv calls are declared here: Node exports them, and their ABI is fixed for all of libuv 1.x. So the build
// needs no libuv headers. Handles are allocated by the size libuv reports.
#include <cstdlib>

#include "common.h"
#include "fds/event.h"

extern "C" {
struct uv_loop_s;
using uv_handle = void;
using uv_poll_callback = void (*)(uv_handle*, int status, int events);
size_t uv_handle_size(int type);
int uv_poll_init(uv_loop_s*, uv_handle*, int fd);
int uv_poll_start(uv_handle*, int events, uv_poll_callback);
void uv_close(uv_handle*, void (*)(uv_handle*));
void uv_ref(uv_handle*);
void uv_unref(uv_handle*);
void* uv_handle_get_data(const uv_handle*);
void uv_handle_set_data(uv_handle*, void*);
}

namespace vio {

constexpr int kUvPoll = 8;  // UV_POLL in uv_handle_type
constexpr int kPollReadable = 1;
constexpr int kPollWritable = 2;
constexpr int kPollDisconnect = 4;

// Lives until libuv has closed the handle. JavaScript holds it as an External and closes it explicitly. An
// environment that ends (a worker) closes what is left by the cleanup hook, and waits for it: its loop is gone after.
struct Watcher {
  napi_env env;
  uv_handle* handle;
  Napi::FunctionReference callback;
  Napi::AsyncContext* context;
  napi_async_cleanup_hook_handle hook = nullptr;
  bool closing = false;
  // What is drained before the callback; -1: nothing.
  int fd = -1;
  int kind = -1;
  bool late = false;  // an eventfd that the callback drains
};

static void OnClosed(uv_handle* handle) {
  auto* watcher = static_cast<Watcher*>(uv_handle_get_data(handle));
  if (watcher->hook != nullptr) napi_remove_async_cleanup_hook(watcher->hook);
  free(handle);
  delete watcher;
}

static void CloseWatcher(Watcher* watcher) {
  if (watcher->closing) return;
  watcher->closing = true;
  watcher->callback.Reset();
  delete watcher->context;
  uv_close(watcher->handle, OnClosed);
}

static void OnReady(uv_handle* handle, int status, int events) {
  auto* watcher = static_cast<Watcher*>(uv_handle_get_data(handle));
  if (watcher->closing) return;
  Napi::Env env(watcher->env);
  Napi::HandleScope scope(env);
  // An error of the poll itself (EBADF) is a hangup for whoever listens.
  int what = status < 0 ? kPollDisconnect : events;
  const bool left = watcher->late && what == kPollReadable;
  if (watcher->kind >= 0 && !left) what = DrainEvent(watcher->fd, watcher->kind) ? kPollReadable : kPollDisconnect;
  try {
    watcher->callback.MakeCallback(env.Global(), {Napi::Number::New(env, what)}, *watcher->context);
  } catch (const Napi::Error& error) {
    // As any exception in a callback of the event loop: it becomes an uncaughtException.
    napi_fatal_exception(env, error.Value());
  }
}

// watch(fd, events, callback(events), kind) -> watcher. events: 1 readable, 2 writable, 4 hangup. kind: of an event, which is drained
// before the callback, that hears 1 if there was something, else 4; -1 of what the callback reads itself.
static Napi::Value WatchFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  uv_handle* handle = malloc(uv_handle_size(kUvPoll));
  int error = uv_poll_init(loop, handle, Int(info[0]));
  if (error != 0) {
    free(handle);
    return ThrowErrno(env, "uv_poll_init", -error);
  }
  auto* watcher = new Watcher{env, handle, Napi::Persistent(info[2].As<Napi::Function>()),
                              new Napi::AsyncContext(env, "VioFdWatcher")};
  watcher->fd = Int(info[0]);
  watcher->kind = Int(info[3]);
  uv_handle_set_data(handle, watcher);
  error = uv_poll_start(handle, Int(info[1]), OnReady);
  if (error != 0) {
    CloseWatcher(watcher);
    return ThrowErrno(env, "uv_poll_start", -error);
  }
  const auto end = [](napi_async_cleanup_hook_handle, void* data) { CloseWatcher(static_cast<Watcher*>(data)); };
  napi_add_async_cleanup_hook(env, end, watcher, &watcher->hook);
  return Napi::External<Watcher>::New(env, watcher);
}

static Watcher* GetWatcher(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<Watcher>>().Data(); }

static void UnwatchFd(const Napi::CallbackInfo& info) { CloseWatcher(GetWatcher(info)); }

static void WatcherRef(const Napi::CallbackInfo& info) {
  if (info[1].ToBoolean()) uv_ref(GetWatcher(info)->handle);
  else uv_unref(GetWatcher(info)->handle);
}

// late(watcher, whether): the callback sees to it that an eventfd is drained before the event loop polls again
static void WatcherLate(const Napi::CallbackInfo& info) {
  Watcher* watcher = GetWatcher(info);
  watcher->late = watcher->kind == kEventFd && info[1].ToBoolean();
}

void InitWatch(Napi::Env env, Napi::Object exports) {
  Napi::Object engine = Napi::Object::New(env);
  engine.Set("watch", Napi::Function::New(env, WatchFd));
  engine.Set("unwatch", Napi::Function::New(env, UnwatchFd));
  engine.Set("reference", Napi::Function::New(env, WatcherRef));
  engine.Set("late", Napi::Function::New(env, WatcherLate));
  exports.Set("loopWatch", engine);
}

}  // namespace vio
