// What every file of the addon shares: how errors and fds cross into JavaScript.
#pragma once

#include <napi.h>

#include <cerrno>

namespace vio {

// Failures are thrown as plain errors with `errno` and `syscall`; TypeScript turns them into VioErrors with remedies.
inline Napi::Error ErrnoError(Napi::Env env, const char* syscall, int error) {
  Napi::Error e = Napi::Error::New(env, std::string(syscall) + " failed");
  e.Set("errno", Napi::Number::New(env, error));
  e.Set("syscall", Napi::String::New(env, syscall));
  return e;
}

inline Napi::Value ThrowErrno(Napi::Env env, const char* syscall, int error) {
  ErrnoError(env, syscall, error).ThrowAsJavaScriptException();
  return env.Undefined();
}

// Notes down that an environment owns a descriptor, and closes it when it ends. @returns the descriptor
int Own(napi_env env, int fd);
void Disown(int fd);

inline int Int(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

void InitMemory(Napi::Env env, Napi::Object exports);
void InitArea(Napi::Env env, Napi::Object exports);
void InitBuffer(Napi::Env env, Napi::Object exports);
void InitFaults(Napi::Env env, Napi::Object exports);
void InitOwned(Napi::Env env, Napi::Object exports);
void InitSystem(Napi::Env env, Napi::Object exports);
void InitEvent(Napi::Env env, Napi::Object exports);
void InitEventWait(Napi::Env env, Napi::Object exports);
void InitSocket(Napi::Env env, Napi::Object exports);
void InitListen(Napi::Env env, Napi::Object exports);
void InitTcp(Napi::Env env, Napi::Object exports);
void InitPacket(Napi::Env env, Napi::Object exports);
void InitWatch(Napi::Env env, Napi::Object exports);
void InitEpollWatch(Napi::Env env, Napi::Object exports);
void InitDevice(Napi::Env env, Napi::Object exports);
void InitMmio(Napi::Env env, Napi::Object exports);
void InitGather(Napi::Env env, Napi::Object exports);

// Kernels do without node-addon-api, see kernels/js.h.
void InitCopy(napi_env env, napi_value exports);
void InitCopyThread(napi_env env, napi_value exports);
void InitDriver(napi_env env, napi_value exports);

}  // namespace vio
