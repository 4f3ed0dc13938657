// The module: one object with one function per system call or kernel; every file adds its own.
#include "common.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  vio::InitMemory(env, exports);
  vio::InitArea(env, exports);
  vio::InitBuffer(env, exports);
  vio::InitFaults(env, exports);
  vio::InitOwned(env, exports);
  vio::InitSystem(env, exports);
  vio::InitEvent(env, exports);
  vio::InitEventWait(env, exports);
  vio::InitSocket(env, exports);
  vio::InitListen(env, exports);
  vio::InitTcp(env, exports);
  vio::InitPacket(env, exports);
  vio::InitWatch(env, exports);
  vio::InitEpollWatch(env, exports);
  vio::InitCopy(env, exports);
  vio::InitDevice(env, exports);
  vio::InitMmio(env, exports);
  vio::InitGather(env, exports);
  vio::InitCopyThread(env, exports);
  vio::InitDriver(env, exports);
  return exports;
}

NODE_API_MODULE(vio_native, Init)
