// Burst copies between mappings: one call for all the copies of a burst.
#include "kernels/copy_engine.h"

namespace vio {

constexpr int kAhead = 4;

static int32_t RunCopies(const Engine* engine, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    const int32_t* op = engine->ops + i * 5;
    if (i + kAhead < count) {
      const int32_t* next = op + kAhead * 5;
      uint8_t* at;
      if (Inside(engine, next[0], next[1], 0, &at)) __builtin_prefetch(at);
      if (Inside(engine, next[2], next[3], 0, &at)) __builtin_prefetch(at, 1);
    }
    uint8_t* from;
    uint8_t* to;
    if (!Inside(engine, op[0], op[1], op[4], &from) || !Inside(engine, op[2], op[3], op[4], &to)) return i;
    Copy(to, from, op[4]);
  }
  return count;
}

// The hot call, on the bare C interface: one argument, no objects. -> index of the first bad op, or count.
static napi_value Run(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument;
  void* data;
  int32_t count = 0;
  napi_get_cb_info(env, info, &argc, &argument, nullptr, &data);
  napi_get_value_int32(env, argument, &count);
  const auto* engine = static_cast<const Engine*>(data);
  if (count > engine->capacity) count = engine->capacity;
  napi_value result;
  napi_create_int32(env, RunCopies(engine, count), &result);
  return result;
}

// register(buffer, byteOffset, byteLength) -> handle; the caller checked that the buffer has this part.
static js::Value Register(const js::CallbackInfo& info) {
  auto* engine = static_cast<Engine*>(info.Data());
  auto buffer = info[0].As<js::ArrayBuffer>();
  size_t slot = 0;
  while (slot < engine->targets.size() && engine->targets[slot].base != nullptr) slot++;
  if (slot == engine->targets.size()) engine->targets.emplace_back();
  Target& target = engine->targets[slot];
  target.base = static_cast<uint8_t*>(buffer.Data()) + info[1].As<js::Number>().Int64Value();
  target.size = info[2].As<js::Number>().Int64Value();
  target.keep = js::Persistent(buffer);
  return js::Number::New(info.Env(), static_cast<double>(slot));
}

static void Unregister(const js::CallbackInfo& info) {
  auto* engine = static_cast<Engine*>(info.Data());
  const int handle = Int(info[0]);
  if (handle < 0 || static_cast<size_t>(handle) >= engine->targets.size()) return;
  engine->targets[handle] = Target();
}

// createCopyEngine(ops: Int32Array) -> { run, register, unregister, singles, chains, notes }
static js::Value CreateCopyEngine(const js::CallbackInfo& info) {
  js::Env env = info.Env();
  auto ops = info[0].As<js::Int32Array>();
  auto* engine = new Engine;
  engine->ops = ops.Data();
  engine->capacity = static_cast<int32_t>(ops.ElementLength() / 5);
  engine->keep = js::Persistent(ops);
  // The functions share the engine; each keeps the object alive that frees it.
  auto owner = js::External<Engine>::New(env, engine);
  js::Object result = js::Object::New(env);
  const auto add = [&](const char* name, js::Function function) {
    function.Set("owner", owner);
    result.Set(name, function);
  };
  add("run", js::Function::Bare(env, "run", Run, engine));
  add("register", js::Function::New<Register>(env, "register", engine));
  add("unregister", js::Function::New<Unregister>(env, "unregister", engine));
  add("singles", js::Function::New<CreateSingles>(env, "singles", engine));
  add("chains", js::Function::New<CreateChains>(env, "chains", engine));
  add("notes", js::Function::New<CreateNotes>(env, "notes", engine));
  return result;
}

void InitCopy(napi_env env, napi_value exports) { js::Export<CreateCopyEngine>(env, exports, "createCopyEngine"); }

}  // namespace vio
